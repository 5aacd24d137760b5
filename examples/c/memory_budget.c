/*
 * Asks what an adaptation needs, halves it, and sees a budget that is too small. See examples/README.md.
 */
#include "customers.h"

/* Adapts for 5 steps within `limit` bytes (0 = as many as it likes); the losses of the steps. */
static supmer_status learn_within(const supmer_model *model, const struct customer *customer, uint64_t limit,
                                  struct losses *losses) {
    supmer_adapt_options options = adapt_options(5, losses);
    options.memory_limit = limit;
    supmer_adapter *adapter = NULL;
    supmer_status status = learn(model, customer, &options, &adapter);
    supmer_adapter_free(adapter);
    return status;
}

static supmer_status estimate(const supmer_model *model, const struct customer *customer,
                              supmer_memory_estimate *memory) {
    supmer_error *error = NULL;
    supmer_adapt_options options = adapt_options(5, NULL);
    supmer_memory_estimate_init(memory, sizeof *memory);
    supmer_status status = supmer_model_estimate_memory(model, customer->task, &options, memory, &error);
    return status == SUPMER_STATUS_OK ? status : failed("estimate", status, error);
}

static void print_result(const supmer_memory_estimate *memory, const struct losses *free_run,
                         const struct losses *at_half, supmer_status of_one_byte) {
    printf("{\"program\":\"memory_budget\",\"weights_bytes\":%llu,\"adapt_bytes\":%llu,",
           (unsigned long long)memory->weights_bytes, (unsigned long long)memory->adapt_bytes);
    printf("\"predict_bytes\":%llu,\"cached_prompt_bytes\":%llu,\"losses\":",
           (unsigned long long)memory->predict_bytes, (unsigned long long)memory->cached_prompt_bytes);
    print_numbers(free_run->values, free_run->count);
    printf(",\"losses_at_half\":");
    print_numbers(at_half->values, at_half->count);
    printf(",\"limit_of_one_byte\":\"%s\"}\n", supmer_status_name(of_one_byte));
}

static supmer_status memory_budget(const supmer_model *model, const char *data) {
    struct customer bakery;
    struct losses free_run, at_half;
    supmer_memory_estimate memory;

    supmer_status status = read_customer(data, "bakery", &bakery);
    if (status == SUPMER_STATUS_OK) {
        status = estimate(model, &bakery, &memory);
    }
    if (status == SUPMER_STATUS_OK) {
        status = learn_within(model, &bakery, 0, &free_run);
    }
    if (status == SUPMER_STATUS_OK) {
        status = learn_within(model, &bakery, memory.adapt_bytes / 2, &at_half);
    }
    if (status == SUPMER_STATUS_OK) {
        supmer_adapt_options options = adapt_options(5, NULL);
        options.memory_limit = 1;
        supmer_adapter *adapter = NULL;
        supmer_status of_one_byte = supmer_adapt(model, NULL, bakery.task, &options, &adapter, NULL, NULL);
        supmer_adapter_free(adapter);
        print_result(&memory, &free_run, &at_half, of_one_byte);
    }
    supmer_task_free(bakery.task);
    return status;
}

int main(int count, char **arguments) {
    return run(count, arguments, memory_budget);
}
