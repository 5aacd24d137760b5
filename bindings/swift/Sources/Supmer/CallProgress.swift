import CSupmer

/// How far a long call is.
public struct CallProgress: Hashable, Sendable {
    /// What was just done. A newer library may have stages that have no name here.
    public struct Stage: RawRepresentable, Hashable, Sendable {
        /// The value of `supmer_stage`.
        public let rawValue: Int32

        public init(rawValue: Int32) {
            self.rawValue = rawValue
        }

        /// An optimizer step ended.
        public static let step = Stage(rawValue: SUPMER_STAGE_STEP)
        /// The examples held out for choosing the best prompt were scored.
        public static let dev = Stage(rawValue: SUPMER_STAGE_DEV)
        /// Rows were predicted.
        public static let predict = Stage(rawValue: SUPMER_STAGE_PREDICT)
        /// Tensors of a model were read.
        public static let load = Stage(rawValue: SUPMER_STAGE_LOAD)
        /// Steps of meta-training ended.
        public static let train = Stage(rawValue: SUPMER_STAGE_TRAIN)
        /// Sentences were embedded or clustered for meta-training.
        public static let prepare = Stage(rawValue: SUPMER_STAGE_PREPARE)
    }

    /// What was just done.
    public let stage: Stage
    /// How many units (steps, rows, tensors) are done.
    public let done: UInt64
    /// How many there will be at most.
    public let total: UInt64
    /// Loss in nats per example, where there is one.
    public let loss: Float?
    /// Share of right answers on the held-out examples, 0 to 1, where there is one.
    public let accuracy: Float?

    init(_ progress: supmer_progress) {
        stage = Stage(rawValue: progress.stage)
        done = progress.done
        total = progress.total
        loss = progress.loss.isNaN ? nil : progress.loss
        accuracy = progress.accuracy.isNaN ? nil : progress.accuracy
    }
}

/// Told how far a call is, between its steps and on the thread that made the call. `false` cancels the call.
public typealias ProgressHandler = @Sendable (CallProgress) -> Bool

/// Lends a handler to C as a function and its user data. Both are nil without a handler.
func withProgress<Value>(
    _ handler: ProgressHandler?,
    _ body: (supmer_progress_callback?, UnsafeMutableRawPointer?) -> Value
) -> Value {
    guard var handler else { return body(nil, nil) }
    return withUnsafeMutablePointer(to: &handler) { body(report, UnsafeMutableRawPointer($0)) }
}

private func report(userData: UnsafeMutableRawPointer?, progress: UnsafePointer<supmer_progress>?) -> Int32 {
    guard let userData, let progress else { return 0 }
    let handler = userData.assumingMemoryBound(to: ProgressHandler.self).pointee
    return handler(CallProgress(progress.pointee)) ? 0 : 1
}
