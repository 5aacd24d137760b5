package supmer_test

import (
	"strings"
	"testing"

	supmer "supmer/bindings/go"
)

func TestTheLibraryTellsWhatItIs(t *testing.T) {
	if !strings.HasPrefix(supmer.Version(), "0.") {
		t.Errorf("version %q", supmer.Version())
	}
	if !supmer.HasFeature("gguf") || supmer.HasFeature("telepathy") {
		t.Error("features")
	}
	for _, formats := range []func() (uint32, uint32){supmer.BundleFormats, supmer.AdapterFormats} {
		if oldest, newest := formats(); oldest == 0 || oldest > newest {
			t.Errorf("formats %d to %d", oldest, newest)
		}
	}
}
