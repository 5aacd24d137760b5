// Asks what an adaptation needs, halves it, and sees a budget that is too small. See examples/README.md.
import Customers
import Supmer

struct Output: Encodable {
    var program = "memory_budget"
    let weightsBytes: UInt64
    let adaptBytes: UInt64
    let predictBytes: UInt64
    let cachedPromptBytes: UInt64
    let losses: [Float]
    let lossesAtHalf: [Float]
    let limitOfOneByte: String
}

await run { model, data in
    let bakery = try Customer("bakery", in: data)
    var options = adaptOptions(steps: 5)
    let estimate = try model.estimateMemory(for: bakery.task, options: options)

    let (_, losses) = try await bakery.learn(with: model, options: options)
    options.memoryLimit = estimate.adapt / 2
    let (_, lossesAtHalf) = try await bakery.learn(with: model, options: options)
    options.memoryLimit = 1
    let tooSmall = options
    return Output(
        weightsBytes: estimate.weights,
        adaptBytes: estimate.adapt,
        predictBytes: estimate.predict,
        cachedPromptBytes: estimate.cachedPrompt,
        losses: losses,
        lossesAtHalf: lossesAtHalf,
        limitOfOneByte: try await statusName { _ = try await bakery.learn(with: model, options: tooSmall) }
    )
}
