import Foundation
import Supmer

/// Runs `program` with the model and the data folder of the command line and prints what it gives as JSON.
public func run(_ program: @Sendable (_ model: Model, _ data: String) async throws -> some Encodable) async -> Never {
    let arguments = CommandLine.arguments.dropFirst()
    guard arguments.count == 2, let path = arguments.first, let data = arguments.last else {
        say("two arguments are needed: MODEL DATA")
        exit(2)
    }
    do {
        var options = ModelOptions()
        options.threadCount = 1
        let result = try await program(Model(contentsOf: path, options: options), data)
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        print(String(decoding: try encoder.encode(result), as: UTF8.self))
        exit(0)
    } catch {
        say("\(error)")
        exit(1)
    }
}

/// Name of how a call ended: "ok" or that of the error's status.
public func statusName(_ call: () async throws -> Void) async throws -> String {
    do {
        try await call()
        return "ok"
    } catch let error as SupmerError {
        return error.status.name
    }
}

private func say(_ message: String) {
    FileHandle.standardError.write(Data("\(message)\n".utf8))
}
