/*
 * Keeps an adapter in a file and in bytes; what a missing and a damaged one give. See examples/README.md.
 */
#define _DEFAULT_SOURCE /* mkdtemp */
#include <unistd.h>

#include "customers.h"

/* The same adapter thrice: as learned, read from the file, read from its bytes. */
enum { LEARNED, FROM_FILE, FROM_BYTES, COPIES };

static const char *name_of_load(const char *path, const uint8_t *bytes, size_t length) {
    supmer_adapter *adapter = NULL;
    supmer_status status = path != NULL ? supmer_adapter_load(path, strlen(path), &adapter, NULL)
                                        : supmer_adapter_load_memory(bytes, length, &adapter, NULL);
    supmer_adapter_free(adapter);
    return supmer_status_name(status);
}

/* Whether the file holds just the buffer's bytes. */
static int file_equals(const char *path, const supmer_buffer *buffer) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return 0;
    }
    const uint8_t *bytes = supmer_buffer_data(buffer);
    size_t length = supmer_buffer_length(buffer), at = 0;
    int byte = fgetc(file);
    while (byte != EOF && at < length && bytes[at] == byte) {
        at++;
        byte = fgetc(file);
    }
    fclose(file);
    return byte == EOF && at == length;
}

/* Saves and loads in both ways; the first failure ends it. */
static supmer_status keep(const char *path, supmer_adapter *copies[COPIES], supmer_buffer **buffer) {
    supmer_error *error = NULL;
    supmer_status status = supmer_adapter_save(copies[LEARNED], path, strlen(path), &error);
    if (status == SUPMER_STATUS_OK) {
        status = supmer_adapter_load(path, strlen(path), &copies[FROM_FILE], &error);
    }
    if (status == SUPMER_STATUS_OK) {
        status = supmer_adapter_save_memory(copies[LEARNED], buffer, &error);
    }
    if (status == SUPMER_STATUS_OK) {
        status = supmer_adapter_load_memory(supmer_buffer_data(*buffer), supmer_buffer_length(*buffer),
                                            &copies[FROM_BYTES], &error);
    }
    return status == SUPMER_STATUS_OK ? status : failed("save and load", status, error);
}

static supmer_status predict_and_print(const supmer_model *model, const struct customer *customer,
                                       supmer_adapter *const copies[COPIES], const supmer_buffer *buffer,
                                       const char *path, const char *missing) {
    float probabilities[COPIES][MESSAGES * LABELS];
    int32_t labels[COPIES][MESSAGES];
    int same = 1;
    memset(probabilities, 0, sizeof probabilities);
    for (size_t i = 0; i < COPIES; i++) {
        supmer_status status = predict_new(model, copies[i], customer, probabilities[i], labels[i]);
        if (status != SUPMER_STATUS_OK) {
            return status;
        }
        same = same && memcmp(probabilities[i], probabilities[0], sizeof probabilities[0]) == 0;
    }
    size_t length = supmer_buffer_length(buffer);
    printf("{\"program\":\"save_load\",\"bytes\":%zu,\"file_equals_bytes\":%s,", length,
           file_equals(path, buffer) ? "true" : "false");
    print_predictions(copies[FROM_FILE], probabilities[FROM_FILE], labels[FROM_FILE]);
    printf(",\"same_after_loading\":%s,\"missing_file\":\"%s\"", same ? "true" : "false",
           name_of_load(missing, NULL, 0));
    printf(",\"half_of_the_bytes\":\"%s\"}\n", name_of_load(NULL, supmer_buffer_data(buffer), length / 2));
    return SUPMER_STATUS_OK;
}

static supmer_status in_folder(const supmer_model *model, const char *data, const char *folder) {
    char path[MAX_LINE], missing[MAX_LINE];
    snprintf(path, sizeof path, "%s/bakery.supmer", folder);
    snprintf(missing, sizeof missing, "%s/missing.supmer", folder);
    struct customer bakery;
    supmer_adapter *copies[COPIES] = {0};
    supmer_buffer *buffer = NULL;
    supmer_adapt_options options = adapt_options(10, NULL);

    supmer_status status = read_customer(data, "bakery", &bakery);
    if (status == SUPMER_STATUS_OK) {
        status = learn(model, &bakery, &options, &copies[LEARNED]);
    }
    if (status == SUPMER_STATUS_OK) {
        status = keep(path, copies, &buffer);
    }
    if (status == SUPMER_STATUS_OK) {
        status = predict_and_print(model, &bakery, copies, buffer, path, missing);
    }
    supmer_buffer_free(buffer);
    for (size_t i = 0; i < COPIES; i++) {
        supmer_adapter_free(copies[i]);
    }
    supmer_task_free(bakery.task);
    remove(path);
    return status;
}

static supmer_status save_load(const supmer_model *model, const char *data) {
    char folder[] = "/tmp/supmer-save-load-XXXXXX";
    if (mkdtemp(folder) == NULL) {
        perror(folder);
        return SUPMER_STATUS_IO;
    }
    supmer_status status = in_folder(model, data, folder);
    rmdir(folder);
    return status;
}

int main(int count, char **arguments) {
    return run(count, arguments, save_load);
}
