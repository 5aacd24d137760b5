import Foundation

/// A labelled example of a task.
public struct Example: Hashable, Sendable {
    enum Form: Hashable, Sendable {
        case text(String, label: String)
        case pair(String, String, label: String)
        case json(String)
    }

    let form: Form

    /// An example for a template with the field `{text}`.
    public init(_ text: String, label: String) {
        form = .text(text, label: label)
    }

    /// An example for a template with the fields `{text_a}` and `{text_b}`.
    public init(_ textA: String, _ textB: String, label: String) {
        form = .pair(textA, textB, label: label)
    }

    /// An example with any fields and its "label", as a JSON object such as
    /// `{"title": "...", "body": "...", "label": "..."}`. Members that the template does not name are left out.
    public init(json: String) {
        form = .json(json)
    }
}
