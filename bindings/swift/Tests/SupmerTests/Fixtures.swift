import Foundation
import Supmer
import XCTest

/// The tiny random models of tests/fixtures and a task that they can be adapted to in a moment.
enum Fixtures {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../../..").standardizedFileURL

    static func path(_ name: String) -> String {
        root.appendingPathComponent("tests/fixtures/\(name)").path
    }

    static func model(_ name: String = "tiny-llama-tied") throws -> Model {
        try Model(contentsOf: path(name), options: modelOptions)
    }

    static var modelOptions: ModelOptions {
        var options = ModelOptions()
        options.threadCount = 2
        return options
    }

    static let task = TaskDefinition(
        name: "weather",
        template: "{text}\nSky:",
        labels: [.init("rain", verbalizer: " rain"), .init("rainless", verbalizer: " rainless")],
        examples: [
            Example("rain and rain", label: "rain"),
            Example("all day the rain", label: "rain"),
            Example("warm and bright", label: "rainless"),
            Example("the sun on the hill", label: "rainless"),
        ]
    )

    static func options(steps: UInt32 = 3, seed: UInt64 = 1) -> AdaptOptions {
        var options = AdaptOptions()
        options.steps = steps
        options.seed = seed
        options.learningRate = 0.1
        options.promptLength = 3
        return options
    }

    static func adapter(_ model: Model, _ task: TaskDefinition = task, seed: UInt64 = 1) throws -> Adapter {
        try model.adaptAndWait(to: task, options: options(seed: seed)).adapter
    }

    static func texts(_ count: Int) -> [String] {
        (0..<count).map { "\($0) " + String(repeating: "rain and ", count: $0 * 7 % 11) }
    }

    /// Gives `body` a folder of its own and removes it afterwards.
    static func withFolder(_ body: (URL) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("supmer-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder)
    }
}

/// Fails unless `call` throws an error with `status` and a message; gives the message.
@discardableResult
func assertThrows<Value>(
    _ status: Status, file: StaticString = #filePath, line: UInt = #line, _ call: () throws(SupmerError) -> Value
) -> String {
    do {
        _ = try call()
    } catch {
        XCTAssertEqual(error.status, status, "\(error)", file: file, line: line)
        XCTAssertFalse(error.message.isEmpty, file: file, line: line)
        return error.message
    }
    XCTFail("expected the status \(status), came success", file: file, line: line)
    return ""
}

func assertClose(
    _ left: [Prediction], _ right: [Prediction], file: StaticString = #filePath, line: UInt = #line
) {
    XCTAssertEqual(left.map(\.probabilities.count), right.map(\.probabilities.count), file: file, line: line)
    for (a, b) in zip(left.flatMap(\.probabilities), right.flatMap(\.probabilities)) {
        XCTAssertEqual(a, b, accuracy: 1e-5, file: file, line: line)
    }
}

/// A value that handlers on other threads may change.
final class Locked<Value: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var value: Value

    init(_ value: Value) {
        self.value = value
    }

    @discardableResult
    func with<Result>(_ body: (inout Value) -> Result) -> Result {
        lock.lock()
        defer { lock.unlock() }
        return body(&value)
    }

    var current: Value { with { $0 } }
}
