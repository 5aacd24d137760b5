package supmer

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"
)

// handle owns one object of the library. Calls hold it while they use it, so that neither Close nor the garbage
// collector frees what is in use.
type handle struct {
	kind string // "model", for messages
	free func(unsafe.Pointer)

	mutex  sync.Mutex
	object unsafe.Pointer // nil once it was freed
	uses   int
	closed bool
}

// newHandle takes over an object. One that nobody closes is freed some time after it became unreachable.
func newHandle(kind string, object unsafe.Pointer, free func(unsafe.Pointer)) *handle {
	h := &handle{kind: kind, free: free, object: object}
	runtime.SetFinalizer(h, (*handle).close)
	return h
}

// hold gives the object to a call, which must end with release.
func (h *handle) hold() (unsafe.Pointer, error) {
	if h == nil {
		return nil, notOpen("object")
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.closed {
		return nil, notOpen(h.kind)
	}
	h.uses++
	return h.object, nil
}

// release ends the use that hold began.
func (h *handle) release() {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.uses--
	h.freeUnused()
}

// change runs a short call that must have the object to itself. It waits for other changes and refuses to wait for a
// call that holds the object, which may take minutes or be the very call whose callback wants the change.
func (h *handle) change(call func(unsafe.Pointer) error) error {
	if h == nil {
		return notOpen("object")
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.closed {
		return notOpen(h.kind)
	}
	if h.uses > 0 {
		return &Error{Status: ErrInvalidArgument, Message: fmt.Sprintf(
			"the %s is being used by another call; change it before that call begins or after it ended", h.kind)}
	}
	return call(h.object)
}

// close lets the object go, now or when the last call that uses it ends.
func (h *handle) close() {
	if h == nil {
		return
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.closed = true
	h.freeUnused()
}

func (h *handle) freeUnused() {
	if h.closed && h.uses == 0 && h.object != nil {
		h.free(h.object)
		h.object = nil
		runtime.SetFinalizer(h, nil)
	}
}

func notOpen(kind string) error {
	return &Error{Status: ErrInvalidArgument, cause: ErrClosed, Message: fmt.Sprintf(
		"the %s is nil or was closed; use it before Close", kind)}
}
