package supmer

// #include "callbacks.h"
import "C"

import (
	"context"
	"encoding/json"
	"runtime"
	"unsafe"
)

// Model is a frozen language model: load it once, adapt and predict with it from as many goroutines as you like. It
// never changes.
type Model struct{ handle *handle }

// Weights is how a model's weights are held in memory.
type Weights int32

// Ways to hold weights.
const (
	WeightsAuto     Weights = C.SUPMER_WEIGHTS_AUTO     // as stored for GGUF files, expanded for model folders
	WeightsStored   Weights = C.SUPMER_WEIGHTS_STORED   // as in the file, expanded piece by piece when used: least memory
	WeightsExpanded Weights = C.SUPMER_WEIGHTS_EXPANDED // expanded once to 32-bit numbers, four bytes each
)

// Instructions is the instruction set that a model computes with.
type Instructions int32

// Instruction sets.
const (
	InstructionsAuto     Instructions = C.SUPMER_INSTRUCTIONS_AUTO     // the best that the processor has, AMX left out
	InstructionsPortable Instructions = C.SUPMER_INSTRUCTIONS_PORTABLE // runs everywhere
	InstructionsAVX2     Instructions = C.SUPMER_INSTRUCTIONS_AVX2     // AVX2 with FMA
	InstructionsAVX512   Instructions = C.SUPMER_INSTRUCTIONS_AVX512   // AVX-512
	InstructionsAMX      Instructions = C.SUPMER_INSTRUCTIONS_AMX      // AMX tiles on top of AVX-512, only on request
	InstructionsAMXBF16  Instructions = C.SUPMER_INSTRUCTIONS_AMX_BF16 // AMX tiles with factors rounded to bf16: fastest, third digits differ
)

// ModelOptions is how to load a model. The zero value is all defaults.
type ModelOptions struct {
	// PromptCacheBytes is how much of adapted prompts' states is kept for fast prediction; 0 = 64 MiB, 1 = nothing.
	PromptCacheBytes uint64
	// ThreadCount is the number of worker threads of this model; 0 = one per core, 1 = the caller's thread only.
	// Results do not depend on it.
	ThreadCount uint32
	// Weights is how weights are held.
	Weights Weights
	// Instructions chooses the kernels.
	Instructions Instructions
	// Progress is told how far the call is; an error stops it and becomes part of the call's error.
	Progress func(Progress) error
}

// LoadModel loads a model from a GGUF file or a Hugging Face folder (config.json, tokenizer.json, safetensors).
// Unless weights are expanded the file is mapped: replace it by renaming, do not write to it while the model lives. Where
// it may become unreadable (a network drive), which would end the process, use [LoadModelBytes].
func LoadModel(ctx context.Context, path string, options *ModelOptions) (*Model, error) {
	return loadModel(ctx, options, func(
		native *C.supmer_model_options, progress C.uintptr_t, out **C.supmer_model, failed **C.supmer_error,
	) C.supmer_status {
		text, length := chars(path)
		return C.supmer_go_model_load(text, length, native, progress, out, failed)
	})
}

// LoadModelBytes loads a model from the contents of a GGUF file, which the library copies.
func LoadModelBytes(ctx context.Context, gguf []byte, options *ModelOptions) (*Model, error) {
	return loadModel(ctx, options, func(
		native *C.supmer_model_options, progress C.uintptr_t, out **C.supmer_model, failed **C.supmer_error,
	) C.supmer_status {
		bytes, length := octets(gguf)
		return C.supmer_go_model_load_memory(bytes, length, native, progress, out, failed)
	})
}

// LoadModelFiles loads a model from the contents of a Hugging Face folder's files, by name. The library copies them.
func LoadModelFiles(ctx context.Context, files map[string][]byte, options *ModelOptions) (*Model, error) {
	return loadModel(ctx, options, func(
		native *C.supmer_model_options, progress C.uintptr_t, out **C.supmer_model, failed **C.supmer_error,
	) C.supmer_status {
		var pinner runtime.Pinner // the array for C holds pointers to names and contents
		defer pinner.Unpin()
		array := make([]C.supmer_file, 0, len(files))
		for name, contents := range files {
			var file C.supmer_file
			if name != "" {
				pinner.Pin(unsafe.StringData(name))
				file.name, file.name_length = chars(name)
			}
			if len(contents) > 0 {
				pinner.Pin(unsafe.SliceData(contents))
				file.bytes, file.length = octets(contents)
			}
			array = append(array, file)
		}
		return C.supmer_go_model_load_memory_folder(
			unsafe.SliceData(array), C.size_t(len(array)), native, progress, out, failed)
	})
}

// Fingerprint tells which model this is, as a JSON object: "architecture", "shape" and "tokenizer" are the family that
// an adapter needs, "weights" tells other weights and quantizations of the same family apart.
func (m *Model) Fingerprint() (json.RawMessage, error) {
	model, err := m.hold()
	if err != nil {
		return nil, err
	}
	defer m.handle.release()
	return json.RawMessage(C.GoString(C.supmer_model_fingerprint(model))), nil
}

// Close frees the model; its adapters stay usable with another [Model] of the same family. It always returns nil.
func (m *Model) Close() error {
	if m != nil {
		m.handle.close()
	}
	return nil
}

// loadModel runs one of the three ways to load, watched by context and progress.
func loadModel(ctx context.Context, options *ModelOptions, load func(
	native *C.supmer_model_options, progress C.uintptr_t, out **C.supmer_model, failed **C.supmer_error,
) C.supmer_status) (*Model, error) {
	if options == nil {
		options = &ModelOptions{}
	}
	cancel, err := watch(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel.end()
	observer := observe(ctx, options.Progress)
	defer observer.end()
	native := new(C.supmer_model_options)
	if status := C.supmer_model_options_init(native, C.sizeof_supmer_model_options); status != 0 {
		return nil, outcome(status, nil, nil)
	}
	native.prompt_cache_bytes = C.uint64_t(options.PromptCacheBytes)
	native.thread_count = C.uint32_t(options.ThreadCount)
	native.weights = C.supmer_weights(options.Weights)
	native.instructions = C.supmer_instructions(options.Instructions)
	native.cancel = cancel.flag
	var model *C.supmer_model
	var failed *C.supmer_error
	status := load(native, C.uintptr_t(observer.handle), &model, &failed)
	if err := cancel.outcome(status, failed, observer.err); err != nil {
		return nil, err
	}
	return &Model{newHandle("model", unsafe.Pointer(model), func(object unsafe.Pointer) {
		C.supmer_model_free((*C.supmer_model)(object))
	})}, nil
}

func (m *Model) hold() (*C.supmer_model, error) {
	if m == nil {
		return nil, notOpen("model")
	}
	object, err := m.handle.hold()
	return (*C.supmer_model)(object), err
}
