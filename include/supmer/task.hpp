/// What to learn.
#ifndef SUPMER_TASK_HPP
#define SUPMER_TASK_HPP

#include <cstddef>
#include <string_view>

#include "handle.hpp"
#include "result.hpp"

namespace supmer {

/// Labels, each with the word the model shall say for it (its verbalizer), a template, and labelled examples.
class Task : public detail::Handle<supmer_task, supmer_task_free> {
public:
    using Handle::Handle;

    /// A task without labels, template or examples.
    static Result<Task> create(std::string_view name) {
        return detail::make<Task>([&](supmer_task **out, supmer_error **error) {
            return supmer_task_new(name.data(), name.size(), out, error);
        });
    }

    /// Reads name, template and labels from a task.json.
    static Result<Task> read(std::string_view path) {
        return detail::make<Task>([&](supmer_task **out, supmer_error **error) {
            return supmer_task_read(path.data(), path.size(), out, error);
        });
    }

    /// Adds a label; predictions list labels in the order in which they were added.
    Result<void> add_label(std::string_view name, std::string_view verbalizer) {
        return detail::attempt([&](supmer_error **error) {
            return supmer_task_add_label(get(), name.data(), name.size(), verbalizer.data(), verbalizer.size(), error);
        });
    }

    /// Sets the template: text with fields in braces, such as "{text}\nSentiment:".
    Result<void> set_template(std::string_view text) {
        return detail::attempt([&](supmer_error **error) {
            return supmer_task_set_template(get(), text.data(), text.size(), error);
        });
    }

    /// Adds an example for a template with the field {text}.
    Result<void> add_example(std::string_view text, std::string_view label) {
        return detail::attempt([&](supmer_error **error) {
            return supmer_task_add_example(get(), text.data(), text.size(), label.data(), label.size(), error);
        });
    }

    /// Adds an example for a template with the fields {text_a} and {text_b}.
    Result<void> add_example_pair(std::string_view text_a, std::string_view text_b, std::string_view label) {
        return detail::attempt([&](supmer_error **error) {
            return supmer_task_add_example_pair(get(), text_a.data(), text_a.size(), text_b.data(), text_b.size(),
                                                label.data(), label.size(), error);
        });
    }

    /// Adds an example with any fields, as a JSON object with its "label".
    Result<void> add_example_json(std::string_view json) {
        return detail::attempt([&](supmer_error **error) {
            return supmer_task_add_example_json(get(), json.data(), json.size(), error);
        });
    }

    /// How many examples there are.
    std::size_t count() const noexcept { return supmer_task_count(get()); }
};

} // namespace supmer

#endif
