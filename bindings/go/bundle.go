package supmer

// #include "supmer.h"
import "C"

import (
	"encoding/json"
	"unsafe"
)

// Bundle is a meta-trained start for adaptation, made for one family of models: a prompt, and the gradient regularizer
// that is applied at every step. It never changes.
type Bundle struct{ handle *handle }

// LoadBundle reads a bundle file. Whether it fits a model is checked when it is used with one, or by [Bundle.Check].
func LoadBundle(path string) (*Bundle, error) {
	text, length := chars(path)
	var bundle *C.supmer_bundle
	var failed *C.supmer_error
	status := C.supmer_bundle_load(text, length, &bundle, &failed)
	if err := outcome(status, failed, nil); err != nil {
		return nil, err
	}
	return newBundle(bundle), nil
}

// LoadBundleBytes reads a bundle from the contents of its file, which the library copies.
func LoadBundleBytes(file []byte) (*Bundle, error) {
	bytes, length := octets(file)
	var bundle *C.supmer_bundle
	var failed *C.supmer_error
	status := C.supmer_bundle_load_memory(bytes, length, &bundle, &failed)
	if err := outcome(status, failed, nil); err != nil {
		return nil, err
	}
	return newBundle(bundle), nil
}

// Save writes the bundle file: beside the path first, then moved into place, so that the path never holds half a file.
func (b *Bundle) Save(path string) error {
	bundle, err := b.hold()
	if err != nil {
		return err
	}
	defer b.handle.release()
	text, length := chars(path)
	var failed *C.supmer_error
	status := C.supmer_bundle_save(bundle, text, length, &failed)
	return outcome(status, failed, nil)
}

// Metadata tells what the bundle is, as a JSON object: "prompt_length", "width", "regularizer" (null without one) and
// "origin" with the model family, the advised settings and the recipe.
func (b *Bundle) Metadata() (json.RawMessage, error) {
	bundle, err := b.hold()
	if err != nil {
		return nil, err
	}
	defer b.handle.release()
	return json.RawMessage(C.GoString(C.supmer_bundle_metadata(bundle))), nil
}

// Check says whether the bundle was made for the family of a model: [ErrBackboneMismatch] names what differs.
func (b *Bundle) Check(model *Model) error {
	bundle, err := b.hold()
	if err != nil {
		return err
	}
	defer b.handle.release()
	backbone, err := model.hold()
	if err != nil {
		return err
	}
	defer model.handle.release()
	var failed *C.supmer_error
	status := C.supmer_bundle_check(bundle, backbone, &failed)
	return outcome(status, failed, nil)
}

// Close frees the bundle; adapters made from it stay usable. It always returns nil.
func (b *Bundle) Close() error {
	if b != nil {
		b.handle.close()
	}
	return nil
}

func newBundle(bundle *C.supmer_bundle) *Bundle {
	return &Bundle{newHandle("bundle", unsafe.Pointer(bundle), func(object unsafe.Pointer) {
		C.supmer_bundle_free((*C.supmer_bundle)(object))
	})}
}

func (b *Bundle) hold() (*C.supmer_bundle, error) {
	if b == nil {
		return nil, notOpen("bundle")
	}
	object, err := b.handle.hold()
	return (*C.supmer_bundle)(object), err
}
