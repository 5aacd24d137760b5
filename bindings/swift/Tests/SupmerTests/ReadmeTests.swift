import Foundation
import Supmer
import XCTest

final class ReadmeTests: XCTestCase {
    /// The first Swift of the README, line by line.
    func testTheTenLinesWork() async throws {
        let modelPath = Fixtures.path("tiny-llama-tied")
        let adapterPath = NSTemporaryDirectory() + "supmer-\(UUID().uuidString).supmer"
        defer { try? FileManager.default.removeItem(atPath: adapterPath) }
        let reviews = [
            (text: "Broke on the way home from the shop.", label: "negative"),
            (text: "Quiet, light, and the battery simply lasts.", label: "positive"),
        ]
        // README
        let model = try Model(contentsOf: modelPath)
        let task = TaskDefinition(
            name: "reviews", template: "{text}\nSentiment:",
            labels: [.init("negative", verbalizer: " terrible"), .init("positive", verbalizer: " great")],
            examples: reviews.map { Example($0.text, label: $0.label) }
        )
        let adapter = try await model.adapt(to: task).adapter
        try adapter.save(to: adapterPath)
        let answer = try model.predict("I would buy it again tomorrow.", with: adapter)
        print(answer.label ?? "abstained", answer.probabilities)
        // README
        XCTAssertEqual(try Adapter(contentsOf: adapterPath).labels, ["negative", "positive"])
        XCTAssertEqual(answer.probabilities.reduce(0, +), 1, accuracy: 1e-5)
    }

    func testTheTenLinesAreThoseOfTheReadme() throws {
        let readme = try String(
            contentsOf: Fixtures.root.appendingPathComponent("bindings/swift/README.md"), encoding: .utf8)
        let shown = readme.components(separatedBy: "```swift\n")[1].components(separatedBy: "```")[0]
        let source = try String(contentsOfFile: #filePath, encoding: .utf8)
        let tested = source.components(separatedBy: "        // README\n")[1]
        XCTAssertEqual(lines(tested), lines(shown))
    }

    private func lines(_ text: String) -> [String] {
        text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
    }
}
