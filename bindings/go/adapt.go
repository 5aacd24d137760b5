package supmer

// #include <stdlib.h>
// #include "callbacks.h"
import "C"

import (
	"context"
	"encoding/json"
	"time"
	"unsafe"
)

// Off turns a setting off where 0 means its default, in fields that say so.
const Off uint32 = C.SUPMER_OFF

// AdaptOptions is how to adapt. The zero value is all defaults, which suit 8 to 32 examples a label.
type AdaptOptions struct {
	// Bundle is a meta-trained start, whose regularizer is applied at every step; nil = ordinary prompt tuning.
	Bundle *Bundle
	// StartAdapter is an adapter whose prompt is the start; nil = none.
	StartAdapter *Adapter
	// StartText is text whose tokens are the start; "" = none. Not together with StartAdapter.
	StartText string
	// Seed is that of the starting prompt, the held-out part and the order of the examples.
	Seed uint64
	// MemoryLimit is how many bytes intermediate results may take at once; 0 = no limit. Lower is slower.
	MemoryLimit uint64
	// TimeLimit is the time after which the best prompt so far is returned; 0 = no limit.
	TimeLimit time.Duration
	// Steps is the number of optimizer steps.
	Steps uint32
	// BatchSize is the number of examples a step.
	BatchSize uint32
	// PromptLength is the number of rows of the prompt.
	PromptLength uint32
	// MaxTokens is the most tokens of a filled template; longer ones are cut inside their longest field.
	MaxTokens uint32
	// LearningRate is the first learning rate; it falls to 0 over the steps.
	LearningRate float32
	// ClipNorm is the largest norm of the gradient; negative = no clipping.
	ClipNorm float32
	// WeightDecay is the weight decay; negative = none.
	WeightDecay float32
	// DevFraction is the share of the examples held out for choosing the best prompt, at most 0.9; 0 = see DevPerClass.
	DevFraction float32
	// DevPerClass is the number of examples of each label held out (16), when each keeps 8 or more; Off = none.
	DevPerClass uint32
	// EvalEvery is after how many steps the held-out part is scored.
	EvalEvery uint32
	// Patience is after how many scorings in a row without a better one the call stops; Off = never.
	Patience uint32
	// AnswerLoss is what the loss tells a gold label apart from.
	AnswerLoss AnswerLoss
	// Progress is told how far the call is; an error stops it and becomes part of the call's error.
	Progress func(Progress) error
}

// AnswerLoss is what the loss of an example tells its gold label apart from.
type AnswerLoss int32

// Answer losses.
const (
	AnswerLossAuto       AnswerLoss = C.SUPMER_ANSWER_LOSS_AUTO       // what the bundle advises; without one, the whole vocabulary
	AnswerLossVocabulary AnswerLoss = C.SUPMER_ANSWER_LOSS_VOCABULARY // every token of the vocabulary
	AnswerLossLabels     AnswerLoss = C.SUPMER_ANSWER_LOSS_LABELS     // the other labels alone: fewer steps go further
	AnswerLossHead       AnswerLoss = C.SUPMER_ANSWER_LOSS_HEAD       // the other labels alone, by trained rows in the place of the verbalizers
)

// Report tells how an adaptation went, as a JSON object: loss curve, dev scores, seconds, peak bytes and warnings.
type Report = json.RawMessage

// Adapt learns a task. The model is not changed and the task is copied. The same model, task, options and library on
// the same kind of processor give the same adapter, byte for byte, unless a time limit ended the run.
func (m *Model) Adapt(ctx context.Context, task *Task, options *AdaptOptions) (*Adapter, Report, error) {
	model, err := m.hold()
	if err != nil {
		return nil, nil, err
	}
	defer m.handle.release()
	examples, err := task.hold()
	if err != nil {
		return nil, nil, err
	}
	defer task.handle.release()
	cancel, err := watch(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer cancel.end()
	if options == nil {
		options = &AdaptOptions{}
	}
	native, err := options.native()
	if err != nil {
		return nil, nil, err
	}
	defer native.release()
	native.options.cancel = cancel.flag
	observer := observe(ctx, options.Progress)
	defer observer.end()

	var adapter *C.supmer_adapter
	var report *C.supmer_report
	var failed *C.supmer_error
	status := C.supmer_go_adapt(model, native.bundle, examples, native.options, C.uintptr_t(observer.handle),
		&adapter, &report, &failed)
	if err := cancel.outcome(status, failed, observer.err); err != nil {
		return nil, nil, err
	}
	defer C.supmer_report_free(report)
	return newAdapter(adapter), Report(C.GoString(C.supmer_report_json(report))), nil
}

// nativeAdaptOptions is the library's form of the options, with what it refers to, until release.
type nativeAdaptOptions struct {
	options *C.supmer_adapt_options // nothing in it points to Go memory
	bundle  *C.supmer_bundle
	held    []*handle
}

func (o *AdaptOptions) native() (_ *nativeAdaptOptions, err error) {
	native := &nativeAdaptOptions{options: new(C.supmer_adapt_options)}
	defer func() {
		if err != nil {
			native.release()
		}
	}()
	options := native.options
	if status := C.supmer_adapt_options_init(options, C.sizeof_supmer_adapt_options); status != 0 {
		return nil, outcome(status, nil, nil)
	}
	if o.Bundle != nil {
		if native.bundle, err = o.Bundle.hold(); err != nil {
			return nil, err
		}
		native.held = append(native.held, o.Bundle.handle)
	}
	if o.StartAdapter != nil {
		if options.start_adapter, err = o.StartAdapter.hold(); err != nil {
			return nil, err
		}
		native.held = append(native.held, o.StartAdapter.handle)
	}
	if o.StartText != "" {
		options.start_text = C.CString(o.StartText)
		options.start_text_length = C.size_t(len(o.StartText))
	}
	options.seed = C.uint64_t(o.Seed)
	options.memory_limit = C.uint64_t(o.MemoryLimit)
	options.time_limit = C.double(o.TimeLimit.Seconds())
	options.steps = C.uint32_t(o.Steps)
	options.batch_size = C.uint32_t(o.BatchSize)
	options.prompt_length = C.uint32_t(o.PromptLength)
	options.max_tokens = C.uint32_t(o.MaxTokens)
	options.learning_rate = C.float(o.LearningRate)
	options.clip_norm = C.float(o.ClipNorm)
	options.weight_decay = C.float(o.WeightDecay)
	options.dev_fraction = C.float(o.DevFraction)
	options.dev_per_class = C.uint32_t(o.DevPerClass)
	options.eval_every = C.uint32_t(o.EvalEvery)
	options.patience = C.uint32_t(o.Patience)
	options.answer_loss = C.supmer_answer_loss(o.AnswerLoss)
	return native, nil
}

func (n *nativeAdaptOptions) release() {
	C.free(unsafe.Pointer(n.options.start_text))
	for _, handle := range n.held {
		handle.release()
	}
}
