// Classify learns one customer's labels from 24 messages, then predicts new ones in one batch.
package main

import (
	"context"

	supmer "supmer/bindings/go"
	"supmer/examples/go/customers"
	"supmer/examples/go/program"
)

type result struct {
	Program       string      `json:"program"`
	Examples      int         `json:"examples"`
	Losses        []float32   `json:"losses"`
	Labels        []string    `json:"labels"`
	Probabilities [][]float32 `json:"probabilities"`
}

func main() { program.Main(classify) }

func classify(modelPath, data string) (any, error) {
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
	messages, err := customers.NewMessages(data, "bakery")
	if err != nil {
		return nil, err
	}

	out := result{Program: "classify", Examples: task.Count()}
	options := customers.Options(30)
	options.Progress = customers.KeepLosses(&out.Losses)
	adapter, _, err := model.Adapt(ctx, task, &options)
	if err != nil {
		return nil, err
	}
	defer adapter.Close()

	predictions, err := model.PredictBatch(ctx, adapter, messages, nil)
	if err != nil {
		return nil, err
	}
	for _, prediction := range predictions {
		out.Labels = append(out.Labels, prediction.Label)
		out.Probabilities = append(out.Probabilities, prediction.Probabilities)
	}
	return out, nil
}
