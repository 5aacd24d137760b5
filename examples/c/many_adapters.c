/*
 * Three customers, one model in memory, their messages mixed in one batch. See examples/README.md.
 */
#include <math.h>

#include "customers.h"

enum { ROWS = CUSTOMERS * MESSAGES };

/* All customers' messages in turn: row i is message i / CUSTOMERS of customer i % CUSTOMERS. */
struct mixed {
    const supmer_adapter *adapters[ROWS];
    char texts[ROWS * MAX_LINE];
    size_t offsets[ROWS + 1];
};

static void mix(const struct customer *customers, supmer_adapter *const *adapters, struct mixed *mixed) {
    mixed->offsets[0] = 0;
    for (size_t row = 0; row < ROWS; row++) {
        const struct customer *customer = &customers[row % CUSTOMERS];
        size_t message = row / CUSTOMERS;
        size_t length = customer->offsets[message + 1] - customer->offsets[message];
        memcpy(mixed->texts + mixed->offsets[row], customer->texts + customer->offsets[message], length);
        mixed->offsets[row + 1] = mixed->offsets[row] + length;
        mixed->adapters[row] = adapters[row % CUSTOMERS];
    }
}

/* Predicts every row alone; whether the mixed batch gave the same. */
static supmer_status compare_alone(const supmer_model *model, const struct mixed *mixed,
                                   const float probabilities[ROWS * LABELS], int *same) {
    *same = 1;
    for (size_t row = 0; row < ROWS; row++) {
        float alone[LABELS];
        supmer_error *error = NULL;
        supmer_status status = supmer_predict(model, mixed->adapters[row], mixed->texts + mixed->offsets[row],
                                              mixed->offsets[row + 1] - mixed->offsets[row], NULL, alone, LABELS, NULL,
                                              &error);
        if (status != SUPMER_STATUS_OK) {
            return failed("predict", status, error);
        }
        for (size_t i = 0; i < supmer_adapter_label_count(mixed->adapters[row]); i++) {
            *same = *same && fabsf(alone[i] - probabilities[row * LABELS + i]) <= 1e-5f;
        }
    }
    return SUPMER_STATUS_OK;
}

static supmer_status predict_and_print(const supmer_model *model, const struct mixed *mixed) {
    float probabilities[ROWS * LABELS];
    int32_t labels[ROWS];
    int same = 0;
    supmer_error *error = NULL;
    supmer_status status =
        supmer_predict_mixed(model, mixed->adapters, mixed->texts, mixed->offsets[ROWS], mixed->offsets, ROWS, NULL,
                             probabilities, LABELS, labels, &error);
    if (status != SUPMER_STATUS_OK) {
        return failed("predict", status, error);
    }
    status = compare_alone(model, mixed, probabilities, &same);
    if (status != SUPMER_STATUS_OK) {
        return status;
    }
    printf("{\"program\":\"many_adapters\",\"rows\":[");
    for (size_t row = 0; row < ROWS; row++) {
        const supmer_adapter *adapter = mixed->adapters[row];
        printf("%s{\"customer\":\"%s\",\"label\":\"%s\",\"probabilities\":", row == 0 ? "" : ",",
               customer_names[row % CUSTOMERS], supmer_adapter_label_name(adapter, (size_t)labels[row]));
        print_numbers(probabilities + row * LABELS, supmer_adapter_label_count(adapter));
        printf("}");
    }
    printf("],\"same_alone\":%s}\n", same ? "true" : "false");
    return SUPMER_STATUS_OK;
}

static supmer_status many_adapters(const supmer_model *model, const char *data) {
    struct customer customers[CUSTOMERS] = {0};
    supmer_adapter *adapters[CUSTOMERS] = {0};
    struct mixed mixed;
    supmer_adapt_options options = adapt_options(10, NULL);

    supmer_status status = SUPMER_STATUS_OK;
    for (size_t i = 0; i < CUSTOMERS && status == SUPMER_STATUS_OK; i++) {
        status = read_customer(data, customer_names[i], &customers[i]);
        if (status == SUPMER_STATUS_OK) {
            status = learn(model, &customers[i], &options, &adapters[i]);
        }
    }
    if (status == SUPMER_STATUS_OK) {
        mix(customers, adapters, &mixed);
        status = predict_and_print(model, &mixed);
    }
    for (size_t i = 0; i < CUSTOMERS; i++) {
        supmer_adapter_free(adapters[i]);
        supmer_task_free(customers[i].task);
    }
    return status;
}

int main(int count, char **arguments) {
    return run(count, arguments, many_adapters);
}
