package supmer_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"testing"

	supmer "supmer/bindings/go"
)

func TestABundleIsAStart(t *testing.T) {
	file := bundleFile(t, 3, 32)
	path := t.TempDir() + "/start.supmer"
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := supmer.LoadBundle(path)
	closing(t, loaded, err)
	parsed, err := supmer.LoadBundleBytes(file)
	closing(t, parsed, err)
	model := openModel(t)
	plain := contents(t, adapt(t, model, &supmer.AdaptOptions{Steps: 2, PromptLength: 3}))
	var adapters [][]byte
	for _, bundle := range []*supmer.Bundle{loaded, parsed} {
		metadata, err := bundle.Metadata()
		var parsed struct {
			PromptLength int `json:"prompt_length"`
			Width        int
		}
		if err != nil || json.Unmarshal(metadata, &parsed) != nil || parsed.PromptLength != 3 || parsed.Width != 32 {
			t.Errorf("%s, %v", metadata, err)
		}
		if err := bundle.Check(model); err != nil {
			t.Error(err)
		}
		adapters = append(adapters, contents(t, adapt(t, model, &supmer.AdaptOptions{Steps: 2, Bundle: bundle})))
	}
	if !bytes.Equal(adapters[0], adapters[1]) || bytes.Equal(adapters[0], plain) {
		t.Error("the bundle's prompt was not the start")
	}
}

func TestASavedBundleIsTheSame(t *testing.T) {
	bundle, err := supmer.LoadBundleBytes(bundleFile(t, 3, 32))
	closing(t, bundle, err)
	path := t.TempDir() + "/copy.supmer"
	if err := bundle.Save(path); err != nil {
		t.Fatal(err)
	}
	again, err := supmer.LoadBundle(path)
	closing(t, again, err)
	first, errFirst := bundle.Metadata()
	second, errSecond := again.Metadata()
	if errFirst != nil || errSecond != nil || !bytes.Equal(first, second) {
		t.Errorf("%s, %v is not %s, %v", second, errSecond, first, errFirst)
	}
	if err := bundle.Save("/no/such/folder/copy.supmer"); !errors.Is(err, supmer.ErrNotFound) {
		t.Error(err)
	}
}

func TestABundleOfAnotherFamilyIsRefused(t *testing.T) {
	bundle, err := supmer.LoadBundleBytes(bundleFile(t, 3, 16))
	closing(t, bundle, err)
	model := openModel(t)
	_, _, adapted := model.Adapt(ctx, newTask(t), &supmer.AdaptOptions{Bundle: bundle})
	for _, err := range []error{bundle.Check(model), adapted} {
		if !errors.Is(err, supmer.ErrBackboneMismatch) {
			t.Error(err)
		}
	}
	bundle.Close()
	if err := bundle.Check(model); !errors.Is(err, supmer.ErrClosed) {
		t.Error(err)
	}
	if _, err := bundle.Metadata(); !errors.Is(err, supmer.ErrClosed) {
		t.Error(err)
	}
}

// bundleFile makes a bundle without a regularizer: safetensors with a prompt of ones and a manifest.
func bundleFile(t *testing.T, rows, width int) []byte {
	t.Helper()
	manifest, err := json.Marshal(map[string]any{
		"format": "supmer-bundle", "version": 1, "prompt_length": rows, "regularizer": nil, "recipe": nil,
	})
	if err != nil {
		t.Fatal(err)
	}
	header, err := json.Marshal(map[string]any{
		"__metadata__": map[string]string{"supmer": string(manifest)},
		"theta": map[string]any{
			"dtype": "F32", "shape": []int{rows, width}, "data_offsets": []int{0, 4 * rows * width},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for len(header)%8 != 0 {
		header = append(header, ' ')
	}
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	file = append(file, header...)
	for range rows * width {
		file = append(file, 0, 0, 128, 63) // 1.0
	}
	return file
}
