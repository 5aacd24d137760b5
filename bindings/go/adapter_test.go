package supmer_test

import (
	"bytes"
	"reflect"
	"testing"

	supmer "supmer/bindings/go"
)

func TestAnAdapterGoesThroughFilesAndBytesUnchanged(t *testing.T) {
	model := openModel(t)
	made := adapt(t, model, &supmer.AdaptOptions{Steps: 2, Seed: 5})
	path := t.TempDir() + "/weather.supmer"
	if err := made.Save(path); err != nil {
		t.Fatal(err)
	}
	file := read(t, path)
	contents, err := made.Bytes()
	if err != nil || !bytes.Equal(contents, file) {
		t.Fatalf("%d bytes, the file has %d: %v", len(contents), len(file), err)
	}
	loaded, err := supmer.LoadAdapter(path)
	closing(t, loaded, err)
	parsed, err := supmer.LoadAdapterBytes(contents)
	closing(t, parsed, err)
	for i := range contents {
		contents[i] = 0 // the library has copied
	}
	expected, err := model.Predict(ctx, made, "good and warm", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, adapter := range []*supmer.Adapter{loaded, parsed} {
		if prediction, err := model.Predict(ctx, adapter, "good and warm", nil); err != nil ||
			!reflect.DeepEqual(prediction, expected) {
			t.Errorf("%v instead of %v: %v", prediction, expected, err)
		}
		if names := adapter.Labels(); !reflect.DeepEqual(names, []string{"bad", "good"}) {
			t.Errorf("labels %q", names)
		}
	}
	made.Labels()[0] = "changed"
	if made.Labels()[0] != "bad" {
		t.Error("the labels can be changed")
	}
}
