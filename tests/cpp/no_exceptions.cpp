// The whole story in a program without exceptions and run-time types.
#include <cstdio>
#include <cstdlib>

#include <supmer.hpp>

static void expect(bool holds, const char *what) {
    if (!holds) {
        std::fprintf(stderr, "%s does not hold\n", what);
        std::exit(1);
    }
}

static void story(const char *path) {
    const auto missing = supmer::Model::load("/no/such/model.gguf");
    expect(!missing && missing.error().status() == supmer::Status::not_found, "a missing model is not found");

    const auto model = supmer::Model::load(path);
    auto task = supmer::Task::create("sky");
    expect(model && task, "model and task are there");
    expect(task->add_label("wet", " rain") && task->add_label("dry", " no") && task->set_template("{text}\nSky:") &&
               task->add_example("drops on the pane", "wet") && task->add_example("dust on the road", "dry"),
           "the task is complete");

    int steps = 0;
    supmer::AdaptOptions options;
    options.steps = 3;
    options.prompt_length = 2;
    options.progress = [&](const supmer::Progress &progress) {
        steps += progress.stage == supmer::Stage::step ? 1 : 0;
        return true;
    };
    const auto adapted = supmer::adapt(model.value(), task.value(), options);
    expect(adapted && steps == 3, "three steps adapt");
    const std::string_view texts[] = {"rain", "sun"};
    const auto predictions = supmer::predict_batch(model.value(), adapted.value().adapter, texts);
    expect(predictions && predictions.value().size() == 2 && predictions.value()[0].probabilities.size() == 2,
           "two texts are predicted");
}

int main(int count, char **arguments) {
    expect(count == 2, "one argument, the model");
    story(arguments[1]);
    expect(supmer::live_handle_count() == 0, "everything was freed");
    return 0;
}
