package supmer

// #include "supmer.h"
import "C"

import (
	"context"
	"runtime/cgo"
)

// Stage is what a long call has just done.
type Stage int32

// The stages of long calls.
const (
	StageStep    Stage = C.SUPMER_STAGE_STEP    // an optimizer step ended
	StageDev     Stage = C.SUPMER_STAGE_DEV     // the examples held out for choosing the best prompt were scored
	StagePredict Stage = C.SUPMER_STAGE_PREDICT // rows were predicted
	StageLoad    Stage = C.SUPMER_STAGE_LOAD    // a part of a model was read
	StageTrain   Stage = C.SUPMER_STAGE_TRAIN   // a step of meta-training ended
	StagePrepare Stage = C.SUPMER_STAGE_PREPARE // sentences were embedded or clustered for meta-training
)

// Progress is how far a long call is.
type Progress struct {
	// Stage is what was just done.
	Stage Stage
	// Done is how many units (steps, rows, tensors) are done, and Total how many there will be at most.
	Done, Total uint64
	// Loss is in nats per example; NaN where there is none.
	Loss float32
	// Accuracy is the share of right answers on the held-out examples, 0 to 1; NaN where there is none.
	Accuracy float32
}

// observer leads a call's progress to a Go function. The function runs on the goroutine that made the call, so what
// stops it is kept here until the call has returned.
type observer struct {
	ctx      context.Context
	callback func(Progress) error
	handle   cgo.Handle // 0 when there is no function
	err      error      // what the function returned
	panicked any        // what it panicked with
}

func observe(ctx context.Context, callback func(Progress) error) *observer {
	o := &observer{ctx: ctx, callback: callback}
	if callback != nil {
		o.handle = cgo.NewHandle(o)
	}
	return o
}

// end takes the function away; a panic of it goes on from here.
func (o *observer) end() {
	if o.handle != 0 {
		o.handle.Delete()
	}
	if o.panicked != nil {
		panic(o.panicked)
	}
}

// report says whether the call may go on. The context is asked too: one that the function itself has cancelled stops
// the call before its next step.
func (o *observer) report(progress Progress) (goOn bool) {
	defer func() {
		if value := recover(); value != nil {
			o.panicked = value
		}
	}()
	o.err = o.callback(progress)
	return o.err == nil && o.ctx.Err() == nil
}

//export supmerGoProgress
func supmerGoProgress(userData C.uintptr_t, progress *C.supmer_progress) C.int32_t {
	o := cgo.Handle(userData).Value().(*observer)
	if o.report(Progress{
		Stage:    Stage(progress.stage),
		Done:     uint64(progress.done),
		Total:    uint64(progress.total),
		Loss:     float32(progress.loss),
		Accuracy: float32(progress.accuracy),
	}) {
		return 0
	}
	return 1
}
