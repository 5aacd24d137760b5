import CSupmer
import Foundation

/// A task in the library's hands, for the time of one call. It can be changed there, so no one outside sees it.
final class TaskHandle: HandleOwner {
    let handle: OpaquePointer

    init(_ task: TaskDefinition) throws(SupmerError) {
        handle = try makeHandle { supmer_task_new(task.name, task.name.utf8.count, $0, $1) }
        for label in task.labels {
            try add(label)
        }
        try setTemplate(task.template)
        for example in task.examples {
            try add(example)
        }
    }

    /// A task from a `task.json` file.
    init(contentsOf path: String) throws(SupmerError) {
        handle = try makeHandle { supmer_task_read(path, path.utf8.count, $0, $1) }
    }

    deinit {
        supmer_task_free(handle)
    }

    private func add(_ label: TaskDefinition.Label) throws(SupmerError) {
        let (name, verbalizer) = (label.name, label.verbalizer)
        try check { error in
            withHandle {
                supmer_task_add_label($0, name, name.utf8.count, verbalizer, verbalizer.utf8.count, error)
            }
        }
    }

    private func setTemplate(_ template: String) throws(SupmerError) {
        try check { error in
            withHandle { supmer_task_set_template($0, template, template.utf8.count, error) }
        }
    }

    private func add(_ example: Example) throws(SupmerError) {
        try check { error in
            withHandle { task in
                switch example.form {
                case .text(let text, let label):
                    supmer_task_add_example(task, text, text.utf8.count, label, label.utf8.count, error)
                case .pair(let first, let second, let label):
                    supmer_task_add_example_pair(
                        task, first, first.utf8.count, second, second.utf8.count, label, label.utf8.count, error)
                case .json(let json):
                    supmer_task_add_example_json(task, json, json.utf8.count, error)
                }
            }
        }
    }
}

extension TaskDefinition {
    /// Reads name, template and labels from a `task.json` file:
    /// `{"name": "...", "template": "{text}\nSentiment:", "labels": [{"name": "...", "verbalizer": " ..."}, ...]}`.
    ///
    /// Throws ``Status/notFound``, ``Status/io``, ``Status/corruptFile``, ``Status/tooLarge``, ``Status/invalidTask``.
    public init(contentsOf path: String) throws(SupmerError) {
        _ = try TaskHandle(contentsOf: path)
        do {
            self = try JSONDecoder().decode(TaskDefinition.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
        } catch {
            throw SupmerError(status: .corruptFile, message: "\(path) holds what this package cannot read: \(error)")
        }
    }
}
