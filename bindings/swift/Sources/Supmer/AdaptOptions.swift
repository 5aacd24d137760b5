import CSupmer

/// How to adapt. 0 in a number is its default, which suits 8 to 32 examples a label; with a bundle, ``steps``,
/// ``batchSize``, ``learningRate`` and ``answerLoss`` are by default what it advises. `supmer.h` has all defaults and ranges.
public struct AdaptOptions: Sendable {
    /// Turns a setting off where 0 means its default: ``devPerClass``, ``patience``.
    public static let off = UInt32(SUPMER_OFF)

    /// Where the prompt starts.
    public enum Start: Sendable {
        /// In the model's vocabulary, or in the bundle when there is one.
        case automatic
        /// In the prompt of an adapter: a warm start.
        case adapter(Adapter)
        /// In a text.
        case text(String)
    }

    /// What the loss of an example tells its gold label apart from.
    public enum AnswerLoss: Int32, Sendable {
        /// What the bundle advises; without one, the whole vocabulary.
        case automatic = 0
        /// Every token of the vocabulary.
        case vocabulary = 1
        /// The other labels alone: fewer steps go further.
        case labels = 2
        /// The other labels alone, by trained rows in the place of the verbalizers.
        case head = 3
    }

    /// Seed of the starting prompt, the held-out part and the order of the examples.
    public var seed: UInt64 = 0
    /// Bytes that intermediate results may take at once; 0 = no limit. Lower is slower.
    public var memoryLimit: UInt64 = 0
    /// Seconds after which the best prompt so far is returned; 0 = no limit.
    public var timeLimit: Double = 0
    /// Optimizer steps.
    public var steps: UInt32 = 0
    /// Examples a step.
    public var batchSize: UInt32 = 0
    /// Rows of the prompt.
    public var promptLength: UInt32 = 0
    /// Most tokens of a filled template; longer ones are cut inside their longest field.
    public var maxTokens: UInt32 = 0
    /// First learning rate; falls to 0 over the steps.
    public var learningRate: Float = 0
    /// Largest norm of the gradient; negative = no clipping.
    public var clipNorm: Float = 0
    /// Weight decay; negative = none.
    public var weightDecay: Float = 0
    /// Share of the examples held out for choosing the best prompt, at most 0.9; 0 = see ``devPerClass``.
    public var devFraction: Float = 0
    /// Examples of each label held out (16), when each keeps 8 or more; ``off`` = none.
    public var devPerClass: UInt32 = 0
    /// Score the held-out part every so many steps.
    public var evalEvery: UInt32 = 0
    /// Stop after so many scorings in a row without a better one; ``off`` = never.
    public var patience: UInt32 = 0
    /// What the loss tells a gold label apart from.
    public var answerLoss = AnswerLoss.automatic
    /// Where the prompt starts.
    public var start = Start.automatic
    /// Stops the adaptation, as cancelling the `Task` that adapts does.
    public var cancellation: Cancellation?
    /// Told how far the adaptation is.
    public var onProgress: ProgressHandler?

    public init() {}

    /// Lends the options to C.
    func withC(_ body: (UnsafePointer<supmer_adapt_options>) -> supmer_status) -> supmer_status {
        var options = supmer_adapt_options()
        let status = supmer_adapt_options_init(&options, MemoryLayout<supmer_adapt_options>.size)
        guard status == SUPMER_STATUS_OK else { return status }
        options.seed = seed
        options.memory_limit = memoryLimit
        options.time_limit = timeLimit
        options.steps = steps
        options.batch_size = batchSize
        options.prompt_length = promptLength
        options.max_tokens = maxTokens
        options.learning_rate = learningRate
        options.clip_norm = clipNorm
        options.weight_decay = weightDecay
        options.dev_fraction = devFraction
        options.dev_per_class = devPerClass
        options.eval_every = evalEvery
        options.patience = patience
        options.answer_loss = answerLoss.rawValue
        options.cancel = cancellation?.handle
        return withProgress(onProgress) { callback, userData in
            options.progress = callback
            options.progress_user_data = userData
            return withExtendedLifetime((cancellation, start)) { withStart(&options, body) }
        }
    }

    private func withStart(
        _ options: inout supmer_adapt_options,
        _ body: (UnsafePointer<supmer_adapt_options>) -> supmer_status
    ) -> supmer_status {
        switch start {
        case .automatic:
            return body(&options)
        case .adapter(let adapter):
            options.start_adapter = adapter.handle
            return body(&options)
        case .text(let text):
            options.start_text_length = text.utf8.count
            return text.withCString { bytes in
                options.start_text = bytes
                return body(&options)
            }
        }
    }
}
