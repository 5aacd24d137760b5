import CSupmer

/// What work with a model will take, in bytes.
public struct MemoryEstimate: Hashable, Sendable {
    /// The model's weights.
    public let weights: UInt64
    /// Intermediate results of an adaptation: of a step and of scoring held-out examples.
    public let adapt: UInt64
    /// Intermediate results of one prediction.
    public let predict: UInt64
    /// One adapter's share of the prompt cache.
    public let cachedPrompt: UInt64
}

extension Model {
    /// What adapting and predicting will take, without doing it.
    ///
    /// - Parameters:
    ///   - task: its examples' lengths count; nil = the longest texts that `options` allow.
    ///   - options: how it would be adapted. For an adaptation from a bundle set ``AdaptOptions/promptLength`` to the
    ///     bundle's rows, and ``AdaptOptions/batchSize`` and ``AdaptOptions/answerLoss`` to what it advises
    ///     (``PromptBundle/metadata``).
    /// - Throws: ``Status/invalidTask``, ``Status/invalidExample``, ``Status/invalidOption``, ``Status/tooLarge``.
    public func estimateMemory(
        for task: TaskDefinition? = nil,
        options: AdaptOptions = .init()
    ) throws(SupmerError) -> MemoryEstimate {
        var handleOfTask: TaskHandle?
        if let task {
            handleOfTask = try TaskHandle(task)
        }
        var estimate = supmer_memory_estimate()
        try check { _ in supmer_memory_estimate_init(&estimate, MemoryLayout<supmer_memory_estimate>.size) }
        try check { error in
            options.withC { options in
                withExtendedLifetime((self, handleOfTask)) {
                    supmer_model_estimate_memory(handle, handleOfTask?.handle, options, &estimate, error)
                }
            }
        }
        return MemoryEstimate(
            weights: estimate.weights_bytes,
            adapt: estimate.adapt_bytes,
            predict: estimate.predict_bytes,
            cachedPrompt: estimate.cached_prompt_bytes
        )
    }
}
