/// What all owning classes are made of.
#ifndef SUPMER_HANDLE_HPP
#define SUPMER_HANDLE_HPP

#include <memory>

#include "../supmer.h"

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

} // namespace supmer::detail

#endif
