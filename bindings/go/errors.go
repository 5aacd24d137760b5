package supmer

// #include "supmer.h"
import "C"

import (
	"errors"
	"io/fs"
)

// Status is the kind of a failure. Its values are errors to compare with: errors.Is(err, supmer.ErrNotFound).
type Status int32

// The kinds of failure. Newer libraries may have others.
const (
	ErrInvalidArgument  Status = C.SUPMER_STATUS_INVALID_ARGUMENT  // an argument is missing or of the wrong form
	ErrInvalidUTF8      Status = C.SUPMER_STATUS_INVALID_UTF8      // text is not UTF-8
	ErrInvalidOption    Status = C.SUPMER_STATUS_INVALID_OPTION    // an option is outside its documented range
	ErrIO               Status = C.SUPMER_STATUS_IO                // reading or writing failed
	ErrNotFound         Status = C.SUPMER_STATUS_NOT_FOUND         // no such file or folder; also fs.ErrNotExist
	ErrDiskFull         Status = C.SUPMER_STATUS_DISK_FULL         // the disk is full; nothing was replaced
	ErrCorruptFile      Status = C.SUPMER_STATUS_CORRUPT_FILE      // a file is truncated, damaged or hostile
	ErrUnsupported      Status = C.SUPMER_STATUS_UNSUPPORTED       // an architecture, setting or version is not known
	ErrNotFinite        Status = C.SUPMER_STATUS_NOT_FINITE        // a weight, prompt or loss is NaN or infinite
	ErrInvalidTask      Status = C.SUPMER_STATUS_INVALID_TASK      // too few labels, a bad template, clashing verbalizers
	ErrInvalidExample   Status = C.SUPMER_STATUS_INVALID_EXAMPLE   // an example lacks a field or names an unknown label
	ErrBackboneMismatch Status = C.SUPMER_STATUS_BACKBONE_MISMATCH // made for another family of models
	ErrMemoryLimit      Status = C.SUPMER_STATUS_MEMORY_LIMIT      // the work does not fit the memory limit or the system
	ErrTooLarge         Status = C.SUPMER_STATUS_TOO_LARGE         // an input is larger than the library accepts
	ErrCancelled        Status = C.SUPMER_STATUS_CANCELLED         // a context or a callback asked to stop
	ErrPanic            Status = C.SUPMER_STATUS_PANIC             // a bug in the library; close what the call used
	ErrInternal         Status = C.SUPMER_STATUS_INTERNAL          // a bug in the library
)

// ErrClosed is what a call on a closed or nil object fails with.
var ErrClosed = errors.New("supmer: not open")

// Error is what every failed call of this package gives.
type Error struct {
	// Status is the kind of failure.
	Status Status
	// Message says what was expected, what came and what to do. It never holds text of examples or inputs.
	Message string

	cause error
}

// Error gives the message.
func (e *Error) Error() string { return "supmer: " + e.Message }

// Unwrap gives the status and, where there is one, the cause: [ErrClosed], the error of the context that was done, or
// what a progress callback returned.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.Status}
	}
	return []error{e.Status, e.cause}
}

// Error gives the name of the status in lower case, such as "not_found"; "unknown" for one the library does not know.
func (s Status) Error() string { return C.GoString(C.supmer_status_name(C.supmer_status(s))) }

// Is makes [ErrNotFound] an fs.ErrNotExist.
func (s Status) Is(target error) bool { return s == ErrNotFound && target == fs.ErrNotExist }

// outcome turns what a call returned into an error, or nil, and frees the library's.
func outcome(status C.supmer_status, failed *C.supmer_error, cause error) error {
	if status == C.SUPMER_STATUS_OK {
		return nil
	}
	if failed == nil {
		return &Error{Status: Status(status), Message: Status(status).Error(), cause: cause}
	}
	defer C.supmer_error_free(failed)
	return &Error{Status: Status(status), Message: C.GoString(C.supmer_error_message(failed)), cause: cause}
}
