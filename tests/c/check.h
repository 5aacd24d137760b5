/* What the test programs share: checks that end the program, and a tiny model with a task and adapters. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supmer.h"

/* Ends the program unless `condition` holds. */
#define CHECK(condition)                                                           \
    do {                                                                           \
        if (!(condition)) {                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                               \
        }                                                                          \
    } while (0)

/* Ends the program unless `call` gives `expected`. */
#define CHECK_STATUS(call, expected)                                                                \
    do {                                                                                            \
        supmer_status came = (call);                                                                \
        if (came != (expected)) {                                                                   \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, supmer_status_name(came)); \
            exit(1);                                                                                \
        }                                                                                           \
    } while (0)

#define CHECK_OK(call) CHECK_STATUS(call, SUPMER_STATUS_OK)

static const char *const check_texts[] = {"good and warm", "cold, bad, cold"};

static inline supmer_model *check_model(const char *path) {
    supmer_model *model = NULL;
    CHECK_OK(supmer_model_load(path, strlen(path), NULL, &model, NULL));
    return model;
}

static inline supmer_task *check_task(void) {
    static const char *const labels[] = {"bad", "good"};
    static const char *const texts[] = {"cold", "warm"};
    static const char template_text[] = "{text}\nSo:";
    supmer_task *task = NULL;
    CHECK_OK(supmer_task_new("weather", strlen("weather"), &task, NULL));
    CHECK_OK(supmer_task_set_template(task, template_text, strlen(template_text), NULL));
    for (size_t i = 0; i < 2; i++) {
        const char *label = labels[i];
        CHECK_OK(supmer_task_add_label(task, label, strlen(label), label, strlen(label), NULL));
        CHECK_OK(supmer_task_add_example(task, texts[i], strlen(texts[i]), label, strlen(label), NULL));
    }
    return task;
}

static inline supmer_adapter *check_adapter(const supmer_model *model, uint64_t seed) {
    supmer_task *task = check_task();
    supmer_adapt_options options;
    CHECK_OK(supmer_adapt_options_init(&options, sizeof options));
    options.steps = 2;
    options.learning_rate = 0.1F;
    options.seed = seed;
    supmer_adapter *adapter = NULL;
    CHECK_OK(supmer_adapt(model, NULL, task, &options, &adapter, NULL, NULL));
    supmer_task_free(task);
    return adapter;
}

/* The contents of a file, to be given to free(). */
static inline uint8_t *check_read(const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    CHECK(fseek(file, 0, SEEK_END) == 0);
    long end = ftell(file);
    CHECK(end > 0 && fseek(file, 0, SEEK_SET) == 0);
    uint8_t *bytes = malloc((size_t)end);
    CHECK(bytes != NULL && fread(bytes, 1, (size_t)end, file) == (size_t)end);
    fclose(file);
    *length = (size_t)end;
    return bytes;
}

#endif
