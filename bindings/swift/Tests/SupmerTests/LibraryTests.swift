import Supmer
import XCTest

final class LibraryTests: XCTestCase {
    func testVersionAndABI() {
        XCTAssertEqual(Library.version.split(separator: ".").count, 3)
        XCTAssertEqual(Library.abi, Library.requiredABI)
        XCTAssertTrue(Library.adapterFormats.contains(1))
        XCTAssertTrue(Library.bundleFormats.contains(1))
    }

    func testFeatures() {
        XCTAssertTrue(Library.has(feature: "gguf"))
        XCTAssertTrue(Library.has(feature: "t5"))
        XCTAssertFalse(Library.has(feature: "horse"))
        XCTAssertFalse(Library.has(feature: ""))
    }

    func testStatusesHaveTheirNames() {
        XCTAssertEqual(Status.invalidUTF8.name, "invalid_utf8")
        XCTAssertEqual(Status.cancelled.description, "cancelled")
        XCTAssertEqual(Status(rawValue: 12345).name, "unknown")
    }
}
