import Supmer
import XCTest

final class LogTests: XCTestCase {
    func testAHandlerIsToldUntilItIsReplaced() throws {
        let seen = Locked<[String]>([])
        try Log.setHandler(level: .debug) { level, message in
            seen.with { $0.append("\(level): \(message)") }
        }
        _ = try Fixtures.adapter(Fixtures.model())
        try Log.setHandler(nil)
        let told = seen.current
        XCTAssertFalse(told.isEmpty)
        _ = try Fixtures.adapter(Fixtures.model())
        XCTAssertEqual(seen.current, told)
    }
}
