/// What all owning classes are made of.
#ifndef SUPMER_HANDLE_HPP
#define SUPMER_HANDLE_HPP

#include <memory>
#include <string>

#include "../supmer.h"
#include "status.hpp"

namespace supmer::detail {

/// Owns one C handle and gives it back to `Free`. Moves; a moved-from one holds NULL.
template <typename T, void (*Free)(T *)> class Handle {
public:
    /// The C type.
    using Raw = T;

    /// Takes a handle that a C call gave.
    explicit Handle(T *raw) noexcept : raw_(raw) {}

    /// Lends the C handle.
    T *get() noexcept { return raw_.get(); }
    const T *get() const noexcept { return raw_.get(); }

private:
    struct Deleter {
        void operator()(T *raw) const noexcept { Free(raw); }
    };

    std::unique_ptr<T, Deleter> raw_;
};

/// Whether something that may be left out (NULL) is there but has been moved from: it must not count as left out.
template <typename T> bool is_moved_from(const T *given) noexcept { return given != nullptr && given->get() == nullptr; }

/// The error of something that was moved from.
inline Error moved_from(const char *name) {
    return Error(Status::invalid_argument, std::string(name) + ": has been moved from; give the object it was moved to");
}

} // namespace supmer::detail

#endif
