// Package supmer adapts a frozen small language model to a classification task on the device, from a handful of
// labelled examples, and predicts. It is a layer over the C ABI of libsupmer: include/supmer.h has the last word.
//
// The shortest story, errors left out:
//
//	model, _ := supmer.LoadModel(ctx, "model.gguf", nil)
//	defer model.Close()
//	task, _ := supmer.NewTask("reviews", "{text}\nSentiment:", []supmer.Label{
//		{Name: "negative", Verbalizer: " terrible"}, {Name: "positive", Verbalizer: " great"}})
//	defer task.Close()
//	task.AddExample("Broke on the way home.", "negative") // and more, of every label
//	adapter, _, _ := model.Adapt(ctx, task, nil)
//	defer adapter.Close()
//	prediction, _ := model.Predict(ctx, adapter, "I would buy it again.", nil)
//
// # Ownership
//
// Close what you made: a [Model] weighs hundreds of megabytes that the garbage collector does not see. Close may be
// called twice and in any order; what one object needs of another stays alive. An object that is never closed is freed
// some time after it became unreachable. A call on a closed or nil object gives an error that is [ErrClosed]; closing nil
// does nothing.
//
// # Goroutines
//
// Every function and method may be called from any goroutine at any time. Models, bundles and adapters never change,
// so calls on them run side by side. Examples are added to a [Task] one at a time, and not while a call reads it. Close
// does not wait: the object is freed when the last call that uses it returns.
//
// # Cancelling
//
// Calls that may take long watch their context and stop within one step. Their error is then both [ErrCancelled] and
// the context's own error. A callback for progress runs on the goroutine that made the call and may use this package;
// its error stops the call, and a panic goes on from the call. It must not end its goroutine (runtime.Goexit).
//
// # Options
//
// A nil pointer to options and a zero in a field stand for the library's default.
package supmer
