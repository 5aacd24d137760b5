package supmer

// #include "supmer.h"
import "C"

import "unsafe"

// chars gives a string the way the library takes it: where it lies, for the length of one call, and its bytes.
func chars(text string) (*C.char, C.size_t) {
	return (*C.char)(unsafe.Pointer(unsafe.StringData(text))), C.size_t(len(text))
}

// octets does the same for bytes.
func octets(bytes []byte) (*C.uint8_t, C.size_t) {
	return (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(bytes))), C.size_t(len(bytes))
}

// textBlob is many texts in the form of a batch: one after another, and where each begins and ends. Two pieces of
// memory without a pointer in them may cross to C whatever the number of texts.
type textBlob struct {
	bytes   []byte
	offsets []C.size_t
}

func newTextBlob(count int, text func(int) string) textBlob {
	blob := textBlob{offsets: make([]C.size_t, 1, count+1)}
	length := 0
	for i := range count {
		length += len(text(i))
		blob.offsets = append(blob.offsets, C.size_t(length))
	}
	blob.bytes = make([]byte, 0, length)
	for i := range count {
		blob.bytes = append(blob.bytes, text(i)...)
	}
	return blob
}

func (b textBlob) chars() (*C.char, C.size_t) {
	return (*C.char)(unsafe.Pointer(unsafe.SliceData(b.bytes))), C.size_t(len(b.bytes))
}
