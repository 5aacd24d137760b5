/*
 * Stops an adaptation from its progress callback; the request stays until it is reset. See examples/README.md.
 */
#include "customers.h"

/* One attempt to adapt: the flag that stops it, and after which step to ask for that (0 = never). */
struct attempt {
    supmer_cancel *cancel;
    int stop_after;
    int steps;
    supmer_status status;
};

static int32_t count_steps(void *user_data, const supmer_progress *progress) {
    struct attempt *attempt = user_data;
    if (progress->stage == SUPMER_STAGE_STEP && ++attempt->steps == attempt->stop_after) {
        supmer_cancel_request(attempt->cancel); /* any thread may; returning a value other than 0 would stop it too */
    }
    return 0;
}

/* Adapts; however it ends is a result, not a failure. */
static struct attempt attempt(const supmer_model *model, const struct customer *customer, supmer_cancel *cancel,
                              uint32_t steps, int stop_after) {
    struct attempt attempt = {cancel, stop_after, 0, SUPMER_STATUS_OK};
    supmer_adapt_options options = adapt_options(steps, NULL);
    options.cancel = cancel;
    options.progress = count_steps;
    options.progress_user_data = &attempt;
    supmer_adapter *adapter = NULL;
    attempt.status = supmer_adapt(model, NULL, customer->task, &options, &adapter, NULL, NULL);
    supmer_adapter_free(adapter);
    return attempt;
}

static void print_attempt(const char *name, struct attempt attempt) {
    printf(",\"%s\":{\"status\":\"%s\",\"steps\":%d}", name, supmer_status_name(attempt.status), attempt.steps);
}

static supmer_status cancel(const supmer_model *model, const char *data) {
    struct customer bakery;
    supmer_cancel *flag = NULL;
    supmer_error *error = NULL;

    supmer_status status = read_customer(data, "bakery", &bakery);
    if (status == SUPMER_STATUS_OK) {
        status = supmer_cancel_new(&flag, &error);
        if (status != SUPMER_STATUS_OK) {
            failed("cancel", status, error);
        }
    }
    if (status == SUPMER_STATUS_OK) {
        printf("{\"program\":\"cancel\"");
        print_attempt("stopped", attempt(model, &bakery, flag, 1000, 3));
        print_attempt("still_set", attempt(model, &bakery, flag, 1000, 0));
        supmer_cancel_reset(flag);
        print_attempt("after_reset", attempt(model, &bakery, flag, 5, 0));
        printf("}\n");
    }
    supmer_cancel_free(flag);
    supmer_task_free(bakery.task);
    return status;
}

int main(int count, char **arguments) {
    return run(count, arguments, cancel);
}
