// Cancel stops an adaptation from its progress callback. A context that is done stays done: the next call with it does
// not begin, and one with a new context runs.
package main

import (
	"context"
	"errors"

	supmer "supmer/bindings/go"
	"supmer/examples/go/customers"
	"supmer/examples/go/program"
)

type result struct {
	Program    string  `json:"program"`
	Stopped    outcome `json:"stopped"`
	StillSet   outcome `json:"still_set"`
	AfterReset outcome `json:"after_reset"`
}

type outcome struct {
	Status string `json:"status"`
	Steps  int    `json:"steps"`
}

func main() { program.Main(stopAndGoOn) }

func stopAndGoOn(modelPath, data string) (any, error) {
	model, err := supmer.LoadModel(context.Background(), modelPath, &supmer.ModelOptions{ThreadCount: 1})
	if err != nil {
		return nil, err
	}
	defer model.Close()
	task, err := customers.Task(data, "bakery")
	if err != nil {
		return nil, err
	}
	defer task.Close()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := result{Program: "cancel"}
	if out.Stopped, err = adapt(ctx, model, task, 1000, cancel); err != nil {
		return nil, err
	}
	if out.StillSet, err = adapt(ctx, model, task, 1000, cancel); err != nil {
		return nil, err
	}
	if out.AfterReset, err = adapt(context.Background(), model, task, 5, cancel); err != nil {
		return nil, err
	}
	return out, nil
}

// adapt calls cancel at the third step. An error other than that of the cancelled context is returned.
func adapt(
	ctx context.Context, model *supmer.Model, task *supmer.Task, steps uint32, cancel context.CancelFunc,
) (outcome, error) {
	var out outcome
	options := customers.Options(steps)
	options.Progress = func(progress supmer.Progress) error {
		if progress.Stage == supmer.StageStep {
			out.Steps++
			if out.Steps == 3 {
				cancel()
			}
		}
		return nil
	}
	adapter, _, err := model.Adapt(ctx, task, &options)
	out.Status = program.Status(err)
	adapter.Close()
	if err != nil && !errors.Is(err, context.Canceled) {
		return out, err
	}
	return out, nil
}
