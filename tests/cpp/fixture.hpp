// The tiny model, a task of eight examples, and options that learn it in a moment.
#ifndef FIXTURE_HPP
#define FIXTURE_HPP

#include <gtest/gtest.h>
#include <supmer.hpp>

inline supmer::Model tiny_model() {
    supmer::ModelOptions options;
    options.thread_count = 2;
    return supmer::Model::load(SUPMER_TEST_MODEL, options).value_or_throw();
}

inline supmer::Task small_task(std::string_view name = "sky") {
    auto task = supmer::Task::create(name).value_or_throw();
    task.add_label("wet", " rain").value_or_throw();
    task.add_label("dry", " no").value_or_throw();
    task.set_template("{text}\nSky:").value_or_throw();
    for (const char *text : {"drops on the pane", "umbrellas everywhere", "puddles", "the gutter sings"}) {
        task.add_example(text, "wet").value_or_throw();
    }
    for (const char *text : {"dust on the road", "a blue morning", "the grass is brown", "shadows at noon"}) {
        task.add_example(text, "dry").value_or_throw();
    }
    return task;
}

inline supmer::AdaptOptions few_steps(std::uint64_t seed = 1) {
    supmer::AdaptOptions options;
    options.steps = 4;
    options.prompt_length = 3;
    options.learning_rate = 0.05f;
    options.seed = seed;
    return options;
}

inline supmer::Adapter learned(const supmer::Model &model, std::uint64_t seed = 1) {
    return supmer::adapt(model, small_task(), few_steps(seed)).value_or_throw().adapter;
}

#endif
