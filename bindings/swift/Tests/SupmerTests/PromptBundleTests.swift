import Foundation
import Supmer
import XCTest

/// Uses the bundle that is kept for the promise that old files stay readable; it was made for the tiny Llama.
final class PromptBundleTests: XCTestCase {
    private let path = Fixtures.path("golden/v1/bundle.supmer")

    func testFilesAndBytesGiveTheSameBundle() throws {
        let fromFile = try PromptBundle(contentsOf: path)
        let fromBytes = try PromptBundle(bytes: Data(contentsOf: URL(fileURLWithPath: path)))
        XCTAssertEqual(fromBytes.metadata, fromFile.metadata)
        let metadata = try JSONSerialization.jsonObject(with: Data(fromFile.metadata.utf8)) as? [String: Any]
        XCTAssertGreaterThan(try XCTUnwrap(metadata?["prompt_length"] as? Int), 0)
    }

    func testASavedBundleIsTheSame() throws {
        let copy = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).supmer").path
        defer { try? FileManager.default.removeItem(atPath: copy) }
        let bundle = try PromptBundle(contentsOf: path)
        try bundle.save(to: copy)
        XCTAssertEqual(try PromptBundle(contentsOf: copy).metadata, bundle.metadata)
        assertThrows(.notFound) { () throws(SupmerError) in try bundle.save(to: "/no/such/folder/bundle.supmer") }
    }

    func testABundleKnowsItsFamily() throws {
        let bundle = try PromptBundle(contentsOf: path)
        try bundle.check(fits: Fixtures.model())
        let other = try Fixtures.model("tiny-t5")
        assertThrows(.backboneMismatch) { () throws(SupmerError) in try bundle.check(fits: other) }
        assertThrows(.backboneMismatch) { () throws(SupmerError) in
            try other.adaptAndWait(to: Fixtures.task, from: bundle)
        }
    }

    func testAdaptationStartsFromIt() throws {
        let model = try Fixtures.model()
        var options = Fixtures.options()
        options.promptLength = 0
        let with = try model.adaptAndWait(
            to: Fixtures.task, from: PromptBundle(contentsOf: path), options: options)
        let without = try model.adaptAndWait(to: Fixtures.task, options: options)
        XCTAssertNotEqual(try with.adapter.serialized(), try without.adapter.serialized())
    }
}
