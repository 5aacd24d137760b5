// Three customers, one model in memory, their messages mixed in one batch. See examples/README.md.
#include <cmath>

#include "customers.hpp"

/// Whether both give the same probabilities, to 1e-5.
static bool close(const supmer::Prediction &left, const supmer::Prediction &right) {
    for (std::size_t i = 0; i < left.probabilities.size(); i++) {
        if (std::fabs(left.probabilities[i] - right.probabilities[i]) > 1e-5f) {
            return false;
        }
    }
    return left.probabilities.size() == right.probabilities.size();
}

static void many_adapters(const supmer::Model &model, const std::string &data) {
    std::vector<Customer> customers;
    std::vector<supmer::Adapter> adapters;
    for (const char *name : customer_names) {
        customers.push_back(Customer::read(data, name));
        adapters.push_back(supmer::adapt(model, customers.back().task, adapt_options(10)).value_or_throw().adapter);
    }

    // Every customer's first message, then every customer's second, and so on.
    std::vector<supmer::Row> rows;
    for (std::size_t message = 0; message < customers[0].messages.size(); message++) {
        for (std::size_t i = 0; i < customers.size(); i++) {
            rows.push_back({adapters[i], customers[i].messages[message]});
        }
    }
    const auto predictions = supmer::predict_mixed(model, rows).value_or_throw();

    bool same_alone = true;
    std::cout << "{\"program\":\"many_adapters\",\"rows\":[";
    for (std::size_t i = 0; i < rows.size(); i++) {
        const auto &[adapter, text] = rows[i];
        same_alone = close(predictions[i], supmer::predict(model, adapter, text).value_or_throw()) && same_alone;
        std::cout << (i == 0 ? "" : ",") << "{\"customer\":\"" << customer_names[i % customer_names.size()]
                  << "\",\"label\":\"" << label(adapter, predictions[i]) << "\",\"probabilities\":";
        print_numbers(predictions[i].probabilities);
        std::cout << "}";
    }
    std::cout << "],\"same_alone\":" << same_alone << "}\n";
}

int main(int count, char **arguments) { return run(count, arguments, many_adapters); }
