// Stops an adaptation from its progress handler; the request stays until it is reset. See examples/README.md.
import Customers
import Supmer

struct Attempt: Encodable {
    let status: String
    let steps: Int
}

struct Output: Encodable {
    var program = "cancel"
    let stopped: Attempt
    let stillSet: Attempt
    let afterReset: Attempt
}

/// Adapts, asking to stop after step `last` when there is one; how it ended and how many steps it took.
func attempt(
    _ customer: Customer, _ model: Model, _ cancellation: Cancellation, steps: UInt32, stopAfter last: UInt64? = nil
) async throws -> Attempt {
    var options = adaptOptions(steps: steps)
    options.cancellation = cancellation
    options.onProgress = { event in
        if event.stage == .step && event.done == last {
            cancellation.request()
        }
        return true
    }
    let prepared = options
    let (progress, sink) = AsyncStream<CallProgress>.makeStream()
    let status = try await statusName {
        _ = try await model.adapt(to: customer.task, options: prepared, progress: sink)
    }
    let seen = await progress.filter { $0.stage == .step }.reduce(0) { count, _ in count + 1 }
    return Attempt(status: status, steps: seen)
}

await run { model, data in
    let bakery = try Customer("bakery", in: data)
    let cancellation = Cancellation()
    let stopped = try await attempt(bakery, model, cancellation, steps: 1000, stopAfter: 3)
    let stillSet = try await attempt(bakery, model, cancellation, steps: 1000)
    cancellation.reset()
    let afterReset = try await attempt(bakery, model, cancellation, steps: 5)
    return Output(stopped: stopped, stillSet: stillSet, afterReset: afterReset)
}
