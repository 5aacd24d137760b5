import CSupmer

/// The kind of a failure. Values are pinned; a newer library may give one that has no name here, so a `switch` over it
/// needs a default.
public struct Status: RawRepresentable, Hashable, Sendable {
    /// The value of `supmer_status`.
    public let rawValue: Int32

    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    /// An argument is missing, too small, or of the wrong form.
    public static let invalidArgument = Status(rawValue: SUPMER_STATUS_INVALID_ARGUMENT)
    /// Text is not UTF-8.
    public static let invalidUTF8 = Status(rawValue: SUPMER_STATUS_INVALID_UTF8)
    /// An option is outside its documented range.
    public static let invalidOption = Status(rawValue: SUPMER_STATUS_INVALID_OPTION)
    /// Reading or writing failed.
    public static let io = Status(rawValue: SUPMER_STATUS_IO)
    /// A file or folder does not exist.
    public static let notFound = Status(rawValue: SUPMER_STATUS_NOT_FOUND)
    /// The disk is full; nothing was replaced.
    public static let diskFull = Status(rawValue: SUPMER_STATUS_DISK_FULL)
    /// A file is truncated, damaged or hostile.
    public static let corruptFile = Status(rawValue: SUPMER_STATUS_CORRUPT_FILE)
    /// A file is well formed but uses an architecture, setting or version this build does not know.
    public static let unsupported = Status(rawValue: SUPMER_STATUS_UNSUPPORTED)
    /// A weight, prompt or loss is NaN or infinite.
    public static let notFinite = Status(rawValue: SUPMER_STATUS_NOT_FINITE)
    /// A task has too few labels, a bad template or clashing verbalizers.
    public static let invalidTask = Status(rawValue: SUPMER_STATUS_INVALID_TASK)
    /// An example lacks a field, names an unknown label or cannot fit.
    public static let invalidExample = Status(rawValue: SUPMER_STATUS_INVALID_EXAMPLE)
    /// An adapter or bundle was made for another backbone family.
    public static let backboneMismatch = Status(rawValue: SUPMER_STATUS_BACKBONE_MISMATCH)
    /// The work does not fit the given memory limit, or the system has not enough memory or threads for it.
    public static let memoryLimit = Status(rawValue: SUPMER_STATUS_MEMORY_LIMIT)
    /// An input is larger than the library accepts.
    public static let tooLarge = Status(rawValue: SUPMER_STATUS_TOO_LARGE)
    /// The caller asked to stop.
    public static let cancelled = Status(rawValue: SUPMER_STATUS_CANCELLED)
    /// A bug in the library was caught. The objects of that call refuse further work; let go of them.
    public static let panic = Status(rawValue: SUPMER_STATUS_PANIC)
    /// A bug in the library: something that always holds does not.
    public static let `internal` = Status(rawValue: SUPMER_STATUS_INTERNAL)

    /// Name in lower case, such as "invalid_utf8"; "unknown" for a value that the library does not know.
    public var name: String { String(cString: supmer_status_name(rawValue)) }
}

extension Status: CustomStringConvertible {
    public var description: String { name }
}
