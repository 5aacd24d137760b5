import CSupmer

/// How to load a model. 0 in a number is its default.
public struct ModelOptions: Sendable {
    /// How a model's weights are held in memory.
    public enum Weights: Int32, Sendable {
        /// As stored for GGUF files, expanded for model folders.
        case automatic = 0
        /// As in the file (usually quantized), expanded piece by piece when used: least memory.
        case stored = 1
        /// Expanded once to 32-bit numbers when loading: four bytes a weight, and no faster than 4-bit weights as stored.
        case expanded = 2
    }

    /// Which instructions the model computes with.
    public enum Instructions: Int32, Sendable {
        /// The best that the processor has, AMX left out.
        case automatic = 0
        /// What every processor has.
        case portable = 1
        /// AVX2 and FMA.
        case avx2 = 2
        /// AVX-512.
        case avx512 = 3
        /// AMX tiles on top of AVX-512, only on request: the system is asked to save their state for the whole process.
        case amx = 4
        /// AMX tiles with both factors of a product rounded to bf16: fastest; results differ in their third digit.
        case amxBF16 = 5
    }

    /// Bytes of adapted prompts' states that are kept for fast prediction; 0 = 64 MiB, 1 = keep none.
    public var promptCacheBytes: UInt64 = 0
    /// Worker threads of this model; 0 = one per core, 1 = the caller's thread only. Results do not depend on it.
    public var threadCount: UInt32 = 0
    /// How weights are held.
    public var weights = Weights.automatic
    /// What to compute with.
    public var instructions = Instructions.automatic
    /// Stops the loading.
    public var cancellation: Cancellation?
    /// Told how far the loading is.
    public var onProgress: ProgressHandler?

    public init() {}

    /// Lends the options to C.
    func withC(_ body: (UnsafePointer<supmer_model_options>) -> supmer_status) -> supmer_status {
        var options = supmer_model_options()
        let status = supmer_model_options_init(&options, MemoryLayout<supmer_model_options>.size)
        guard status == SUPMER_STATUS_OK else { return status }
        options.prompt_cache_bytes = promptCacheBytes
        options.thread_count = threadCount
        options.weights = weights.rawValue
        options.instructions = instructions.rawValue
        options.cancel = cancellation?.handle
        return withProgress(onProgress) { callback, userData in
            options.progress = callback
            options.progress_user_data = userData
            return withExtendedLifetime(cancellation) { body(&options) }
        }
    }
}
