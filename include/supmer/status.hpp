/// Why a call failed.
#ifndef SUPMER_STATUS_HPP
#define SUPMER_STATUS_HPP

#include <string>
#include <string_view>
#include <utility>

#include "../supmer.h"

namespace supmer {

/// The kinds of failure; a newer library may give values that have no name here.
enum class Status : supmer_status {
    ok = SUPMER_STATUS_OK,
    invalid_argument = SUPMER_STATUS_INVALID_ARGUMENT,
    invalid_utf8 = SUPMER_STATUS_INVALID_UTF8,
    invalid_option = SUPMER_STATUS_INVALID_OPTION,
    io = SUPMER_STATUS_IO,
    not_found = SUPMER_STATUS_NOT_FOUND,
    disk_full = SUPMER_STATUS_DISK_FULL,
    corrupt_file = SUPMER_STATUS_CORRUPT_FILE,
    unsupported = SUPMER_STATUS_UNSUPPORTED,
    not_finite = SUPMER_STATUS_NOT_FINITE,
    invalid_task = SUPMER_STATUS_INVALID_TASK,
    invalid_example = SUPMER_STATUS_INVALID_EXAMPLE,
    backbone_mismatch = SUPMER_STATUS_BACKBONE_MISMATCH,
    memory_limit = SUPMER_STATUS_MEMORY_LIMIT,
    too_large = SUPMER_STATUS_TOO_LARGE,
    cancelled = SUPMER_STATUS_CANCELLED,
    panic = SUPMER_STATUS_PANIC,
    internal = SUPMER_STATUS_INTERNAL,
};

/// Name of a status in lower case, such as "invalid_utf8".
inline std::string_view name(Status status) noexcept {
    return supmer_status_name(static_cast<supmer_status>(status));
}

/// Status and message of a failed call.
class Error {
public:
    Error(Status status, std::string message) : status_(status), message_(std::move(message)) {}

    Status status() const noexcept { return status_; }
    /// What was expected, what came and what to do; one line, never with text of examples.
    const std::string &message() const noexcept { return message_; }

private:
    Status status_;
    std::string message_;
};

} // namespace supmer

#endif
