//go:build supmer_static

package supmer

// The archive by its file name, because a linker that finds libsupmer.so beside it would take that; Apple's linker has
// no such option and takes what the search path has. CGO_CFLAGS and CGO_LDFLAGS say where header and archive are.

// #cgo linux LDFLAGS: -l:libsupmer.a -lgcc_s -lpthread -lm -ldl
// #cgo !linux LDFLAGS: -lsupmer
import "C"
