package supmer

// #include "callbacks.h"
import "C"

import (
	"context"
	"unsafe"
)

// Abstained is the index of a prediction that abstained.
const Abstained = int(C.SUPMER_ABSTAINED)

// PredictOptions is how to predict. The zero value is all defaults.
type PredictOptions struct {
	// AbstainBelow is the probability of the best label below which the prediction abstains, 0 to 1; 0 = never.
	AbstainBelow float32
	// BatchSize is the number of rows computed together; 0 = chosen by the library.
	BatchSize uint32
	// Progress is told after every batch how many rows are done; an error stops the call and becomes part of its error.
	Progress func(Progress) error
}

// Prediction is what the model says of one text.
type Prediction struct {
	// Label is the name of the best label; "" when the prediction abstained.
	Label string
	// Index is the best label's position in [Adapter.Labels], or [Abstained].
	Index int
	// Probabilities has one value per label, in the order of [Adapter.Labels]; they sum to 1.
	Probabilities []float32
}

// Row is one text of a mixed batch with the adapter to predict it with.
type Row struct {
	Adapter *Adapter
	Text    string
}

// Predict predicts one text, for a template with the field {text}.
func (m *Model) Predict(
	ctx context.Context, adapter *Adapter, text string, options *PredictOptions,
) (Prediction, error) {
	return m.predictOne(ctx, adapter, text, false, options)
}

// PredictJSON predicts one row of any fields, given as a JSON object such as {"title": "...", "body": "..."}. Members
// that the template does not name are left out; numbers, true and false are taken as text.
func (m *Model) PredictJSON(
	ctx context.Context, adapter *Adapter, object []byte, options *PredictOptions,
) (Prediction, error) {
	return m.predictOne(ctx, adapter, unsafe.String(unsafe.SliceData(object), len(object)), true, options)
}

// PredictBatch predicts many texts, for a template with the field {text}, faster than one by one. One bad text fails
// the call, and the message says which.
func (m *Model) PredictBatch(
	ctx context.Context, adapter *Adapter, texts []string, options *PredictOptions,
) ([]Prediction, error) {
	model, err := m.hold()
	if err != nil {
		return nil, err
	}
	defer m.handle.release()
	native, err := adapter.hold()
	if err != nil {
		return nil, err
	}
	defer adapter.handle.release()
	cancel, err := watch(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel.end()
	observer := options.observe(ctx)
	defer observer.end()

	input := newTextBlob(len(texts), func(i int) string { return texts[i] })
	blob, length := input.chars()
	out := newOutputs(len(texts), len(adapter.labels))
	room, capacity := out.floats()
	var failed *C.supmer_error
	status := C.supmer_go_predict_batch(model, native, blob, length, unsafe.SliceData(input.offsets),
		C.size_t(len(texts)), options.native(cancel), C.uintptr_t(observer.handle), room, capacity,
		unsafe.SliceData(out.labels), &failed)
	if err := cancel.outcome(status, failed, observer.err); err != nil {
		return nil, err
	}
	return out.predictions(func(int) *Adapter { return adapter }), nil
}

// PredictMixed predicts many texts, each with an adapter of its own, in one batch.
func (m *Model) PredictMixed(ctx context.Context, rows []Row, options *PredictOptions) ([]Prediction, error) {
	model, err := m.hold()
	if err != nil {
		return nil, err
	}
	defer m.handle.release()
	natives := make([]*C.supmer_adapter, len(rows)) // C's pointers, so the array may cross to C
	stride := 0
	for i, row := range rows {
		if natives[i], err = row.Adapter.hold(); err != nil {
			return nil, err
		}
		defer row.Adapter.handle.release()
		stride = max(stride, len(row.Adapter.labels))
	}
	cancel, err := watch(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel.end()
	observer := options.observe(ctx)
	defer observer.end()

	input := newTextBlob(len(rows), func(i int) string { return rows[i].Text })
	blob, length := input.chars()
	out := newOutputs(len(rows), stride)
	room, _ := out.floats()
	var failed *C.supmer_error
	status := C.supmer_go_predict_mixed(model, unsafe.SliceData(natives), blob, length, unsafe.SliceData(input.offsets),
		C.size_t(len(rows)), options.native(cancel), C.uintptr_t(observer.handle), room, C.size_t(stride),
		unsafe.SliceData(out.labels), &failed)
	if err := cancel.outcome(status, failed, observer.err); err != nil {
		return nil, err
	}
	return out.predictions(func(i int) *Adapter { return rows[i].Adapter }), nil
}

func (m *Model) predictOne(
	ctx context.Context, adapter *Adapter, input string, json bool, options *PredictOptions,
) (Prediction, error) {
	model, err := m.hold()
	if err != nil {
		return Prediction{}, err
	}
	defer m.handle.release()
	native, err := adapter.hold()
	if err != nil {
		return Prediction{}, err
	}
	defer adapter.handle.release()
	cancel, err := watch(ctx)
	if err != nil {
		return Prediction{}, err
	}
	defer cancel.end()
	observer := options.observe(ctx)
	defer observer.end()

	text, length := chars(input)
	out := newOutputs(1, len(adapter.labels))
	room, capacity := out.floats()
	label := unsafe.SliceData(out.labels)
	var failed *C.supmer_error
	var status C.supmer_status
	if json {
		status = C.supmer_go_predict_row_json(
			model, native, text, length, options.native(cancel), C.uintptr_t(observer.handle), room, capacity, label,
			&failed)
	} else {
		status = C.supmer_go_predict(
			model, native, text, length, options.native(cancel), C.uintptr_t(observer.handle), room, capacity, label,
			&failed)
	}
	if err := cancel.outcome(status, failed, observer.err); err != nil {
		return Prediction{}, err
	}
	return out.predictions(func(int) *Adapter { return adapter })[0], nil
}

// observe leads to the function of the options, if there is one.
func (o *PredictOptions) observe(ctx context.Context) *observer {
	if o == nil {
		return observe(ctx, nil)
	}
	return observe(ctx, o.Progress)
}

// native gives the library's form, nil when all is default and nothing can stop the call.
func (o *PredictOptions) native(cancel *cancellation) *C.supmer_predict_options {
	if o == nil && cancel.flag == nil {
		return nil
	}
	native := new(C.supmer_predict_options)
	// Where it fails the size stays 0, which the call then refuses.
	C.supmer_predict_options_init(native, C.sizeof_supmer_predict_options)
	if o != nil {
		native.abstain_below = C.float(o.AbstainBelow)
		native.batch_size = C.uint32_t(o.BatchSize)
	}
	native.cancel = cancel.flag
	return native
}

// outputs is the memory that the library writes predictions to.
type outputs struct {
	stride        int
	probabilities []float32
	labels        []C.int32_t
}

func newOutputs(rows, stride int) *outputs {
	return &outputs{stride, make([]float32, rows*stride), make([]C.int32_t, rows)}
}

func (o *outputs) floats() (*C.float, C.size_t) {
	return (*C.float)(unsafe.Pointer(unsafe.SliceData(o.probabilities))), C.size_t(len(o.probabilities))
}

func (o *outputs) predictions(adapter func(row int) *Adapter) []Prediction {
	predictions := make([]Prediction, len(o.labels))
	for i, label := range o.labels {
		labels := adapter(i).labels
		start, end := i*o.stride, i*o.stride+len(labels)
		predictions[i] = Prediction{Index: int(label), Probabilities: o.probabilities[start:end:end]}
		if label != C.SUPMER_ABSTAINED {
			predictions[i].Label = labels[label]
		}
	}
	return predictions
}
