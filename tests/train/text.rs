//! Text to train on: short documents that each stay with one subject.

use std::path::Path;

const SUBJECTS: [(&str, [&str; 6]); 8] = [
    ("the bakery", ["dough", "oven", "crust", "flour", "loaf", "yeast"]),
    ("the harbour", ["anchor", "tide", "crane", "ferry", "rope", "gull"]),
    ("the orchard", ["apple", "ladder", "blossom", "basket", "wasp", "cider"]),
    ("the workshop", ["hammer", "bench", "glue", "plank", "vice", "saw"]),
    ("the clinic", ["nurse", "bandage", "pulse", "ward", "tablet", "fever"]),
    ("the school", ["pupil", "chalk", "lesson", "essay", "recess", "exam"]),
    ("the theatre", ["curtain", "actor", "applause", "script", "costume", "stage"]),
    ("the railway", ["signal", "platform", "engine", "ticket", "carriage", "tunnel"]),
];
const OPENINGS: [&str; 5] =
    ["In the morning", "After lunch", "Late in the evening", "Twice a week", "To everyone's relief"];
const VERBS: [&str; 5] = [
    "was checked by two people",
    "caused a small delay",
    "looked better than before",
    "had to be replaced",
    "was mentioned again",
];

/// Writes `documents` documents of five sentences each to `folder`, in two files.
pub fn write_corpus(folder: &Path, documents: usize) {
    std::fs::create_dir_all(folder).unwrap();
    let document = |at: usize| {
        let (place, words) = SUBJECTS[at % SUBJECTS.len()];
        let sentence = |n: usize| {
            let (word, other) = (words[(at / 8 + n) % 6], words[(at / 8 + 2 * n + 1) % 6]);
            let (opening, verb) = (OPENINGS[(at + n) % 5], VERBS[(at / 5 + 3 * n) % 5]);
            format!("{opening} the {word} near {place} {verb}, and the {other} came next on list {at}.")
        };
        (0..5).map(sentence).collect::<Vec<_>>().join(" ")
    };
    let lines: String = (0..documents / 2).map(|at| document(at) + "\n\n").collect();
    std::fs::write(folder.join("a.txt"), lines).unwrap();
    let json = |at| serde_json::json!({ "text": document(at) }).to_string() + "\n";
    std::fs::write(folder.join("b.jsonl"), (documents / 2..documents).map(json).collect::<String>()).unwrap();
}
