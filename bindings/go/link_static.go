//go:build supmer_static

package supmer

// The archive by its file name, because a linker that finds libsupmer.so beside it would take that; Apple's linker has
// no such option and takes what the search path has. CGO_CFLAGS and CGO_LDFLAGS say where header and archive are.

// #cgo linux,!android LDFLAGS: -l:libsupmer.a -lpthread -lm -ldl
// #cgo android LDFLAGS: -l:libsupmer.a -lm -ldl
// #cgo !linux LDFLAGS: -lsupmer
import "C"
