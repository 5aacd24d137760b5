// Failures arrive with their status and a message that names the cause.
#include <string>

#include "fixture.hpp"

using supmer::Status;

TEST(Errors, NameWhatIsMissing) {
    const auto model = supmer::Model::load("/no/such/model.gguf");
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().status(), Status::not_found);
    EXPECT_NE(model.error().message().find("/no/such/model.gguf"), std::string::npos);
    EXPECT_EQ(supmer::Adapter::load("/no/such/adapter").error().status(), Status::not_found);
    EXPECT_EQ(supmer::Bundle::load("/no/such/bundle").error().status(), Status::not_found);
    EXPECT_EQ(supmer::Task::read("/no/such/task.json").error().status(), Status::not_found);
}

TEST(Errors, RefuseDamagedBytes) {
    const std::string junk = "this is no model, no adapter and no bundle";
    const supmer::Bytes bytes(reinterpret_cast<const unsigned char *>(junk.data()), junk.size());
    EXPECT_EQ(supmer::Model::load_memory(bytes).error().status(), Status::corrupt_file);
    EXPECT_EQ(supmer::Adapter::load_memory(bytes).error().status(), Status::corrupt_file);
    EXPECT_EQ(supmer::Bundle::load_memory(bytes).error().status(), Status::corrupt_file);
    EXPECT_FALSE(supmer::Adapter::load_memory({}));
    const supmer::File files[] = {{"config.json", bytes}};
    EXPECT_FALSE(supmer::Model::load_memory_folder(files));
}

TEST(Errors, RefuseBadTasksAndOptions) {
    auto task = small_task();
    EXPECT_EQ(task.add_label("wet", " again").error().status(), Status::invalid_task);
    EXPECT_EQ(task.add_example("text", "no such label").error().status(), Status::invalid_example);
    EXPECT_EQ(task.add_example("\xff", "wet").error().status(), Status::invalid_utf8);
    EXPECT_EQ(task.add_example_json("{}").error().status(), Status::invalid_example);
    EXPECT_EQ(task.count(), 8u);

    const auto model = tiny_model();
    supmer::AdaptOptions options = few_steps();
    options.learning_rate = -1;
    EXPECT_EQ(supmer::adapt(model, task, options).error().status(), Status::invalid_option);
    EXPECT_EQ(supmer::adapt(model, supmer::Task::create("empty").value_or_throw()).error().status(),
              Status::invalid_task);
    options = few_steps();
    options.memory_limit = 1;
    EXPECT_EQ(supmer::adapt(model, task, options).error().status(), Status::memory_limit);
}

TEST(Errors, HaveNames) {
    EXPECT_EQ(supmer::name(Status::invalid_utf8), "invalid_utf8");
    EXPECT_EQ(supmer::name(Status::ok), "ok");
    EXPECT_EQ(supmer::name(static_cast<Status>(12345)), "unknown");
}
