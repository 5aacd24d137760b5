/// A meta-trained start for adaptation.
#ifndef SUPMER_BUNDLE_HPP
#define SUPMER_BUNDLE_HPP

#include <string_view>

#include "handle.hpp"
#include "model.hpp"
#include "result.hpp"
#include "span.hpp"

namespace supmer {

/// A meta-trained start, made for one model family. Immutable.
class Bundle : public detail::Handle<supmer_bundle, supmer_bundle_free> {
public:
    using Handle::Handle;

    /// Reads a bundle file.
    static Result<Bundle> load(std::string_view path) {
        return detail::make<Bundle>([&](supmer_bundle **out, supmer_error **error) {
            return supmer_bundle_load(path.data(), path.size(), out, error);
        });
    }

    /// Reads a bundle from memory; the bytes are copied.
    static Result<Bundle> load_memory(Bytes bytes) {
        return detail::make<Bundle>([&](supmer_bundle **out, supmer_error **error) {
            return supmer_bundle_load_memory(bytes.data(), bytes.size(), out, error);
        });
    }

    /// Writes a bundle file beside the path, then moves it into place.
    Result<void> save(std::string_view path) const {
        return detail::attempt([&](supmer_error **error) {
            return supmer_bundle_save(get(), path.data(), path.size(), error);
        });
    }

    /// What the bundle is, as JSON; lives as long as the bundle.
    std::string_view metadata() const noexcept {
        const char *text = supmer_bundle_metadata(get());
        return text != nullptr ? text : "";
    }

    /// `Status::backbone_mismatch` unless the bundle was made for the model's family.
    Result<void> check(const Model &model) const {
        return detail::attempt(
            [&](supmer_error **error) { return supmer_bundle_check(get(), model.get(), error); });
    }
};

} // namespace supmer

#endif
