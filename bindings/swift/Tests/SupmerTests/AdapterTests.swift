import Foundation
import Supmer
import XCTest

final class AdapterTests: XCTestCase {
    func testFilesAndBytesGiveTheSameAdapter() throws {
        let model = try Fixtures.model()
        let adapter = try Fixtures.adapter(model)
        let bytes = try adapter.serialized()
        let texts = Fixtures.texts(4)
        let expected = try model.predictBatch(texts, with: adapter)
        try Fixtures.withFolder { folder in
            let file = folder.appendingPathComponent("weather \u{2602}.supmer")
            try adapter.save(to: file.path)
            XCTAssertEqual(try Data(contentsOf: file), bytes)
            let fromFile = try Adapter(contentsOf: file.path)
            XCTAssertEqual(fromFile.labels, adapter.labels)
            XCTAssertEqual(try model.predictBatch(texts, with: fromFile), expected)
        }
        let fromArray = try Adapter(bytes: [UInt8](bytes))
        XCTAssertEqual(try fromArray.serialized(), bytes)
        XCTAssertEqual(try model.predictBatch(texts, with: fromArray), expected)
    }

    func testMissingAndDamagedOnesAreRefused() throws {
        let model = try Fixtures.model()
        let adapter = try Fixtures.adapter(model)
        let bytes = try adapter.serialized()
        assertThrows(.notFound) { () throws(SupmerError) in try Adapter(contentsOf: "/no/such/adapter.supmer") }
        assertThrows(.notFound) { () throws(SupmerError) in try adapter.save(to: "/no/such/folder/adapter.supmer") }
        assertThrows(.corruptFile) { () throws(SupmerError) in try Adapter(bytes: bytes.prefix(bytes.count / 2)) }
        assertThrows(.corruptFile) { () throws(SupmerError) in try Adapter(bytes: Data()) }
        assertThrows(.corruptFile) { () throws(SupmerError) in try PromptBundle(bytes: bytes.prefix(9)) }
        assertThrows(.notFound) { () throws(SupmerError) in try PromptBundle(contentsOf: "/no/such/bundle.supmer") }
    }

    func testAnAdapterOutlivesItsModel() throws {
        var model: Model? = try Fixtures.model()
        let adapter = try Fixtures.adapter(model!)
        let before = try model!.predict("rain", with: adapter)
        model = nil
        XCTAssertEqual(try Fixtures.model().predict("rain", with: adapter), before)
    }
}
