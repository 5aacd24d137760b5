/*
 * Learns one customer's labels from 24 messages, then predicts new ones in one batch. See examples/README.md.
 *
 *     cc -std=c11 classify.c $(pkg-config --cflags --libs supmer) -o classify && ./classify MODEL examples/customers
 */
#include "customers.h"

static supmer_status classify(const supmer_model *model, const char *data) {
    struct customer bakery;
    struct losses losses;
    supmer_adapter *adapter = NULL;
    float probabilities[MESSAGES * LABELS];
    int32_t labels[MESSAGES];
    supmer_adapt_options options = adapt_options(30, &losses);

    supmer_status status = read_customer(data, "bakery", &bakery);
    if (status == SUPMER_STATUS_OK) {
        status = learn(model, &bakery, &options, &adapter);
    }
    if (status == SUPMER_STATUS_OK) {
        status = predict_new(model, adapter, &bakery, probabilities, labels);
    }
    if (status == SUPMER_STATUS_OK) {
        printf("{\"program\":\"classify\",\"examples\":%zu,\"losses\":", supmer_task_count(bakery.task));
        print_numbers(losses.values, losses.count);
        printf(",");
        print_predictions(adapter, probabilities, labels);
        printf("}\n");
    }
    supmer_adapter_free(adapter);
    supmer_task_free(bakery.task);
    return status;
}

int main(int count, char **arguments) {
    return run(count, arguments, classify);
}
