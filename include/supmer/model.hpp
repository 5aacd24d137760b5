/// A frozen language model.
#ifndef SUPMER_MODEL_HPP
#define SUPMER_MODEL_HPP

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "handle.hpp"
#include "progress.hpp"
#include "result.hpp"
#include "span.hpp"

namespace supmer {

struct AdaptOptions;
struct MemoryEstimate;
class Task;

/// How weights are held in memory.
enum class Weights : supmer_weights {
    automatic = SUPMER_WEIGHTS_AUTO,
    stored = SUPMER_WEIGHTS_STORED,
    expanded = SUPMER_WEIGHTS_EXPANDED,
};

/// Instructions of the kernels; for tests and measurements.
enum class Instructions : supmer_instructions {
    automatic = SUPMER_INSTRUCTIONS_AUTO,
    portable = SUPMER_INSTRUCTIONS_PORTABLE,
    avx2 = SUPMER_INSTRUCTIONS_AVX2,
    avx512 = SUPMER_INSTRUCTIONS_AVX512,
    amx = SUPMER_INSTRUCTIONS_AMX,
    amx_bf16 = SUPMER_INSTRUCTIONS_AMX_BF16,
};

/// How to load a model; 0 is the library's default.
struct ModelOptions {
    std::uint64_t prompt_cache_bytes = 0;
    std::uint32_t thread_count = 0;
    Weights weights = Weights::automatic;
    Instructions instructions = Instructions::automatic;
    std::optional<Cancel> cancel;
    ProgressFunction progress;
};

/// A file of a model folder that the program holds in memory.
struct File {
    std::string_view name;
    Bytes bytes;
};

/// A loaded model: immutable, to be used from as many threads as you like.
class Model : public detail::Handle<supmer_model, supmer_model_free> {
public:
    using Handle::Handle;

    /// Loads a GGUF file or a Hugging Face folder. Unless weights are expanded the file is mapped: replace it by renaming, do
    /// not write to it while the model lives. Where it may become unreadable (a network drive), which would end the process,
    /// load its bytes.
    static Result<Model> load(std::string_view path, const ModelOptions &options = {}) {
        return loaded(options, [&](const supmer_model_options *raw, supmer_model **out, supmer_error **error) {
            return supmer_model_load(path.data(), path.size(), raw, out, error);
        });
    }

    /// Loads the bytes of a GGUF file, which are copied.
    static Result<Model> load_memory(Bytes bytes, const ModelOptions &options = {}) {
        return loaded(options, [&](const supmer_model_options *raw, supmer_model **out, supmer_error **error) {
            return supmer_model_load_memory(bytes.data(), bytes.size(), raw, out, error);
        });
    }

    /// Loads the files of a Hugging Face folder: config.json, tokenizer.json and *.safetensors.
    static Result<Model> load_memory_folder(Span<File> files, const ModelOptions &options = {}) {
        std::vector<supmer_file> raw_files;
        raw_files.reserve(files.size());
        for (const File &file : files) {
            raw_files.push_back({file.name.data(), file.name.size(), file.bytes.data(), file.bytes.size()});
        }
        return loaded(options, [&](const supmer_model_options *raw, supmer_model **out, supmer_error **error) {
            return supmer_model_load_memory_folder(raw_files.data(), raw_files.size(), raw, out, error);
        });
    }

    /// Which model this is, as JSON; lives as long as the model.
    std::string_view fingerprint() const noexcept {
        const char *text = supmer_model_fingerprint(get());
        return text != nullptr ? text : "";
    }

    /// What adapting with `options` and predicting afterwards need; `task` gives the lengths of its examples, without
    /// it they are taken to have as many tokens as the options allow. For an adaptation from a bundle set `prompt_length`
    /// to the bundle's rows, and `batch_size` and `answer_loss` to what it advises (`Bundle::metadata`).
    Result<MemoryEstimate> estimate_memory(const AdaptOptions &options, const Task *task = nullptr) const;

private:
    template <typename Load> static Result<Model> loaded(const ModelOptions &options, Load load) {
        supmer_model_options raw;
        supmer_model_options_init(&raw, sizeof raw);
        raw.prompt_cache_bytes = options.prompt_cache_bytes;
        raw.thread_count = options.thread_count;
        raw.weights = static_cast<supmer_weights>(options.weights);
        raw.instructions = static_cast<supmer_instructions>(options.instructions);
        raw.cancel = options.cancel ? options.cancel->get() : nullptr;
        detail::Listener listener(options.progress);
        listener.attach(raw);
        supmer_abi_0(); // a library of another ABI cannot be linked
        auto model = detail::make<Model>(
            [&](supmer_model **out, supmer_error **error) { return load(&raw, out, error); });
        listener.rethrow();
        return model;
    }
};

} // namespace supmer

#endif
