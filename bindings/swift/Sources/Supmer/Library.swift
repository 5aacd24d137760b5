import CSupmer

/// The library that runs: its version, what it can do, and how many of its objects are alive.
public enum Library {
    /// Version as text, such as "0.1.0".
    public static var version: String { String(cString: supmer_version_string()) }

    /// ABI of the library that runs. This package needs ``requiredABI``; a library of another one is not even loaded.
    public static var abi: UInt32 { supmer_abi_version() }

    /// ABI of the header that this package was built with.
    public static var requiredABI: UInt32 { UInt32(SUPMER_ABI_VERSION) }

    /// Versions of the adapter format that this library reads; it writes the oldest that holds the adapter.
    public static var adapterFormats: ClosedRange<UInt32> { range(supmer_adapter_format_range) }

    /// Versions of the bundle format that this library reads; it writes the newest.
    public static var bundleFormats: ClosedRange<UInt32> { range(supmer_bundle_format_range) }

    /// Whether this library, on this processor, has a feature: "gguf", "safetensors", "llama", "t5", "avx2", "avx512",
    /// "amx" (asking for it asks the system for them), "train". False also for a name that it does not know.
    public static func has(feature name: String) -> Bool {
        supmer_has_feature(name, name.utf8.count)
    }

    /// How many handles of the library are alive in this process: models, adapters, flags, errors, all of them.
    public static var liveHandleCount: Int { supmer_live_handle_count() }

    private static func range(
        _ read: (UnsafeMutablePointer<UInt32>?, UnsafeMutablePointer<UInt32>?) -> Void
    ) -> ClosedRange<UInt32> {
        var oldest: UInt32 = 0
        var newest: UInt32 = 0
        read(&oldest, &newest)
        return oldest...newest
    }
}
