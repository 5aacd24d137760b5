import CSupmer

/// How to predict. 0 in a number is its default.
public struct PredictOptions: Sendable {
    /// Abstain when the best label's probability is below this, 0 to 1; 0 = never.
    public var abstainBelow: Float = 0
    /// Rows computed together; 0 = chosen by the library.
    public var batchSize: UInt32 = 0
    /// Stops the call.
    public var cancellation: Cancellation?
    /// Told after every batch how many rows are done.
    public var onProgress: ProgressHandler?

    public init() {}

    /// Lends the options to C.
    func withC(_ body: (UnsafePointer<supmer_predict_options>) -> supmer_status) -> supmer_status {
        var options = supmer_predict_options()
        let status = supmer_predict_options_init(&options, MemoryLayout<supmer_predict_options>.size)
        guard status == SUPMER_STATUS_OK else { return status }
        options.abstain_below = abstainBelow
        options.batch_size = batchSize
        options.cancel = cancellation?.handle
        return withProgress(onProgress) { callback, userData in
            options.progress = callback
            options.progress_user_data = userData
            return withExtendedLifetime(cancellation) { body(&options) }
        }
    }
}
