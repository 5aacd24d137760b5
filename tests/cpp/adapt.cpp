// Adaptation: the same adapter every time, warm starts, pairs and rows of any fields, estimates.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fixture.hpp"

TEST(Adapt, GivesTheSameBytesEveryTime) {
    const auto model = tiny_model();
    const auto bytes = learned(model).save_memory().value_or_throw();
    EXPECT_EQ(learned(model).save_memory().value_or_throw(), bytes);
    EXPECT_NE(learned(model, 2).save_memory().value_or_throw(), bytes);
}

TEST(Adapt, KeepsAnAdapterInAFile) {
    const auto model = tiny_model();
    const auto adapter = learned(model);
    const std::string path = testing::TempDir() + "supmer_cpp_test.supmer";
    adapter.save(path).value_or_throw();
    std::ifstream file(path, std::ios::binary);
    const std::vector<unsigned char> in_file{std::istreambuf_iterator<char>(file), {}};
    EXPECT_EQ(in_file, adapter.save_memory().value_or_throw());
    const auto read = supmer::Adapter::load(path).value_or_throw();
    EXPECT_EQ(supmer::predict(model, read, "rain").value_or_throw().probabilities,
              supmer::predict(model, adapter, "rain").value_or_throw().probabilities);
    std::remove(path.c_str());
}

TEST(Adapt, StartsFromAnAdapterOrAText) {
    const auto model = tiny_model();
    const auto first = learned(model);
    supmer::AdaptOptions options = few_steps();
    options.start_adapter = &first;
    const auto warm = supmer::adapt(model, small_task(), options).value_or_throw();
    EXPECT_NE(warm.adapter.save_memory().value_or_throw(), first.save_memory().value_or_throw());
    options.start_adapter = nullptr;
    options.start_text = "What is the weather like?";
    EXPECT_TRUE(supmer::adapt(model, small_task(), options));
}

TEST(Adapt, TakesPairsAndRowsOfAnyFields) {
    const auto model = tiny_model();
    auto pairs = supmer::Task::create("pairs").value_or_throw();
    auto rows = supmer::Task::create("rows").value_or_throw();
    for (supmer::Task *task : {&pairs, &rows}) {
        task->add_label("same", " in").value_or_throw();
        task->add_label("other", " no").value_or_throw();
    }
    pairs.set_template("{text_a} / {text_b} ?").value_or_throw();
    pairs.add_example_pair("rain", "rain", "same").value_or_throw();
    pairs.add_example_pair("rain", "sun", "other").value_or_throw();
    rows.set_template("{title}: {body} ?").value_or_throw();
    rows.add_example_json(R"({"title": "a", "body": 1, "label": "same"})").value_or_throw();
    rows.add_example_json(R"({"title": "a", "body": true, "label": "other"})").value_or_throw();
    EXPECT_TRUE(supmer::adapt(model, pairs, few_steps()));
    const auto adapter = supmer::adapt(model, rows, few_steps()).value_or_throw().adapter;
    const auto row = supmer::predict_row_json(model, adapter, R"({"title": "b", "body": "c"})").value_or_throw();
    EXPECT_EQ(row.probabilities.size(), 2u);
}

TEST(Adapt, LearnsTheSameFromAModelInMemory) {
    std::vector<std::string> contents;
    std::vector<supmer::File> files;
    const char *names[] = {"config.json", "tokenizer.json", "model.safetensors"};
    for (const char *name : names) {
        std::ifstream file(std::string(SUPMER_TEST_MODEL) + "/" + name, std::ios::binary);
        contents.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    for (std::size_t i = 0; i < contents.size(); i++) {
        const auto *bytes = reinterpret_cast<const unsigned char *>(contents[i].data());
        files.push_back({names[i], {bytes, contents[i].size()}});
    }
    const auto in_memory = supmer::Model::load_memory_folder(files).value_or_throw();
    const auto model = tiny_model();
    EXPECT_EQ(in_memory.fingerprint(), model.fingerprint());
    EXPECT_EQ(learned(in_memory).save_memory().value_or_throw(), learned(model).save_memory().value_or_throw());
}

TEST(Adapt, EstimatesGrowWithTheWork) {
    const auto model = tiny_model();
    const auto task = small_task();
    supmer::AdaptOptions options = few_steps();
    options.batch_size = 2;
    const auto small = model.estimate_memory(options, &task).value_or_throw();
    options.batch_size = 8;
    options.prompt_length = 6;
    const auto large = model.estimate_memory(options, &task).value_or_throw();
    EXPECT_EQ(small.weights_bytes, large.weights_bytes);
    EXPECT_LT(small.adapt_bytes, large.adapt_bytes);
    EXPECT_EQ(2 * small.cached_prompt_bytes, large.cached_prompt_bytes);
    EXPECT_GT(model.estimate_memory(options).value_or_throw().predict_bytes, large.predict_bytes);
}
