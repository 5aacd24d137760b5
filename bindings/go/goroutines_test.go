package supmer_test

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"

	supmer "supmer/bindings/go"
)

func TestSixteenGoroutinesPredictWhatOneDoes(t *testing.T) {
	model := openModel(t)
	adapters := []*supmer.Adapter{
		adapt(t, model, &supmer.AdaptOptions{Steps: 2, Seed: 1}),
		adapt(t, model, &supmer.AdaptOptions{Steps: 2, Seed: 2}),
	}
	expected := map[supmer.Row]supmer.Prediction{}
	for _, adapter := range adapters {
		for _, text := range texts {
			prediction, err := model.Predict(ctx, adapter, text, nil)
			if err != nil {
				t.Fatal(err)
			}
			expected[supmer.Row{Adapter: adapter, Text: text}] = prediction
		}
	}
	ctx, cancel := context.WithCancel(ctx) // half of the calls carry a flag
	defer cancel()
	together(16, func(worker int) {
		for range 5 {
			for row, want := range expected {
				callContext := ctx
				if worker%2 == 0 {
					callContext = context.Background()
				}
				got, err := model.Predict(callContext, row.Adapter, row.Text, nil)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%v instead of %v: %v", got, want, err)
				}
			}
		}
	})
}

func TestAdaptationsShareAModel(t *testing.T) {
	model := openModel(t)
	options := &supmer.AdaptOptions{Steps: 5}
	expected := contents(t, adapt(t, model, options))
	tasks := []*supmer.Task{newTask(t), newTask(t), newTask(t), newTask(t)}
	together(len(tasks), func(worker int) {
		adapter, _, err := model.Adapt(ctx, tasks[worker], options)
		if err != nil {
			t.Error(err)
			return
		}
		defer adapter.Close()
		if file, err := adapter.Bytes(); err != nil || !reflect.DeepEqual(file, expected) {
			t.Errorf("worker %d: another adapter, %v", worker, err)
		}
	})
}

func TestCloseDuringCalls(t *testing.T) {
	before := supmer.LiveHandleCount()
	model, err := supmer.LoadModel(ctx, modelDir, nil)
	if err != nil {
		t.Fatal(err)
	}
	task := newTask(t)
	adapter, _, err := model.Adapt(ctx, task, &supmer.AdaptOptions{Steps: 1})
	if err != nil {
		t.Fatal(err)
	}
	together(16, func(worker int) {
		for round := range 20 {
			if worker == 0 && round == 3 {
				model.Close()
			}
			if worker == 1 && round == 3 {
				adapter.Close()
			}
			if _, err := model.Predict(ctx, adapter, "warm", nil); err != nil && !errors.Is(err, supmer.ErrClosed) {
				t.Error(err)
			}
		}
	})
	task.Close()
	if count := supmer.LiveHandleCount(); count != before {
		t.Errorf("%d handles are alive, %d were before", count, before)
	}
}

func TestCancellingWhileCallsEnd(t *testing.T) {
	model := openModel(t)
	adapter := adapt(t, model, &supmer.AdaptOptions{Steps: 1})
	together(8, func(int) {
		for range 50 {
			ctx, cancel := context.WithCancel(ctx)
			go cancel()
			_, err := model.Predict(ctx, adapter, "warm", nil)
			if err != nil && (!errors.Is(err, supmer.ErrCancelled) || !errors.Is(err, context.Canceled)) {
				t.Error(err)
			}
			cancel()
		}
	})
}

func together(workers int, work func(worker int)) {
	var group sync.WaitGroup
	for worker := range workers {
		group.Add(1)
		go func() {
			defer group.Done()
			work(worker)
		}()
	}
	group.Wait()
}
