import CSupmer
import Foundation

/// A frozen language model: load it once, adapt and predict with it from as many threads as you like.
///
/// It is `Sendable` because a loaded model never changes and the library lets calls run on it at the same time; what
/// it keeps inside (workers, cache) is locked there. Its memory is given back when nothing refers to it any more;
/// adapters made with it stay usable with the same model loaded again.
public final class Model: HandleOwner, @unchecked Sendable {
    let handle: OpaquePointer

    private init(handle: OpaquePointer) {
        self.handle = handle
    }

    deinit {
        supmer_model_free(handle)
    }

    /// Loads a GGUF file or a Hugging Face folder (config.json, tokenizer.json, safetensors). Unless weights are expanded the
    /// file is mapped: replace it by renaming, do not write to it while the model lives. A mapped file that becomes unreadable
    /// ends the process, without an error: with iOS file protection `.complete` it does when the device locks. Give the file
    /// `.completeUntilFirstUserAuthentication`, or load its bytes.
    ///
    /// Throws ``Status/notFound``, ``Status/io``, ``Status/corruptFile``, ``Status/unsupported`` (the message names the
    /// architecture or setting), ``Status/notFinite``, ``Status/invalidOption``, ``Status/cancelled``.
    public convenience init(contentsOf path: String, options: ModelOptions = .init()) throws(SupmerError) {
        let handle = try makeHandle { out, error in
            options.withC { supmer_model_load(path, path.utf8.count, $0, out, error) }
        }
        self.init(handle: handle)
    }

    /// Loads the bytes of a GGUF file, which are copied. Throws as ``init(contentsOf:options:)``.
    public convenience init(gguf bytes: some ContiguousBytes, options: ModelOptions = .init()) throws(SupmerError) {
        let handle = try makeHandle { out, error in
            options.withC { options in
                bytes.withUnsafeBytes { bytes in
                    supmer_model_load_memory(bytes.firstByte, bytes.count, options, out, error)
                }
            }
        }
        self.init(handle: handle)
    }

    /// Loads the files of a Hugging Face folder from memory: config.json, tokenizer.json and every .safetensors file,
    /// under their names. The bytes are copied. Throws as ``init(contentsOf:options:)``.
    public convenience init(files: [String: Data], options: ModelOptions = .init()) throws(SupmerError) {
        let folder = FolderInMemory(files)
        let handle = try makeHandle { out, error in
            options.withC { options in
                folder.withC { supmer_model_load_memory_folder($0.baseAddress, $0.count, options, out, error) }
            }
        }
        self.init(handle: handle)
    }

    /// Which model this is, as a JSON object: "architecture", "shape" and "tokenizer" are the family that an adapter
    /// needs, "weights" tells other weights and quantizations of the same family apart.
    public var fingerprint: String {
        withHandle { String(cString: supmer_model_fingerprint($0)) }
    }
}

extension UnsafeRawBufferPointer {
    /// The address of the first byte, as C takes it; nil when there is none.
    var firstByte: UnsafePointer<UInt8>? {
        baseAddress?.assumingMemoryBound(to: UInt8.self)
    }
}
