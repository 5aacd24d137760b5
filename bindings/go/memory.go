package supmer

// #include "supmer.h"
import "C"

// MemoryEstimate is what adapting and predicting with a model need, in bytes.
type MemoryEstimate struct {
	// Weights is what the model's weights take.
	Weights uint64
	// Adapt is what the activations of an adaptation take: of a step and of scoring held-out examples.
	Adapt uint64
	// Predict is what the activations of one prediction take.
	Predict uint64
	// CachedPrompt is one adapter's share of the model's prompt cache.
	CachedPrompt uint64
}

// EstimateMemory tells what an adaptation would need, from the lengths of the task's examples; a nil task stands for
// examples of MaxTokens. Options may be nil; their Bundle is not looked at: set PromptLength to its rows, and BatchSize
// and AnswerLoss to what it advises ([Bundle.Metadata]).
func (m *Model) EstimateMemory(task *Task, options *AdaptOptions) (MemoryEstimate, error) {
	model, err := m.hold()
	if err != nil {
		return MemoryEstimate{}, err
	}
	defer m.handle.release()
	var examples *C.supmer_task
	if task != nil {
		if examples, err = task.hold(); err != nil {
			return MemoryEstimate{}, err
		}
		defer task.handle.release()
	}
	if options == nil {
		options = &AdaptOptions{}
	}
	native, err := options.native()
	if err != nil {
		return MemoryEstimate{}, err
	}
	defer native.release()
	var estimate C.supmer_memory_estimate
	if status := C.supmer_memory_estimate_init(&estimate, C.sizeof_supmer_memory_estimate); status != 0 {
		return MemoryEstimate{}, outcome(status, nil, nil)
	}
	var failed *C.supmer_error
	status := C.supmer_model_estimate_memory(model, examples, native.options, &estimate, &failed)
	if err := outcome(status, failed, nil); err != nil {
		return MemoryEstimate{}, err
	}
	return MemoryEstimate{
		Weights:      uint64(estimate.weights_bytes),
		Adapt:        uint64(estimate.adapt_bytes),
		Predict:      uint64(estimate.predict_bytes),
		CachedPrompt: uint64(estimate.cached_prompt_bytes),
	}, nil
}
