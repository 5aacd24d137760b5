/*
 * A worker of `make bench-bindings`: the time of a prediction called from C.
 *
 *     c MODEL ADAPTER CALLS
 *
 * Prints the median of CALLS calls in microseconds.
 */
#define _POSIX_C_SOURCE 199309L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "supmer.h"

enum { WARM_UP = 50, ROOM = 16 };

static const char text[] = "rain from the west";

static double microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int ascending(const void *left, const void *right) {
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

static void must(supmer_status status) {
    if (status != SUPMER_STATUS_OK) {
        fprintf(stderr, "failed: %s\n", supmer_status_name(status));
        exit(1);
    }
}

int main(int count, char **arguments) {
    size_t calls = count == 4 ? strtoul(arguments[3], NULL, 10) : 0;
    double *times = calloc(calls + 1, sizeof *times);
    if (calls == 0 || times == NULL) {
        fprintf(stderr, "c MODEL ADAPTER CALLS\n");
        return 1;
    }
    supmer_model_options options;
    must(supmer_model_options_init(&options, sizeof options));
    options.thread_count = 1;
    supmer_model *model = NULL;
    supmer_adapter *adapter = NULL;
    must(supmer_model_load(arguments[1], strlen(arguments[1]), &options, &model, NULL));
    must(supmer_adapter_load(arguments[2], strlen(arguments[2]), &adapter, NULL));
    for (size_t call = 0; call < WARM_UP + calls; call++) {
        float probabilities[ROOM];
        int32_t label = 0;
        double began = microseconds();
        must(supmer_predict(model, adapter, text, strlen(text), NULL, probabilities, ROOM, &label, NULL));
        double took = microseconds() - began;
        if (call >= WARM_UP) {
            times[call - WARM_UP] = took;
        }
    }
    qsort(times, calls, sizeof *times, ascending);
    printf("%.3f\n", times[calls / 2]);
    free(times);
    supmer_adapter_free(adapter);
    supmer_model_free(model);
    return 0;
}
