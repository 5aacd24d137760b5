/// What an adaptation made.
#ifndef SUPMER_ADAPTER_HPP
#define SUPMER_ADAPTER_HPP

#include <cstddef>
#include <string_view>
#include <vector>

#include "handle.hpp"
#include "result.hpp"
#include "span.hpp"

namespace supmer {

/// An adapted prompt with its task. Immutable.
class Adapter : public detail::Handle<supmer_adapter, supmer_adapter_free> {
public:
    using Handle::Handle;

    /// Reads an adapter file.
    static Result<Adapter> load(std::string_view path) {
        return detail::make<Adapter>([&](supmer_adapter **out, supmer_error **error) {
            return supmer_adapter_load(path.data(), path.size(), out, error);
        });
    }

    /// Reads an adapter from memory; the bytes are copied.
    static Result<Adapter> load_memory(Bytes bytes) {
        return detail::make<Adapter>([&](supmer_adapter **out, supmer_error **error) {
            return supmer_adapter_load_memory(bytes.data(), bytes.size(), out, error);
        });
    }

    /// Writes an adapter file beside the path, then moves it into place.
    Result<void> save(std::string_view path) const {
        return detail::attempt([&](supmer_error **error) {
            return supmer_adapter_save(get(), path.data(), path.size(), error);
        });
    }

    /// The bytes that `save` would write.
    Result<std::vector<unsigned char>> save_memory() const {
        auto made = detail::make<Buffer>([&](supmer_buffer **out, supmer_error **error) {
            return supmer_adapter_save_memory(get(), out, error);
        });
        if (!made) {
            return made.error();
        }
        const unsigned char *data = supmer_buffer_data(made->get());
        return std::vector<unsigned char>(data, data + supmer_buffer_length(made->get()));
    }

    /// How many labels it tells apart.
    std::size_t label_count() const noexcept { return supmer_adapter_label_count(get()); }

    /// Name of a label, by its position; lives as long as the adapter. Empty for a position out of range.
    std::string_view label_name(std::size_t index) const noexcept {
        const char *name = supmer_adapter_label_name(get(), index);
        return name != nullptr ? name : "";
    }

private:
    using Buffer = detail::Handle<supmer_buffer, supmer_buffer_free>;
};

/// How an adaptation went. Immutable.
class Report : public detail::Handle<supmer_report, supmer_report_free> {
public:
    using Handle::Handle;

    /// Loss curve, dev scores, seconds, peak bytes and warnings as JSON; lives as long as the report.
    std::string_view json() const noexcept {
        const char *text = supmer_report_json(get());
        return text != nullptr ? text : "";
    }
};

} // namespace supmer

#endif
