import CSupmer
import Dispatch

/// What an adaptation made.
public struct Adaptation: Sendable {
    /// What was learned.
    public let adapter: Adapter
    /// How it went, as a JSON object: loss curve, dev scores, seconds, peak bytes and warnings. Later versions may add
    /// members.
    public let report: String
}

extension Model {
    /// Learns a task, away from the caller's thread.
    ///
    /// Cancelling the `Task` that waits here stops the work within one step, and no other call that shares the options'
    /// ``Cancellation``.
    ///
    /// - Parameters:
    ///   - task: at least two labels, a template, and examples of every label.
    ///   - bundle: a meta-trained start; nil = ordinary prompt tuning.
    ///   - progress: receives how far the adaptation is, and is finished when it ends, also by an error. Make it with
    ///     `AsyncStream<CallProgress>.makeStream()`.
    /// - Throws: ``Status/invalidTask``, ``Status/invalidExample``, ``Status/invalidOption``, ``Status/tooLarge``,
    ///   ``Status/memoryLimit``, ``Status/notFinite``, ``Status/backboneMismatch``, ``Status/cancelled``.
    public func adapt(
        to task: TaskDefinition,
        from bundle: PromptBundle? = nil,
        options: AdaptOptions = .init(),
        progress: AsyncStream<CallProgress>.Continuation? = nil
    ) async throws(SupmerError) -> Adaptation {
        var options = options
        let cancellation = options.cancellation?.ofOneCall() ?? Cancellation()
        options.cancellation = cancellation
        if let progress {
            let handler = options.onProgress
            options.onProgress = { event in
                progress.yield(event)
                return handler?(event) ?? true
            }
        }
        let prepared = options
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                adaptQueue.async {
                    let result = Result { () throws(SupmerError) in
                        try self.adaptAndWait(to: task, from: bundle, options: prepared)
                    }
                    progress?.finish()
                    continuation.resume(returning: result)
                }
            }
        } onCancel: {
            cancellation.request()
        }
        return try result.get()
    }

    /// Learns a task on the caller's thread, for programs without concurrency. Not for a `Task`: it would hold one of
    /// the few threads that tasks share. Throws as ``adapt(to:from:options:progress:)``.
    public func adaptAndWait(
        to task: TaskDefinition,
        from bundle: PromptBundle? = nil,
        options: AdaptOptions = .init()
    ) throws(SupmerError) -> Adaptation {
        let task = try TaskHandle(task)
        var report: OpaquePointer?
        let adapter = try makeHandle { adapter, error in
            options.withC { options in
                withExtendedLifetime((self, bundle, task)) {
                    supmer_adapt(handle, bundle?.handle, task.handle, options, adapter, &report, error)
                }
            }
        }
        defer { supmer_report_free(report) }
        return Adaptation(adapter: Adapter(handle: adapter), report: String(cString: supmer_report_json(report)))
    }
}

/// Adaptations take minutes and compute all the time, so they stay away from the threads that tasks share.
private let adaptQueue = DispatchQueue(label: "supmer.adapt", attributes: .concurrent)
