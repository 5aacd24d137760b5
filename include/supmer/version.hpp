/// Which library this is and what it can do.
#ifndef SUPMER_VERSION_HPP
#define SUPMER_VERSION_HPP

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "../supmer.h"

namespace supmer {

/// Version of the library that runs: major * 1000000 + minor * 1000 + patch.
inline std::uint32_t version() noexcept { return supmer_version(); }

/// Version of the library that runs, such as "0.1.0".
inline std::string_view version_string() noexcept { return supmer_version_string(); }

/// Whether the library, on this processor, has a feature; supmer.h lists the names.
inline bool has_feature(std::string_view name) noexcept { return supmer_has_feature(name.data(), name.size()); }

/// How many handles of the process were not freed.
inline std::size_t live_handle_count() noexcept { return supmer_live_handle_count(); }

} // namespace supmer

#endif
