package supmer_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	supmer "supmer/bindings/go"
)

func TestAModelFromMemoryIsTheModelFromFiles(t *testing.T) {
	gguf := fixtures + "/gguf/tiny-f16.gguf"
	loaders := map[string][2]func(*supmer.ModelOptions) (*supmer.Model, error){
		"folder": {
			func(o *supmer.ModelOptions) (*supmer.Model, error) { return supmer.LoadModel(ctx, modelDir, o) },
			func(o *supmer.ModelOptions) (*supmer.Model, error) {
				return supmer.LoadModelFiles(ctx, modelFiles(t), o)
			},
		},
		"gguf": {
			func(o *supmer.ModelOptions) (*supmer.Model, error) { return supmer.LoadModel(ctx, gguf, o) },
			func(o *supmer.ModelOptions) (*supmer.Model, error) {
				return supmer.LoadModelBytes(ctx, read(t, gguf), o)
			},
		},
	}
	for name, pair := range loaders {
		var fingerprints [2]string
		var adapters [2][]byte
		for i, load := range pair {
			model, err := load(&supmer.ModelOptions{ThreadCount: 1, PromptCacheBytes: 1})
			closing(t, model, err)
			fingerprint, err := model.Fingerprint()
			if err != nil || !json.Valid(fingerprint) {
				t.Fatalf("%s: %s, %v", name, fingerprint, err)
			}
			fingerprints[i] = string(fingerprint)
			if adapters[i], err = adapt(t, model, &supmer.AdaptOptions{Steps: 2}).Bytes(); err != nil {
				t.Fatal(err)
			}
		}
		if fingerprints[0] != fingerprints[1] || !reflect.DeepEqual(adapters[0], adapters[1]) {
			t.Errorf("%s: %s and %s", name, fingerprints[0], fingerprints[1])
		}
	}
}

func TestModelFilesThatAreNoModel(t *testing.T) {
	for name, files := range map[string]map[string][]byte{
		"nothing":        nil,
		"nameless":       {"": []byte("x")},
		"empty contents": {"config.json": {}},
	} {
		var failure *supmer.Error
		if _, err := supmer.LoadModelFiles(ctx, files, nil); !errors.As(err, &failure) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLoadingTellsItsProgressAndCanBeStopped(t *testing.T) {
	var told []supmer.Progress
	observe := func(progress supmer.Progress) error {
		told = append(told, progress)
		return nil
	}
	model, err := supmer.LoadModel(ctx, modelDir, &supmer.ModelOptions{Progress: observe})
	closing(t, model, err)
	if len(told) == 0 {
		t.Fatal("nothing was told")
	}
	last := told[len(told)-1]
	if last.Stage != supmer.StageLoad || last.Done != last.Total || last.Total == 0 {
		t.Errorf("at the end %+v", last)
	}
	reason := errors.New("enough")
	stop := func(supmer.Progress) error { return reason }
	_, err = supmer.LoadModel(ctx, modelDir, &supmer.ModelOptions{Progress: stop})
	if !errors.Is(err, supmer.ErrCancelled) || !errors.Is(err, reason) {
		t.Error(err)
	}
}

func TestInstructionSetsAgree(t *testing.T) {
	adapter := adapt(t, openModel(t), &supmer.AdaptOptions{Steps: 2})
	portable, err := supmer.LoadModel(ctx, modelDir, &supmer.ModelOptions{Instructions: supmer.InstructionsPortable})
	closing(t, portable, err)
	expected, err := openModel(t).Predict(ctx, adapter, "good and warm", nil)
	if err != nil {
		t.Fatal(err)
	}
	prediction, err := portable.Predict(ctx, adapter, "good and warm", nil)
	if err != nil || !near(prediction.Probabilities, expected.Probabilities) {
		t.Errorf("%v instead of %v: %v", prediction, expected, err)
	}
}

func TestMemoryIsEstimated(t *testing.T) {
	model, task := openModel(t), newTask(t)
	options := &supmer.AdaptOptions{BatchSize: 2, StartText: "warm"}
	short, err := model.EstimateMemory(task, options)
	if err != nil {
		t.Fatal(err)
	}
	long, err := model.EstimateMemory(nil, options)
	if err != nil {
		t.Fatal(err)
	}
	if short.Weights == 0 || short.Predict == 0 || short.CachedPrompt == 0 || short.Adapt == 0 {
		t.Errorf("%+v", short)
	}
	if short.Adapt >= long.Adapt {
		t.Errorf("short texts need %d bytes, long ones %d", short.Adapt, long.Adapt)
	}
}
