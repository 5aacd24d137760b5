package supmer_test

import (
	"errors"
	"runtime"
	"testing"
	"time"

	supmer "supmer/bindings/go"
)

func TestCloseMayBeRepeatedAndComeInAnyOrder(t *testing.T) {
	before := supmer.LiveHandleCount()
	model := openModel(t)
	adapter := adapt(t, model, &supmer.AdaptOptions{Steps: 2})
	task := newTask(t)
	for range 2 {
		if err := errors.Join(model.Close(), task.Close(), adapter.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if (*supmer.Model)(nil).Close() != nil || new(supmer.Adapter).Close() != nil {
		t.Error("closing nothing is an error")
	}
	// The task that adapt made is closed with the test.
	if count := supmer.LiveHandleCount() - before; count != 1 {
		t.Errorf("%d handles are alive", count)
	}
}

func TestUseAfterCloseIsAnError(t *testing.T) {
	model := openModel(t)
	adapter := adapt(t, model, &supmer.AdaptOptions{Steps: 2})
	task := newTask(t)
	closedModel, closedAdapter, closedTask := openModel(t), adapt(t, model, &supmer.AdaptOptions{Steps: 2}), newTask(t)
	closedModel.Close()
	closedAdapter.Close()
	closedTask.Close()

	predict := func(model *supmer.Model, adapter *supmer.Adapter) error {
		_, err := model.Predict(ctx, adapter, "warm", nil)
		return err
	}
	learn := func(model *supmer.Model, task *supmer.Task, options *supmer.AdaptOptions) error {
		_, _, err := model.Adapt(ctx, task, options)
		return err
	}
	mixed := func(adapters ...*supmer.Adapter) error {
		var rows []supmer.Row
		for _, adapter := range adapters {
			rows = append(rows, supmer.Row{Adapter: adapter, Text: "warm"})
		}
		_, err := model.PredictMixed(ctx, rows, nil)
		return err
	}
	failures := map[string]error{
		"predict, model closed":        predict(closedModel, adapter),
		"predict, adapter closed":      predict(model, closedAdapter),
		"predict, no model":            predict(nil, adapter),
		"predict, no adapter":          predict(model, nil),
		"predict, adapter of nowhere":  predict(model, new(supmer.Adapter)),
		"mixed, one adapter closed":    mixed(adapter, closedAdapter),
		"mixed, one adapter missing":   mixed(nil, adapter),
		"adapt, model closed":          learn(closedModel, task, nil),
		"adapt, task closed":           learn(model, closedTask, nil),
		"adapt, no task":               learn(model, nil, nil),
		"adapt, start adapter closed":  learn(model, task, &supmer.AdaptOptions{StartAdapter: closedAdapter}),
		"adapt, bundle of nowhere":     learn(model, task, &supmer.AdaptOptions{Bundle: new(supmer.Bundle)}),
		"add an example, task closed":  closedTask.AddExample("warm", "good"),
		"save, adapter closed":         closedAdapter.Save(t.TempDir() + "/a.supmer"),
		"check, bundle of nowhere":     new(supmer.Bundle).Check(model),
		"add an example, task missing": (*supmer.Task)(nil).AddExample("warm", "good"),
	}
	_, failures["bytes, adapter closed"] = closedAdapter.Bytes()
	_, failures["fingerprint, model closed"] = closedModel.Fingerprint()
	_, failures["estimate, model closed"] = closedModel.EstimateMemory(nil, nil)
	_, failures["estimate, task closed"] = model.EstimateMemory(closedTask, nil)
	for name, err := range failures {
		if !errors.Is(err, supmer.ErrClosed) || !errors.Is(err, supmer.ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The failed calls let go of what they held, so these still work and can be freed.
	if err := errors.Join(predict(model, adapter), mixed(adapter, adapter)); err != nil {
		t.Error(err)
	}
}

func TestAnAdapterOutlivesItsModel(t *testing.T) {
	first := openModel(t)
	adapter := adapt(t, first, &supmer.AdaptOptions{Steps: 2})
	before, err := first.Predict(ctx, adapter, "good and warm", nil)
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	after, err := openModel(t).Predict(ctx, adapter, "good and warm", nil)
	if err != nil {
		t.Fatal(err)
	}
	if before.Label != after.Label || before.Probabilities[0] != after.Probabilities[0] {
		t.Errorf("%v became %v", before, after)
	}
}

func TestTheGarbageCollectorFreesWhatNobodyClosed(t *testing.T) {
	before := supmer.LiveHandleCount()
	func() {
		model, err := supmer.LoadModel(ctx, modelDir, nil)
		if err != nil {
			t.Fatal(err)
		}
		task, err := supmer.NewTask("weather", "{text}\nSo:", labels)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := model.Adapt(ctx, task, nil); err == nil {
			t.Fatal("a task without examples was learnt")
		}
		if supmer.LiveHandleCount() != before+2 {
			t.Fatalf("%d handles are alive", supmer.LiveHandleCount()-before)
		}
	}()
	collect(t, before)
}

func TestTheGarbageCollectorSparesWhatACallUses(t *testing.T) {
	before := supmer.LiveHandleCount()
	func() {
		model, err := supmer.LoadModel(ctx, modelDir, nil)
		if err != nil {
			t.Fatal(err)
		}
		first := adapt(t, model, &supmer.AdaptOptions{Steps: 1})
		file := contents(t, first)
		start, err := supmer.LoadAdapterBytes(file)
		if err != nil {
			t.Fatal(err)
		}
		options := &supmer.AdaptOptions{Steps: 3, StartAdapter: start, Progress: func(supmer.Progress) error {
			runtime.GC()
			time.Sleep(time.Millisecond) // finalizers run beside
			return nil
		}}
		// From here on only the running call knows model and start.
		adapter, _, err := model.Adapt(ctx, newTask(t), options)
		closing(t, adapter, err)
	}()
	collect(t, before+4) // two adapters and two tasks that are closed with the test
}

func TestRoundsOfEverythingLeaveNothingBehind(t *testing.T) {
	model := openModel(t)
	task := newTask(t)
	before := supmer.LiveHandleCount()
	for range 50 {
		adapter, _, err := model.Adapt(ctx, task, &supmer.AdaptOptions{Steps: 1})
		if err != nil {
			t.Fatal(err)
		}
		file, err := adapter.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		again, err := supmer.LoadAdapterBytes(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := supmer.LoadAdapterBytes(file[:len(file)/2]); err == nil {
			t.Fatal("half a file was read")
		}
		if _, err := model.Predict(ctx, again, "warm", nil); err != nil {
			t.Fatal(err)
		}
		adapter.Close()
		again.Close()
	}
	if count := supmer.LiveHandleCount(); count != before {
		t.Errorf("%d handles are alive, %d were before", count, before)
	}
}
