package supmer

// #include "supmer.h"
import "C"

// A program that calls a function whose name holds the ABI cannot be linked to, or started with, a library of another.
func init() { C.supmer_abi_0() }

// Version gives the version of the library that runs, such as "0.1.0".
func Version() string { return C.GoString(C.supmer_version_string()) }

// HasFeature says whether the library, on this processor, has a feature: "gguf", "safetensors", "llama", "t5", "avx2",
// "avx512", "amx" (asking for it asks the system for them), "train". It is false for a name that the library does not
// know.
func HasFeature(name string) bool {
	text, length := chars(name)
	return bool(C.supmer_has_feature(text, length))
}

// LiveHandleCount says how many of the library's objects were not freed yet, over the whole process: 0 when a program
// has cleaned up.
func LiveHandleCount() int { return int(C.supmer_live_handle_count()) }

// BundleFormats gives the versions of the bundle format that the library reads; it writes the newest.
func BundleFormats() (oldest, newest uint32) {
	var from, to C.uint32_t
	C.supmer_bundle_format_range(&from, &to)
	return uint32(from), uint32(to)
}

// AdapterFormats gives the versions of the adapter format that the library reads; it writes the oldest that holds the adapter.
func AdapterFormats() (oldest, newest uint32) {
	var from, to C.uint32_t
	C.supmer_adapter_format_range(&from, &to)
	return uint32(from), uint32(to)
}
