/// Labels for new texts.
#ifndef SUPMER_PREDICT_HPP
#define SUPMER_PREDICT_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapter.hpp"
#include "model.hpp"
#include "progress.hpp"
#include "result.hpp"
#include "span.hpp"

namespace supmer {

/// How to predict; 0 is the library's default.
struct PredictOptions {
    /// Abstain when the best label's probability is below this, 0 to 1; 0 = never.
    float abstain_below = 0;
    /// Rows computed together; 0 = chosen by the library.
    std::uint32_t batch_size = 0;
    std::optional<Cancel> cancel;
    /// Told after every batch how many rows are done.
    ProgressFunction progress;
};

/// The outcome for one row.
struct Prediction {
    /// Position of the best label; none when abstaining.
    std::optional<std::size_t> label;
    /// One value per label, in the adapter's order; they sum to 1.
    std::vector<float> probabilities;
};

/// A text with the adapter to predict it with.
struct Row {
    const Adapter &adapter;
    std::string_view text;
};

namespace detail {

/// The options as C takes them, without the progress function; borrows from `options`.
inline supmer_predict_options raw_options(const PredictOptions &options) noexcept {
    supmer_predict_options raw;
    supmer_predict_options_init(&raw, sizeof raw);
    raw.abstain_below = options.abstain_below;
    raw.batch_size = options.batch_size;
    raw.cancel = options.cancel ? options.cancel->get() : nullptr;
    return raw;
}

/// Texts as C takes them: one after another, cut by offsets.
struct Texts {
    std::string blob;
    std::vector<std::size_t> offsets{0};

    void add(std::string_view text) {
        blob.append(text);
        offsets.push_back(blob.size());
    }
};

inline std::optional<std::size_t> label(std::int32_t raw) noexcept {
    return raw == SUPMER_ABSTAINED ? std::nullopt : std::optional(static_cast<std::size_t>(raw));
}

/// Makes a C call that predicts one row.
template <typename Call>
Result<Prediction> predict_one(const Adapter &adapter, const PredictOptions &options, Call call) {
    supmer_predict_options raw = raw_options(options);
    Listener listener(options.progress);
    listener.attach(raw);
    std::vector<float> probabilities(adapter.label_count());
    std::int32_t best = SUPMER_ABSTAINED;
    auto done = attempt([&](supmer_error **error) {
        return call(&raw, probabilities.data(), probabilities.size(), &best, error);
    });
    listener.rethrow();
    if (!done) {
        return done.error();
    }
    return Prediction{label(best), std::move(probabilities)};
}

} // namespace detail

/// Predicts one text, for a template with the field {text}.
inline Result<Prediction> predict(const Model &model, const Adapter &adapter, std::string_view text,
                                  const PredictOptions &options = {}) {
    return detail::predict_one(adapter, options, [&](const supmer_predict_options *raw, float *probabilities,
                                                     std::size_t capacity, std::int32_t *best, supmer_error **error) {
        return supmer_predict(model.get(), adapter.get(), text.data(), text.size(), raw, probabilities, capacity, best,
                              error);
    });
}

/// Predicts one row of any fields, given as a JSON object.
inline Result<Prediction> predict_row_json(const Model &model, const Adapter &adapter, std::string_view json,
                                           const PredictOptions &options = {}) {
    return detail::predict_one(adapter, options, [&](const supmer_predict_options *raw, float *probabilities,
                                                     std::size_t capacity, std::int32_t *best, supmer_error **error) {
        return supmer_predict_row_json(model.get(), adapter.get(), json.data(), json.size(), raw, probabilities,
                                       capacity, best, error);
    });
}

/// Predicts many texts, for a template with the field {text}, faster than one by one.
inline Result<std::vector<Prediction>> predict_batch(const Model &model, const Adapter &adapter,
                                                     Span<std::string_view> texts, const PredictOptions &options = {}) {
    supmer_predict_options raw = detail::raw_options(options);
    detail::Listener listener(options.progress);
    listener.attach(raw);
    detail::Texts packed;
    for (const std::string_view text : texts) {
        packed.add(text);
    }
    const std::size_t width = adapter.label_count();
    std::vector<float> probabilities(texts.size() * width);
    std::vector<std::int32_t> labels(texts.size());
    auto done = detail::attempt([&](supmer_error **error) {
        return supmer_predict_batch(model.get(), adapter.get(), packed.blob.data(), packed.blob.size(),
                                    packed.offsets.data(), texts.size(), &raw, probabilities.data(),
                                    probabilities.size(), labels.data(), error);
    });
    listener.rethrow();
    if (!done) {
        return done.error();
    }
    std::vector<Prediction> predictions;
    predictions.reserve(texts.size());
    for (std::size_t i = 0; i < texts.size(); i++) {
        const float *row = probabilities.data() + i * width;
        predictions.push_back({detail::label(labels[i]), std::vector<float>(row, row + width)});
    }
    return predictions;
}

/// Predicts texts that each come with their own adapter, in one batch.
inline Result<std::vector<Prediction>> predict_mixed(const Model &model, Span<Row> rows,
                                                     const PredictOptions &options = {}) {
    supmer_predict_options raw = detail::raw_options(options);
    detail::Listener listener(options.progress);
    listener.attach(raw);
    detail::Texts packed;
    std::vector<const supmer_adapter *> adapters;
    adapters.reserve(rows.size());
    std::size_t stride = 0;
    for (const Row &row : rows) {
        packed.add(row.text);
        adapters.push_back(row.adapter.get());
        stride = std::max(stride, row.adapter.label_count());
    }
    std::vector<float> probabilities(rows.size() * stride);
    std::vector<std::int32_t> labels(rows.size());
    auto done = detail::attempt([&](supmer_error **error) {
        return supmer_predict_mixed(model.get(), adapters.data(), packed.blob.data(), packed.blob.size(),
                                    packed.offsets.data(), rows.size(), &raw, probabilities.data(), stride,
                                    labels.data(), error);
    });
    listener.rethrow();
    if (!done) {
        return done.error();
    }
    std::vector<Prediction> predictions;
    predictions.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); i++) {
        const float *row = probabilities.data() + i * stride;
        predictions.push_back({detail::label(labels[i]), std::vector<float>(row, row + rows[i].adapter.label_count())});
    }
    return predictions;
}

} // namespace supmer

#endif
