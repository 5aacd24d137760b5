//go:build !supmer_static

package supmer

// #cgo pkg-config: supmer
import "C"
