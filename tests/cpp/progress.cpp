// Progress, cancelling, exceptions of the caller's own, and logs.
#include <atomic>
#include <stdexcept>
#include <string>

#include "fixture.hpp"

using supmer::Progress;
using supmer::Stage;

TEST(Progress, TellsEveryStep) {
    const auto model = tiny_model();
    std::vector<std::uint64_t> done;
    supmer::AdaptOptions options = few_steps();
    options.progress = [&](const Progress &progress) {
        if (progress.stage == Stage::step) {
            done.push_back(progress.done);
            EXPECT_EQ(progress.total, 4u);
            EXPECT_GT(progress.loss, 0);
        }
        return true;
    };
    ASSERT_TRUE(supmer::adapt(model, small_task(), options));
    EXPECT_EQ(done, (std::vector<std::uint64_t>{1, 2, 3, 4}));
}

TEST(Progress, StopsWhereItIsToldTo) {
    const auto model = tiny_model();
    int steps = 0;
    supmer::AdaptOptions options = few_steps();
    options.progress = [&](const Progress &progress) {
        steps += progress.stage == Stage::step ? 1 : 0;
        return steps < 2;
    };
    EXPECT_EQ(supmer::adapt(model, small_task(), options).error().status(), supmer::Status::cancelled);
    EXPECT_EQ(steps, 2);
}

TEST(Progress, LetsExceptionsOfTheCallerThrough) {
    const auto model = tiny_model();
    const std::size_t before = supmer::live_handle_count();
    supmer::AdaptOptions options = few_steps();
    options.progress = [](const Progress &) -> bool { throw std::runtime_error("the user closed the window"); };
    try {
        (void)supmer::adapt(model, small_task(), options);
        FAIL() << "nothing was thrown";
    } catch (const std::runtime_error &error) {
        EXPECT_STREQ(error.what(), "the user closed the window");
    }
    EXPECT_EQ(supmer::live_handle_count(), before);
}

TEST(Progress, TellsHowALoadGoesAndStopsIt) {
    int calls = 0;
    supmer::ModelOptions options;
    options.progress = [&](const Progress &progress) {
        EXPECT_EQ(progress.stage, Stage::load);
        EXPECT_LE(progress.done, progress.total);
        calls++;
        return true;
    };
    EXPECT_TRUE(supmer::Model::load(SUPMER_TEST_MODEL, options));
    EXPECT_GT(calls, 0);
    options.progress = [](const Progress &) { return false; };
    EXPECT_EQ(supmer::Model::load(SUPMER_TEST_MODEL, options).error().status(), supmer::Status::cancelled);
}

TEST(Progress, TellsHowManyRowsArePredictedAndStops) {
    const auto model = tiny_model();
    const auto adapter = learned(model);
    const std::vector<std::string_view> texts = {"drops", "rain", "fog"};
    std::vector<std::uint64_t> done;
    supmer::PredictOptions options;
    options.batch_size = 2;
    options.progress = [&](const Progress &progress) {
        EXPECT_EQ(progress.stage, Stage::predict);
        EXPECT_EQ(progress.total, 3u);
        done.push_back(progress.done);
        return true;
    };
    EXPECT_TRUE(supmer::predict_batch(model, adapter, texts, options));
    EXPECT_EQ(done, (std::vector<std::uint64_t>{2, 3}));
    options.progress = [](const Progress &) -> bool { throw std::runtime_error("the user closed the window"); };
    EXPECT_THROW((void)supmer::predict_batch(model, adapter, texts, options), std::runtime_error);
    EXPECT_THROW((void)supmer::predict(model, adapter, texts[0], options), std::runtime_error);
    const std::vector<supmer::Row> rows = {{adapter, texts[0]}};
    options.progress = [](const Progress &) { return false; };
    EXPECT_EQ(supmer::predict_mixed(model, rows, options).error().status(), supmer::Status::cancelled);
}

TEST(Progress, LogsUntilToldNotTo) {
    std::atomic<int> messages{0};
    auto count = [&](supmer::LogLevel, std::string_view message) {
        messages += message.empty() ? 0 : 1;
        throw std::runtime_error("dropped");
    };
    supmer::set_log_function(count, supmer::LogLevel::debug).value_or_throw();
    const auto model = tiny_model();
    (void)learned(model);
    const int heard = messages;
    EXPECT_GT(heard, 0);
    supmer::set_log_function({}).value_or_throw();
    (void)learned(model);
    EXPECT_EQ(messages, heard);
}
