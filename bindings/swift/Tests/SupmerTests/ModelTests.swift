import Foundation
import Supmer
import XCTest

final class ModelTests: XCTestCase {
    func testFingerprintNamesTheFamily() throws {
        let fingerprint = try fingerprint(of: Fixtures.model())
        XCTAssertNotNil(fingerprint["architecture"])
        XCTAssertNotNil(fingerprint["shape"])
        XCTAssertNotNil(fingerprint["tokenizer"])
    }

    func testMissingFileIsNamed() {
        let message = assertThrows(.notFound) { () throws(SupmerError) in try Model(contentsOf: "/no/such/model.gguf") }
        XCTAssertTrue(message.contains("/no/such/model.gguf"), message)
    }

    func testBytesOfAFileGiveTheSameModel() throws {
        let path = Fixtures.path("gguf/tiny-q4_1.gguf")
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        let fromFile = try Model(contentsOf: path, options: Fixtures.modelOptions)
        let fromData = try Model(gguf: bytes, options: Fixtures.modelOptions)
        let fromArray = try Model(gguf: [UInt8](bytes), options: Fixtures.modelOptions)
        XCTAssertEqual(fromData.fingerprint, fromFile.fingerprint)
        XCTAssertEqual(fromArray.fingerprint, fromFile.fingerprint)
        let adapter = try Fixtures.adapter(fromFile)
        let texts = Fixtures.texts(5)
        XCTAssertEqual(
            try fromData.predictBatch(texts, with: adapter), try fromFile.predictBatch(texts, with: adapter))
    }

    func testFilesOfAFolderGiveTheSameModel() throws {
        for name in ["tiny-llama-tied", "tiny-llama-untied", "tiny-t5"] {
            let fromFolder = try Fixtures.model(name)
            let fromFiles = try Model(files: files(of: name), options: Fixtures.modelOptions)
            XCTAssertEqual(fromFiles.fingerprint, fromFolder.fingerprint)
        }
        let model = try Fixtures.model()
        let adapter = try Fixtures.adapter(model)
        let fromFiles = try Model(files: files(of: "tiny-llama-tied"), options: Fixtures.modelOptions)
        XCTAssertEqual(
            try fromFiles.predict("rain", with: adapter), try model.predict("rain", with: adapter))
    }

    func testDamagedBytesAreRefused() throws {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: Fixtures.path("gguf/tiny-f32.gguf")))
        assertThrows(.corruptFile) { () throws(SupmerError) in try Model(gguf: bytes.prefix(bytes.count / 2)) }
        assertThrows(.corruptFile) { () throws(SupmerError) in try Model(gguf: [UInt8]("no model at all".utf8)) }
        var files = try files(of: "tiny-llama-tied")
        files["config.json"] = nil
        XCTAssertThrowsError(try Model(files: files))
    }

    func testLoadingTellsItsProgressAndCanBeStopped() throws {
        let seen = Locked<[CallProgress]>([])
        var options = Fixtures.modelOptions
        options.onProgress = { event in
            seen.with { $0.append(event) }
            return true
        }
        _ = try Model(contentsOf: Fixtures.path("tiny-llama-tied"), options: options)
        let last = try XCTUnwrap(seen.current.last)
        XCTAssertEqual(last.stage, .load)
        XCTAssertEqual(last.done, last.total)
        XCTAssertNil(last.loss)

        options.onProgress = { _ in false }
        let refused = options
        assertThrows(.cancelled) { () throws(SupmerError) in
            try Model(contentsOf: Fixtures.path("tiny-llama-tied"), options: refused)
        }
        options.onProgress = nil
        options.cancellation = Cancellation()
        options.cancellation?.request()
        let stopped = options
        assertThrows(.cancelled) { () throws(SupmerError) in
            try Model(contentsOf: Fixtures.path("tiny-llama-tied"), options: stopped)
        }
    }

    func testInstructionsDoNotChangeAnswers() throws {
        let model = try Fixtures.model()
        let adapter = try Fixtures.adapter(model)
        var options = Fixtures.modelOptions
        options.instructions = .portable
        options.weights = .expanded
        options.promptCacheBytes = 1
        let portable = try Model(contentsOf: Fixtures.path("tiny-llama-tied"), options: options)
        let texts = Fixtures.texts(6)
        assertClose(try portable.predictBatch(texts, with: adapter), try model.predictBatch(texts, with: adapter))
    }

    func testMemoryEstimateGrowsWithTheBatch() throws {
        let model = try Fixtures.model()
        var options = Fixtures.options()
        options.batchSize = 1
        let small = try model.estimateMemory(for: Fixtures.task, options: options)
        options.batchSize = 4
        let large = try model.estimateMemory(for: Fixtures.task, options: options)
        XCTAssertGreaterThan(small.weights, 0)
        XCTAssertGreaterThan(small.predict, 0)
        XCTAssertGreaterThan(small.cachedPrompt, 0)
        XCTAssertGreaterThan(large.adapt, small.adapt)
        XCTAssertEqual(large.weights, small.weights)
        XCTAssertGreaterThan(try model.estimateMemory().adapt, small.adapt, "without a task the longest texts count")
    }

    private func fingerprint(of model: Model) throws -> [String: Any] {
        try XCTUnwrap(JSONSerialization.jsonObject(with: Data(model.fingerprint.utf8)) as? [String: Any])
    }

    /// The files that a model folder is made of, as an app that holds them as assets would have them.
    private func files(of name: String) throws -> [String: Data] {
        let folder = URL(fileURLWithPath: Fixtures.path(name))
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        let wanted = names.filter { name in
            name.hasPrefix("model") || name == "config.json" || name == "tokenizer.json"
        }
        return try Dictionary(
            uniqueKeysWithValues: wanted.map { ($0, try Data(contentsOf: folder.appendingPathComponent($0))) })
    }
}
