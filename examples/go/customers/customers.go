// Package customers reads the messages of the three customers that the examples learn from.
package customers

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	supmer "supmer/bindings/go"
)

// Names are the customers, in the order of the examples.
var Names = []string{"bakery", "dentist", "landlord"}

// Task reads a customer's labels and labelled messages.
func Task(data, customer string) (*supmer.Task, error) {
	task, err := supmer.ReadTask(filepath.Join(data, customer, "task.json"))
	if err != nil {
		return nil, err
	}
	if err := addExamples(task, filepath.Join(data, customer, "train.jsonl")); err != nil {
		task.Close()
		return nil, err
	}
	return task, nil
}

// NewMessages reads the messages to predict, one a line.
func NewMessages(data, customer string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(data, customer, "new.txt"))
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"), nil
}

// Options are those that every example adapts with.
func Options(steps uint32) supmer.AdaptOptions {
	return supmer.AdaptOptions{Seed: 13, BatchSize: 8, PromptLength: 8, LearningRate: 0.01, Steps: steps}
}

// KeepLosses gives a progress callback that notes the loss of every step.
func KeepLosses(losses *[]float32) func(supmer.Progress) error {
	return func(progress supmer.Progress) error {
		if progress.Stage == supmer.StageStep {
			*losses = append(*losses, progress.Loss)
		}
		return nil
	}
}

func addExamples(task *supmer.Task, path string) error {
	rows, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for _, row := range bytes.Split(bytes.TrimSpace(rows), []byte("\n")) {
		if err := task.AddExampleJSON(row); err != nil {
			return err
		}
	}
	return nil
}
