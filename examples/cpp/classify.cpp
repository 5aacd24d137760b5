// Learns one customer's labels from 24 messages, then predicts new ones in one batch. See examples/README.md.
//
//     c++ -std=c++17 classify.cpp $(pkg-config --cflags --libs supmer) -o classify
//     ./classify MODEL examples/customers
#include "customers.hpp"

static void classify(const supmer::Model &model, const std::string &data) {
    const Customer bakery = Customer::read(data, "bakery");
    std::vector<float> losses;
    supmer::AdaptOptions options = adapt_options(30);
    options.progress = note_losses(losses);
    const auto [adapter, report] = supmer::adapt(model, bakery.task, options).value_or_throw();
    const auto predictions = supmer::predict_batch(model, adapter, bakery.texts()).value_or_throw();

    std::cout << "{\"program\":\"classify\",\"examples\":" << bakery.task.count() << ",\"losses\":";
    print_numbers(losses);
    std::cout << ",";
    print_predictions(adapter, predictions);
    std::cout << "}\n";
}

int main(int count, char **arguments) { return run(count, arguments, classify); }
