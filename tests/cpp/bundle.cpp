// Bundles: read, saved, and what adaptation starts from.
#include <cstdio>

#include "fixture.hpp"

TEST(Bundle, SavedIsTheSameAndAdaptationStartsFromIt) {
    const std::string copy = testing::TempDir() + "supmer_bundle_copy.supmer";
    const auto model = tiny_model();
    const auto bundle = supmer::Bundle::load(SUPMER_TEST_BUNDLE).value_or_throw();
    bundle.check(model).value_or_throw();
    bundle.save(copy).value_or_throw();
    const auto again = supmer::Bundle::load(copy).value_or_throw();
    std::remove(copy.c_str());
    EXPECT_EQ(again.metadata(), bundle.metadata());
    EXPECT_EQ(bundle.save("/no/such/folder/b.supmer").error().status(), supmer::Status::not_found);

    auto options = few_steps();
    const auto plain = supmer::adapt(model, small_task(), options).value_or_throw();
    options.prompt_length = 0;
    const auto started = supmer::adapt(model, small_task(), options, &bundle).value_or_throw();
    EXPECT_NE(started.adapter.save_memory().value_or_throw(), plain.adapter.save_memory().value_or_throw());
}
