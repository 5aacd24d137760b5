/*
 * What the five programs share: their arguments, the model, the customers' messages and the options of adaptation.
 * Every function returns the status of the first call that failed, having said why.
 */
#ifndef CUSTOMERS_H
#define CUSTOMERS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supmer.h"

/* The largest counts in examples/customers; a program of your own would not fix them. */
enum { CUSTOMERS = 3, MESSAGES = 4, LABELS = 3, MAX_LINE = 1024 };

static const char *const customer_names[CUSTOMERS] = {"bakery", "dentist", "landlord"};

/* A customer's task with its labelled messages, and the messages to predict: one blob cut by offsets. */
struct customer {
    supmer_task *task;
    char texts[MESSAGES * MAX_LINE];
    size_t offsets[MESSAGES + 1];
};

/* The losses of an adaptation's steps, gathered by `note_loss`. */
struct losses {
    float values[64];
    size_t count;
};

/* Says why a call failed, frees the error, and hands the status on. */
static inline supmer_status failed(const char *what, supmer_status status, supmer_error *error) {
    fprintf(stderr, "%s: %s (%s)\n", what, supmer_error_message(error), supmer_status_name(status));
    supmer_error_free(error);
    return status;
}

/* Reads the next line without its end; its length, or -1 at the end of the file. */
static inline long read_line(FILE *file, char line[MAX_LINE]) {
    if (fgets(line, MAX_LINE, file) == NULL) {
        return -1;
    }
    size_t length = strcspn(line, "\n");
    line[length] = '\0';
    return (long)length;
}

/* Writes "folder/name" to `path`; a path that is too long is cut, and then not found. */
static inline void join(char path[MAX_LINE], const char *folder, const char *name) {
    if (snprintf(path, MAX_LINE, "%s/%s", folder, name) >= MAX_LINE) {
        fprintf(stderr, "a path is longer than %d bytes\n", MAX_LINE);
    }
}

/* Reads task.json and train.jsonl of the customer's folder. */
static inline supmer_status read_task(const char *folder, supmer_task **task) {
    char path[MAX_LINE], line[MAX_LINE];
    supmer_error *error = NULL;
    join(path, folder, "task.json");
    supmer_status status = supmer_task_read(path, strlen(path), task, &error);
    if (status != SUPMER_STATUS_OK) {
        return failed("task", status, error);
    }
    join(path, folder, "train.jsonl");
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        return SUPMER_STATUS_NOT_FOUND;
    }
    long length;
    while (status == SUPMER_STATUS_OK && (length = read_line(file, line)) >= 0) {
        status = supmer_task_add_example_json(*task, line, (size_t)length, &error);
    }
    fclose(file);
    return status == SUPMER_STATUS_OK ? status : failed("example", status, error);
}

/* Reads a customer's folder inside `data`. Free the task of what it gives, also after a failure. */
static inline supmer_status read_customer(const char *data, const char *name, struct customer *customer) {
    char folder[MAX_LINE], path[MAX_LINE], line[MAX_LINE];
    memset(customer, 0, sizeof *customer);
    join(folder, data, name);
    supmer_status status = read_task(folder, &customer->task);
    if (status != SUPMER_STATUS_OK) {
        return status;
    }
    join(path, folder, "new.txt");
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        return SUPMER_STATUS_NOT_FOUND;
    }
    for (size_t i = 0; i < MESSAGES; i++) {
        long length = read_line(file, line);
        size_t start = customer->offsets[i];
        customer->offsets[i + 1] = start + (length > 0 ? (size_t)length : 0);
        memcpy(customer->texts + start, line, customer->offsets[i + 1] - start);
    }
    fclose(file);
    return SUPMER_STATUS_OK;
}

/* Keeps the loss of every step; goes on in any case. */
static inline int32_t note_loss(void *user_data, const supmer_progress *progress) {
    struct losses *losses = user_data;
    if (progress->stage == SUPMER_STAGE_STEP && losses->count < sizeof losses->values / sizeof losses->values[0]) {
        losses->values[losses->count++] = progress->loss;
    }
    return 0;
}

/* The options that all programs adapt with; `losses` may be NULL. */
static inline supmer_adapt_options adapt_options(uint32_t steps, struct losses *losses) {
    supmer_adapt_options options;
    supmer_adapt_options_init(&options, sizeof options);
    options.steps = steps;
    options.seed = 13;
    options.batch_size = 8;
    options.prompt_length = 8;
    options.learning_rate = 0.01f;
    if (losses != NULL) {
        losses->count = 0;
        options.progress = note_loss;
        options.progress_user_data = losses;
    }
    return options;
}

/* Adapts the model to the customer's task. */
static inline supmer_status learn(const supmer_model *model, const struct customer *customer,
                                  const supmer_adapt_options *options, supmer_adapter **adapter) {
    supmer_error *error = NULL;
    supmer_status status = supmer_adapt(model, NULL, customer->task, options, adapter, NULL, &error);
    return status == SUPMER_STATUS_OK ? status : failed("adapt", status, error);
}

/* Predicts the customer's new messages in one batch: MESSAGES rows of one value per label, and their best labels. */
static inline supmer_status predict_new(const supmer_model *model, const supmer_adapter *adapter,
                                        const struct customer *customer, float probabilities[MESSAGES * LABELS],
                                        int32_t labels[MESSAGES]) {
    supmer_error *error = NULL;
    supmer_status status = supmer_predict_batch(model, adapter, customer->texts, customer->offsets[MESSAGES],
                                                customer->offsets, MESSAGES, NULL, probabilities,
                                                MESSAGES * supmer_adapter_label_count(adapter), labels, &error);
    return status == SUPMER_STATUS_OK ? status : failed("predict", status, error);
}

/* Prints `[a,b,c]`. */
static inline void print_numbers(const float *values, size_t count) {
    printf("[");
    for (size_t i = 0; i < count; i++) {
        printf("%s%.9g", i == 0 ? "" : ",", (double)values[i]);
    }
    printf("]");
}

/* Prints the members "labels" and "probabilities" of a batch. */
static inline void print_predictions(const supmer_adapter *adapter, const float *probabilities, const int32_t *labels) {
    size_t label_count = supmer_adapter_label_count(adapter);
    printf("\"labels\":[");
    for (size_t i = 0; i < MESSAGES; i++) {
        printf("%s\"%s\"", i == 0 ? "" : ",", supmer_adapter_label_name(adapter, (size_t)labels[i]));
    }
    printf("],\"probabilities\":[");
    for (size_t i = 0; i < MESSAGES; i++) {
        printf("%s", i == 0 ? "" : ",");
        print_numbers(probabilities + i * label_count, label_count);
    }
    printf("]");
}

/* Runs `program` with the model and the data folder of the command line; the exit code. */
static inline int run(int count, char **arguments,
                      supmer_status (*program)(const supmer_model *model, const char *data)) {
    if (count != 3) {
        fprintf(stderr, "two arguments are needed: MODEL DATA\n");
        return 2;
    }
    supmer_abi_0(); /* a library of another ABI cannot be linked */
    supmer_model_options options;
    supmer_model_options_init(&options, sizeof options);
    options.thread_count = 1;
    supmer_error *error = NULL;
    supmer_model *model = NULL;
    supmer_status status = supmer_model_load(arguments[1], strlen(arguments[1]), &options, &model, &error);
    status = status == SUPMER_STATUS_OK ? program(model, arguments[2]) : failed("model", status, error);
    supmer_model_free(model);
    if (supmer_live_handle_count() != 0) {
        fprintf(stderr, "%zu handles were not freed\n", supmer_live_handle_count());
        return 1;
    }
    return status == SUPMER_STATUS_OK ? 0 : 1;
}

#endif
