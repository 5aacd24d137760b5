// What the five programs share: their arguments, the model, the customers' messages and the options of adaptation.
#ifndef CUSTOMERS_HPP
#define CUSTOMERS_HPP

#include <array>
#include <exception>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <supmer.hpp>

inline constexpr std::array<const char *, 3> customer_names = {"bakery", "dentist", "landlord"};

/// The lines of a file.
inline std::vector<std::string> read_lines(const std::string &path) {
    std::ifstream file(path);
    if (!file) {
        throw std::runtime_error(path + " cannot be read");
    }
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) {
        lines.push_back(line);
    }
    return lines;
}

/// One customer's task with its labelled messages, and messages to predict.
struct Customer {
    supmer::Task task;
    std::vector<std::string> messages;

    /// Reads a customer's folder inside `data`.
    static Customer read(const std::string &data, const std::string &name) {
        const std::string folder = data + "/" + name;
        auto task = supmer::Task::read(folder + "/task.json").value_or_throw();
        for (const std::string &line : read_lines(folder + "/train.jsonl")) {
            task.add_example_json(line).value_or_throw();
        }
        return {std::move(task), read_lines(folder + "/new.txt")};
    }

    /// The messages as a batch takes them.
    std::vector<std::string_view> texts() const { return {messages.begin(), messages.end()}; }
};

/// The options that all programs adapt with.
inline supmer::AdaptOptions adapt_options(std::uint32_t steps) {
    supmer::AdaptOptions options;
    options.steps = steps;
    options.seed = 13;
    options.batch_size = 8;
    options.prompt_length = 8;
    options.learning_rate = 0.01f;
    return options;
}

/// A progress function that keeps the loss of every step.
inline supmer::ProgressFunction note_losses(std::vector<float> &losses) {
    return [&losses](const supmer::Progress &progress) {
        if (progress.stage == supmer::Stage::step) {
            losses.push_back(progress.loss);
        }
        return true;
    };
}

/// The name of the label that a prediction gave.
inline std::string_view label(const supmer::Adapter &adapter, const supmer::Prediction &prediction) {
    return prediction.label ? adapter.label_name(*prediction.label) : "";
}

/// `[a,b,c]`; `write` prints one value.
template <typename Values, typename Write> void print_list(const Values &values, Write write) {
    std::cout << "[";
    const char *separator = "";
    for (const auto &value : values) {
        std::cout << separator;
        write(value);
        separator = ",";
    }
    std::cout << "]";
}

inline void print_numbers(const std::vector<float> &values) {
    print_list(values, [](float value) { std::cout << value; });
}

/// The members "labels" and "probabilities" of a batch.
inline void print_predictions(const supmer::Adapter &adapter, const std::vector<supmer::Prediction> &predictions) {
    std::cout << "\"labels\":";
    print_list(predictions, [&](const auto &prediction) { std::cout << '"' << label(adapter, prediction) << '"'; });
    std::cout << ",\"probabilities\":";
    print_list(predictions, [](const auto &prediction) { print_numbers(prediction.probabilities); });
}

/// Runs `program` with the model and the data folder of the command line; the exit code.
inline int run(int count, char **arguments, void (*program)(const supmer::Model &model, const std::string &data)) {
    if (count != 3) {
        std::cerr << "two arguments are needed: MODEL DATA\n";
        return 2;
    }
    std::cout.precision(9);
    std::cout.setf(std::ios::boolalpha);
    try {
        supmer::ModelOptions options;
        options.thread_count = 1;
        program(supmer::Model::load(arguments[1], options).value_or_throw(), arguments[2]);
    } catch (const supmer::Failure &failure) {
        std::cerr << failure.what() << " (" << supmer::name(failure.status()) << ")\n";
        return 1;
    } catch (const std::exception &exception) {
        std::cerr << exception.what() << "\n";
        return 1;
    }
    return 0;
}

#endif
