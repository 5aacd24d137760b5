// A worker of `make bench-bindings`: the time of a prediction called from C++.
//
//     cpp MODEL ADAPTER CALLS
//
// Prints the median of CALLS calls in microseconds.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "supmer.hpp"

namespace {

constexpr std::size_t warm_up = 50;
constexpr const char *text = "rain from the west";

} // namespace

int main(int count, char **arguments) {
    const std::size_t calls = count == 4 ? std::strtoul(arguments[3], nullptr, 10) : 0;
    if (calls == 0) {
        std::fputs("cpp MODEL ADAPTER CALLS\n", stderr);
        return 1;
    }
    supmer::ModelOptions options;
    options.thread_count = 1;
    const auto model = supmer::Model::load(arguments[1], options).value_or_throw();
    const auto adapter = supmer::Adapter::load(arguments[2]).value_or_throw();
    std::vector<double> times;
    for (std::size_t call = 0; call < warm_up + calls; call++) {
        const auto began = std::chrono::steady_clock::now();
        const auto prediction = supmer::predict(model, adapter, text).value_or_throw();
        const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - began;
        if (call >= warm_up && !prediction.probabilities.empty()) {
            times.push_back(took.count());
        }
    }
    std::sort(times.begin(), times.end());
    std::printf("%.3f\n", times[times.size() / 2]);
    return 0;
}
