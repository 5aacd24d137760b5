package supmer_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	supmer "supmer/bindings/go"
)

var endless = supmer.AdaptOptions{Steps: 100_000, BatchSize: 2, Patience: supmer.Off}

func TestACallbackThatCancelsTheContextEndsTheCallThere(t *testing.T) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	steps := 0
	options := endless
	options.Progress = func(progress supmer.Progress) error {
		if progress.Stage == supmer.StageStep {
			steps++
		}
		if steps == 3 {
			cancel()
		}
		return nil
	}
	model, task := openModel(t), newTask(t)
	_, _, err := model.Adapt(ctx, task, &options)
	if !errors.Is(err, supmer.ErrCancelled) || !errors.Is(err, context.Canceled) || steps != 3 {
		t.Errorf("%d steps, %v", steps, err)
	}
	// The context stays done: nothing begins with it.
	if _, _, err := model.Adapt(ctx, task, &options); !errors.Is(err, context.Canceled) || steps != 3 {
		t.Errorf("%d steps, %v", steps, err)
	}
}

func TestAnotherGoroutineCancelsWithinOneStep(t *testing.T) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var steps, atCancel atomic.Int64
	third := make(chan struct{})
	go func() {
		<-third
		cancel()
		atCancel.Store(steps.Load())
	}()
	options := endless
	options.Progress = func(progress supmer.Progress) error {
		if progress.Stage == supmer.StageStep && steps.Add(1) == 3 {
			close(third)
		}
		return nil
	}
	_, _, err := openModel(t).Adapt(ctx, newTask(t), &options)
	if !errors.Is(err, supmer.ErrCancelled) || !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	for atCancel.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if late := steps.Load() - atCancel.Load(); late > 1 {
		t.Errorf("%d steps began after the request", late)
	}
}

func TestADeadlineEndsACallWithoutACallback(t *testing.T) {
	model, task := openModel(t), newTask(t)
	ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, _, err := model.Adapt(ctx, task, &endless)
	if !errors.Is(err, supmer.ErrCancelled) || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestADoneContextStopsEveryCallBeforeItBegins(t *testing.T) {
	model := openModel(t)
	adapter := adapt(t, model, &supmer.AdaptOptions{Steps: 1})
	before := supmer.LiveHandleCount()
	done, cancel := context.WithCancel(ctx)
	cancel()
	for name, err := range map[string]error{
		"load":    second(supmer.LoadModel(done, modelDir, nil)),
		"files":   second(supmer.LoadModelFiles(done, modelFiles(t), nil)),
		"predict": second(model.Predict(done, adapter, "warm", nil)),
		"json":    second(model.PredictJSON(done, adapter, []byte(`{"text": "warm"}`), nil)),
		"batch":   second(model.PredictBatch(done, adapter, []string{"warm"}, nil)),
		"mixed":   second(model.PredictMixed(done, []supmer.Row{{Adapter: adapter, Text: "warm"}}, nil)),
	} {
		if !errors.Is(err, supmer.ErrCancelled) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if count := supmer.LiveHandleCount(); count != before {
		t.Errorf("%d handles are alive, %d were before", count, before)
	}
}

func TestAContextThatIsNeverDoneLeavesTheResult(t *testing.T) {
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	model := openModel(t)
	adapter, _, err := model.Adapt(ctx, newTask(t), &supmer.AdaptOptions{Steps: 1})
	closing(t, adapter, err)
	_, err = model.PredictBatch(ctx, adapter, []string{"warm", "cold"}, &supmer.PredictOptions{BatchSize: 1})
	cancel() // after the calls: there is no flag left that it could reach
	if err != nil {
		t.Error(err)
	}
}
