import CSupmer
import Foundation

/// The files of a model folder, laid end to end, so that C can be lent all of them at once.
struct FolderInMemory {
    private struct Entry {
        let name: Range<Int>
        let contents: Data
    }

    private var names: [UInt8] = []
    private var entries: [Entry] = []

    init(_ files: [String: Data]) {
        for (name, contents) in files.sorted(by: { $0.key < $1.key }) {
            let start = names.count
            names.append(contentsOf: name.utf8)
            entries.append(Entry(name: start..<names.count, contents: contents))
        }
    }

    func withC(_ body: (UnsafeBufferPointer<supmer_file>) -> supmer_status) -> supmer_status {
        names.withUnsafeBytes { names in
            lend(entries[...], names, [], body)
        }
    }

    /// Takes hold of the contents one after another: a pointer into `Data` is good only inside a closure of its own.
    private func lend(
        _ rest: ArraySlice<Entry>,
        _ names: UnsafeRawBufferPointer,
        _ files: [supmer_file],
        _ body: (UnsafeBufferPointer<supmer_file>) -> supmer_status
    ) -> supmer_status {
        guard let entry = rest.first else { return files.withUnsafeBufferPointer(body) }
        return entry.contents.withUnsafeBytes { contents in
            let file = supmer_file(
                name: names.baseAddress.map { ($0 + entry.name.lowerBound).assumingMemoryBound(to: CChar.self) },
                name_length: entry.name.count,
                bytes: contents.firstByte,
                length: contents.count
            )
            return lend(rest.dropFirst(), names, files + [file], body)
        }
    }
}
