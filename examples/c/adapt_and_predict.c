/*
 * The whole story in C: load a model, describe a task, learn it from sixteen examples, keep what was learned in a
 * file, read it back and predict.
 *
 *     cc -std=c11 examples/c/adapt_and_predict.c $(pkg-config --cflags --libs supmer) -o adapt_and_predict
 *     ./adapt_and_predict MODEL [ADAPTER [STEPS]]
 *
 * MODEL is a GGUF file or a Hugging Face folder of a Llama-family model, ADAPTER the file to write (default
 * reviews.supmer) and STEPS how long to learn (default: the library's).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supmer.h"

/* What the reviews may be, and the word that the model shall say for each. */
enum { LABELS = 2 };
static const char *const label_names[LABELS] = {"negative", "positive"};
static const char *const verbalizers[LABELS] = {" terrible", " great"};

static const char template_text[] = "{text}\nSentiment:";

struct review {
    const char *text;
    int label;
};

static const struct review reviews[] = {
    {"The lamp hums louder than it shines.", 0},
    {"We waited an hour for soup that arrived cold.", 0},
    {"After two washes the sleeves reach my elbows.", 0},
    {"The guide lost the group, then himself.", 0},
    {"It forgets my settings every single night.", 0},
    {"Half of the pages were glued together.", 0},
    {"I asked for help twice and got the same useless form letter.", 0},
    {"Broke on the way home from the shop.", 0},
    {"My daughter has not put the book down since Sunday.", 1},
    {"Quiet, light, and the battery simply lasts.", 1},
    {"They fixed my bicycle while I drank their excellent coffee.", 1},
    {"The view alone is worth every one of the stairs.", 1},
    {"I laughed so hard that the neighbours knocked.", 1},
    {"Fits as if a tailor had come to the house.", 1},
    {"Ten years old and it still starts on the first try.", 1},
    {"The waiter remembered us, and our favourite table.", 1},
};

static const char *const new_texts[] = {
    "I would buy it again tomorrow.",
    "The handle came off in my hand.",
    "Nobody answered the phone for three days.",
};

/* Says why a call failed and ends the story; used where there is nothing left to try. */
static int failed(const char *what, supmer_status status, supmer_error **error) {
    fprintf(stderr, "%s: %s (%s)\n", what, supmer_error_message(*error), supmer_status_name(status));
    supmer_error_free(*error);
    *error = NULL;
    return 0;
}

/* Called by the library between steps; a value other than 0 would stop the adaptation. */
static int32_t print_progress(void *user_data, const supmer_progress *progress) {
    FILE *stream = user_data;
    if (progress->stage == SUPMER_STAGE_STEP && (progress->done % 10 == 0 || progress->done == progress->total)) {
        fprintf(stream, "step %llu of %llu, loss %.3f\n", (unsigned long long)progress->done,
                (unsigned long long)progress->total, (double)progress->loss);
    }
    return 0;
}

/* Describes the task and adds the examples. */
static int make_task(supmer_task **task) {
    supmer_error *error = NULL;
    supmer_status status = supmer_task_new("reviews", strlen("reviews"), task, &error);
    if (status != SUPMER_STATUS_OK) {
        return failed("task", status, &error);
    }
    for (int i = 0; i < LABELS; i++) {
        status = supmer_task_add_label(*task, label_names[i], strlen(label_names[i]), verbalizers[i],
                                       strlen(verbalizers[i]), &error);
        if (status != SUPMER_STATUS_OK) {
            return failed("label", status, &error);
        }
    }
    status = supmer_task_set_template(*task, template_text, strlen(template_text), &error);
    if (status != SUPMER_STATUS_OK) {
        return failed("template", status, &error);
    }
    for (size_t i = 0; i < sizeof reviews / sizeof reviews[0]; i++) {
        const char *label = label_names[reviews[i].label];
        status = supmer_task_add_example(*task, reviews[i].text, strlen(reviews[i].text), label, strlen(label), &error);
        if (status != SUPMER_STATUS_OK) {
            return failed("example", status, &error);
        }
    }
    printf("%zu examples\n", supmer_task_count(*task));
    return 1;
}

/* Learns the task and writes the adapter. */
static int learn(const supmer_model *model, const supmer_task *task, uint32_t steps, const char *adapter_path) {
    supmer_error *error = NULL;
    supmer_adapter *adapter = NULL;
    supmer_report *report = NULL;

    supmer_adapt_options options;
    supmer_adapt_options_init(&options, sizeof options);
    options.steps = steps; /* 0 is the library's default, as in every field that is not set */
    options.seed = 13;
    options.progress = print_progress;
    options.progress_user_data = stdout;

    supmer_status status = supmer_adapt(model, NULL, task, &options, &adapter, &report, &error);
    if (status != SUPMER_STATUS_OK) {
        return failed("adapt", status, &error);
    }
    printf("report: %s\n", supmer_report_json(report));
    supmer_report_free(report);

    status = supmer_adapter_save(adapter, adapter_path, strlen(adapter_path), &error);
    supmer_adapter_free(adapter);
    if (status != SUPMER_STATUS_OK) {
        return failed("save", status, &error);
    }
    printf("saved %s\n", adapter_path);
    return 1;
}

/* Reads the adapter back and predicts texts that were not among the examples. */
static int predict(const supmer_model *model, const char *adapter_path) {
    supmer_error *error = NULL;
    supmer_adapter *adapter = NULL;
    supmer_status status = supmer_adapter_load(adapter_path, strlen(adapter_path), &adapter, &error);
    if (status != SUPMER_STATUS_OK) {
        return failed("load", status, &error);
    }

    for (size_t i = 0; i < sizeof new_texts / sizeof new_texts[0]; i++) {
        float probabilities[LABELS];
        int32_t label = SUPMER_ABSTAINED;
        status = supmer_predict(model, adapter, new_texts[i], strlen(new_texts[i]), NULL, probabilities, LABELS, &label,
                                &error);
        if (status != SUPMER_STATUS_OK) {
            supmer_adapter_free(adapter);
            return failed("predict", status, &error);
        }
        printf("%s: %s", new_texts[i], supmer_adapter_label_name(adapter, (size_t)label));
        for (size_t j = 0; j < supmer_adapter_label_count(adapter); j++) {
            printf("  %s %.4f", supmer_adapter_label_name(adapter, j), (double)probabilities[j]);
        }
        printf("\n");
    }
    supmer_adapter_free(adapter);
    return 1;
}

int main(int count, char **arguments) {
    if (count < 2 || count > 4) {
        fprintf(stderr, "usage: %s MODEL [ADAPTER [STEPS]]\n", arguments[0]);
        return 2;
    }
    const char *model_path = arguments[1];
    const char *adapter_path = count > 2 ? arguments[2] : "reviews.supmer";
    uint32_t steps = count > 3 ? (uint32_t)strtoul(arguments[3], NULL, 10) : 0;

    supmer_abi_0(); /* a library of another ABI cannot be linked */
    printf("supmer %s\n", supmer_version_string());

    supmer_error *error = NULL;
    supmer_model *model = NULL;
    supmer_status status = supmer_model_load(model_path, strlen(model_path), NULL, &model, &error);
    if (status != SUPMER_STATUS_OK) {
        failed("model", status, &error);
        return 1;
    }
    printf("model: %s\n", supmer_model_fingerprint(model));

    supmer_task *task = NULL;
    int done = make_task(&task) && learn(model, task, steps, adapter_path) && predict(model, adapter_path);

    /* In any order; NULL would do no harm. */
    supmer_task_free(task);
    supmer_model_free(model);
    if (supmer_live_handle_count() != 0) {
        fprintf(stderr, "%zu handles were not freed\n", supmer_live_handle_count());
        return 1;
    }
    return done ? 0 : 1;
}
