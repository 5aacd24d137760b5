import CSupmer

/// A flag that stops long calls.
///
/// Hand it to a call in its options and request from any thread, before or while the call runs: the call throws
/// ``Status/cancelled`` within one step and writes nothing. The flag stays set until it is reset; one flag may serve
/// many calls.
///
/// It is `Sendable` because the library's flag is one atomic value, which every thread may set and read.
public final class Cancellation: HandleOwner, @unchecked Sendable {
    let handle: OpaquePointer

    /// Makes a flag that is not set.
    public init() {
        var handle: OpaquePointer?
        let status = supmer_cancel_new(&handle, nil)
        guard status == SUPMER_STATUS_OK, let handle else {
            preconditionFailure("supmer_cancel_new failed with status \(status), though its only argument was right")
        }
        self.handle = handle
    }

    deinit {
        supmer_cancel_free(handle)
    }

    /// Asks every call that has the flag to stop. Does not wait.
    public func request() {
        withHandle { supmer_cancel_request($0) }
    }

    /// Clears the flag so that it can be used again. A call that is still running may then go on.
    public func reset() {
        withHandle { supmer_cancel_reset($0) }
    }
}
