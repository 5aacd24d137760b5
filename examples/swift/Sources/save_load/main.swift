// Keeps an adapter in a file and in bytes; what a missing and a damaged one give. See examples/README.md.
import Customers
import Foundation
import Supmer

struct Output: Encodable {
    var program = "save_load"
    let bytes: Int
    let fileEqualsBytes: Bool
    let labels: [String?]
    let probabilities: [[Float]]
    let sameAfterLoading: Bool
    let missingFile: String
    let halfOfTheBytes: String
}

await run { model, data in
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("supmer-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }

    let bakery = try Customer("bakery", in: data)
    let (learned, _) = try await bakery.learn(with: model, options: adaptOptions(steps: 10))
    let file = folder.appendingPathComponent("bakery.supmer")
    try learned.save(to: file.path)
    let fromFile = try Adapter(contentsOf: file.path)
    let bytes = try learned.serialized()
    let fromBytes = try Adapter(bytes: bytes)

    let predictions = try model.predictBatch(bakery.newTexts, with: fromFile)
    let sameAfterLoading = try [learned, fromBytes].allSatisfy {
        try model.predictBatch(bakery.newTexts, with: $0) == predictions
    }
    return Output(
        bytes: bytes.count,
        fileEqualsBytes: try Data(contentsOf: file) == bytes,
        labels: predictions.map(\.label),
        probabilities: predictions.map(\.probabilities),
        sameAfterLoading: sameAfterLoading,
        missingFile: try await statusName {
            _ = try Adapter(contentsOf: folder.appendingPathComponent("missing.supmer").path)
        },
        halfOfTheBytes: try await statusName { _ = try Adapter(bytes: bytes.prefix(bytes.count / 2)) }
    )
}
