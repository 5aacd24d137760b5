#include "callbacks.h"

#include "_cgo_export.h"

static int32_t on_progress(void *user_data, const supmer_progress *progress) {
    return supmerGoProgress((uintptr_t)user_data, (supmer_progress *)progress);
}

static void on_log(void *user_data, supmer_log_level level, const char *message) {
    supmerGoLog((uintptr_t)user_data, level, (char *)message);
}

static supmer_model_options with_progress(const supmer_model_options *options, uintptr_t progress) {
    supmer_model_options own = *options;
    own.progress = progress == 0 ? NULL : on_progress;
    own.progress_user_data = (void *)progress;
    return own;
}

supmer_status supmer_go_model_load(const char *path, size_t path_length, const supmer_model_options *options,
                                   uintptr_t progress, supmer_model **out, supmer_error **error) {
    supmer_model_options own = with_progress(options, progress);
    return supmer_model_load(path, path_length, &own, out, error);
}

supmer_status supmer_go_model_load_memory(const uint8_t *bytes, size_t length, const supmer_model_options *options,
                                          uintptr_t progress, supmer_model **out, supmer_error **error) {
    supmer_model_options own = with_progress(options, progress);
    return supmer_model_load_memory(bytes, length, &own, out, error);
}

supmer_status supmer_go_model_load_memory_folder(const supmer_file *files, size_t count,
                                                 const supmer_model_options *options, uintptr_t progress,
                                                 supmer_model **out, supmer_error **error) {
    supmer_model_options own = with_progress(options, progress);
    return supmer_model_load_memory_folder(files, count, &own, out, error);
}

supmer_status supmer_go_adapt(const supmer_model *model, const supmer_bundle *bundle, const supmer_task *task,
                              const supmer_adapt_options *options, uintptr_t progress, supmer_adapter **adapter,
                              supmer_report **report, supmer_error **error) {
    supmer_adapt_options own = *options;
    own.progress = progress == 0 ? NULL : on_progress;
    own.progress_user_data = (void *)progress;
    return supmer_adapt(model, bundle, task, &own, adapter, report, error);
}

/* The options to hand on: those given, or `*own`, which also has the function. */
static const supmer_predict_options *predicting(const supmer_predict_options *options, uintptr_t progress,
                                                supmer_predict_options *own) {
    if (options == NULL || progress == 0) {
        return options;
    }
    *own = *options;
    own->progress = on_progress;
    own->progress_user_data = (void *)progress;
    return own;
}

supmer_status supmer_go_predict(const supmer_model *model, const supmer_adapter *adapter, const char *text,
                                size_t text_length, const supmer_predict_options *options, uintptr_t progress,
                                float *probabilities, size_t capacity, int32_t *label, supmer_error **error) {
    supmer_predict_options own;
    return supmer_predict(model, adapter, text, text_length, predicting(options, progress, &own), probabilities,
                          capacity, label, error);
}

supmer_status supmer_go_predict_row_json(const supmer_model *model, const supmer_adapter *adapter, const char *json,
                                         size_t json_length, const supmer_predict_options *options, uintptr_t progress,
                                         float *probabilities, size_t capacity, int32_t *label, supmer_error **error) {
    supmer_predict_options own;
    return supmer_predict_row_json(model, adapter, json, json_length, predicting(options, progress, &own),
                                   probabilities, capacity, label, error);
}

supmer_status supmer_go_predict_batch(const supmer_model *model, const supmer_adapter *adapter, const char *blob,
                                      size_t blob_length, const size_t *offsets, size_t count,
                                      const supmer_predict_options *options, uintptr_t progress, float *probabilities,
                                      size_t capacity, int32_t *labels, supmer_error **error) {
    supmer_predict_options own;
    return supmer_predict_batch(model, adapter, blob, blob_length, offsets, count, predicting(options, progress, &own),
                                probabilities, capacity, labels, error);
}

supmer_status supmer_go_predict_mixed(const supmer_model *model, const supmer_adapter *const *adapters,
                                      const char *blob, size_t blob_length, const size_t *offsets, size_t count,
                                      const supmer_predict_options *options, uintptr_t progress, float *probabilities,
                                      size_t stride, int32_t *labels, supmer_error **error) {
    supmer_predict_options own;
    return supmer_predict_mixed(model, adapters, blob, blob_length, offsets, count,
                                predicting(options, progress, &own), probabilities, stride, labels, error);
}

supmer_status supmer_go_set_log(uintptr_t logger, supmer_log_level level, supmer_error **error) {
    return supmer_set_log_callback(logger == 0 ? NULL : on_log, (void *)logger, level, error);
}
