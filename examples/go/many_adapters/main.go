// Many_adapters serves three customers with one model in memory: their messages are mixed in one batch.
package main

import (
	"context"
	"math"

	supmer "supmer/bindings/go"
	"supmer/examples/go/customers"
	"supmer/examples/go/program"
)

type result struct {
	Program   string `json:"program"`
	Rows      []row  `json:"rows"`
	SameAlone bool   `json:"same_alone"`
}

type row struct {
	Customer      string    `json:"customer"`
	Label         string    `json:"label"`
	Probabilities []float32 `json:"probabilities"`
}

func main() { program.Main(manyAdapters) }

func manyAdapters(modelPath, data string) (any, error) {
	ctx := context.Background()
	model, err := supmer.LoadModel(ctx, modelPath, &supmer.ModelOptions{ThreadCount: 1})
	if err != nil {
		return nil, err
	}
	defer model.Close()

	var adapters []*supmer.Adapter
	var messages [][]string
	for _, customer := range customers.Names {
		adapter, err := adapt(ctx, model, data, customer)
		if err != nil {
			return nil, err
		}
		defer adapter.Close()
		lines, err := customers.NewMessages(data, customer)
		if err != nil {
			return nil, err
		}
		adapters = append(adapters, adapter)
		messages = append(messages, lines)
	}

	// Customer after customer in turn, as messages may come in.
	var batch []supmer.Row
	for line := range messages[0] {
		for customer, adapter := range adapters {
			batch = append(batch, supmer.Row{Adapter: adapter, Text: messages[customer][line]})
		}
	}
	predictions, err := model.PredictMixed(ctx, batch, nil)
	if err != nil {
		return nil, err
	}

	out := result{Program: "many_adapters", SameAlone: true}
	for i, mixed := range predictions {
		out.Rows = append(out.Rows, row{customers.Names[i%len(adapters)], mixed.Label, mixed.Probabilities})
		alone, err := model.Predict(ctx, batch[i].Adapter, batch[i].Text, nil)
		if err != nil {
			return nil, err
		}
		for j, probability := range alone.Probabilities {
			if math.Abs(float64(probability-mixed.Probabilities[j])) > 1e-5 {
				out.SameAlone = false
			}
		}
	}
	return out, nil
}

func adapt(ctx context.Context, model *supmer.Model, data, customer string) (*supmer.Adapter, error) {
	task, err := customers.Task(data, customer)
	if err != nil {
		return nil, err
	}
	defer task.Close()
	options := customers.Options(10)
	adapter, _, err := model.Adapt(ctx, task, &options)
	return adapter, err
}
