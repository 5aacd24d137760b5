// Result: a value or an error, never neither.
#include <memory>

#include "fixture.hpp"

using supmer::Error;
using supmer::Result;
using supmer::Status;

TEST(Result, GivesItsValue) {
    Result<std::unique_ptr<int>> result(std::make_unique<int>(7));
    ASSERT_TRUE(result.has_value());
    EXPECT_EQ(**result, 7);
    std::unique_ptr<int> taken = std::move(result).value_or_throw();
    EXPECT_EQ(*taken, 7);
}

TEST(Result, GivesItsError) {
    const Result<int> result(Error(Status::not_found, "no such file"));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().status(), Status::not_found);
    EXPECT_EQ(result.error().message(), "no such file");
}

TEST(Result, ThrowsWhatFailed) {
    try {
        Result<int>(Error(Status::disk_full, "the disk is full")).value_or_throw();
        FAIL() << "nothing was thrown";
    } catch (const supmer::Failure &failure) {
        EXPECT_EQ(failure.status(), Status::disk_full);
        EXPECT_STREQ(failure.what(), "the disk is full");
    }
    EXPECT_THROW(Result<void>(Error(Status::io, "")).value_or_throw(), supmer::Failure);
    EXPECT_NO_THROW(Result<void>().value_or_throw());
}

TEST(ResultDeathTest, EndsTheProgramForWhatIsNotThere) {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    EXPECT_DEATH((void)Result<int>(Error(Status::io, "the cable is out")).value(), "the cable is out");
    EXPECT_DEATH((void)Result<int>(1).error(), "an error was asked of a call that succeeded");
    EXPECT_DEATH((void)Result<void>().error(), "an error was asked of a call that succeeded");
}
