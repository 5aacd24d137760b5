/// A pointer and a length: what C++20 calls std::span, as far as it is needed here.
#ifndef SUPMER_SPAN_HPP
#define SUPMER_SPAN_HPP

#include <cstddef>
#include <type_traits>
#include <utility>

namespace supmer {

/// Values that lie one behind the other and belong to somebody else.
template <typename T> class Span {
    /// Whether a pointer is to values of T itself: those of a derived type lie further apart.
    template <typename Pointer>
    static constexpr bool fits = std::is_convertible_v<std::remove_pointer_t<Pointer> (*)[], const T (*)[]>;

public:
    constexpr Span() noexcept = default;
    constexpr Span(const T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <typename Other, typename = std::enable_if_t<!fits<Other *>>> Span(Other *, std::size_t) = delete;
    template <std::size_t N> constexpr Span(const T (&array)[N]) noexcept : data_(array), size_(N) {}
    /// Of a std::vector, std::array, std::string, std::span and the like.
    template <typename Container,
              typename = std::enable_if_t<fits<decltype(std::declval<const Container &>().data())>>>
    constexpr Span(const Container &container) noexcept : data_(container.data()), size_(container.size()) {}

    constexpr const T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr const T *begin() const noexcept { return data_; }
    constexpr const T *end() const noexcept { return data_ + size_; }
    constexpr const T &operator[](std::size_t at) const noexcept { return data_[at]; }

private:
    const T *data_ = nullptr;
    std::size_t size_ = 0;
};

/// Bytes of a file.
using Bytes = Span<unsigned char>;

} // namespace supmer

#endif
