package supmer

// #include "supmer.h"
import "C"

import "unsafe"

// Adapter is what an adaptation made: a prompt of some tens of kilobytes with its task, ready to predict with on the family of
// models it was made for. It holds no text of examples and never changes.
type Adapter struct {
	handle *handle
	labels []string
}

// LoadAdapter reads an adapter file. Whether it fits a model is checked when it is used with one.
func LoadAdapter(path string) (*Adapter, error) {
	text, length := chars(path)
	var adapter *C.supmer_adapter
	var failed *C.supmer_error
	status := C.supmer_adapter_load(text, length, &adapter, &failed)
	if err := outcome(status, failed, nil); err != nil {
		return nil, err
	}
	return newAdapter(adapter), nil
}

// LoadAdapterBytes reads an adapter from the contents of its file, which the library copies.
func LoadAdapterBytes(file []byte) (*Adapter, error) {
	bytes, length := octets(file)
	var adapter *C.supmer_adapter
	var failed *C.supmer_error
	status := C.supmer_adapter_load_memory(bytes, length, &adapter, &failed)
	if err := outcome(status, failed, nil); err != nil {
		return nil, err
	}
	return newAdapter(adapter), nil
}

// Save writes the adapter file: beside the path first, then moved into place, so that the path never holds half a file.
func (a *Adapter) Save(path string) error {
	adapter, err := a.hold()
	if err != nil {
		return err
	}
	defer a.handle.release()
	text, length := chars(path)
	var failed *C.supmer_error
	status := C.supmer_adapter_save(adapter, text, length, &failed)
	return outcome(status, failed, nil)
}

// Bytes gives what [Adapter.Save] would write. The same adapter always gives the same bytes.
func (a *Adapter) Bytes() ([]byte, error) {
	adapter, err := a.hold()
	if err != nil {
		return nil, err
	}
	defer a.handle.release()
	var buffer *C.supmer_buffer
	var failed *C.supmer_error
	status := C.supmer_adapter_save_memory(adapter, &buffer, &failed)
	if err := outcome(status, failed, nil); err != nil {
		return nil, err
	}
	defer C.supmer_buffer_free(buffer)
	data := unsafe.Pointer(C.supmer_buffer_data(buffer))
	return C.GoBytes(data, C.int(C.supmer_buffer_length(buffer))), nil
}

// Labels gives the names of the labels in the order of probabilities. It works after Close too.
func (a *Adapter) Labels() []string { return append([]string(nil), a.labels...) }

// Close frees the adapter. It always returns nil.
func (a *Adapter) Close() error {
	if a != nil {
		a.handle.close()
	}
	return nil
}

func newAdapter(adapter *C.supmer_adapter) *Adapter {
	labels := make([]string, C.supmer_adapter_label_count(adapter))
	for i := range labels {
		labels[i] = C.GoString(C.supmer_adapter_label_name(adapter, C.size_t(i)))
	}
	return &Adapter{labels: labels, handle: newHandle("adapter", unsafe.Pointer(adapter), func(object unsafe.Pointer) {
		C.supmer_adapter_free((*C.supmer_adapter)(object))
	})}
}

func (a *Adapter) hold() (*C.supmer_adapter, error) {
	if a == nil {
		return nil, notOpen("adapter")
	}
	object, err := a.handle.hold()
	return (*C.supmer_adapter)(object), err
}
