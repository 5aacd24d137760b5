/*
 * Calls as programs make them, good and bad, under the eyes of memory checkers: every handle is freed, in an order that
 * suits nobody, and nothing is live at the end. The argument is tests/fixtures.
 */
#include "check.h"

static char path_of[4096];

/* `folder`/`name`, valid until the next call. */
static const char *in(const char *folder, const char *name) {
    CHECK(snprintf(path_of, sizeof path_of, "%s/%s", folder, name) < (int)sizeof path_of);
    return path_of;
}

static void bad_arguments(const supmer_model *model) {
    supmer_error *error = NULL;
    supmer_model *none = NULL;
    supmer_task *task = check_task();
    CHECK_STATUS(supmer_model_load(NULL, 3, NULL, &none, &error), SUPMER_STATUS_INVALID_ARGUMENT);
    CHECK(supmer_error_status(error) == SUPMER_STATUS_INVALID_ARGUMENT);
    CHECK(strcmp(supmer_error_message(error), "path is NULL") == 0);
    supmer_error_free(error);
    error = NULL;
    CHECK_STATUS(supmer_model_load("no such file", 12, NULL, &none, &error), SUPMER_STATUS_NOT_FOUND);
    supmer_error_free(error);
    CHECK_STATUS(supmer_model_load_memory(NULL, 0, NULL, &none, NULL), SUPMER_STATUS_CORRUPT_FILE);
    CHECK_STATUS(supmer_task_add_example(task, "\xff", 1, "bad", 3, NULL), SUPMER_STATUS_INVALID_UTF8);
    CHECK_STATUS(supmer_task_add_example(task, "text", 4, "none", 4, NULL), SUPMER_STATUS_INVALID_EXAMPLE);
    CHECK_STATUS(supmer_predict(model, NULL, "", 0, NULL, NULL, 0, NULL, NULL), SUPMER_STATUS_INVALID_ARGUMENT);

    struct {
        supmer_model_options known;
        uint64_t newer;
    } options;
    CHECK_OK(supmer_model_options_init(&options.known, sizeof options));
    options.newer = 1;
    CHECK_STATUS(supmer_model_load("x", 1, &options.known, &none, NULL), SUPMER_STATUS_INVALID_OPTION);
    options.known.struct_size = 7;
    CHECK_STATUS(supmer_model_load("x", 1, &options.known, &none, NULL), SUPMER_STATUS_INVALID_OPTION);
    CHECK(none == NULL);
    supmer_task_free(task);
}

static void freed_in_any_order(const char *fixtures) {
    supmer_model *model = check_model(in(fixtures, "tiny-llama-tied"));
    supmer_adapter *adapter = check_adapter(model, 1);
    supmer_buffer *buffer = NULL;
    CHECK_OK(supmer_adapter_save_memory(adapter, &buffer, NULL));
    supmer_model_free(model);
    CHECK(strcmp(supmer_adapter_label_name(adapter, 1), "good") == 0);
    supmer_adapter_free(adapter);

    adapter = NULL;
    CHECK_OK(supmer_adapter_load_memory(supmer_buffer_data(buffer), supmer_buffer_length(buffer), &adapter, NULL));
    supmer_buffer_free(buffer);
    model = check_model(in(fixtures, "tiny-llama-untied"));
    supmer_error *error = NULL;
    CHECK_STATUS(supmer_predict(model, adapter, "x", 1, NULL, NULL, 0, NULL, &error), SUPMER_STATUS_BACKBONE_MISMATCH);
    supmer_model_free(model);
    supmer_adapter_free(adapter);
    CHECK(strlen(supmer_error_message(error)) > 0);
    supmer_error_free(error);
}

static void loaded_from_memory(const char *fixtures) {
    size_t length = 0;
    uint8_t *bytes = check_read(in(fixtures, "gguf/tiny-q4_1.gguf"), &length);
    supmer_model *model = NULL;
    CHECK_OK(supmer_model_load_memory(bytes, length, NULL, &model, NULL));
    free(bytes);
    supmer_adapter *adapter = check_adapter(model, 1);
    supmer_adapter_free(adapter);
    supmer_model_free(model);

    static const char *const names[] = {"config.json", "tokenizer.json", "model.safetensors"};
    supmer_file files[3];
    uint8_t *contents[3];
    for (size_t i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "tiny-llama-tied/%s", names[i]);
        contents[i] = check_read(in(fixtures, name), &files[i].length);
        files[i].bytes = contents[i];
        files[i].name = names[i];
        files[i].name_length = strlen(names[i]);
    }
    model = NULL;
    CHECK_STATUS(supmer_model_load_memory_folder(files, 2, NULL, &model, NULL), SUPMER_STATUS_NOT_FOUND);
    CHECK_OK(supmer_model_load_memory_folder(files, 3, NULL, &model, NULL));
    for (size_t i = 0; i < 3; i++) {
        free(contents[i]);
    }
    adapter = check_adapter(model, 1);
    supmer_model_free(model);
    supmer_adapter_free(adapter);
}

static void predicted(const supmer_model *model) {
    const supmer_adapter *adapters[] = {check_adapter(model, 1), check_adapter(model, 2)};
    const size_t offsets[] = {0, strlen(check_texts[0]), strlen(check_texts[0]) + strlen(check_texts[1])};
    char blob[64];
    snprintf(blob, sizeof blob, "%s%s", check_texts[0], check_texts[1]);
    float mixed[6];
    int32_t labels[2];
    CHECK_OK(supmer_predict_mixed(model, adapters, blob, offsets[2], offsets, 2, NULL, mixed, 3, labels, NULL));
    for (size_t row = 0; row < 2; row++) {
        float alone[2];
        int32_t label = -2;
        const char *text = check_texts[row];
        CHECK_OK(supmer_predict(model, adapters[row], text, strlen(text), NULL, alone, 2, &label, NULL));
        CHECK(label == labels[row] && mixed[3 * row + 2] == 0.0F);
        for (size_t i = 0; i < 2; i++) {
            float difference = alone[i] - mixed[3 * row + i];
            CHECK(difference < 1e-5F && difference > -1e-5F);
        }
    }
    float batch[4];
    CHECK_OK(supmer_predict_batch(model, adapters[0], blob, offsets[2], offsets, 2, NULL, batch, 4, labels, NULL));
    CHECK_STATUS(supmer_predict_batch(model, adapters[0], blob, offsets[2], offsets, 2, NULL, batch, 3, labels, NULL),
                 SUPMER_STATUS_INVALID_ARGUMENT);
    supmer_adapter_free((supmer_adapter *)adapters[0]);
    supmer_adapter_free((supmer_adapter *)adapters[1]);
}

static int32_t stop_at_two(void *user_data, const supmer_progress *progress) {
    *(uint64_t *)user_data = progress->done;
    return progress->done == 2;
}

static void stopped(const char *fixtures, const supmer_model *model) {
    uint64_t done = 0;
    supmer_task *task = check_task();
    supmer_adapter *adapter = NULL;
    supmer_adapt_options options;
    CHECK_OK(supmer_adapt_options_init(&options, sizeof options));
    options.progress = stop_at_two;
    options.progress_user_data = &done;
    CHECK_STATUS(supmer_adapt(model, NULL, task, &options, &adapter, NULL, NULL), SUPMER_STATUS_CANCELLED);
    CHECK(done == 2 && adapter == NULL);
    supmer_task_free(task);

    adapter = check_adapter(model, 1);
    const char *texts = "warm and cold";
    const size_t offsets[] = {0, 4, 8, 13};
    int32_t labels[3] = {7, 7, 7};
    supmer_predict_options predicting;
    CHECK_OK(supmer_predict_options_init(&predicting, sizeof predicting));
    predicting.batch_size = 1;
    predicting.progress = stop_at_two;
    predicting.progress_user_data = &done;
    CHECK_STATUS(supmer_predict_batch(model, adapter, texts, 13, offsets, 3, &predicting, NULL, 0, labels, NULL),
                 SUPMER_STATUS_CANCELLED);
    CHECK(done == 2 && labels[0] == 7);
    CHECK_OK(supmer_predict_batch(model, adapter, texts, 13, offsets, 1, &predicting, NULL, 0, labels, NULL));
    CHECK(done == 1 && labels[0] != 7);
    supmer_adapter_free(adapter);

    supmer_model *other = NULL;
    supmer_model_options loading;
    CHECK_OK(supmer_model_options_init(&loading, sizeof loading));
    loading.progress = stop_at_two;
    loading.progress_user_data = &done;
    const char *path = in(fixtures, "tiny-llama-tied");
    CHECK_STATUS(supmer_model_load(path, strlen(path), &loading, &other, NULL), SUPMER_STATUS_CANCELLED);
    supmer_cancel *cancel = NULL;
    CHECK_OK(supmer_cancel_new(&cancel, NULL));
    supmer_cancel_request(cancel);
    loading.progress = NULL;
    loading.cancel = cancel;
    CHECK_STATUS(supmer_model_load(path, strlen(path), &loading, &other, NULL), SUPMER_STATUS_CANCELLED);
    supmer_cancel_reset(cancel);
    CHECK_OK(supmer_model_load(path, strlen(path), &loading, &other, NULL));
    supmer_cancel_free(cancel);
    supmer_model_free(other);
}

static void count_message(void *user_data, supmer_log_level level, const char *message) {
    CHECK(level >= SUPMER_LOG_ERROR && level <= SUPMER_LOG_INFO && strlen(message) > 0);
    ++*(int *)user_data;
}

static void logged(const char *fixtures) {
    int messages = 0;
    CHECK_OK(supmer_set_log_callback(count_message, &messages, SUPMER_LOG_INFO, NULL));
    supmer_model_free(check_model(in(fixtures, "tiny-llama-tied")));
    CHECK(messages == 1);
    CHECK_OK(supmer_set_log_callback(NULL, NULL, 0, NULL));
    supmer_model_free(check_model(in(fixtures, "tiny-llama-tied")));
    CHECK(messages == 1);
}

static void estimated(const supmer_model *model) {
    supmer_task *task = check_task();
    supmer_memory_estimate estimate;
    CHECK_OK(supmer_memory_estimate_init(&estimate, sizeof estimate));
    CHECK_OK(supmer_model_estimate_memory(model, task, NULL, &estimate, NULL));
    CHECK(estimate.weights_bytes > 0 && estimate.adapt_bytes > estimate.predict_bytes);
    CHECK(estimate.predict_bytes > 0 && estimate.cached_prompt_bytes > 0);
    supmer_task_free(task);
}

int main(int argc, char **argv) {
    CHECK(argc == 2 && supmer_abi_version() == SUPMER_ABI_VERSION);
    supmer_abi_0();
    supmer_model *model = check_model(in(argv[1], "tiny-llama-tied"));
    bad_arguments(model);
    predicted(model);
    stopped(argv[1], model);
    estimated(model);
    supmer_model_free(model);
    freed_in_any_order(argv[1]);
    loaded_from_memory(argv[1]);
    logged(argv[1]);
    CHECK(supmer_live_handle_count() == 0);
    puts("calls: all as promised");
    return 0;
}
