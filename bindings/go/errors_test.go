package supmer_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	supmer "supmer/bindings/go"
)

func TestErrorsHaveStatusAndMessage(t *testing.T) {
	model := openModel(t)
	task := newTask(t)
	adapter := adapt(t, model, &supmer.AdaptOptions{Steps: 2})
	learn := func(options *supmer.AdaptOptions) error {
		_, _, err := model.Adapt(ctx, task, options)
		return err
	}
	oneLabel, err := supmer.NewTask("one", "{text}", labels[:1])
	closing(t, oneLabel, err)
	cases := []struct {
		name   string
		status supmer.Status
		call   func() error
	}{
		{"missing model", supmer.ErrNotFound, func() error { return second(supmer.LoadModel(ctx, "no such file", nil)) }},
		{"missing adapter", supmer.ErrNotFound, func() error { return second(supmer.LoadAdapter("no such file")) }},
		{"missing bundle", supmer.ErrNotFound, func() error { return second(supmer.LoadBundle("no such file")) }},
		{"missing task", supmer.ErrNotFound, func() error { return second(supmer.ReadTask("no such file")) }},
		{"path is not UTF-8", supmer.ErrInvalidUTF8, func() error { return second(supmer.LoadAdapter("\xff")) }},
		{"empty bundle", supmer.ErrCorruptFile, func() error { return second(supmer.LoadBundleBytes(nil)) }},
		{"empty adapter", supmer.ErrCorruptFile, func() error { return second(supmer.LoadAdapterBytes(nil)) }},
		{"text as a model", supmer.ErrCorruptFile, func() error {
			return second(supmer.LoadModelBytes(ctx, []byte("not a model, but longer than a header"), nil))
		}},
		{"unknown label", supmer.ErrInvalidExample, func() error { return task.AddExample("warm", "lukewarm") }},
		{"no JSON", supmer.ErrInvalidExample, func() error { return task.AddExampleJSON([]byte("{")) }},
		{"label twice", supmer.ErrInvalidTask, func() error {
			return second(supmer.NewTask("twice", "{text}", []supmer.Label{labels[0], labels[0]}))
		}},
		{"one label", supmer.ErrInvalidTask, func() error { _, _, err := model.Adapt(ctx, oneLabel, nil); return err }},
		{"share above 1", supmer.ErrInvalidOption, func() error { return learn(&supmer.AdaptOptions{DevFraction: 2}) }},
		{"two starts", supmer.ErrInvalidOption, func() error {
			return learn(&supmer.AdaptOptions{StartAdapter: adapter, StartText: "warm"})
		}},
		{"no memory", supmer.ErrMemoryLimit, func() error { return learn(&supmer.AdaptOptions{MemoryLimit: 1}) }},
		{"probability above 1", supmer.ErrInvalidOption, func() error {
			return second(model.Predict(ctx, adapter, "warm", &supmer.PredictOptions{AbstainBelow: 1.5}))
		}},
		{"unknown weights", supmer.ErrInvalidOption, func() error {
			return second(supmer.LoadModel(ctx, modelDir, &supmer.ModelOptions{Weights: 77}))
		}},
	}
	for _, c := range cases {
		err := c.call()
		var failure *supmer.Error
		if !errors.Is(err, c.status) || !errors.As(err, &failure) || failure.Status != c.status {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if failure.Message == "" || !strings.HasSuffix(err.Error(), failure.Message) {
			t.Errorf("%s: message %q, error %q", c.name, failure.Message, err)
		}
		if errors.Is(err, fs.ErrNotExist) != (c.status == supmer.ErrNotFound) {
			t.Errorf("%s: fs.ErrNotExist", c.name)
		}
	}
}

func TestStatusesHaveNames(t *testing.T) {
	for status, name := range map[supmer.Status]string{
		supmer.ErrNotFound: "not_found", supmer.ErrCancelled: "cancelled", 12345: "unknown",
	} {
		if status.Error() != name {
			t.Errorf("%d is %q", int(status), status)
		}
	}
}

func second[T any](_ T, err error) error { return err }
