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

supmer_status supmer_go_set_log(uintptr_t logger, supmer_log_level level, supmer_error **error) {
    return supmer_set_log_callback(logger == 0 ? NULL : on_log, (void *)logger, level, error);
}
