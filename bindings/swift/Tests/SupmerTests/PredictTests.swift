import Supmer
import XCTest

final class PredictTests: XCTestCase {
    func testOneManyAndMixedAgree() throws {
        let model = try Fixtures.model()
        var other = Fixtures.task
        other.template = "{text} =>"
        other.labels.append(.init("the", verbalizer: " the"))
        other.examples.append(Example("the the", label: "the"))
        other.examples.append(Example("the", label: "the"))
        let adapters = try [
            Fixtures.adapter(model), Fixtures.adapter(model, other), Fixtures.adapter(model, seed: 2),
        ]
        let texts = Fixtures.texts(12)
        let alone = try texts.map { try model.predict($0, with: adapters[0]) }
        assertClose(try model.predictBatch(texts, with: adapters[0]), alone)

        let rows = texts.enumerated().map { (text: $1, adapter: adapters[$0 % 3]) }
        let mixed = try model.predictMixed(rows)
        assertClose(mixed, try rows.map { try model.predict($0.text, with: $0.adapter) })
        XCTAssertEqual(mixed.map(\.probabilities.count), rows.map(\.adapter.labels.count))
        XCTAssertNotEqual(mixed[0].probabilities, mixed[3].probabilities)

        for (prediction, row) in zip(mixed, rows) {
            XCTAssertEqual(prediction.probabilities.reduce(0, +), 1, accuracy: 1e-5)
            let index = try XCTUnwrap(prediction.index)
            XCTAssertEqual(prediction.probabilities[index], prediction.probabilities.max())
            XCTAssertEqual(prediction.label, row.adapter.labels[index])
        }
    }

    func testNothingGivesNothing() throws {
        let model = try Fixtures.model()
        XCTAssertEqual(try model.predictBatch([], with: Fixtures.adapter(model)), [])
        XCTAssertEqual(try model.predictMixed([]), [])
    }

    func testFieldsAsJSONAgreeWithText() throws {
        let model = try Fixtures.model()
        let adapter = try Fixtures.adapter(model)
        XCTAssertEqual(
            try model.predict(json: #"{"text": "rain \"and\" rain"}"#, with: adapter),
            try model.predict(#"rain "and" rain"#, with: adapter))
        assertThrows(.invalidExample) { () throws(SupmerError) in
            try model.predict(json: #"{"body": "rain"}"#, with: adapter)
        }
    }

    func testTextsOfManyBytesAndNone() throws {
        let model = try Fixtures.model()
        let adapter = try Fixtures.adapter(model)
        let texts = ["", "été à Nîmes", "雨", "a\0b", String(repeating: "rain ", count: 20)]
        assertClose(
            try model.predictBatch(texts, with: adapter), try texts.map { try model.predict($0, with: adapter) })
    }

    func testUncertainPredictionsAbstain() throws {
        let model = try Fixtures.model()
        let adapter = try Fixtures.adapter(model)
        var options = PredictOptions()
        options.abstainBelow = 1
        let prediction = try model.predict("rain", with: adapter, options: options)
        XCTAssertNil(prediction.label)
        XCTAssertNil(prediction.index)
        XCTAssertEqual(prediction.probabilities.count, 2)
        options.abstainBelow = 2
        let wrong = options
        assertThrows(.invalidOption) { () throws(SupmerError) in
            try model.predict("rain", with: adapter, options: wrong)
        }
    }

    func testAnAdapterOfAnotherFamilyIsRefused() throws {
        let adapter = try Fixtures.adapter(Fixtures.model("tiny-t5"))
        let model = try Fixtures.model()
        assertThrows(.backboneMismatch) { () throws(SupmerError) in try model.predict("rain", with: adapter) }
    }

    func testACancelledCallThrows() throws {
        let model = try Fixtures.model()
        let adapter = try Fixtures.adapter(model)
        var options = PredictOptions()
        options.cancellation = Cancellation()
        options.cancellation?.request()
        let stopped = options
        assertThrows(.cancelled) { () throws(SupmerError) in
            try model.predictBatch(Fixtures.texts(40), with: adapter, options: stopped)
        }
    }

    func testPredictingTellsItsProgressAndCanBeStopped() throws {
        let model = try Fixtures.model()
        let adapter = try Fixtures.adapter(model)
        let seen = Locked<[CallProgress]>([])
        var options = PredictOptions()
        options.batchSize = 16
        options.onProgress = { event in
            seen.with { $0.append(event) }
            return true
        }
        _ = try model.predictBatch(Fixtures.texts(40), with: adapter, options: options)
        XCTAssertEqual(seen.current.map(\.done), [16, 32, 40])
        XCTAssertTrue(seen.current.allSatisfy { $0.stage == .predict && $0.total == 40 && $0.loss == nil })

        options.onProgress = { _ in false }
        let stopped = options
        assertThrows(.cancelled) { () throws(SupmerError) in
            try model.predictMixed([(text: "rain", adapter: adapter)], options: stopped)
        }
    }

    func testManyTasksAtOnceGetTheSerialAnswers() async throws {
        let model = try Fixtures.model()
        let adapters = try [Fixtures.adapter(model), Fixtures.adapter(model, seed: 2)]
        let texts = Fixtures.texts(16)
        let serial = try texts.indices.map { try model.predict(texts[$0], with: adapters[$0 % 2]) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<16 {
                group.addTask {
                    for round in 0..<8 {
                        let row = (task + round * 3) % texts.count
                        let prediction = try model.predict(texts[row], with: adapters[row % 2])
                        XCTAssertEqual(prediction, serial[row])
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}
