import Foundation
import Supmer
import XCTest

final class AdaptTests: XCTestCase {
    func testAwaitingAndWaitingGiveTheSameAdapter() async throws {
        let model = try Fixtures.model()
        let awaited = try await model.adapt(to: Fixtures.task, options: Fixtures.options())
        let waited = try model.adaptAndWait(to: Fixtures.task, options: Fixtures.options())
        XCTAssertEqual(try awaited.adapter.serialized(), try waited.adapter.serialized())
        XCTAssertEqual(awaited.adapter.labels, ["rain", "rainless"])
        XCTAssertNotNil(try JSONSerialization.jsonObject(with: Data(awaited.report.utf8)) as? [String: Any])
    }

    func testProgressIsAStreamThatEnds() async throws {
        let model = try Fixtures.model()
        let (progress, sink) = AsyncStream<CallProgress>.makeStream()
        async let adaptation = model.adapt(to: Fixtures.task, options: Fixtures.options(steps: 5), progress: sink)
        var steps: [CallProgress] = []
        for await event in progress where event.stage == .step {
            steps.append(event)
        }
        _ = try await adaptation
        XCTAssertEqual(steps.map(\.done), [1, 2, 3, 4, 5])
        XCTAssertTrue(steps.allSatisfy { $0.total == 5 && ($0.loss ?? 0) > 0 })
    }

    func testStreamEndsWhenTheCallFails() async throws {
        let model = try Fixtures.model()
        var task = Fixtures.task
        task.template = "no field"
        let (progress, sink) = AsyncStream<CallProgress>.makeStream()
        do {
            _ = try await model.adapt(to: task, progress: sink)
            XCTFail("a template without a field was taken")
        } catch {
            XCTAssertEqual(error.status, .invalidTask)
        }
        for await event in progress {
            XCTFail("\(event)")
        }
    }

    func testCancellingTheTaskStopsTheWork() async throws {
        let model = try Fixtures.model()
        let started = AsyncStream<CallProgress>.makeStream()
        let work = Task {
            try await model.adapt(
                to: Fixtures.task, options: Fixtures.options(steps: 100_000), progress: started.continuation)
        }
        for await _ in started.stream {
            work.cancel()
            break
        }
        do {
            _ = try await work.value
            XCTFail("a long run was not stopped")
        } catch let error as SupmerError {
            XCTAssertTrue(error.isCancellation, "\(error)")
        }
    }

    func testACancelledTaskLeavesOtherCallsOfTheSameFlagAlone() async throws {
        let model = try Fixtures.model()
        let shared = Cancellation()
        var options = Fixtures.options(steps: 100_000)
        options.cancellation = shared
        let long = options
        let started = [AsyncStream<CallProgress>.makeStream(), AsyncStream<CallProgress>.makeStream()]
        let works = started.map { stream in
            Task { try await model.adapt(to: Fixtures.task, options: long, progress: stream.continuation) }
        }
        for stream in started {
            for await _ in stream.stream {
                break
            }
        }
        works[0].cancel()
        let first = await works[0].result
        XCTAssertThrowsError(try first.get()) { XCTAssertEqual(($0 as? SupmerError)?.status, .cancelled) }
        options.steps = 2
        _ = try await model.adapt(to: Fixtures.task, options: options)
        shared.request()
        let second = await works[1].result
        XCTAssertThrowsError(try second.get()) { XCTAssertEqual(($0 as? SupmerError)?.status, .cancelled) }
        let refused = await Task { [options] in try await model.adapt(to: Fixtures.task, options: options) }.result
        XCTAssertThrowsError(try refused.get()) { XCTAssertEqual(($0 as? SupmerError)?.status, .cancelled) }
    }

    func testACancelledTaskDoesNotStart() async throws {
        let model = try Fixtures.model()
        let steps = Locked(0)
        var options = Fixtures.options()
        options.onProgress = { _ in
            steps.with { $0 += 1 }
            return true
        }
        let prepared = options
        let work = Task {
            while !Task.isCancelled {
                await Task.yield()
            }
            return try await model.adapt(to: Fixtures.task, options: prepared)
        }
        work.cancel()
        let result = await work.result
        XCTAssertThrowsError(try result.get()) { XCTAssertEqual(($0 as? SupmerError)?.status, .cancelled) }
        XCTAssertEqual(steps.current, 0)
    }

    func testARequestStopsWithinOneStepAndStaysUntilReset() throws {
        let model = try Fixtures.model()
        let cancellation = Cancellation()
        let steps = Locked(0)
        var options = Fixtures.options(steps: 1000)
        options.cancellation = cancellation
        options.onProgress = { event in
            if event.stage == .step {
                steps.with { $0 += 1 }
                if event.done == 3 {
                    cancellation.request()
                }
            }
            return true
        }
        let prepared = options
        assertThrows(.cancelled) { () throws(SupmerError) in
            try model.adaptAndWait(to: Fixtures.task, options: prepared)
        }
        XCTAssertEqual(steps.current, 3)
        assertThrows(.cancelled) { () throws(SupmerError) in
            try model.adaptAndWait(to: Fixtures.task, options: prepared)
        }
        XCTAssertEqual(steps.current, 3)
        cancellation.reset()
        options.steps = 2
        _ = try model.adaptAndWait(to: Fixtures.task, options: options)
        XCTAssertEqual(steps.current, 5)
    }

    func testAHandlerCanStop() throws {
        let model = try Fixtures.model()
        var options = Fixtures.options(steps: 1000)
        options.onProgress = { $0.done < 2 }
        let prepared = options
        assertThrows(.cancelled) { () throws(SupmerError) in
            try model.adaptAndWait(to: Fixtures.task, options: prepared)
        }
    }

    func testTasksAreJudgedByTheLibrary() throws {
        let model = try Fixtures.model()
        var oneLabel = Fixtures.task
        oneLabel.labels.removeLast()
        oneLabel.examples.removeAll { $0 != Fixtures.task.examples[0] }
        var twice = Fixtures.task
        twice.labels.append(twice.labels[0])
        var unknown = Fixtures.task
        unknown.examples.append(Example("hail", label: "hail"))
        var broken = Fixtures.task
        broken.examples.append(Example(json: "{"))
        for (task, status) in [
            (oneLabel, Status.invalidTask), (twice, .invalidTask),
            (unknown, .invalidExample), (broken, .invalidExample),
        ] {
            assertThrows(status) { () throws(SupmerError) in try model.adaptAndWait(to: task) }
        }
        var options = Fixtures.options()
        options.learningRate = .nan
        let wrong = options
        assertThrows(.invalidOption) { () throws(SupmerError) in
            try model.adaptAndWait(to: Fixtures.task, options: wrong)
        }
        options = Fixtures.options()
        options.memoryLimit = 1
        let tight = options
        assertThrows(.memoryLimit) { () throws(SupmerError) in
            try model.adaptAndWait(to: Fixtures.task, options: tight)
        }
    }

    func testEveryFormOfExampleIsTaken() throws {
        let model = try Fixtures.model()
        var json = Fixtures.task
        json.examples = [
            Example(json: #"{"text": "rain and rain", "label": "rain"}"#),
            Example(json: #"{"text": "all day the rain", "label": "rain", "unused": 3}"#),
            Example(json: #"{"text": "warm and bright", "label": "rainless"}"#),
            Example(json: #"{"text": "the sun on the hill", "label": "rainless"}"#),
        ]
        XCTAssertEqual(
            try Fixtures.adapter(model, json).serialized(), try Fixtures.adapter(model).serialized())

        var pairs = Fixtures.task
        pairs.template = "{text_a} / {text_b} Sky:"
        pairs.examples = [Example("rain", "and rain", label: "rain"), Example("warm", "bright", label: "rainless")]
        let adapter = try Fixtures.adapter(model, pairs)
        let prediction = try model.predict(json: #"{"text_a": "rain", "text_b": "rain"}"#, with: adapter)
        XCTAssertEqual(prediction.probabilities.reduce(0, +), 1, accuracy: 1e-5)
    }

    func testTheStartMatters() throws {
        let model = try Fixtures.model()
        let first = try Fixtures.adapter(model)
        var options = Fixtures.options()
        let cold = try model.adaptAndWait(to: Fixtures.task, options: options).adapter.serialized()
        options.start = .adapter(first)
        let warm = try model.adaptAndWait(to: Fixtures.task, options: options).adapter.serialized()
        options.start = .text("rain or sun")
        let told = try model.adaptAndWait(to: Fixtures.task, options: options).adapter.serialized()
        XCTAssertNotEqual(warm, cold)
        XCTAssertNotEqual(told, cold)
        XCTAssertNotEqual(told, warm)
    }

    func testATaskFileIsATask() throws {
        let path = Fixtures.root.appendingPathComponent("examples/customers/bakery/task.json").path
        let task = try TaskDefinition(contentsOf: path)
        XCTAssertEqual(task.name, "bakery")
        XCTAssertEqual(task.labels.map(\.name), ["order", "complaint", "question"])
        XCTAssertEqual(task.labels[0].verbalizer, " order")
        XCTAssertTrue(task.template.contains("{text}"))
        assertThrows(.notFound) { () throws(SupmerError) in try TaskDefinition(contentsOf: "\(path).missing") }
        let coded = try JSONDecoder().decode(TaskDefinition.self, from: JSONEncoder().encode(task))
        XCTAssertEqual(coded, task)
    }
}
