import CSupmer

/// The answer for one text.
public struct Prediction: Hashable, Sendable {
    /// Name of the best label; nil when the prediction abstained.
    public let label: String?
    /// Position of the best label among the adapter's ``Adapter/labels``; nil when the prediction abstained.
    public let index: Int?
    /// One value for each of the adapter's labels; they sum to 1.
    public let probabilities: [Float]

    init(_ label: Int32, _ probabilities: [Float], of adapter: Adapter) {
        index = label == SUPMER_ABSTAINED ? nil : Int(label)
        self.label = index.map { adapter.labels[$0] }
        self.probabilities = probabilities
    }
}
