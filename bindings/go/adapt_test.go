package supmer_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	supmer "supmer/bindings/go"
)

func TestAdaptationTellsEveryStepAndReports(t *testing.T) {
	var losses []float32
	options := &supmer.AdaptOptions{Steps: 5, BatchSize: 2, Progress: func(progress supmer.Progress) error {
		if progress.Stage == supmer.StageStep {
			losses = append(losses, progress.Loss)
			if progress.Done != uint64(len(losses)) || progress.Total != 5 {
				t.Errorf("%+v", progress)
			}
		}
		return nil
	}}
	adapter, report, err := openModel(t).Adapt(ctx, newTask(t), options)
	closing(t, adapter, err)
	var parsed struct {
		Steps []struct{ Loss float32 }
	}
	if err := json.Unmarshal(report, &parsed); err != nil {
		t.Fatal(err)
	}
	if len(losses) != 5 || len(parsed.Steps) != 5 {
		t.Fatalf("%d steps were told, %d reported", len(losses), len(parsed.Steps))
	}
	for i, step := range parsed.Steps {
		if math.Abs(float64(step.Loss-losses[i])) > 1e-6 {
			t.Errorf("step %d: %v and %v", i, step.Loss, losses[i])
		}
	}
}

func TestOptionsReachTheLibrary(t *testing.T) {
	model := openModel(t)
	start := adapt(t, model, &supmer.AdaptOptions{Steps: 2, PromptLength: 3})
	base := supmer.AdaptOptions{Steps: 3, BatchSize: 2, LearningRate: 0.01, DevPerClass: supmer.Off}
	plain := contents(t, adapt(t, model, &base))
	if !bytes.Equal(plain, contents(t, adapt(t, model, &base))) {
		t.Error("the same options give another adapter")
	}
	for name, change := range map[string]func(*supmer.AdaptOptions){
		"seed":          func(o *supmer.AdaptOptions) { o.Seed = 99 },
		"steps":         func(o *supmer.AdaptOptions) { o.Steps = 4 },
		"batch size":    func(o *supmer.AdaptOptions) { o.BatchSize = 3 },
		"prompt length": func(o *supmer.AdaptOptions) { o.PromptLength = 5 },
		"learning rate": func(o *supmer.AdaptOptions) { o.LearningRate = 0.02 },
		"clip norm":     func(o *supmer.AdaptOptions) { o.ClipNorm = 1e-3 },
		"weight decay":  func(o *supmer.AdaptOptions) { o.WeightDecay = 0.5 },
		"start adapter": func(o *supmer.AdaptOptions) { o.StartAdapter = start },
		"start text":    func(o *supmer.AdaptOptions) { o.StartText = "warm and good" },
	} {
		options := base
		change(&options)
		if bytes.Equal(plain, contents(t, adapt(t, model, &options))) {
			t.Errorf("%s changes nothing", name)
		}
	}
}

func TestATimeLimitKeepsTheBestPrompt(t *testing.T) {
	options := &supmer.AdaptOptions{Steps: 10_000, Patience: supmer.Off, TimeLimit: 20 * time.Millisecond}
	adapter, report, err := openModel(t).Adapt(ctx, newTask(t), options)
	closing(t, adapter, err)
	if !bytes.Contains(report, []byte(`"stopped":"time limit"`)) {
		t.Errorf("%.200s", report)
	}
}

func TestAPanicOfTheCallbackComesOutOfTheCall(t *testing.T) {
	model, task := openModel(t), newTask(t)
	before := supmer.LiveHandleCount()
	func() {
		defer func() {
			if value := recover(); value != "the callback's own" {
				t.Errorf("recovered %v", value)
			}
		}()
		model.Adapt(ctx, task, &supmer.AdaptOptions{Progress: func(supmer.Progress) error { panic("the callback's own") }})
		t.Error("the call returned")
	}()
	if count := supmer.LiveHandleCount(); count != before {
		t.Errorf("%d handles are alive, %d were before", count, before)
	}
	if err := task.AddExample("warm", "good"); err != nil {
		t.Error("the task is still held: ", err)
	}
}

func TestACallbackMayCallTheLibrary(t *testing.T) {
	model := openModel(t)
	adapter := adapt(t, model, &supmer.AdaptOptions{Steps: 1})
	rounds := 0
	options := &supmer.AdaptOptions{Steps: 3, Progress: func(supmer.Progress) error {
		rounds++
		_, err := model.Predict(ctx, adapter, "warm", nil)
		model.Close() // the running call keeps it alive
		if rounds > 1 && errors.Is(err, supmer.ErrClosed) {
			return nil
		}
		return err
	}}
	second, _, err := model.Adapt(ctx, newTask(t), options)
	closing(t, second, err)
	if rounds < 3 {
		t.Errorf("%d rounds", rounds)
	}
}

func contents(t *testing.T, adapter *supmer.Adapter) []byte {
	t.Helper()
	file, err := adapter.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return file
}
