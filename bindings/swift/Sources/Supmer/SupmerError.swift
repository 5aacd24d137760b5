import CSupmer

/// Why a call failed: the kind, and a message that says what was expected, what came and what to do. Messages never
/// hold text of examples or inputs.
///
/// Every function of this package that can fail throws this type and no other, cancellation included
/// (``Status/cancelled``).
public struct SupmerError: Error, Hashable, Sendable {
    /// The kind of failure.
    public let status: Status
    /// One line for a person.
    public let message: String

    /// Whether the call ended because it was asked to stop.
    public var isCancellation: Bool { status == .cancelled }
}

extension SupmerError: CustomStringConvertible {
    public var description: String { "\(message) (\(status))" }
}

/// Makes a fallible call and throws what it reports.
func check(_ call: (_ error: UnsafeMutablePointer<OpaquePointer?>) -> supmer_status) throws(SupmerError) {
    var error: OpaquePointer?
    let status = call(&error)
    guard status != SUPMER_STATUS_OK else { return }
    defer { supmer_error_free(error) }
    throw SupmerError(status: Status(rawValue: status), message: String(cString: supmer_error_message(error)))
}

/// Makes a fallible call that gives a handle, which then belongs to the caller.
func makeHandle(
    _ call: (
        _ out: UnsafeMutablePointer<OpaquePointer?>, _ error: UnsafeMutablePointer<OpaquePointer?>
    ) -> supmer_status
) throws(SupmerError) -> OpaquePointer {
    _ = abi
    var handle: OpaquePointer?
    try check { error in call(&handle, error) }
    guard let handle else {
        throw SupmerError(status: .internal, message: "the library reported success but gave no handle")
    }
    return handle
}

/// Its symbol holds the ABI version, so that a program is not started with a library of another one.
private let abi: Void = supmer_abi_0()
