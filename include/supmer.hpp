/// supmer.hpp: the C interface of libsupmer for C++17, header-only.
///
///     auto model = supmer::Model::load("model.gguf").value_or_throw();
///     auto task = supmer::Task::read("task.json").value_or_throw();
///     task.add_example("Broke on the second day.", "negative").value_or_throw();
///     ...
///     auto [adapter, report] = supmer::adapt(model, task).value_or_throw();
///     auto prediction = supmer::predict(model, adapter, "I would buy it again.").value_or_throw();
///
/// supmer.h is the manual of what each call does; this header adds three things to it.
///
/// Ownership. Classes own their handle, move and do not copy (`Cancel` copies share one flag); objects may end in any
/// order. A moved-from object gives `Status::invalid_argument` when it is used. `get()` lends the C handle.
///
/// Errors. A call that can fail returns `Result<T>`: test it, then take `value()` or `error()`. Taking the one that is
/// not there ends the program. Where exceptions are on, `value_or_throw()` throws `Failure` instead; the library itself
/// throws nothing but `std::bad_alloc`, and what a progress function of yours throws comes out of the call it stopped.
///
/// Threads. As in supmer.h: const member functions may run at the same time on one object, others may not.
///
/// Built with -fno-exceptions or -fno-rtti it is the same without `Failure` and `value_or_throw()`.
#ifndef SUPMER_HPP
#define SUPMER_HPP

#include "supmer/adapt.hpp"
#include "supmer/adapter.hpp"
#include "supmer/bundle.hpp"
#include "supmer/log.hpp"
#include "supmer/model.hpp"
#include "supmer/predict.hpp"
#include "supmer/progress.hpp"
#include "supmer/result.hpp"
#include "supmer/span.hpp"
#include "supmer/status.hpp"
#include "supmer/task.hpp"
#include "supmer/version.hpp"

#endif
