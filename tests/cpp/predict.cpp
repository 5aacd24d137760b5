// Prediction: one, many, mixed and from many threads, all with the same numbers.
#include <numeric>
#include <string_view>
#include <thread>
#include <type_traits>
#include <vector>

#include "fixture.hpp"

// Values of a derived type lie further apart than a Span would step.
struct Job : supmer::Row {
    int customer = 0;
};
template <typename... From> constexpr bool makes_rows = std::is_constructible_v<supmer::Span<supmer::Row>, From...>;
static_assert(makes_rows<std::vector<supmer::Row>> && makes_rows<supmer::Row *, std::size_t>);
static_assert(makes_rows<const supmer::Row (&)[2]> && makes_rows<std::nullptr_t, std::size_t>);
static_assert(!makes_rows<std::vector<Job>> && !makes_rows<Job *, std::size_t> && !makes_rows<const Job (&)[2]>);

static const std::vector<std::string_view> texts = {"drops", "", "a dry and dusty afternoon",
                                                    "rain, rain \xc3\xa9t\xc3\xa9"};

static void expect_close(const supmer::Prediction &left, const supmer::Prediction &right) {
    ASSERT_EQ(left.probabilities.size(), right.probabilities.size());
    for (std::size_t i = 0; i < left.probabilities.size(); i++) {
        EXPECT_NEAR(left.probabilities[i], right.probabilities[i], 1e-5);
    }
}

TEST(Predict, BatchesEqualSingleTexts) {
    const auto model = tiny_model();
    const auto adapter = learned(model);
    const auto batch = supmer::predict_batch(model, adapter, texts).value_or_throw();
    ASSERT_EQ(batch.size(), texts.size());
    for (std::size_t i = 0; i < texts.size(); i++) {
        const auto alone = supmer::predict(model, adapter, texts[i]).value_or_throw();
        expect_close(batch[i], alone);
        EXPECT_NEAR(std::accumulate(alone.probabilities.begin(), alone.probabilities.end(), 0.0f), 1, 1e-5);
        ASSERT_TRUE(alone.label);
        EXPECT_GE(alone.probabilities[*alone.label], 0.5f);
    }
    EXPECT_TRUE(supmer::predict_batch(model, adapter, {}).value_or_throw().empty());
}

TEST(Predict, MixesAdaptersOfDifferentLabelCounts) {
    const auto model = tiny_model();
    const auto two = learned(model);
    auto task = small_task("three");
    task.add_label("storm", " the").value_or_throw();
    task.add_example("hail and thunder", "storm").value_or_throw();
    const auto three = supmer::adapt(model, task, few_steps()).value_or_throw().adapter;

    const std::vector<supmer::Row> rows = {{two, texts[0]}, {three, texts[0]}, {two, texts[2]}};
    const auto mixed = supmer::predict_mixed(model, rows).value_or_throw();
    ASSERT_EQ(mixed.size(), 3u);
    EXPECT_EQ(mixed[1].probabilities.size(), 3u);
    for (std::size_t i = 0; i < rows.size(); i++) {
        expect_close(mixed[i], supmer::predict(model, rows[i].adapter, rows[i].text).value_or_throw());
    }
    EXPECT_TRUE(supmer::predict_mixed(model, {}).value_or_throw().empty());
}

TEST(Predict, AbstainsWhenUnsure) {
    const auto model = tiny_model();
    supmer::PredictOptions options;
    options.abstain_below = 1;
    EXPECT_FALSE(supmer::predict(model, learned(model), "fog", options).value_or_throw().label);
    options.abstain_below = 2;
    EXPECT_EQ(supmer::predict(model, learned(model), "fog", options).error().status(), supmer::Status::invalid_option);
}

TEST(Predict, GivesTheSameOnSixteenThreads) {
    const auto model = tiny_model();
    const auto adapter = learned(model);
    const auto expected = supmer::predict(model, adapter, texts[2]).value_or_throw().probabilities;
    std::vector<int> same(16, 0);
    std::vector<std::thread> threads;
    for (int &mine : same) {
        threads.emplace_back([&] {
            for (int turn = 0; turn < 8; turn++) {
                mine += supmer::predict(model, adapter, texts[2]).value().probabilities == expected ? 1 : 0;
            }
        });
    }
    for (std::thread &thread : threads) {
        thread.join();
    }
    EXPECT_EQ(same, std::vector<int>(16, 8));
}
