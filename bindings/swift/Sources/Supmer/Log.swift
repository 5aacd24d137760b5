import CSupmer
import Foundation

/// What the library says while it works. It is silent unless a handler is set.
public enum Log {
    /// How much a message matters; the library's most important ones are the lowest.
    public enum Level: Int32, Comparable, Sendable {
        case error = 1
        case warning = 2
        case info = 3
        case debug = 4

        public static func < (left: Level, right: Level) -> Bool {
            left.rawValue < right.rawValue
        }
    }

    /// Told one message. It may be called from any thread.
    public typealias Handler = @Sendable (_ level: Level, _ message: String) -> Void

    /// Gives the messages of the whole process, up to `level`, to `handler`; nil makes the library silent again. After
    /// it returns the handler from before is not called any more.
    ///
    /// Throws ``Status/invalidArgument`` inside a handler or while another thread sets one, ``Status/unsupported`` in a
    /// Rust program that has a logger of its own.
    public static func setHandler(level: Level = .info, _ handler: Handler?) throws(SupmerError) {
        let next = handler.map { HandlerBox($0) }
        // Not `lock()`: the thread that has the lock may wait for the very handler that this call is made from.
        guard lock.try() else {
            throw SupmerError(status: .invalidArgument, message: "another thread is setting the log handler")
        }
        defer { lock.unlock() }
        try check { error in
            supmer_set_log_callback(
                next == nil ? nil : pass, next.map { Unmanaged.passUnretained($0).toOpaque() }, level.rawValue, error)
        }
        current = next
    }

    private final class HandlerBox: Sendable {
        let handler: Handler

        init(_ handler: @escaping Handler) {
            self.handler = handler
        }
    }

    private static let lock = NSLock()
    /// Keeps the handler alive that the library has; guarded by `lock`.
    nonisolated(unsafe) private static var current: HandlerBox?

    private static let pass: supmer_log_callback = { userData, level, message in
        guard let userData, let message, let level = Level(rawValue: level) else { return }
        let box = Unmanaged<HandlerBox>.fromOpaque(userData).takeUnretainedValue()
        box.handler(level, String(cString: message))
    }
}
