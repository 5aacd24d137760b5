import Foundation
import Supmer

/// One customer's task with its labelled messages, and new messages to predict.
public struct Customer: Sendable {
    /// The customers in the order in which programs take them.
    public static let names = ["bakery", "dentist", "landlord"]

    public let name: String
    public let task: TaskDefinition
    public let newTexts: [String]

    /// Reads a customer's folder inside `data`.
    public init(_ name: String, in data: String) throws {
        let folder = "\(data)/\(name)"
        var task = try TaskDefinition(contentsOf: "\(folder)/task.json")
        task.examples = try lines(of: "\(folder)/train.jsonl").map { Example(json: $0) }
        self.name = name
        self.task = task
        newTexts = try lines(of: "\(folder)/new.txt")
    }

    /// Learns the customer's labels; the adapter and the loss of every step.
    public func learn(
        with model: Model, options: AdaptOptions
    ) async throws -> (adapter: Adapter, losses: [Float]) {
        let (progress, sink) = AsyncStream<CallProgress>.makeStream()
        async let adaptation = model.adapt(to: task, options: options, progress: sink)
        var losses: [Float] = []
        for await event in progress where event.stage == .step {
            losses.append(event.loss ?? .nan)
        }
        return (try await adaptation.adapter, losses)
    }
}

/// The options that all programs adapt with.
public func adaptOptions(steps: UInt32) -> AdaptOptions {
    var options = AdaptOptions()
    options.steps = steps
    options.seed = 13
    options.batchSize = 8
    options.promptLength = 8
    options.learningRate = 0.01
    return options
}

private func lines(of path: String) throws -> [String] {
    try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
}
