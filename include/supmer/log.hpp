/// What the library has to say while it works.
#ifndef SUPMER_LOG_HPP
#define SUPMER_LOG_HPP

#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

#include "../supmer.h"
#include "result.hpp"

namespace supmer {

enum class LogLevel : supmer_log_level {
    error = SUPMER_LOG_ERROR,
    warning = SUPMER_LOG_WARNING,
    info = SUPMER_LOG_INFO,
    debug = SUPMER_LOG_DEBUG,
};

/// Called on any thread, also on several at a time. What it throws is dropped.
using LogFunction = std::function<void(LogLevel, std::string_view message)>;

namespace detail {

inline void log(void *user_data, supmer_log_level level, const char *message) noexcept {
    const auto &function = *static_cast<LogFunction *>(user_data);
#ifdef __cpp_exceptions
    try {
        function(static_cast<LogLevel>(level), message);
    } catch (...) {
    }
#else
    function(static_cast<LogLevel>(level), message);
#endif
}

} // namespace detail

/// Sends messages up to `level` of the whole process to `function`; an empty one makes the library silent, which it is
/// from the start. When this returns, the former function is not called any more. Not to be called from a log function.
inline Result<void> set_log_function(LogFunction function, LogLevel level = LogLevel::info) {
    // Never destroyed: the library may speak until the process has ended.
    static auto &guard = *new std::mutex;
    static auto &current = *new std::unique_ptr<LogFunction>;
    const std::lock_guard<std::mutex> lock(guard);
    auto next = function ? std::make_unique<LogFunction>(std::move(function)) : nullptr;
    auto done = detail::attempt([&](supmer_error **error) {
        return supmer_set_log_callback(next ? detail::log : nullptr, next.get(),
                                       static_cast<supmer_log_level>(level), error);
    });
    if (done) {
        current = std::move(next);
    }
    return done;
}

} // namespace supmer

#endif
