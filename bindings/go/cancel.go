package supmer

// #include "supmer.h"
import "C"

import "context"

// cancellation carries a context's end into one call. The library's flag stays set once it was requested, so a context
// that ends before the call has looked is not missed.
type cancellation struct {
	ctx       context.Context
	flag      *C.supmer_cancel // nil when the context can never be done
	stop      func() bool
	requested chan struct{} // closed when the request was made
}

// watch begins to carry; the caller must call end after the call. A context that is done is an error at once.
func watch(ctx context.Context) (*cancellation, error) {
	c := &cancellation{ctx: ctx}
	if ctx.Err() != nil {
		return nil, &Error{Status: ErrCancelled, Message: "the context was done before the call began", cause: ctx.Err()}
	}
	if ctx.Done() == nil {
		return c, nil
	}
	var flag *C.supmer_cancel
	var failed *C.supmer_error
	status := C.supmer_cancel_new(&flag, &failed)
	if err := outcome(status, failed, nil); err != nil {
		return nil, err
	}
	c.flag = flag
	c.requested = make(chan struct{})
	c.stop = context.AfterFunc(ctx, func() {
		C.supmer_cancel_request(flag)
		close(c.requested)
	})
	return c, nil
}

// end waits for a request under way before it frees the flag.
func (c *cancellation) end() {
	if c.flag == nil {
		return
	}
	if !c.stop() {
		<-c.requested
	}
	C.supmer_cancel_free(c.flag)
}

// outcome is the error of the call, which a callback may have stopped with a reason. A call that ended well in spite of
// the context keeps its result.
func (c *cancellation) outcome(status C.supmer_status, failed *C.supmer_error, reason error) error {
	if status != C.SUPMER_STATUS_CANCELLED {
		return outcome(status, failed, nil)
	}
	if reason == nil {
		reason = c.ctx.Err()
	}
	return outcome(status, failed, reason)
}
