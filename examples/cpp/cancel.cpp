// Stops an adaptation from its progress function; the request stays until it is reset. See examples/README.md.
#include "customers.hpp"

/// Adapts, asking to stop after the step `stop_after` (0 = never), and prints how it ended after how many steps.
static void attempt(const char *name, const supmer::Model &model, const supmer::Task &task,
                    const supmer::Cancel &cancel, std::uint32_t steps, int stop_after) {
    int seen = 0;
    supmer::AdaptOptions options = adapt_options(steps);
    options.cancel = cancel; // a copy: it shares the flag
    options.progress = [&](const supmer::Progress &progress) {
        if (progress.stage == supmer::Stage::step && ++seen == stop_after) {
            cancel.request(); // any thread may; returning false would stop it too
        }
        return true;
    };
    const auto ended = supmer::adapt(model, task, options);
    const supmer::Status status = ended ? supmer::Status::ok : ended.error().status();
    std::cout << ",\"" << name << "\":{\"status\":\"" << supmer::name(status) << "\",\"steps\":" << seen << "}";
}

static void cancel(const supmer::Model &model, const std::string &data) {
    const Customer bakery = Customer::read(data, "bakery");
    const supmer::Cancel flag;
    std::cout << "{\"program\":\"cancel\"";
    attempt("stopped", model, bakery.task, flag, 1000, 3);
    attempt("still_set", model, bakery.task, flag, 1000, 0);
    flag.reset();
    attempt("after_reset", model, bakery.task, flag, 5, 0);
    std::cout << "}\n";
}

int main(int count, char **arguments) { return run(count, arguments, cancel); }
