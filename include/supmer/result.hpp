/// A value, or the error that came instead of it.
#ifndef SUPMER_RESULT_HPP
#define SUPMER_RESULT_HPP

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <variant>

#include "status.hpp"

namespace supmer {

#ifdef __cpp_exceptions
/// What `Result::value_or_throw` throws.
class Failure : public std::runtime_error {
public:
    explicit Failure(Error error) : std::runtime_error(error.message()), error_(std::move(error)) {}

    Status status() const noexcept { return error_.status(); }
    const Error &error() const noexcept { return error_; }

private:
    Error error_;
};
#endif

namespace detail {

/// Ends the program: the caller took a value or an error that is not there.
[[noreturn]] inline void refuse(const char *message) noexcept {
    std::fprintf(stderr, "supmer: %s\n", message);
    std::abort();
}

} // namespace detail

/// The outcome of a call that can fail.
template <typename T> class [[nodiscard]] Result {
public:
    Result(T value) : outcome_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : outcome_(std::in_place_index<1>, std::move(error)) {}

    /// Whether there is a value.
    bool has_value() const noexcept { return outcome_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }

    /// The value; ends the program, saying why, when there is none.
    T &value() & noexcept { return *checked(*this); }
    const T &value() const & noexcept { return *checked(*this); }
    T &&value() && noexcept { return std::move(*checked(*this)); }
    T *operator->() noexcept { return checked(*this); }
    const T *operator->() const noexcept { return checked(*this); }
    T &operator*() & noexcept { return *checked(*this); }
    const T &operator*() const & noexcept { return *checked(*this); }
    T &&operator*() && noexcept { return std::move(*checked(*this)); }

    /// The error; ends the program when there is none.
    const Error &error() const noexcept {
        const Error *error = std::get_if<1>(&outcome_);
        return error != nullptr ? *error : (detail::refuse("an error was asked of a call that succeeded"), *error);
    }

#ifdef __cpp_exceptions
    /// The value, or `Failure`.
    T value_or_throw() && {
        if (!has_value()) {
            throw Failure(std::move(*std::get_if<1>(&outcome_)));
        }
        return std::move(*checked(*this));
    }
#endif

private:
    /// The value of `self`, which may be const.
    template <typename Self> static auto checked(Self &self) noexcept {
        if (!self.has_value()) {
            detail::refuse(self.error().message().c_str());
        }
        return std::get_if<0>(&self.outcome_);
    }

    std::variant<T, Error> outcome_;
};

/// The outcome of a call that can fail and gives nothing.
template <> class [[nodiscard]] Result<void> {
public:
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}

    bool has_value() const noexcept { return !error_.has_value(); }
    explicit operator bool() const noexcept { return has_value(); }

    /// The error; ends the program when there is none.
    const Error &error() const noexcept {
        return error_ ? *error_ : (detail::refuse("an error was asked of a call that succeeded"), *error_);
    }

#ifdef __cpp_exceptions
    /// Nothing, or `Failure`.
    void value_or_throw() && {
        if (error_) {
            throw Failure(std::move(*error_));
        }
    }
#endif

private:
    std::optional<Error> error_;
};

namespace detail {

/// Makes one C call that can fail: `call` takes the address for its error and returns the status.
template <typename Call> Result<void> attempt(Call call) {
    supmer_error *raw = nullptr;
    const supmer_status status = call(&raw);
    if (status == SUPMER_STATUS_OK) {
        return {};
    }
    const std::unique_ptr<supmer_error, void (*)(supmer_error *)> error(raw, supmer_error_free);
    return Error(static_cast<Status>(status), supmer_error_message(error.get()));
}

/// Makes one C call that gives a handle, to be owned by an `Object`.
template <typename Object, typename Call> Result<Object> make(Call call) {
    typename Object::Raw *raw = nullptr;
    Result<void> done = attempt([&](supmer_error **error) { return call(&raw, error); });
    if (!done) {
        return done.error();
    }
    return Object(raw);
}

} // namespace detail

} // namespace supmer

#endif
