package supmer_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	supmer "supmer/bindings/go"
)

func Example() {
	ctx := context.Background()
	model, err := supmer.LoadModel(ctx, "../../tests/fixtures/tiny-llama-tied", nil) // or a GGUF file
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	task, err := supmer.NewTask("reviews", "{text}\nSentiment:", []supmer.Label{
		{Name: "negative", Verbalizer: " terrible"}, {Name: "positive", Verbalizer: " great"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer task.Close()
	err = errors.Join( // 8 to 32 of every label are a good start
		task.AddExample("Broke on the way home from the shop.", "negative"),
		task.AddExample("Quiet, light, and the battery simply lasts.", "positive"),
	)
	if err != nil {
		log.Fatal(err)
	}
	adapter, _, err := model.Adapt(ctx, task, &supmer.AdaptOptions{Steps: 5, Seed: 13})
	if err != nil {
		log.Fatal(err)
	}
	defer adapter.Close()
	prediction, err := model.Predict(ctx, adapter, "I would buy it again tomorrow.", nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(prediction.Probabilities), "probabilities of", adapter.Labels())
	// Output: 2 probabilities of [negative positive]
}

func ExampleError() {
	_, err := supmer.LoadAdapter("no such file")
	var failure *supmer.Error
	if errors.Is(err, supmer.ErrNotFound) && errors.As(err, &failure) {
		fmt.Println(failure.Status)
	}
	// Output: not_found
}

func ExampleModel_Adapt_cancel() {
	model, err := supmer.LoadModel(context.Background(), "../../tests/fixtures/tiny-llama-tied", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	task, err := supmer.NewTask("reviews", "{text}\nSentiment:", []supmer.Label{
		{Name: "negative", Verbalizer: " terrible"}, {Name: "positive", Verbalizer: " great"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer task.Close()
	err = errors.Join(task.AddExample("Broke at once.", "negative"), task.AddExample("It lasts.", "positive"))
	if err != nil {
		log.Fatal(err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, _, err = model.Adapt(ctx, task, &supmer.AdaptOptions{Progress: func(progress supmer.Progress) error {
		if progress.Stage == supmer.StageStep && progress.Done == 3 {
			cancel() // any goroutine may do so
		}
		return nil
	}})
	fmt.Println(errors.Is(err, supmer.ErrCancelled), errors.Is(err, context.Canceled))
	// Output: true true
}
