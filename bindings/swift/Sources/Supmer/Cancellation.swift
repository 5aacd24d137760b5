import CSupmer
import Dispatch

/// A flag that stops long calls.
///
/// Hand it to a call in its options and request from any thread, before or while the call runs: the call throws
/// ``Status/cancelled`` within one step and writes nothing. The flag stays set until it is reset; one flag may serve
/// many calls.
///
/// It is `Sendable` because the library's flag is one atomic value, which every thread may set and read, and because a
/// queue guards what is beside it.
public final class Cancellation: HandleOwner, @unchecked Sendable {
    let handle: OpaquePointer
    private let guarding = DispatchQueue(label: "supmer.cancellation")
    private var isRequested = false
    /// Flags of single calls that are requested along with this one.
    private var followers: [Follower] = []

    private struct Follower {
        weak var flag: Cancellation?
    }

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
        let following = guarding.sync {
            isRequested = true
            return followers.compactMap(\.flag)
        }
        withHandle { supmer_cancel_request($0) }
        following.forEach { $0.request() }
    }

    /// Clears the flag so that it can be used again. A call that is still running may then go on.
    public func reset() {
        guarding.sync { isRequested = false }
        withHandle { supmer_cancel_reset($0) }
    }

    /// A flag that is requested along with this one, and can be on its own without the calls that share this one.
    func ofOneCall() -> Cancellation {
        let own = Cancellation()
        let isLate = guarding.sync {
            followers.removeAll { $0.flag == nil }
            followers.append(Follower(flag: own))
            return isRequested
        }
        if isLate {
            own.request()
        }
        return own
    }
}
