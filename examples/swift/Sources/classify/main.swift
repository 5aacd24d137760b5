// Learns one customer's labels from 24 messages, then predicts new ones in one batch. See examples/README.md.
import Customers
import Supmer

struct Output: Encodable {
    var program = "classify"
    let examples: Int
    let losses: [Float]
    let labels: [String?]
    let probabilities: [[Float]]
}

await run { model, data in
    let bakery = try Customer("bakery", in: data)
    let (adapter, losses) = try await bakery.learn(with: model, options: adaptOptions(steps: 30))
    let predictions = try model.predictBatch(bakery.newTexts, with: adapter)
    return Output(
        examples: bakery.task.examples.count,
        losses: losses,
        labels: predictions.map(\.label),
        probabilities: predictions.map(\.probabilities)
    )
}
