import Foundation

/// What to learn: labels, a template that turns a text into a question, and labelled examples.
///
/// A task is a plain value; the library judges it when it is used. Its coded form is that of a `task.json` file, which
/// has no examples. (Its name leaves `Task` to Swift's concurrency.)
public struct TaskDefinition: Hashable, Sendable {
    /// One of the answers.
    public struct Label: Hashable, Sendable, Codable {
        /// The label as examples name it.
        public var name: String
        /// What the model shall say for it, usually a space and one common word: " great".
        public var verbalizer: String

        public init(_ name: String, verbalizer: String) {
            self.name = name
            self.verbalizer = verbalizer
        }
    }

    /// What to call the task; kept in adapters.
    public var name: String
    /// Text with fields in braces, such as "{text}\nSentiment:". The model reads it, filled in, before it says the
    /// verbalizer.
    public var template: String
    /// The answers, in the order in which predictions list them.
    public var labels: [Label]
    /// What the answers are learned from.
    public var examples: [Example]

    public init(name: String, template: String, labels: [Label], examples: [Example] = []) {
        self.name = name
        self.template = template
        self.labels = labels
        self.examples = examples
    }
}

extension TaskDefinition: Codable {
    private enum CodingKeys: CodingKey {
        case name, template, labels
    }

    public init(from decoder: any Decoder) throws {
        let task = try decoder.container(keyedBy: CodingKeys.self)
        name = try task.decodeIfPresent(String.self, forKey: .name) ?? ""
        template = try task.decode(String.self, forKey: .template)
        labels = try task.decode([Label].self, forKey: .labels)
        examples = []
    }
}
