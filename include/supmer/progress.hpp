/// Watching and stopping long calls.
#ifndef SUPMER_PROGRESS_HPP
#define SUPMER_PROGRESS_HPP

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>

#include "../supmer.h"

namespace supmer {

/// A sticky request to stop. Copies share one flag; any thread may use them, before or while a call runs.
class Cancel {
public:
    /// A flag that is not set.
    Cancel() {
        supmer_cancel *raw = nullptr;
        supmer_cancel_new(&raw, nullptr);
        raw_.reset(raw, supmer_cancel_free);
    }
    /// Shares the flag; moving does the same, so that none is ever left without one.
    Cancel(const Cancel &) = default;
    Cancel &operator=(const Cancel &) = default;

    /// Asks every call that has the flag to stop; does not wait.
    void request() const noexcept { supmer_cancel_request(raw_.get()); }
    /// Clears the flag so that it can be used again.
    void reset() const noexcept { supmer_cancel_reset(raw_.get()); }
    /// Lends the C handle.
    const supmer_cancel *get() const noexcept { return raw_.get(); }

private:
    std::shared_ptr<supmer_cancel> raw_;
};

/// What was just done.
enum class Stage : supmer_stage {
    step = SUPMER_STAGE_STEP,
    dev = SUPMER_STAGE_DEV,
    predict = SUPMER_STAGE_PREDICT,
    load = SUPMER_STAGE_LOAD,
    train = SUPMER_STAGE_TRAIN,
    prepare = SUPMER_STAGE_PREPARE,
};

/// How far a long call is.
struct Progress {
    Stage stage;
    /// Units (steps, rows, tensors) done.
    std::uint64_t done;
    /// How many there will be at most.
    std::uint64_t total;
    /// In nats per example; NaN where there is none.
    float loss;
    /// Share of right answers on the held-out examples; NaN where there is none.
    float accuracy;
};

/// Called between steps on the thread that made the call; false stops the call with `Status::cancelled`.
using ProgressFunction = std::function<bool(const Progress &)>;

namespace detail {

/// Carries a progress function through C. What it throws is kept, stops the call, and is thrown again by `rethrow`.
class Listener {
public:
    explicit Listener(const ProgressFunction &function) noexcept : function_(function) {}

    /// Enters itself in a struct of options.
    template <typename Options> void attach(Options &options) noexcept {
        if (function_) {
            options.progress = call;
            options.progress_user_data = this;
        }
    }

    /// To be called when the C call is over.
    void rethrow() const {
        if (thrown_) {
            std::rethrow_exception(thrown_);
        }
    }

private:
    static std::int32_t call(void *user_data, const supmer_progress *raw) noexcept {
        auto &self = *static_cast<Listener *>(user_data);
        const Progress progress{static_cast<Stage>(raw->stage), raw->done, raw->total, raw->loss, raw->accuracy};
#ifdef __cpp_exceptions
        try {
            return self.function_(progress) ? 0 : 1;
        } catch (...) {
            self.thrown_ = std::current_exception();
            return 1;
        }
#else
        return self.function_(progress) ? 0 : 1;
#endif
    }

    const ProgressFunction &function_;
    std::exception_ptr thrown_;
};

} // namespace detail

} // namespace supmer

#endif
