/*
 * supmer.h: adapt a frozen small language model to a task from a few labelled examples, on the device, and predict.
 *
 * This header is the manual; what is not in it is not part of the interface. It is C11 and may be included from C++.
 * examples/c/adapt_and_predict.c goes the main way once. The shortest story, errors left out:
 *
 *     supmer_model_load(path, strlen(path), NULL, &model, NULL);
 *     supmer_task_new("reviews", 7, &task, NULL);
 *     ... supmer_task_add_label, supmer_task_set_template, supmer_task_add_example ...
 *     supmer_adapt(model, NULL, task, NULL, &adapter, NULL, NULL);
 *     supmer_predict(model, adapter, text, strlen(text), NULL, probabilities, 2, &label, NULL);
 *
 * There is nothing to set up and nothing to shut down. Link with -lsupmer, or with libsupmer.a and the system's
 * libraries for threads and mathematics.
 *
 * Errors. A call that can fail returns a supmer_status, SUPMER_STATUS_OK (0) on success, and takes a last parameter
 * `error` that may be NULL (see the section on errors). Outputs are written only on success. Every pointer argument is
 * checked: a NULL that is not allowed is SUPMER_STATUS_INVALID_ARGUMENT. A failed call leaves its handles usable.
 * A panic, which is a bug in the library, does not end the program: it is SUPMER_STATUS_PANIC, after which the handles
 * of that call refuse further work and only wait to be freed. What can end it is a system that has no memory left, and
 * a mapped model file that cannot be read any more (see supmer_model_load). Each function lists its statuses without
 * SUPMER_STATUS_.
 *
 * Ownership. Objects are opaque handles. What a call writes through a pointer to a pointer is yours; give each back
 * once, to the free function of its type, never to free(). Freeing NULL does nothing. Handles may be freed in any
 * order: whatever one needs of another stays alive. A handle must not be freed while a call uses it, nor used after.
 * A pointer that a function returns directly is borrowed: it lives as long as the handle it was asked of. The library
 * copies what it keeps of its arguments.
 *
 * Threads. A handle may be used from any thread. Functions that take a pointer to const may run at the same time on
 * one handle; functions that take a pointer to non-const must have the handle to themselves. Models, bundles,
 * adapters, reports, errors and buffers never change. A call leaves nothing behind on its thread.
 * A model does not survive fork(): load it in the child, where calls with a parent's model are
 * SUPMER_STATUS_INVALID_ARGUMENT. Do not unload the library (dlclose): workers of a freed model may still be ending.
 *
 * Strings are UTF-8, given as pointer and length in bytes, and need no NUL at the end; (NULL, 0) is empty. Text that
 * the library gives ends in NUL. Paths are strings too, on every system.
 *
 * Options. A struct of options begins with its size. Call its init function, then set fields; 0 is always the default.
 * Structs grow at their end only: a library reads the part that it knows and refuses a field that it does not know
 * unless it is 0, so programs and libraries of different versions work together.
 *
 * Growth. Functions, constants and fields are added, never changed or removed while SUPMER_ABI_VERSION stays the same.
 * This is promised from 1.0 on: ABI 0 is provisional, and a release before 1.0 may change it; its changelog says how.
 * "Since" tells the first version that has a function.
 */

#ifndef SUPMER_H
#define SUPMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ===== version =========================================================================================
 *
 * Which library this is and what it can do.
 */

/**
 * The header's version: major * 1000000 + minor * 1000 + patch.
 */
#define SUPMER_VERSION 1000

/**
 * The header's ABI: libraries with this number can stand in for each other, newer for older.
 */
#define SUPMER_ABI_VERSION 0

/**
 * Version of the library that runs, to compare with `SUPMER_VERSION` of the header a program was built with.
 *
 * - Returns: major * 1000000 + minor * 1000 + patch.
 * - Errors: none.
 * - Threads: any.
 * - Since: 0.1.0
 */
uint32_t supmer_version(void);

/**
 * Version of the library that runs, as text such as "0.1.0".
 *
 * - Returns: static text, not to be freed.
 * - Errors: none.
 * - Threads: any.
 * - Since: 0.1.0
 */
const char *supmer_version_string(void);

/**
 * ABI of the library that runs; a program may use it when it equals `SUPMER_ABI_VERSION` of its header.
 *
 * - Errors: none.
 * - Threads: any.
 * - Since: 0.1.0
 */
uint32_t supmer_abi_version(void);

/**
 * Does nothing. Its name holds the ABI version: a program that calls it once cannot be linked to, or started with, a
 * library of another ABI.
 *
 * - Errors: none.
 * - Threads: any.
 * - Since: 0.1.0
 */
void supmer_abi_0(void);

/**
 * Whether this library, on this processor, has a feature. Known names: "gguf", "safetensors" (model files it reads),
 * "llama", "t5" (model families), "avx2", "avx512", "amx" (instructions its kernels can use here; asking for "amx"
 * asks the system for them), "train" (the functions under `SUPMER_TRAIN`).
 *
 * - `name`, `name_length`: the feature's name.
 * - Returns: false also for a name this version does not know.
 * - Errors: none; a NULL name or one that is not UTF-8 is false.
 * - Threads: any.
 * - Since: 0.1.0
 */
bool supmer_has_feature(const char *name,
                        size_t name_length);

/**
 * How many handles the library has given out that were not freed: 0 when a program has cleaned up.
 *
 * - Returns: the count over the whole process, errors and buffers included.
 * - Errors: none.
 * - Threads: any.
 * - Since: 0.1.0
 */
size_t supmer_live_handle_count(void);

/* ===== status ==========================================================================================
 *
 * What a fallible call returns. Values are pinned: they never change and are never used again for something else.
 * New ones may be added, so treat an unknown status as a failure.
 */

/**
 * The outcome of a call: `SUPMER_STATUS_OK` or the kind of failure.
 */
typedef int32_t supmer_status;

/**
 * Success.
 */
#define SUPMER_STATUS_OK 0

/**
 * An argument is missing, NULL, too small, or of the wrong form.
 */
#define SUPMER_STATUS_INVALID_ARGUMENT 10

/**
 * Text is not UTF-8.
 */
#define SUPMER_STATUS_INVALID_UTF8 11

/**
 * An option is outside its documented range.
 */
#define SUPMER_STATUS_INVALID_OPTION 12

/**
 * Reading or writing failed.
 */
#define SUPMER_STATUS_IO 20

/**
 * A file or folder does not exist.
 */
#define SUPMER_STATUS_NOT_FOUND 21

/**
 * The disk is full; nothing was replaced.
 */
#define SUPMER_STATUS_DISK_FULL 22

/**
 * A file is truncated, damaged or hostile.
 */
#define SUPMER_STATUS_CORRUPT_FILE 30

/**
 * A file is well formed but uses an architecture, setting or version this build does not know.
 */
#define SUPMER_STATUS_UNSUPPORTED 31

/**
 * A weight, prompt or loss is NaN or infinite.
 */
#define SUPMER_STATUS_NOT_FINITE 32

/**
 * A task has too few labels, a bad template or clashing verbalizers.
 */
#define SUPMER_STATUS_INVALID_TASK 40

/**
 * An example lacks a field, names an unknown label or cannot fit.
 */
#define SUPMER_STATUS_INVALID_EXAMPLE 41

/**
 * An adapter or bundle was made for another backbone family.
 */
#define SUPMER_STATUS_BACKBONE_MISMATCH 50

/**
 * The work does not fit the given memory limit, or the system has not enough memory or threads for it.
 */
#define SUPMER_STATUS_MEMORY_LIMIT 60

/**
 * An input is larger than the library accepts.
 */
#define SUPMER_STATUS_TOO_LARGE 61

/**
 * The caller asked to stop.
 */
#define SUPMER_STATUS_CANCELLED 70

/**
 * A bug in the library: a panic was caught. The handles of that call refuse further work; free them.
 */
#define SUPMER_STATUS_PANIC 90

/**
 * A bug in the library: something that always holds does not.
 */
#define SUPMER_STATUS_INTERNAL 91

/**
 * Name of a status in lower case, such as "invalid_utf8", for logs.
 *
 * - `status`: what a call returned.
 * - Returns: static text, not to be freed; "unknown" for a value this version does not know.
 * - Errors: none.
 * - Threads: any.
 * - Since: 0.1.0
 */
const char *supmer_status_name(supmer_status status);

/* ===== error ===========================================================================================
 *
 * What went wrong, in words. Every fallible call takes a last parameter `error`: NULL when the status is enough, or
 * the address of a `supmer_error *` that receives an error of yours to free. It is written on failure only, so set
 * the pointer to NULL first and free an error before the variable is used again. Messages say what was expected, what
 * came and what to do; they never hold text of examples or inputs.
 */

/**
 * Why a call failed. Immutable.
 */
typedef struct supmer_error supmer_error;

/**
 * Status of an error, the same that the failed call returned.
 *
 * - Returns: `SUPMER_STATUS_OK` for NULL.
 * - Errors: none.
 * - Threads: any.
 * - Since: 0.1.0
 */
supmer_status supmer_error_status(const supmer_error *error);

/**
 * Message of an error: one line of UTF-8 text for a person.
 *
 * - Returns: text ending in NUL that lives as long as the error; "" for NULL.
 * - Errors: none.
 * - Threads: any.
 * - Since: 0.1.0
 */
const char *supmer_error_message(const supmer_error *error);

/**
 * Frees an error. NULL is a no-op.
 *
 * - Errors: none.
 * - Threads: any.
 * - Since: 0.1.0
 */
void supmer_error_free(supmer_error *error);

/* ===== log =============================================================================================
 *
 * What the library has to say while it works: a model was loaded, an adaptation began or ended, a warning. It says
 * nothing until a callback is set, and never writes anywhere itself. Messages never hold text of examples or inputs.
 */

/**
 * How important a message is: one of `SUPMER_LOG_...`.
 */
typedef int32_t supmer_log_level;

/**
 * Receives a message: one line of UTF-8 text ending in NUL that lives until the callback returns. It may be called from
 * several threads at once, must return (no longjmp, no C++ exception), and must not set a log callback.
 */
typedef void (*supmer_log_callback)(void *user_data, supmer_log_level level, const char *message);

/**
 * A bug in the library.
 */
#define SUPMER_LOG_ERROR 1

/**
 * Something that a person should look at, such as a task that was not learned.
 */
#define SUPMER_LOG_WARNING 2

/**
 * What long calls did.
 */
#define SUPMER_LOG_INFO 3

/**
 * Details, for those who look for a fault.
 */
#define SUPMER_LOG_DEBUG 4

/**
 * Sets the process's log callback. When it returns, the callback that was set before is not called any more and what
 * it used may be freed.
 *
 * - `callback`: receives the messages; NULL = none.
 * - `user_data`: handed to `callback`.
 * - `level`: the least important messages that are wanted, such as `SUPMER_LOG_INFO`; not read when `callback` is NULL.
 * - Errors: `INVALID_OPTION` for a level that is none, `INVALID_ARGUMENT` from inside a log callback, `UNSUPPORTED` in
 *   a Rust program that has a logger of its own, which gets the messages instead.
 * - Threads: any; waits for callbacks that are running.
 * - Since: 0.1.0
 */
supmer_status supmer_set_log_callback(supmer_log_callback callback,
                                      void *user_data,
                                      supmer_log_level level,
                                      supmer_error **error);

/* ===== cancel ==========================================================================================
 *
 * A flag that stops long calls. Make one, hand it to a call in its options, and request from any thread, before or
 * while the call runs: the call returns `SUPMER_STATUS_CANCELLED` within one step and gives no result. The flag stays
 * set until it is reset; one flag may serve many calls. Where more calls than threads use a model at once, a step waits
 * for its turn; a request ends that wait as well.
 */

/**
 * A sticky request to stop.
 */
typedef struct supmer_cancel supmer_cancel;

/**
 * Makes a flag that is not set.
 *
 * - `out`: receives the flag, yours to free with `supmer_cancel_free`.
 * - Errors: `INVALID_ARGUMENT` when `out` is NULL.
 * - Threads: any.
 * - Since: 0.1.0
 */
supmer_status supmer_cancel_new(supmer_cancel **out, supmer_error **error);

/**
 * Asks every call that has the flag to stop. NULL is a no-op.
 *
 * - Errors: none.
 * - Threads: any, at any time; does not wait.
 * - Since: 0.1.0
 */
void supmer_cancel_request(const supmer_cancel *cancel);

/**
 * Clears the flag so that it can be used again. NULL is a no-op.
 *
 * - Errors: none.
 * - Threads: any; a call that is still running may then go on.
 * - Since: 0.1.0
 */
void supmer_cancel_reset(const supmer_cancel *cancel);

/**
 * Frees the flag. NULL is a no-op.
 *
 * - Errors: none.
 * - Threads: any, when no call uses this handle; a call that was given it uses it until it returns.
 * - Since: 0.1.0
 */
void supmer_cancel_free(supmer_cancel *cancel);

/* ===== progress ========================================================================================
 *
 * How far a long call is. Its options take a callback, which may also stop it.
 */

/**
 * What was just done: one of `SUPMER_STAGE_...`.
 */
typedef int32_t supmer_stage;

/**
 * How far a long call is. Filled by the library; read only fields within `struct_size`.
 */
typedef struct {
    /**
     * Size of the struct that the library filled.
     */
    size_t struct_size;
    /**
     * How many units (steps, rows, tensors) are done.
     */
    uint64_t done;
    /**
     * How many there will be at most.
     */
    uint64_t total;
    /**
     * Loss in nats per example; NaN where there is none.
     */
    float loss;
    /**
     * Share of right answers on the held-out examples, 0 to 1; NaN where there is none.
     */
    float accuracy;
    /**
     * What was just done.
     */
    supmer_stage stage;
    /**
     * 0.
     */
    int32_t reserved;
} supmer_progress;

/**
 * Called between steps, on the thread that made the call. `progress` lives until it returns. 0 goes on, anything else
 * cancels the call. It must return: no longjmp, no C++ exception may leave it, and it must not free what the call uses.
 */
typedef int32_t (*supmer_progress_callback)(void *user_data, const supmer_progress *progress);

/**
 * An optimizer step ended.
 */
#define SUPMER_STAGE_STEP 0

/**
 * The examples held out for choosing the best prompt were scored.
 */
#define SUPMER_STAGE_DEV 1

/**
 * Rows were predicted.
 */
#define SUPMER_STAGE_PREDICT 2

/**
 * Tensors of a model were read.
 */
#define SUPMER_STAGE_LOAD 3

/**
 * A step of meta-training ended.
 */
#define SUPMER_STAGE_TRAIN 4

/**
 * Sentences were embedded or clustered for meta-training.
 */
#define SUPMER_STAGE_PREPARE 5

/* ===== buffer ==========================================================================================
 *
 * Bytes that the library made, such as an adapter to be stored by the program. Immutable.
 */

/**
 * Bytes owned by the library.
 */
typedef struct supmer_buffer supmer_buffer;

/**
 * The first byte of a buffer.
 *
 * - Returns: a pointer that lives as long as the buffer; NULL for NULL.
 * - Errors: none.
 * - Threads: any.
 * - Since: 0.1.0
 */
const uint8_t *supmer_buffer_data(const supmer_buffer *buffer);

/**
 * How many bytes a buffer has.
 *
 * - Returns: 0 for NULL.
 * - Errors: none.
 * - Threads: any.
 * - Since: 0.1.0
 */
size_t supmer_buffer_length(const supmer_buffer *buffer);

/**
 * Frees a buffer. NULL is a no-op.
 *
 * - Errors: none.
 * - Threads: any, when nothing reads the buffer any more.
 * - Since: 0.1.0
 */
void supmer_buffer_free(supmer_buffer *buffer);

/* ===== model ===========================================================================================
 *
 * A frozen language model: load it once, adapt and predict with it from as many threads as you like. Immutable.
 */

/**
 * A loaded model.
 */
typedef struct supmer_model supmer_model;

/**
 * How a model's weights are held in memory: one of `SUPMER_WEIGHTS_...`.
 */
typedef int32_t supmer_weights;

/**
 * Which instructions of the processor a model's kernels use: one of `SUPMER_INSTRUCTIONS_...`. Results differ between
 * them in the last digits.
 */
typedef int32_t supmer_instructions;

/**
 * How to load a model. 0 (or NULL) in a field is its default.
 */
typedef struct {
    /**
     * Size of this struct in bytes, set by `supmer_model_options_init`.
     */
    size_t struct_size;
    /**
     * Bytes of adapted prompts' states that are kept for fast prediction; 0 = 64 MiB, 1 = keep none.
     */
    uint64_t prompt_cache_bytes;
    /**
     * Worker threads of this model, at most 256; 0 = one per core, 1 = the caller's thread only. Results do not depend
     * on it.
     */
    uint32_t thread_count;
    /**
     * How weights are held.
     */
    supmer_weights weights;
    /**
     * Which instructions the kernels use.
     */
    supmer_instructions instructions;
    /**
     * Stops loading, and nothing later; NULL = nothing does.
     */
    const supmer_cancel *cancel;
    /**
     * Told how far loading is; NULL = nobody.
     */
    supmer_progress_callback progress;
    /**
     * Handed to `progress`.
     */
    void *progress_user_data;
} supmer_model_options;

/**
 * A file in memory. A library with this ABI knows exactly these fields.
 */
typedef struct {
    /**
     * Its name without a path, such as "config.json".
     */
    const char *name;
    /**
     * Bytes of `name`.
     */
    size_t name_length;
    /**
     * Its contents.
     */
    const uint8_t *bytes;
    /**
     * How many bytes it has.
     */
    size_t length;
} supmer_file;

/**
 * As stored for GGUF files, expanded for model folders.
 */
#define SUPMER_WEIGHTS_AUTO 0

/**
 * As in the file (mapped, usually quantized), expanded piece by piece when used: least memory.
 */
#define SUPMER_WEIGHTS_STORED 1

/**
 * Expanded once to 32-bit numbers when loading: four bytes a weight, and no faster than 4-bit weights as stored.
 */
#define SUPMER_WEIGHTS_EXPANDED 2

/**
 * The best that the processor has, AMX left out.
 */
#define SUPMER_INSTRUCTIONS_AUTO 0

/**
 * Those that every processor of the family has.
 */
#define SUPMER_INSTRUCTIONS_PORTABLE 1

/**
 * AVX2 with FMA (x86-64).
 */
#define SUPMER_INSTRUCTIONS_AVX2 2

/**
 * AVX-512 F, BW, DQ and VL (x86-64).
 */
#define SUPMER_INSTRUCTIONS_AVX512 3

/**
 * AMX tiles on top of AVX-512 (x86-64 Linux), as precise: faster adaptation and batches. The system is asked, for the
 * whole process, to save the tiles' state, for which alternative signal stacks must then have room (about 11 KB more).
 */
#define SUPMER_INSTRUCTIONS_AMX 4

/**
 * As `SUPMER_INSTRUCTIONS_AMX`, but both factors of a product with weights are rounded to bf16, 8 bits, and summed in f32:
 * one product for five or six, so faster still; results differ in their third digit. Asks the same of the system.
 */
#define SUPMER_INSTRUCTIONS_AMX_BF16 5

/**
 * Makes `options` all defaults.
 *
 * - `options`, `struct_size`: the struct and its `sizeof`.
 * - Errors: `INVALID_ARGUMENT` for NULL, `INVALID_OPTION` for a size that no version has.
 * - Threads: any.
 * - Since: 0.1.0
 */
supmer_status supmer_model_options_init(supmer_model_options *options, size_t struct_size);

/**
 * Loads a model from a GGUF file or a Hugging Face folder (config.json, tokenizer.json, safetensors).
 *
 * - `path`, `path_length`: the file or folder. Unless weights are expanded it is mapped: while the model lives it must
 *   not be written to or cut, and must stay readable. To update it, write another file and rename that into place. Where
 *   it may become unreadable (a network drive, iOS file protection) use `supmer_model_load_memory`.
 * - `options`: NULL for all defaults.
 * - `out`: receives the model, yours to free with `supmer_model_free`.
 * - Errors: `NOT_FOUND`, `IO`, `CORRUPT_FILE`, `UNSUPPORTED` (the message names the architecture or setting),
 *   `NOT_FINITE`, `TOO_LARGE`, `MEMORY_LIMIT` (no memory for expanded weights, or too few threads), `CANCELLED`,
 *   `INVALID_OPTION`, `INVALID_UTF8`, `INVALID_ARGUMENT`.
 * - Threads: any.
 * - Since: 0.1.0
 */
supmer_status supmer_model_load(const char *path,
                                size_t path_length,
                                const supmer_model_options *options,
                                supmer_model **out,
                                supmer_error **error);

/**
 * Loads a model from the bytes of a GGUF file. They are copied.
 *
 * - `bytes`, `length`: the contents of the file.
 * - `options`, `out`: as for `supmer_model_load`.
 * - Errors: as `supmer_model_load`, but for files; `MEMORY_LIMIT` when there is no memory for the copy.
 * - Threads: any.
 * - Since: 0.1.0
 */
supmer_status supmer_model_load_memory(const uint8_t *bytes,
                                       size_t length,
                                       const supmer_model_options *options,
                                       supmer_model **out,
                                       supmer_error **error);

/**
 * Loads a model from the files of a Hugging Face folder in memory. What is kept of them is copied.
 *
 * - `files`, `count`: config.json, tokenizer.json, tokenizer_config.json if there is one, and the weights:
 *   model.safetensors, or model.safetensors.index.json and the files that it names. Others are left out.
 * - `options`, `out`: as for `supmer_model_load`.
 * - Errors: as `supmer_model_load`; `NOT_FOUND` names a file that is missing, `INVALID_ARGUMENT` one that is given
 *   twice; `MEMORY_LIMIT` when there is no memory for a copy.
 * - Threads: any.
 * - Since: 0.1.0
 */
supmer_status supmer_model_load_memory_folder(const supmer_file *files,
                                              size_t count,
                                              const supmer_model_options *options,
                                              supmer_model **out,
                                              supmer_error **error);

/**
 * Which model this is, as a JSON object: "architecture", "shape" and "tokenizer" are the family that an adapter needs,
 * "weights" tells other weights and quantizations of the same family apart.
 *
 * - Returns: text ending in NUL that lives as long as the model; NULL for NULL.
 * - Errors: none.
 * - Threads: any.
 * - Since: 0.1.0
 */
const char *supmer_model_fingerprint(const supmer_model *model);

/**
 * Frees a model. NULL is a no-op; its adapters stay usable with another handle of the same model.
 *
 * - Errors: none.
 * - Threads: any, when no call uses this handle.
 * - Since: 0.1.0
 */
void supmer_model_free(supmer_model *model);

/* ===== bundle ==========================================================================================
 *
 * A meta-trained start for adaptation, made for one model family: a prompt, and the gradient regularizer that is applied
 * at every step. Immutable.
 */

/**
 * A meta-trained start.
 */
typedef struct supmer_bundle supmer_bundle;

/**
 * Reads a bundle file. Whether it fits a model is checked when it is used with one, or by `supmer_bundle_check`.
 *
 * - `path`, `path_length`: the file.
 * - `out`: receives the bundle, yours to free with `supmer_bundle_free`.
 * - Errors: `NOT_FOUND`, `IO`, `CORRUPT_FILE`, `NOT_FINITE`, `UNSUPPORTED` (a format this version does not know),
 *   `TOO_LARGE`, `INVALID_ARGUMENT`, `INVALID_UTF8`.
 * - Threads: any.
 * - Since: 0.1.0
 */
supmer_status supmer_bundle_load(const char *path,
                                 size_t path_length,
                                 supmer_bundle **out,
                                 supmer_error **error);

/**
 * Reads a bundle from memory. The bytes are copied.
 *
 * - `bytes`, `bytes_length`: the contents of a bundle file.
 * - `out`: receives the bundle, yours to free with `supmer_bundle_free`.
 * - Errors: `CORRUPT_FILE`, `NOT_FINITE`, `UNSUPPORTED`, `TOO_LARGE`, `INVALID_ARGUMENT`.
 * - Threads: any.
 * - Since: 0.1.0
 */
supmer_status supmer_bundle_load_memory(const uint8_t *bytes,
                                        size_t bytes_length,
                                        supmer_bundle **out,
                                        supmer_error **error);

/**
 * Writes a bundle file beside `path`, then renames it into place: a reader finds the old file or the new one.
 *
 * - `path`, `path_length`: where the file goes; its folder must exist.
 * - Errors: `IO`, `NOT_FOUND`, `DISK_FULL`, `INVALID_ARGUMENT`, `INVALID_UTF8`; what was at `path` is then untouched.
 * - Threads: any.
 * - Since: 0.1.0
 */
supmer_status supmer_bundle_save(const supmer_bundle *bundle,
                                 const char *path,
                                 size_t path_length,
                                 supmer_error **error);

/**
 * What a bundle is, as a JSON object: "prompt_length", "width", "regularizer" (null without one, else "rank" and "layers")
 * and "origin": "fingerprint" (the model family, null when it is not known), "adaptation" (null, or what it advises:
 * "steps", "learning_rate", "batch_size", and "answer_loss" where that is not "vocabulary"), "corpus_digest" and "recipe".
 * Later versions may add members.
 *
 * - Returns: text ending in NUL that lives as long as the bundle; NULL for NULL.
 * - Errors: none.
 * - Threads: any.
 * - Since: 0.1.0
 */
const char *supmer_bundle_metadata(const supmer_bundle *bundle);

/**
 * Checks that a bundle was made for the family of a model. Other weights of the family (another quantization) pass;
 * a report of adaptation then has a warning. Of a bundle that does not know its family (an imported checkpoint) only the
 * width is checked.
 *
 * - Errors: `BACKBONE_MISMATCH` (the message names what differs), `INVALID_ARGUMENT`.
 * - Threads: any.
 * - Since: 0.1.0
 */
supmer_status supmer_bundle_check(const supmer_bundle *bundle,
                                  const supmer_model *model,
                                  supmer_error **error);

/**
 * Versions of the bundle format that this library reads; it writes the newest.
 *
 * - `oldest`, `newest`: receive the range; NULL leaves one out.
 * - Errors: none.
 * - Threads: any.
 * - Since: 0.1.0
 */
void supmer_bundle_format_range(uint32_t *oldest, uint32_t *newest);

/**
 * Frees a bundle. NULL is a no-op; adapters made from it stay usable.
 *
 * - Errors: none.
 * - Threads: any, when no call uses this handle.
 * - Since: 0.1.0
 */
void supmer_bundle_free(supmer_bundle *bundle);

/* ===== task ============================================================================================
 *
 * What to learn: labels, each with the word the model shall say for it (its verbalizer), a template that turns a text
 * into a question, and labelled examples. A task is built up step by step and then only read; `supmer_adapt` takes a
 * copy, so a task may be changed or freed afterwards.
 */

/**
 * A task with its examples.
 */
typedef struct supmer_task supmer_task;

/**
 * Makes a task without labels, template or examples.
 *
 * - `name`, `name_length`: what to call it, at most 1,024 bytes; kept in adapters.
 * - `out`: receives the task, yours to free with `supmer_task_free`.
 * - Errors: `INVALID_TASK` for a name that is too long, `INVALID_ARGUMENT`, `INVALID_UTF8`.
 * - Threads: any.
 * - Since: 0.1.0
 */
supmer_status supmer_task_new(const char *name,
                              size_t name_length,
                              supmer_task **out,
                              supmer_error **error);

/**
 * Reads name, template and labels from a `task.json` file:
 * `{"name": "...", "template": "{text}\nSentiment:", "labels": [{"name": "...", "verbalizer": " ..."}, ...]}`.
 *
 * - `path`, `path_length`: the file.
 * - `out`: receives the task, without examples, yours to free with `supmer_task_free`.
 * - Errors: `NOT_FOUND`, `IO`, `TOO_LARGE`, `INVALID_TASK`, `INVALID_ARGUMENT`, `INVALID_UTF8`.
 * - Threads: any.
 * - Since: 0.1.0
 */
supmer_status supmer_task_read(const char *path,
                               size_t path_length,
                               supmer_task **out,
                               supmer_error **error);

/**
 * Adds a label, of at most 1,000. Predictions list labels in the order in which they were added.
 *
 * - `name`, `name_length`: the label as examples name it, at most 1,024 bytes.
 * - `verbalizer`, `verbalizer_length`: what the model shall say, usually a space and one common word: " great". At
 *   most 1,024 bytes and 32 tokens, and those of all labels at most 4,096 tokens together unless a label head takes their
 *   place (`SUPMER_ANSWER_LOSS_HEAD`): calls that put them into tokens give `INVALID_TASK`.
 * - Errors: `INVALID_TASK` for a repeated name, and for a name or verbalizer that is empty, blank or too long,
 *   `TOO_LARGE` for too many labels, `INVALID_ARGUMENT`, `INVALID_UTF8`.
 * - Threads: one at a time for one task.
 * - Since: 0.1.0
 */
supmer_status supmer_task_add_label(supmer_task *task,
                                    const char *name,
                                    size_t name_length,
                                    const char *verbalizer,
                                    size_t verbalizer_length,
                                    supmer_error **error);

/**
 * Sets the template: text with fields in braces, such as "{text}\nSentiment:". The model reads it, filled in, before
 * it says the verbalizer.
 *
 * - `template_text`, `template_length`: the template, at most 64 KiB; checked by `supmer_adapt`.
 * - Errors: `INVALID_ARGUMENT`, `INVALID_UTF8`, `TOO_LARGE`.
 * - Threads: one at a time for one task.
 * - Since: 0.1.0
 */
supmer_status supmer_task_set_template(supmer_task *task,
                                       const char *template_text,
                                       size_t template_length,
                                       supmer_error **error);

/**
 * Adds an example for a template with the field `{text}`.
 *
 * - `text`, `text_length`: the example, at most 4 MiB.
 * - `label`, `label_length`: name of a label that was added before.
 * - Errors: `INVALID_EXAMPLE` for an unknown label, `TOO_LARGE`, `INVALID_ARGUMENT`, `INVALID_UTF8`.
 * - Threads: one at a time for one task.
 * - Since: 0.1.0
 */
supmer_status supmer_task_add_example(supmer_task *task,
                                      const char *text,
                                      size_t text_length,
                                      const char *label,
                                      size_t label_length,
                                      supmer_error **error);

/**
 * Adds an example for a template with the fields `{text_a}` and `{text_b}`.
 *
 * - `text_a`, `text_a_length`, `text_b`, `text_b_length`: the two texts.
 * - `label`, `label_length`: name of a label that was added before.
 * - Errors: as `supmer_task_add_example`.
 * - Threads: one at a time for one task.
 * - Since: 0.1.0
 */
supmer_status supmer_task_add_example_pair(supmer_task *task,
                                           const char *text_a,
                                           size_t text_a_length,
                                           const char *text_b,
                                           size_t text_b_length,
                                           const char *label,
                                           size_t label_length,
                                           supmer_error **error);

/**
 * Adds an example with any fields, as a JSON object such as `{"title": "...", "body": "...", "label": "..."}`. Add the
 * labels and set the template first: members that the template does not name are left out; numbers, true and false are
 * taken as text.
 *
 * - `json`, `json_length`: the object; "label" names a label of the task.
 * - Errors: `INVALID_TASK` when the task has fewer than two labels or no template yet, `INVALID_EXAMPLE` when this is no
 *   JSON object, lacks a field or has an unknown label, `TOO_LARGE`, `INVALID_ARGUMENT`, `INVALID_UTF8`.
 * - Threads: one at a time for one task.
 * - Since: 0.1.0
 */
supmer_status supmer_task_add_example_json(supmer_task *task,
                                           const char *json,
                                           size_t json_length,
                                           supmer_error **error);

/**
 * How many examples a task has.
 *
 * - Returns: 0 for NULL.
 * - Errors: none.
 * - Threads: any, when the task is not being changed.
 * - Since: 0.1.0
 */
size_t supmer_task_count(const supmer_task *task);

/**
 * Frees a task. NULL is a no-op.
 *
 * - Errors: none.
 * - Threads: any, when no call uses this handle.
 * - Since: 0.1.0
 */
void supmer_task_free(supmer_task *task);

/* ===== adapter =========================================================================================
 *
 * What an adaptation made: a prompt of some tens of kilobytes with its task, ready to predict with on the model family it was
 * made for. Holds no text of examples. Immutable.
 */

/**
 * An adapted prompt with its task.
 */
typedef struct supmer_adapter supmer_adapter;

/**
 * Writes an adapter file: beside the path first, then moved into place, so that the path never holds half a file.
 *
 * - `path`, `path_length`: the file; one that exists is replaced.
 * - Errors: `IO`, `NOT_FOUND` (no such folder), `DISK_FULL`, `TOO_LARGE`, `INVALID_ARGUMENT`, `INVALID_UTF8`.
 * - Threads: any.
 * - Since: 0.1.0
 */
supmer_status supmer_adapter_save(const supmer_adapter *adapter,
                                  const char *path,
                                  size_t path_length,
                                  supmer_error **error);

/**
 * Reads an adapter file. Whether it fits a model is checked when it is used with one.
 *
 * - `path`, `path_length`: the file.
 * - `out`: receives the adapter, yours to free with `supmer_adapter_free`.
 * - Errors: `NOT_FOUND`, `IO`, `CORRUPT_FILE`, `UNSUPPORTED` (a format this version does not know), `TOO_LARGE`,
 *   `NOT_FINITE`, `INVALID_ARGUMENT`, `INVALID_UTF8`.
 * - Threads: any.
 * - Since: 0.1.0
 */
supmer_status supmer_adapter_load(const char *path,
                                  size_t path_length,
                                  supmer_adapter **out,
                                  supmer_error **error);

/**
 * Gives the bytes that `supmer_adapter_save` would write. The same adapter always gives the same bytes.
 *
 * - `out`: receives a buffer, yours to free with `supmer_buffer_free`.
 * - Errors: `TOO_LARGE`, `INVALID_ARGUMENT`.
 * - Threads: any.
 * - Since: 0.1.0
 */
supmer_status supmer_adapter_save_memory(const supmer_adapter *adapter,
                                         supmer_buffer **out,
                                         supmer_error **error);

/**
 * Reads an adapter from memory. The bytes are copied.
 *
 * - `bytes`, `bytes_length`: the contents of an adapter file.
 * - `out`: receives the adapter, yours to free with `supmer_adapter_free`.
 * - Errors: `CORRUPT_FILE`, `UNSUPPORTED`, `TOO_LARGE`, `NOT_FINITE`, `INVALID_ARGUMENT`.
 * - Threads: any.
 * - Since: 0.1.0
 */
supmer_status supmer_adapter_load_memory(const uint8_t *bytes,
                                         size_t bytes_length,
                                         supmer_adapter **out,
                                         supmer_error **error);

/**
 * How many labels an adapter tells apart: the number of probabilities of every prediction.
 *
 * - Returns: 0 for NULL.
 * - Errors: none.
 * - Threads: any.
 * - Since: 0.1.0
 */
size_t supmer_adapter_label_count(const supmer_adapter *adapter);

/**
 * Name of a label.
 *
 * - `index`: its position, from 0.
 * - Returns: text ending in NUL that lives as long as the adapter; NULL for NULL or an index out of range.
 * - Errors: none.
 * - Threads: any.
 * - Since: 0.1.0
 */
const char *supmer_adapter_label_name(const supmer_adapter *adapter,
                                      size_t index);

/**
 * Versions of the adapter format that this library reads; it writes the oldest that holds the adapter.
 *
 * - `oldest`, `newest`: receive the range; NULL leaves one out.
 * - Errors: none.
 * - Threads: any.
 * - Since: 0.1.0
 */
void supmer_adapter_format_range(uint32_t *oldest,
                                 uint32_t *newest);

/**
 * Frees an adapter. NULL is a no-op.
 *
 * - Errors: none.
 * - Threads: any, when no call uses this handle.
 * - Since: 0.1.0
 */
void supmer_adapter_free(supmer_adapter *adapter);

/* ===== report ==========================================================================================
 *
 * How an adaptation went. Immutable.
 */

/**
 * What an adaptation reports.
 */
typedef struct supmer_report supmer_report;

/**
 * The report as a JSON object:
 *
 * - "train_examples", "dev_examples" (held out; 0 = none), "cut_examples" (cut to `max_tokens`), "prompt_length";
 * - "steps": for every step "loss" (of its batch before it, nats an example), "learning_rate", "gradient_norm" (before
 *   clipping), and with a regularizer "gate" (0 to 1, the weight of the raw gradient) and "cosine" (of the raw and the
 *   applied gradient);
 * - "dev": for every scoring of the held-out examples "step" (0 = the start), "accuracy" (0 to 1) and "loss" (nats);
 * - "kept_step": the steps that made what is kept; "stopped": "steps", "patience" or "time limit";
 * - "seconds" of the call, "peak_bytes" of the process so far (0 = not known), "warnings": sentences for a person.
 *
 * Later versions may add members.
 *
 * - Returns: text ending in NUL that lives as long as the report; NULL for NULL.
 * - Errors: none.
 * - Threads: any.
 * - Since: 0.1.0
 */
const char *supmer_report_json(const supmer_report *report);

/**
 * Frees a report. NULL is a no-op.
 *
 * - Errors: none.
 * - Threads: any, when no call uses this handle.
 * - Since: 0.1.0
 */
void supmer_report_free(supmer_report *report);

/* ===== adapt ===========================================================================================
 *
 * Learning a task: from a model and a task to an adapter, in one call that may take minutes. It runs on the caller's
 * thread and the model's own workers. The same model, task, options and library on the same kind of processor give the
 * same adapter, byte for byte, whatever the number of threads (unless a time limit ended the run).
 */

/**
 * Turns a setting off where 0 means its default, in fields that say so.
 */
#define SUPMER_OFF 4294967295

/**
 * What the loss of an example tells its gold label apart from: one of `SUPMER_ANSWER_LOSS_...`.
 */
typedef int32_t supmer_answer_loss;

/**
 * How to adapt. 0 (or NULL) in a field is its default, which suits 8 to 32 examples a label. With a bundle, `steps`,
 * `batch_size`, `learning_rate` and `answer_loss` are by default what it advises.
 */
typedef struct {
    /**
     * Size of this struct in bytes, set by `supmer_adapt_options_init`.
     */
    size_t struct_size;
    /**
     * Seed of the starting prompt, the held-out part and the order of the examples (default 42).
     */
    uint64_t seed;
    /**
     * Bytes that intermediate results may take at once; 0 = no limit. Lower is slower.
     */
    uint64_t memory_limit;
    /**
     * Seconds after which the best prompt so far is returned, at most 1e9; 0 = no limit. Looked at after each step: one step
     * always runs, and scoring the held-out part and fitting label heads are not cut short.
     */
    double time_limit;
    /**
     * Optimizer steps, at most 1,000,000 (default 100).
     */
    uint32_t steps;
    /**
     * Examples a step, at most 4,096 (default 8).
     */
    uint32_t batch_size;
    /**
     * Rows of the prompt, at most 4,096 (default 20). Those of a bundle or of `start_adapter` that
     * the prompt starts from replace it; with `start_text` and a bundle, 0 is the bundle's.
     */
    uint32_t prompt_length;
    /**
     * Most tokens of a filled template; longer ones are cut inside their longest field. At most
     * 16,777,216 (default 256); with the prompt's rows and the longest verbalizer it has to fit into the model's context, that
     * of a T5 being 16,384.
     */
    uint32_t max_tokens;
    /**
     * First learning rate of AdamW, 1e-8 to 100; falls to 0 over the steps (default 0.02, or what the
     * bundle advises; for `SUPMER_ANSWER_LOSS_HEAD` without a bundle trials chose 0.003).
     */
    float learning_rate;
    /**
     * Largest norm of the gradient, at most 1e6 (default 1); negative = no clipping.
     */
    float clip_norm;
    /**
     * Weight decay, at most 1; by default, and when negative, none.
     */
    float weight_decay;
    /**
     * Share of every label's examples held out for choosing the best prompt, at most 0.9; 0 = see `dev_per_class`.
     */
    float dev_fraction;
    /**
     * Examples of each label held out (default 16); `SUPMER_OFF` = none. None are held out, and the report warns of it,
     * when a label would keep fewer than 8: by default below 24 examples of every label. At most 1,000,000.
     */
    uint32_t dev_per_class;
    /**
     * Score the held-out part every so many steps, and at the start and the end. At most 1,000,000 (default 10).
     */
    uint32_t eval_every;
    /**
     * Stop after so many scorings in a row without a better one, at most 1,000,000; by default, and by `SUPMER_OFF`,
     * never.
     */
    uint32_t patience;
    /**
     * What the loss tells a gold label apart from: one of `SUPMER_ANSWER_LOSS_...`.
     */
    supmer_answer_loss answer_loss;
    /**
     * Start from this adapter's prompt; NULL = from the bundle's prompt, or without a bundle from rows of the model's
     * vocabulary.
     */
    const supmer_adapter *start_adapter;
    /**
     * Start from this text, UTF-8; NULL = as said there. Not together with `start_adapter`.
     */
    const char *start_text;
    /**
     * Bytes of `start_text`, at most 4 MiB.
     */
    size_t start_text_length;
    /**
     * Stops the call; NULL = nothing does.
     */
    const supmer_cancel *cancel;
    /**
     * Told how far the call is; NULL = nobody.
     */
    supmer_progress_callback progress;
    /**
     * Handed to `progress`.
     */
    void *progress_user_data;
} supmer_adapt_options;

/**
 * What the bundle advises; without one, the whole vocabulary.
 */
#define SUPMER_ANSWER_LOSS_AUTO 0

/**
 * Every token of the vocabulary: the ordinary loss of prompt tuning.
 */
#define SUPMER_ANSWER_LOSS_VOCABULARY 1

/**
 * The other labels alone: no step is spent on making the labels likely among all words, so few steps go further.
 */
#define SUPMER_ANSWER_LOSS_LABELS 2

/**
 * The other labels alone, by a label head: rows that are trained beside the prompt, begun at the verbalizers' and kept in
 * the adapter, score the labels in their place. For labels that are hard to put in one word, and for many; the verbalizers
 * then matter little. Examples held out choose between the trained head and some that are fitted to the others; a fitted
 * one is then fitted to those held out as well. Where none are held out, a head fitted at one fixed penalty is taken.
 */
#define SUPMER_ANSWER_LOSS_HEAD 3

/**
 * Makes `options` all defaults.
 *
 * - `options`, `struct_size`: the struct and its `sizeof`.
 * - Errors: `INVALID_ARGUMENT` for NULL, `INVALID_OPTION` for a size that no version has.
 * - Threads: any.
 * - Since: 0.1.0
 */
supmer_status supmer_adapt_options_init(supmer_adapt_options *options, size_t struct_size);

/**
 * Learns a task. The model is not changed; the task is copied.
 *
 * - `model`: the model to adapt.
 * - `bundle`: a meta-trained start, whose regularizer is applied at every step; NULL = ordinary prompt tuning.
 * - `task`: at least two labels, a template, and examples of every label.
 * - `options`: NULL for all defaults.
 * - `adapter`: receives the adapter, yours to free with `supmer_adapter_free`.
 * - `report`: receives the report, yours to free with `supmer_report_free`; NULL when it is not wanted.
 * - Errors: `INVALID_TASK`, `INVALID_EXAMPLE`, `INVALID_OPTION`, `TOO_LARGE`, `MEMORY_LIMIT`, `NOT_FINITE`,
 *   `BACKBONE_MISMATCH` (of `bundle` or `start_adapter`), `UNSUPPORTED` (a model without vocabulary to start from),
 *   `CANCELLED`, `INVALID_ARGUMENT`, `INVALID_UTF8`.
 * - Threads: any; several calls may share a model. The task must not be changed meanwhile.
 * - Since: 0.1.0
 */
supmer_status supmer_adapt(const supmer_model *model,
                           const supmer_bundle *bundle,
                           const supmer_task *task,
                           const supmer_adapt_options *options,
                           supmer_adapter **adapter,
                           supmer_report **report,
                           supmer_error **error);

/* ===== memory ==========================================================================================
 *
 * How much memory work with a model takes, before it is done: what fits a phone is known when the model is loaded.
 */

/**
 * Bytes of memory; estimates, but for the weights, that tend to be somewhat high.
 */
typedef struct {
    /**
     * Size of this struct in bytes, set by `supmer_memory_estimate_init`.
     */
    size_t struct_size;
    /**
     * The model's weights, as they are held. Those of a file are mapped: the system may drop and read them again.
     */
    uint64_t weights_bytes;
    /**
     * Intermediate results of an adaptation: of a step, of scoring held-out examples and of fitting label heads.
     */
    uint64_t adapt_bytes;
    /**
     * Intermediate results of predicting one text.
     */
    uint64_t predict_bytes;
    /**
     * An adapter's share of the model's prompt cache.
     */
    uint64_t cached_prompt_bytes;
} supmer_memory_estimate;

/**
 * Makes all fields of `estimate` 0 and notes its size.
 *
 * - `estimate`, `struct_size`: the struct and its `sizeof`.
 * - Errors: `INVALID_ARGUMENT` for NULL, `INVALID_OPTION` for a size that no version has.
 * - Threads: any.
 * - Since: 0.1.0
 */
supmer_status supmer_memory_estimate_init(supmer_memory_estimate *estimate, size_t struct_size);

/**
 * Estimates the memory that a model, an adaptation and predictions take. Nothing is computed by the model.
 *
 * - `task`: its labels, template and examples tell the lengths; NULL = every text has `max_tokens` tokens and every
 *   label one, and what fitting a label head takes is left out.
 * - `options`: how it would be adapted; NULL for all defaults. With a `memory_limit` steps are cut to fit it. For an
 *   adaptation from a bundle set `prompt_length` to the bundle's rows, and `batch_size` and `answer_loss` to what it
 *   advises (`supmer_bundle_metadata`).
 * - `estimate`: receives the numbers; `supmer_memory_estimate_init` comes first.
 * - Errors: those of `supmer_adapt` about its options and task, `CANCELLED` by the flag in the options,
 *   `INVALID_ARGUMENT`.
 * - Threads: any. The task must not be changed meanwhile.
 * - Since: 0.1.0
 */
supmer_status supmer_model_estimate_memory(const supmer_model *model,
                                           const supmer_task *task,
                                           const supmer_adapt_options *options,
                                           supmer_memory_estimate *estimate,
                                           supmer_error **error);

/* ===== predict =========================================================================================
 *
 * Labels for new texts. Probabilities come in the order of the adapter's labels and sum to 1. The first prediction
 * with an adapter computes the state of its prompt, later ones find it in the model's cache.
 */

/**
 * The label of a prediction that abstained.
 */
#define SUPMER_ABSTAINED -1

/**
 * How to predict. 0 (or NULL) in a field is its default.
 */
typedef struct {
    /**
     * Size of this struct in bytes, set by `supmer_predict_options_init`.
     */
    size_t struct_size;
    /**
     * Abstain when the best label's probability is below this, 0 to 1; 0 = never.
     */
    float abstain_below;
    /**
     * Rows computed together, at most 4,096; 0 = chosen by the library.
     */
    uint32_t batch_size;
    /**
     * Stops the call; NULL = nothing does.
     */
    const supmer_cancel *cancel;
    /**
     * Told after every batch how many rows are done (`SUPMER_STAGE_PREDICT`); NULL = nobody.
     */
    supmer_progress_callback progress;
    /**
     * Handed to `progress`.
     */
    void *progress_user_data;
} supmer_predict_options;

/**
 * Makes `options` all defaults.
 *
 * - `options`, `struct_size`: the struct and its `sizeof`.
 * - Errors: `INVALID_ARGUMENT` for NULL, `INVALID_OPTION` for a size that no version has.
 * - Threads: any.
 * - Since: 0.1.0
 */
supmer_status supmer_predict_options_init(supmer_predict_options *options, size_t struct_size);

/**
 * Predicts one text, for a template with the field `{text}`.
 *
 * - `model`, `adapter`: the adapter must be made for the model's family.
 * - `text`, `text_length`: the text.
 * - `options`: NULL for all defaults.
 * - `probabilities`, `capacity`: receive one value per label; room for fewer is an error, (NULL, 0) leaves them out.
 * - `label`: receives the position of the best label or `SUPMER_ABSTAINED`; NULL leaves it out.
 * - Errors: `BACKBONE_MISMATCH`, `INVALID_TASK` (the adapter's labels are not told apart by this model's tokens, or are
 *   too long), `INVALID_EXAMPLE`, `INVALID_OPTION`, `TOO_LARGE`, `NOT_FINITE`, `CANCELLED`, `INVALID_ARGUMENT`,
 *   `INVALID_UTF8`.
 * - Threads: any; calls may share model and adapter.
 * - Since: 0.1.0
 */
supmer_status supmer_predict(const supmer_model *model,
                             const supmer_adapter *adapter,
                             const char *text,
                             size_t text_length,
                             const supmer_predict_options *options,
                             float *probabilities,
                             size_t capacity,
                             int32_t *label,
                             supmer_error **error);

/**
 * Predicts one row of any fields, given as a JSON object such as `{"title": "...", "body": "..."}`. Members that the
 * template does not name are left out; numbers, true and false are taken as text.
 *
 * - `json`, `json_length`: the object.
 * - `model`, `adapter`, `options`, `probabilities`, `capacity`, `label`: as for `supmer_predict`.
 * - Errors: as `supmer_predict`; `INVALID_EXAMPLE` also when it is no JSON object or lacks a field of the template.
 * - Threads: any; calls may share model and adapter.
 * - Since: 0.1.0
 */
supmer_status supmer_predict_row_json(const supmer_model *model,
                                      const supmer_adapter *adapter,
                                      const char *json,
                                      size_t json_length,
                                      const supmer_predict_options *options,
                                      float *probabilities,
                                      size_t capacity,
                                      int32_t *label,
                                      supmer_error **error);

/**
 * Predicts many texts, for a template with the field `{text}`, faster than one by one.
 *
 * - `model`, `adapter`, `options`: as for `supmer_predict`.
 * - `blob`, `blob_length`: all texts, one after another.
 * - `offsets`, `count`: at most 10,000,000 texts; `count + 1` positions in `blob`, none below the one before; text i is
 *   the bytes from `offsets[i]` up to `offsets[i + 1]`.
 * - `probabilities`, `capacity`: receive `count` times one value per label, text by text; room for fewer is an error,
 *   (NULL, 0) leaves them out.
 * - `labels`: receives `count` positions of the best label or `SUPMER_ABSTAINED`; NULL leaves them out.
 * - Errors: as `supmer_predict`; one bad text fails the call, and the message says which, counted from 1.
 * - Threads: any; calls may share model and adapter.
 * - Since: 0.1.0
 */
supmer_status supmer_predict_batch(const supmer_model *model,
                                   const supmer_adapter *adapter,
                                   const char *blob,
                                   size_t blob_length,
                                   const size_t *offsets,
                                   size_t count,
                                   const supmer_predict_options *options,
                                   float *probabilities,
                                   size_t capacity,
                                   int32_t *labels,
                                   supmer_error **error);

/**
 * Predicts many texts, each with an adapter of its own: many customers in one batch over one model. Adapters may repeat
 * and may have different labels; every template has the field `{text}`.
 *
 * - `model`, `options`, `blob`, `blob_length`, `offsets`, `count`, `labels`: as for `supmer_predict_batch`.
 * - `adapters`: `count` adapters, text by text.
 * - `probabilities`, `stride`: receive `count` rows of `stride` values, a row's probabilities first and then zeros;
 *   `stride` is at least the largest number of labels. (NULL, 0) leaves them out.
 * - Errors: as `supmer_predict_batch`.
 * - Threads: any; calls may share model and adapters.
 * - Since: 0.1.0
 */
supmer_status supmer_predict_mixed(const supmer_model *model,
                                   const supmer_adapter *const *adapters,
                                   const char *blob,
                                   size_t blob_length,
                                   const size_t *offsets,
                                   size_t count,
                                   const supmer_predict_options *options,
                                   float *probabilities,
                                   size_t stride,
                                   int32_t *labels,
                                   supmer_error **error);

#ifdef SUPMER_TRAIN

/* ===== train ===========================================================================================
 *
 * Making a bundle from unlabelled text, in a library that was built for it: define `SUPMER_TRAIN` before including this
 * header, and ask `supmer_has_feature("train", 5)`. It takes hours; the folder of a run holds everything that is needed
 * to go on after a stop.
 */

/**
 * How to train. 0 (or NULL) in a field is the default for the model's family: for decoder-only models that of the bundle that is
 * shipped (whose `encoder` is a MiniLM), for T5 what was published.
 */
typedef struct {
    /**
     * Size of this struct in bytes, set by `supmer_train_options_init`.
     */
    size_t struct_size;
    /**
     * Seed of start, clusters, tasks and mixing weights.
     */
    uint64_t seed;
    /**
     * Bytes that intermediate results may take at once; 0 = no limit. Lower is slower.
     */
    uint64_t memory_limit;
    /**
     * Hours of meta steps after which the run saves and stops, preparation not counted; 0 = no limit.
     */
    double max_hours;
    /**
     * Folder of a MiniLM sentence encoder, UTF-8; NULL = the model's own pooled states.
     */
    const char *encoder;
    /**
     * Bytes of `encoder`.
     */
    size_t encoder_length;
    /**
     * How often each format of anchor tasks is drawn, such as "nsp=1,scss=2", UTF-8; those not named are off. Known: nsp,
     * nss, scsp, scss, scc, topic, cloze. NULL = "topic,cloze,nsp=0.5,scsp=0.5" (T5: the first five).
     */
    const char *formats;
    /**
     * Bytes of `formats`.
     */
    size_t formats_length;
    /**
     * Start from this bundle's prompt and regularizer, with `prompt_length` and `rank` 0; NULL = from the tokens of an
     * instruction (T5: rows of the vocabulary) and a random regularizer.
     */
    const supmer_bundle *start_bundle;
    /**
     * Meta steps; decoder-only models: 500, an hour or more on two cores with 135 million weights.
     */
    uint32_t steps;
    /**
     * Tasks of one step.
     */
    uint32_t tasks_per_step;
    /**
     * Rows of the prompt.
     */
    uint32_t prompt_length;
    /**
     * Rank of the regularizer; `SUPMER_OFF` = a prompt without one.
     */
    uint32_t rank;
    /**
     * Number of clusters.
     */
    uint32_t clusters;
    /**
     * Most tokens of a filled template.
     */
    uint32_t max_tokens;
    /**
     * Steps between validations; `SUPMER_OFF` = none.
     */
    uint32_t validate_every;
    /**
     * Steps between checkpoints.
     */
    uint32_t checkpoint_every;
    /**
     * Average the bundle over so many of the last steps; decoder-only models: 50. Their prompt is then averaged with the
     * one that it started from.
     */
    uint32_t average_over;
    /**
     * 1 = go on from the folder's checkpoint, 0 = start.
     */
    uint32_t resume;
    /**
     * Size of the inner step.
     */
    float inner_rate;
    /**
     * First learning rate of the prompt.
     */
    float prompt_rate;
    /**
     * First learning rate of the regularizer.
     */
    float phi_rate;
    /**
     * What the loss tells an answer apart from, in training and in the adaptation that the bundle advises: one of
     * `SUPMER_ANSWER_LOSS_...`; AUTO = label heads (T5: the whole vocabulary).
     */
    supmer_answer_loss answer_loss;
    /**
     * Stops the call; NULL = nothing does.
     */
    const supmer_cancel *cancel;
    /**
     * Told how far the call is: `SUPMER_STAGE_PREPARE`, then `SUPMER_STAGE_TRAIN`; NULL = nobody.
     */
    supmer_progress_callback progress;
    /**
     * Handed to `progress`.
     */
    void *progress_user_data;
} supmer_train_options;

/**
 * Makes `options` all defaults.
 *
 * - `options`, `struct_size`: the struct and its `sizeof`.
 * - Errors: `INVALID_ARGUMENT` for NULL, `INVALID_OPTION` for a size that no version has.
 * - Threads: any.
 * - Since: 0.1.0
 */
supmer_status supmer_train_options_init(supmer_train_options *options, size_t struct_size);

/**
 * Trains a bundle for a model from unlabelled text.
 *
 * - `model`: the frozen model.
 * - `corpus`, `corpus_length`: a folder of .txt files (a paragraph a line, an empty line ends a document) and .jsonl
 *   files (member "text"), or one such file.
 * - `folder`, `folder_length`: the folder of the run, made when it is missing: sentences, clusters, checkpoint, metrics.
 * - `options`: NULL for all defaults.
 * - `bundle`: receives the bundle, yours to free with `supmer_bundle_free`.
 * - `finished`: receives whether all steps were done; false when `max_hours` stopped the run. NULL leaves it out.
 * - Errors: `INVALID_ARGUMENT` (a folder that holds a run which is not resumed, or one of other options too),
 *   `INVALID_OPTION`, `INVALID_UTF8`, `NOT_FOUND`, `IO`, `DISK_FULL`, `CORRUPT_FILE`, `UNSUPPORTED`, `TOO_LARGE`,
 *   `BACKBONE_MISMATCH` (of `start_bundle`), `MEMORY_LIMIT`, `NOT_FINITE`, `CANCELLED` (a checkpoint is written once
 *   steps have begun; before that call again without `resume`, and what was prepared is used again).
 * - Threads: any; one call a folder.
 * - Since: 0.1.0
 */
supmer_status supmer_train_bundle(const supmer_model *model,
                                  const char *corpus,
                                  size_t corpus_length,
                                  const char *folder,
                                  size_t folder_length,
                                  const supmer_train_options *options,
                                  supmer_bundle **bundle,
                                  bool *finished,
                                  supmer_error **error);

#endif /* SUPMER_TRAIN */

#ifdef __cplusplus
}
#endif

#endif /* SUPMER_H */
