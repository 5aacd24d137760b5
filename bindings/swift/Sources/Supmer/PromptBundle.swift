import CSupmer
import Foundation

/// A meta-trained start for adaptation, made for one model family: a prompt, and the gradient regularizer that is
/// applied at every step.
///
/// It is `Sendable` because a bundle never changes. (Its name leaves `Bundle` to Foundation.)
public final class PromptBundle: HandleOwner, @unchecked Sendable {
    let handle: OpaquePointer

    /// Reads a bundle file. Whether it fits a model is checked when it is used with one, or by ``check(fits:)``.
    ///
    /// Throws ``Status/notFound``, ``Status/io``, ``Status/corruptFile``, ``Status/notFinite``,
    /// ``Status/unsupported`` (a format this version does not know), ``Status/tooLarge``.
    public init(contentsOf path: String) throws(SupmerError) {
        handle = try makeHandle { supmer_bundle_load(path, path.utf8.count, $0, $1) }
    }

    /// Reads the bytes of a bundle file, which are copied. Throws as ``init(contentsOf:)``, files aside.
    public init(bytes: some ContiguousBytes) throws(SupmerError) {
        handle = try makeHandle { out, error in
            bytes.withUnsafeBytes { supmer_bundle_load_memory($0.firstByte, $0.count, out, error) }
        }
    }

    deinit {
        supmer_bundle_free(handle)
    }

    /// Writes a bundle file: beside the path first, then moved into place, so that the path never holds half a file.
    ///
    /// Throws ``Status/io``, ``Status/notFound`` (no such folder), ``Status/diskFull``.
    public func save(to path: String) throws(SupmerError) {
        try Supmer.check { error in
            withHandle { supmer_bundle_save($0, path, path.utf8.count, error) }
        }
    }

    /// What the bundle is, as a JSON object: "prompt_length", "width", "regularizer" and "origin". Later versions may
    /// add members.
    public var metadata: String {
        withHandle { String(cString: supmer_bundle_metadata($0)) }
    }

    /// Throws ``Status/backboneMismatch``, with what differs, when the bundle was made for another family than
    /// `model`'s. Other weights of the family pass.
    public func check(fits model: Model) throws(SupmerError) {
        try Supmer.check { error in
            withHandle { bundle in model.withHandle { supmer_bundle_check(bundle, $0, error) } }
        }
    }
}
