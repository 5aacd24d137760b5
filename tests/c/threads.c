/*
 * Sixteen threads share a model and two adapters and must predict, alone and mixed, what one thread does; meanwhile one
 * adapts and is stopped by another. The argument is tests/fixtures.
 */
#include <pthread.h>

#include "check.h"

enum { THREADS = 16, ROUNDS = 4, ROWS = 4 };

/* What all threads read. */
static struct {
    supmer_model *model;
    const supmer_adapter *adapters[2];
    supmer_cancel *cancel;
    float alone[2];
    float mixed[2 * ROWS];
} shared;

static void predict_alone(float *probabilities) {
    const char *text = check_texts[0];
    CHECK_OK(supmer_predict(shared.model, shared.adapters[0], text, strlen(text), NULL, probabilities, 2, NULL, NULL));
}

static void predict_mixed(float *probabilities) {
    const supmer_adapter *adapters[ROWS];
    size_t offsets[ROWS + 1] = {0};
    char blob[128] = "";
    for (size_t row = 0; row < ROWS; row++) {
        adapters[row] = shared.adapters[row % 2];
        strcat(blob, check_texts[row / 2]);
        offsets[row + 1] = strlen(blob);
    }
    CHECK_OK(supmer_predict_mixed(shared.model, adapters, blob, strlen(blob), offsets, ROWS, NULL, probabilities, 2, NULL,
                                  NULL));
}

static void *predict_often(void *unused) {
    float alone[2];
    float mixed[2 * ROWS];
    for (int round = 0; round < ROUNDS; round++) {
        predict_alone(alone);
        CHECK(memcmp(alone, shared.alone, sizeof alone) == 0);
        predict_mixed(mixed);
        CHECK(memcmp(mixed, shared.mixed, sizeof mixed) == 0);
    }
    return unused;
}

static void *adapt_until_stopped(void *unused) {
    supmer_task *task = check_task();
    supmer_adapter *adapter = NULL;
    supmer_adapt_options options;
    CHECK_OK(supmer_adapt_options_init(&options, sizeof options));
    options.steps = 1000000;
    options.cancel = shared.cancel;
    CHECK_STATUS(supmer_adapt(shared.model, NULL, task, &options, &adapter, NULL, NULL), SUPMER_STATUS_CANCELLED);
    CHECK(adapter == NULL);
    supmer_task_free(task);
    return unused;
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    char path[4096];
    CHECK(snprintf(path, sizeof path, "%s/tiny-llama-tied", argv[1]) < (int)sizeof path);
    shared.model = check_model(path);
    shared.adapters[0] = check_adapter(shared.model, 1);
    shared.adapters[1] = check_adapter(shared.model, 2);
    CHECK_OK(supmer_cancel_new(&shared.cancel, NULL));
    predict_alone(shared.alone);
    predict_mixed(shared.mixed);

    pthread_t adapting;
    pthread_t predicting[THREADS];
    CHECK(pthread_create(&adapting, NULL, adapt_until_stopped, NULL) == 0);
    for (size_t i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&predicting[i], NULL, predict_often, NULL) == 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        CHECK(pthread_join(predicting[i], NULL) == 0);
    }
    supmer_cancel_request(shared.cancel);
    CHECK(pthread_join(adapting, NULL) == 0);

    supmer_model_free(shared.model);
    supmer_cancel_free(shared.cancel);
    supmer_adapter_free((supmer_adapter *)shared.adapters[0]);
    supmer_adapter_free((supmer_adapter *)shared.adapters[1]);
    CHECK(supmer_live_handle_count() == 0);
    puts("threads: all as promised");
    return 0;
}
