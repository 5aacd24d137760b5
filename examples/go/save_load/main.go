// Save_load keeps an adapter in a file and in bytes, and shows what a missing and a damaged one give.
package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"reflect"

	supmer "supmer/bindings/go"
	"supmer/examples/go/customers"
	"supmer/examples/go/program"
)

type result struct {
	Program          string      `json:"program"`
	Bytes            int         `json:"bytes"`
	FileEqualsBytes  bool        `json:"file_equals_bytes"`
	Labels           []string    `json:"labels"`
	Probabilities    [][]float32 `json:"probabilities"`
	SameAfterLoading bool        `json:"same_after_loading"`
	MissingFile      string      `json:"missing_file"`
	HalfOfTheBytes   string      `json:"half_of_the_bytes"`
}

func main() { program.Main(saveAndLoad) }

func saveAndLoad(modelPath, data string) (any, error) {
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
	options := customers.Options(10)
	made, _, err := model.Adapt(ctx, task, &options)
	if err != nil {
		return nil, err
	}
	defer made.Close()

	folder, err := os.MkdirTemp("", "supmer")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "bakery.supmer")
	if err := made.Save(path); err != nil {
		return nil, err
	}
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	contents, err := made.Bytes()
	if err != nil {
		return nil, err
	}
	loaded, err := supmer.LoadAdapter(path)
	if err != nil {
		return nil, err
	}
	defer loaded.Close()
	parsed, err := supmer.LoadAdapterBytes(contents)
	if err != nil {
		return nil, err
	}
	defer parsed.Close()

	out := result{Program: "save_load", Bytes: len(contents), FileEqualsBytes: bytes.Equal(contents, file)}
	var predictions [][]supmer.Prediction
	for _, adapter := range []*supmer.Adapter{made, loaded, parsed} {
		batch, err := model.PredictBatch(ctx, adapter, messages, nil)
		if err != nil {
			return nil, err
		}
		predictions = append(predictions, batch)
	}
	for _, prediction := range predictions[1] {
		out.Labels = append(out.Labels, prediction.Label)
		out.Probabilities = append(out.Probabilities, prediction.Probabilities)
	}
	out.SameAfterLoading = reflect.DeepEqual(predictions[0], predictions[1]) &&
		reflect.DeepEqual(predictions[0], predictions[2])

	_, err = supmer.LoadAdapter(filepath.Join(folder, "missing.supmer"))
	out.MissingFile = program.Status(err)
	_, err = supmer.LoadAdapterBytes(contents[:len(contents)/2])
	out.HalfOfTheBytes = program.Status(err)
	return out, nil
}
