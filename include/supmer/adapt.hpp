/// Learning a task: from a model and a task to an adapter.
#ifndef SUPMER_ADAPT_HPP
#define SUPMER_ADAPT_HPP

#include <cstdint>
#include <optional>
#include <string>

#include "adapter.hpp"
#include "bundle.hpp"
#include "model.hpp"
#include "progress.hpp"
#include "result.hpp"
#include "task.hpp"

namespace supmer {

/// Turns a setting off where 0 means its default, in fields that say so.
inline constexpr std::uint32_t off = SUPMER_OFF;

/// What the loss of an example tells its gold label apart from.
enum class AnswerLoss : supmer_answer_loss {
    automatic = SUPMER_ANSWER_LOSS_AUTO,
    vocabulary = SUPMER_ANSWER_LOSS_VOCABULARY,
    labels = SUPMER_ANSWER_LOSS_LABELS,
    head = SUPMER_ANSWER_LOSS_HEAD,
};

/// How to adapt; supmer.h describes each field, 0 is the library's default, or what a bundle advises.
struct AdaptOptions {
    std::uint64_t seed = 0;
    std::uint64_t memory_limit = 0;
    double time_limit = 0;
    std::uint32_t steps = 0;
    std::uint32_t batch_size = 0;
    std::uint32_t prompt_length = 0;
    std::uint32_t max_tokens = 0;
    float learning_rate = 0;
    float clip_norm = 0;
    float weight_decay = 0;
    float dev_fraction = 0;
    std::uint32_t dev_per_class = 0;
    std::uint32_t eval_every = 0;
    std::uint32_t patience = 0;
    AnswerLoss answer_loss = AnswerLoss::automatic;
    /// Start from this adapter's prompt; must live until the call returns.
    const Adapter *start_adapter = nullptr;
    /// Start from this text; empty = from the bundle, or without one from the model's vocabulary.
    std::string start_text;
    std::optional<Cancel> cancel;
    ProgressFunction progress;
};

/// What an adaptation gives.
struct Adaptation {
    Adapter adapter;
    Report report;
};

/// Bytes that work takes beyond the program itself.
struct MemoryEstimate {
    /// The model's weights.
    std::uint64_t weights_bytes;
    /// Intermediate results of an adaptation: of a step, of scoring held-out examples and of fitting label heads.
    std::uint64_t adapt_bytes;
    /// Intermediate results of one prediction.
    std::uint64_t predict_bytes;
    /// One adapter's share of the prompt cache.
    std::uint64_t cached_prompt_bytes;
};

namespace detail {

/// The options as C takes them, without the progress function; borrows from `options`.
inline supmer_adapt_options raw_options(const AdaptOptions &options) noexcept {
    supmer_adapt_options raw;
    supmer_adapt_options_init(&raw, sizeof raw);
    raw.seed = options.seed;
    raw.memory_limit = options.memory_limit;
    raw.time_limit = options.time_limit;
    raw.steps = options.steps;
    raw.batch_size = options.batch_size;
    raw.prompt_length = options.prompt_length;
    raw.max_tokens = options.max_tokens;
    raw.learning_rate = options.learning_rate;
    raw.clip_norm = options.clip_norm;
    raw.weight_decay = options.weight_decay;
    raw.dev_fraction = options.dev_fraction;
    raw.dev_per_class = options.dev_per_class;
    raw.eval_every = options.eval_every;
    raw.patience = options.patience;
    raw.answer_loss = static_cast<supmer_answer_loss>(options.answer_loss);
    raw.start_adapter = options.start_adapter != nullptr ? options.start_adapter->get() : nullptr;
    raw.start_text = options.start_text.empty() ? nullptr : options.start_text.data();
    raw.start_text_length = options.start_text.size();
    raw.cancel = options.cancel ? options.cancel->get() : nullptr;
    return raw;
}

} // namespace detail

/// Learns a task; `bundle` gives a meta-trained start, NULL is ordinary prompt tuning.
inline Result<Adaptation> adapt(const Model &model, const Task &task, const AdaptOptions &options = {},
                                const Bundle *bundle = nullptr) {
    if (detail::is_moved_from(bundle)) {
        return detail::moved_from("bundle");
    }
    if (detail::is_moved_from(options.start_adapter)) {
        return detail::moved_from("start_adapter");
    }
    supmer_adapt_options raw = detail::raw_options(options);
    detail::Listener listener(options.progress);
    listener.attach(raw);
    supmer_report *report = nullptr;
    auto adapter = detail::make<Adapter>([&](supmer_adapter **out, supmer_error **error) {
        return supmer_adapt(model.get(), bundle != nullptr ? bundle->get() : nullptr, task.get(), &raw, out, &report,
                            error);
    });
    listener.rethrow();
    if (!adapter) {
        return adapter.error();
    }
    return Adaptation{std::move(*adapter), Report(report)};
}

inline Result<MemoryEstimate> Model::estimate_memory(const AdaptOptions &options, const Task *task) const {
    if (detail::is_moved_from(task)) {
        return detail::moved_from("task");
    }
    if (detail::is_moved_from(options.start_adapter)) {
        return detail::moved_from("start_adapter");
    }
    const supmer_adapt_options raw = detail::raw_options(options);
    supmer_memory_estimate estimate;
    supmer_memory_estimate_init(&estimate, sizeof estimate);
    auto done = detail::attempt([&](supmer_error **error) {
        return supmer_model_estimate_memory(get(), task != nullptr ? task->get() : nullptr, &raw, &estimate, error);
    });
    if (!done) {
        return done.error();
    }
    return MemoryEstimate{estimate.weights_bytes, estimate.adapt_bytes, estimate.predict_bytes,
                          estimate.cached_prompt_bytes};
}

} // namespace supmer

#endif
