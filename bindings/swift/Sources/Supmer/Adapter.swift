import CSupmer
import Foundation

/// What an adaptation made: a prompt of some tens of kilobytes with its task, ready to predict with on the model family it was
/// made for. Holds no text of examples.
///
/// It is `Sendable` because an adapter never changes.
public final class Adapter: HandleOwner, @unchecked Sendable {
    let handle: OpaquePointer
    /// Names of the labels, in the order of a prediction's probabilities.
    public let labels: [String]

    /// Takes over a handle.
    init(handle: OpaquePointer) {
        self.handle = handle
        labels = (0..<supmer_adapter_label_count(handle)).map { String(cString: supmer_adapter_label_name(handle, $0)) }
    }

    deinit {
        supmer_adapter_free(handle)
    }

    /// Reads an adapter file. Whether it fits a model is checked when it is used with one.
    ///
    /// Throws ``Status/notFound``, ``Status/io``, ``Status/corruptFile``, ``Status/unsupported`` (a format this version
    /// does not know), ``Status/tooLarge``.
    public convenience init(contentsOf path: String) throws(SupmerError) {
        self.init(handle: try makeHandle { supmer_adapter_load(path, path.utf8.count, $0, $1) })
    }

    /// Reads the bytes of an adapter file. Throws as ``init(contentsOf:)``, files aside.
    public convenience init(bytes: some ContiguousBytes) throws(SupmerError) {
        let handle = try makeHandle { out, error in
            bytes.withUnsafeBytes { supmer_adapter_load_memory($0.firstByte, $0.count, out, error) }
        }
        self.init(handle: handle)
    }

    /// Writes an adapter file: beside the path first, then moved into place, so that the path never holds half a file.
    ///
    /// Throws ``Status/io``, ``Status/notFound`` (no such folder), ``Status/diskFull``.
    public func save(to path: String) throws(SupmerError) {
        try check { error in
            withHandle { supmer_adapter_save($0, path, path.utf8.count, error) }
        }
    }

    /// The bytes that ``save(to:)`` would write. The same adapter always gives the same bytes.
    public func serialized() throws(SupmerError) -> Data {
        let buffer = try makeHandle { out, error in
            withHandle { supmer_adapter_save_memory($0, out, error) }
        }
        defer { supmer_buffer_free(buffer) }
        guard let bytes = supmer_buffer_data(buffer) else { return Data() }
        return Data(bytes: bytes, count: supmer_buffer_length(buffer))
    }
}
