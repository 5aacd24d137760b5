package supmer

// #include "callbacks.h"
import "C"

import (
	"context"
	"log/slog"
	"runtime/cgo"
	"sync"
)

var logging struct {
	mutex  sync.Mutex
	handle cgo.Handle
}

// SetLogger gives the library's log to a logger, for the whole process; nil makes it silent, as it is at first. The
// logger's level is read once, here. When SetLogger returns, the former logger is not used any more.
//
// The handler is called on any thread and must not call SetLogger. A panic in it ends the program.
func SetLogger(logger *slog.Logger) error {
	logging.mutex.Lock()
	defer logging.mutex.Unlock()
	var handle cgo.Handle
	var level C.supmer_log_level
	if logger != nil {
		level = lowestLevel(logger)
	}
	if level != 0 {
		handle = cgo.NewHandle(logger)
	}
	var failed *C.supmer_error
	status := C.supmer_go_set_log(C.uintptr_t(handle), level, &failed)
	if err := outcome(status, failed, nil); err != nil {
		if handle != 0 {
			handle.Delete()
		}
		return err
	}
	if logging.handle != 0 {
		logging.handle.Delete()
	}
	logging.handle = handle
	return nil
}

// lowestLevel gives the library's level for all that the logger wants; 0 when it wants nothing.
func lowestLevel(logger *slog.Logger) C.supmer_log_level {
	for level := C.supmer_log_level(C.SUPMER_LOG_DEBUG); level >= C.SUPMER_LOG_ERROR; level-- {
		if logger.Enabled(context.Background(), slogLevel(level)) {
			return level
		}
	}
	return 0
}

func slogLevel(level C.supmer_log_level) slog.Level {
	switch level {
	case C.SUPMER_LOG_ERROR:
		return slog.LevelError
	case C.SUPMER_LOG_WARNING:
		return slog.LevelWarn
	case C.SUPMER_LOG_INFO:
		return slog.LevelInfo
	default:
		return slog.LevelDebug
	}
}

//export supmerGoLog
func supmerGoLog(userData C.uintptr_t, level C.supmer_log_level, message *C.char) {
	// The frames below are the library's and may hold its locks: a panic must not unwind them to be recovered above.
	defer func() {
		if value := recover(); value != nil {
			go panic(value)
			select {}
		}
	}()
	logger := cgo.Handle(userData).Value().(*slog.Logger)
	logger.Log(context.Background(), slogLevel(level), C.GoString(message))
}
