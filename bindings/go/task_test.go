package supmer_test

import (
	"errors"
	"os"
	"sync"
	"testing"

	supmer "supmer/bindings/go"
)

func TestATaskTakesExamplesOfAllForms(t *testing.T) {
	pair, err := supmer.NewTask("pair", "{text_a} and {text_b}?", labels)
	closing(t, pair, err)
	file := t.TempDir() + "/task.json"
	const description = `{"name": "rows", "template": "{title}: {body}\nSo:", "labels": [
		{"name": "bad", "verbalizer": " bad"}, {"name": "good", "verbalizer": " good"}]}`
	if err := os.WriteFile(file, []byte(description), 0o600); err != nil {
		t.Fatal(err)
	}
	rows, err := supmer.ReadTask(file)
	closing(t, rows, err)
	if err := errors.Join(
		pair.AddExamplePair("cold", "bad", "bad"),
		pair.AddExamplePair("", "warm", "good"),
		rows.AddExampleJSON([]byte(`{"title": "today", "body": "warm", "label": "good", "id": 7}`)),
	); err != nil {
		t.Fatal(err)
	}
	if pair.Count() != 2 || rows.Count() != 1 {
		t.Errorf("%d and %d examples", pair.Count(), rows.Count())
	}
	rows.Close()
	if rows.Count() != 0 {
		t.Error("a closed task has examples")
	}
}

func TestExamplesAreAddedOneAtATime(t *testing.T) {
	task := newTask(t)
	before := task.Count()
	var group sync.WaitGroup
	for range 16 {
		group.Add(1)
		go func() {
			defer group.Done()
			if err := task.AddExample("warm", "good"); err != nil {
				t.Error(err)
			}
		}()
	}
	group.Wait()
	if task.Count() != before+16 {
		t.Errorf("%d examples", task.Count())
	}
}

func TestATaskIsNotChangedWhileItIsLearnt(t *testing.T) {
	model, task := openModel(t), newTask(t)
	before := task.Count()
	var added error
	_, _, err := model.Adapt(ctx, task, &supmer.AdaptOptions{Progress: func(supmer.Progress) error {
		added = task.AddExample("warm", "good")
		return added
	}})
	if added == nil || !errors.Is(err, supmer.ErrCancelled) || !errors.Is(err, added) {
		t.Errorf("added: %v, adapt: %v", added, err)
	}
	if task.Count() != before {
		t.Errorf("%d examples", task.Count())
	}
	if err := task.AddExample("warm", "good"); err != nil {
		t.Error(err)
	}
}
