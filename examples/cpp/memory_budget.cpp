// Asks what an adaptation needs, halves it, and sees a budget that is too small. See examples/README.md.
#include "customers.hpp"

/// Adapts for 5 steps within `limit` bytes (0 = as many as it likes); the losses of the steps.
static std::vector<float> learn_within(const supmer::Model &model, const supmer::Task &task, std::uint64_t limit) {
    std::vector<float> losses;
    supmer::AdaptOptions options = adapt_options(5);
    options.memory_limit = limit;
    options.progress = note_losses(losses);
    supmer::adapt(model, task, options).value_or_throw();
    return losses;
}

static void memory_budget(const supmer::Model &model, const std::string &data) {
    const Customer bakery = Customer::read(data, "bakery");
    supmer::AdaptOptions options = adapt_options(5);
    const auto memory = model.estimate_memory(options, &bakery.task).value_or_throw();
    const auto losses = learn_within(model, bakery.task, 0);
    const auto losses_at_half = learn_within(model, bakery.task, memory.adapt_bytes / 2);
    options.memory_limit = 1;
    const auto refused = supmer::adapt(model, bakery.task, options);
    const auto status = refused ? supmer::Status::ok : refused.error().status();

    std::cout << "{\"program\":\"memory_budget\",\"weights_bytes\":" << memory.weights_bytes
              << ",\"adapt_bytes\":" << memory.adapt_bytes << ",\"predict_bytes\":" << memory.predict_bytes
              << ",\"cached_prompt_bytes\":" << memory.cached_prompt_bytes << ",\"losses\":";
    print_numbers(losses);
    std::cout << ",\"losses_at_half\":";
    print_numbers(losses_at_half);
    std::cout << ",\"limit_of_one_byte\":\"" << supmer::name(status) << "\"}\n";
}

int main(int count, char **arguments) { return run(count, arguments, memory_budget); }
