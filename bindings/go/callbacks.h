/*
 * Calls that call back. A Go function is named by a number, which must not be kept in a Go variable of pointer type: it
 * becomes the user data of a callback here, in C. 0 is no function.
 */
#ifndef SUPMER_GO_CALLBACKS_H
#define SUPMER_GO_CALLBACKS_H

#include "supmer.h"

supmer_status supmer_go_model_load(const char *path, size_t path_length, const supmer_model_options *options,
                                   uintptr_t progress, supmer_model **out, supmer_error **error);

supmer_status supmer_go_model_load_memory(const uint8_t *bytes, size_t length, const supmer_model_options *options,
                                          uintptr_t progress, supmer_model **out, supmer_error **error);

supmer_status supmer_go_model_load_memory_folder(const supmer_file *files, size_t count,
                                                 const supmer_model_options *options, uintptr_t progress,
                                                 supmer_model **out, supmer_error **error);

supmer_status supmer_go_adapt(const supmer_model *model, const supmer_bundle *bundle, const supmer_task *task,
                              const supmer_adapt_options *options, uintptr_t progress, supmer_adapter **adapter,
                              supmer_report **report, supmer_error **error);

supmer_status supmer_go_predict(const supmer_model *model, const supmer_adapter *adapter, const char *text,
                                size_t text_length, const supmer_predict_options *options, uintptr_t progress,
                                float *probabilities, size_t capacity, int32_t *label, supmer_error **error);

supmer_status supmer_go_predict_row_json(const supmer_model *model, const supmer_adapter *adapter, const char *json,
                                         size_t json_length, const supmer_predict_options *options, uintptr_t progress,
                                         float *probabilities, size_t capacity, int32_t *label, supmer_error **error);

supmer_status supmer_go_predict_batch(const supmer_model *model, const supmer_adapter *adapter, const char *blob,
                                      size_t blob_length, const size_t *offsets, size_t count,
                                      const supmer_predict_options *options, uintptr_t progress, float *probabilities,
                                      size_t capacity, int32_t *labels, supmer_error **error);

supmer_status supmer_go_predict_mixed(const supmer_model *model, const supmer_adapter *const *adapters,
                                      const char *blob, size_t blob_length, const size_t *offsets, size_t count,
                                      const supmer_predict_options *options, uintptr_t progress, float *probabilities,
                                      size_t stride, int32_t *labels, supmer_error **error);

supmer_status supmer_go_set_log(uintptr_t logger, supmer_log_level level, supmer_error **error);

#endif
