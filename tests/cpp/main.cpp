// Runs the tests; at the end nothing of the library may be left.
#include <gtest/gtest.h>
#include <supmer.hpp>

int main(int count, char **arguments) {
    testing::InitGoogleTest(&count, arguments);
    const int failed = RUN_ALL_TESTS();
    if (supmer::live_handle_count() != 0) {
        std::fprintf(stderr, "%zu handles were not freed\n", supmer::live_handle_count());
        return 1;
    }
    return failed;
}
