// Memory_budget asks what an adaptation needs, halves it, and sees a budget that is too small.
package main

import (
	"context"

	supmer "supmer/bindings/go"
	"supmer/examples/go/customers"
	"supmer/examples/go/program"
)

type result struct {
	Program           string    `json:"program"`
	WeightsBytes      uint64    `json:"weights_bytes"`
	AdaptBytes        uint64    `json:"adapt_bytes"`
	PredictBytes      uint64    `json:"predict_bytes"`
	CachedPromptBytes uint64    `json:"cached_prompt_bytes"`
	Losses            []float32 `json:"losses"`
	LossesAtHalf      []float32 `json:"losses_at_half"`
	LimitOfOneByte    string    `json:"limit_of_one_byte"`
}

func main() { program.Main(budget) }

func budget(modelPath, data string) (any, error) {
	ctx := context.Background()
	model, err := supmer.LoadModel(ctx, modelPath, &supmer.ModelOptions{ThreadCount: 1})
	if err != nil {
		return nil, err
	}
	defer model.Close()
	task, err := customers.Task(data, "bakery")
	if err != nil {
		return nil, err
	}
	defer task.Close()

	options := customers.Options(5)
	estimate, err := model.EstimateMemory(task, &options)
	if err != nil {
		return nil, err
	}
	out := result{
		Program:           "memory_budget",
		WeightsBytes:      estimate.Weights,
		AdaptBytes:        estimate.Adapt,
		PredictBytes:      estimate.Predict,
		CachedPromptBytes: estimate.CachedPrompt,
	}
	if out.Losses, err = adapt(ctx, model, task, 0); err != nil {
		return nil, err
	}
	if out.LossesAtHalf, err = adapt(ctx, model, task, estimate.Adapt/2); err != nil {
		return nil, err
	}
	_, err = adapt(ctx, model, task, 1)
	out.LimitOfOneByte = program.Status(err)
	return out, nil
}

// adapt gives the losses of an adaptation within a memory limit; 0 is none.
func adapt(ctx context.Context, model *supmer.Model, task *supmer.Task, limit uint64) ([]float32, error) {
	var losses []float32
	options := customers.Options(5)
	options.MemoryLimit = limit
	options.Progress = customers.KeepLosses(&losses)
	adapter, _, err := model.Adapt(ctx, task, &options)
	if err != nil {
		return nil, err
	}
	return losses, adapter.Close()
}
