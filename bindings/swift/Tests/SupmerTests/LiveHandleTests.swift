import Supmer
import XCTest

final class LiveHandleTests: XCTestCase {
    func testEveryHandleIsGivenBack() async throws {
        let before = Library.liveHandleCount
        for _ in 0..<5 {
            try await everything()
        }
        // The thread that adapted lets go of the model a moment after it has handed over its result.
        for _ in 0..<500 where Library.liveHandleCount != before {
            try await Task.sleep(nanoseconds: 10_000_000)
        }
        XCTAssertEqual(Library.liveHandleCount, before)
    }

    private func everything() async throws {
        let model = try Fixtures.model()
        let adapter = try await model.adapt(to: Fixtures.task, options: Fixtures.options()).adapter
        XCTAssertGreaterThanOrEqual(Library.liveHandleCount, 2)
        let copy = try Adapter(bytes: adapter.serialized())
        _ = try model.predictMixed([("rain", adapter), ("sun", copy)])
        _ = try model.estimateMemory(for: Fixtures.task)
        let cancellation = Cancellation()
        cancellation.request()
        var options = Fixtures.options()
        options.cancellation = cancellation
        options.start = .adapter(copy)
        do {
            _ = try await model.adapt(to: Fixtures.task, options: options)
            XCTFail("the request was not seen")
        } catch {
            XCTAssertEqual(error.status, .cancelled)
        }
        assertThrows(.notFound) { () throws(SupmerError) in try Adapter(contentsOf: "/no/such/adapter") }
        assertThrows(.corruptFile) { () throws(SupmerError) in try PromptBundle(bytes: [1, 2, 3]) }
    }
}
