// Ownership: handles move, end in any order and leave nothing behind.
#include <type_traits>

#include "fixture.hpp"

template <typename T> constexpr bool owns_one_pointer() {
    return !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T> &&
           std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T> &&
           sizeof(T) == sizeof(void *);
}

static_assert(owns_one_pointer<supmer::Model>());
static_assert(owns_one_pointer<supmer::Bundle>());
static_assert(owns_one_pointer<supmer::Task>());
static_assert(owns_one_pointer<supmer::Adapter>());
static_assert(owns_one_pointer<supmer::Report>());
static_assert(std::is_copy_constructible_v<supmer::Cancel>);

TEST(Handles, EndInAnyOrder) {
    const std::size_t before = supmer::live_handle_count();
    {
        auto model = std::make_unique<supmer::Model>(tiny_model());
        auto task = std::make_unique<supmer::Task>(small_task());
        auto adapted = std::make_unique<supmer::Adaptation>(
            supmer::adapt(*model, *task, few_steps()).value_or_throw());
        EXPECT_GE(supmer::live_handle_count(), before + 4);
        task.reset();
        model.reset();
        EXPECT_EQ(adapted->adapter.label_name(0), "wet");
        EXPECT_EQ(adapted->adapter.label_name(9), "");
        EXPECT_NE(adapted->report.json().find("\"steps\""), std::string_view::npos);
    }
    EXPECT_EQ(supmer::live_handle_count(), before);
}

TEST(Handles, RefuseWorkOnceMovedFrom) {
    auto model = tiny_model();
    auto adapter = learned(model);
    auto task = small_task();
    const auto other_model = std::move(model);
    const auto other_adapter = std::move(adapter);
    const auto other_task = std::move(task);

    EXPECT_EQ(supmer::predict(model, other_adapter, "rain").error().status(), supmer::Status::invalid_argument);
    EXPECT_EQ(supmer::predict(other_model, adapter, "rain").error().status(), supmer::Status::invalid_argument);
    EXPECT_EQ(task.add_example("rain", "wet").error().status(), supmer::Status::invalid_argument);
    EXPECT_EQ(supmer::adapt(other_model, task).error().status(), supmer::Status::invalid_argument);
    EXPECT_EQ(model.fingerprint(), "");
    EXPECT_EQ(adapter.label_count(), 0u);
    EXPECT_TRUE(supmer::predict(other_model, other_adapter, "rain"));
}

TEST(Handles, WhatMayBeLeftOutIsNotLeftOutOnceMovedFrom) {
    const auto model = tiny_model();
    auto task = small_task();
    auto start = learned(model);
    const auto other_start = std::move(start);
    supmer::AdaptOptions options = few_steps();
    options.start_adapter = &start;
    EXPECT_EQ(supmer::adapt(model, task, options).error().status(), supmer::Status::invalid_argument);
    EXPECT_EQ(model.estimate_memory(options).error().status(), supmer::Status::invalid_argument);
    options.start_adapter = &other_start;
    EXPECT_TRUE(supmer::adapt(model, task, options));

    supmer::Cancel flag;
    const supmer::Cancel other_flag = std::move(flag);
    options.cancel = flag;
    other_flag.request();
    EXPECT_EQ(supmer::adapt(model, task, options).error().status(), supmer::Status::cancelled);

    const auto other_task = std::move(task);
    EXPECT_EQ(model.estimate_memory(few_steps(), &task).error().status(), supmer::Status::invalid_argument);
    EXPECT_TRUE(model.estimate_memory(few_steps(), &other_task));
}

TEST(Handles, CopiesOfACancelShareOneFlag) {
    const auto model = tiny_model();
    supmer::AdaptOptions options = few_steps();
    const supmer::Cancel flag;
    options.cancel = flag;
    flag.request();
    EXPECT_EQ(supmer::adapt(model, small_task(), options).error().status(), supmer::Status::cancelled);
    options.cancel->reset();
    EXPECT_TRUE(supmer::adapt(model, small_task(), options));
}
