//! A paragraph's sentences.

use unicode_segmentation::UnicodeSegmentation;

/// Words, without their last dot, that seldom end a sentence. Single letters never do.
const ABBREVIATIONS: [&str; 43] = [
    "al", "approx", "apr", "assn", "aug", "ave", "bros", "capt", "cf", "co", "col", "corp", "dec", "dept", "dr", "ed",
    "est", "etc", "feb", "fig", "gen", "gov", "inc", "jan", "jr", "lt", "ltd", "maj", "messrs", "mr", "mrs", "ms",
    "mt", "nov", "oct", "pp", "prof", "rev", "sen", "sept", "sgt", "st", "vs",
];

/// The sentences of `paragraph` in order, trimmed, none empty. Pieces after an abbreviation ("Mr.", "e.g.", an initial) and
/// those that start with a small letter belong to the sentence before.
pub fn split(paragraph: &str) -> impl Iterator<Item = &str> {
    let mut bounds = paragraph.split_sentence_bound_indices().peekable();
    std::iter::from_fn(move || {
        let (start, piece) = bounds.next()?;
        let mut end = start + piece.len();
        while let Some((next, piece)) = bounds
            .next_if(|(_, next)| next.starts_with(char::is_lowercase) || ends_in_abbreviation(&paragraph[start..end]))
        {
            end = next + piece.len();
        }
        Some(paragraph[start..end].trim())
    })
    .filter(|sentence| !sentence.is_empty())
}

fn ends_in_abbreviation(text: &str) -> bool {
    let Some(text) = text.trim_end().strip_suffix('.') else { return false };
    let word = text.rsplit(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
    // "J." and "U.S.", but not "plan B." at a paragraph's end, where nothing follows anyway.
    let initials = !word.is_empty() && word.split('.').all(|part| part.chars().count() == 1 && part != "I");
    initials || ABBREVIATIONS.binary_search(&word.to_lowercase().as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(paragraph: &str, expected: &[&str]) {
        assert_eq!(split(paragraph).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn abbreviations_are_sorted() {
        assert!(ABBREVIATIONS.is_sorted());
    }

    #[test]
    fn sentences_end_where_readers_end_them() {
        check("It rained. Did it? Yes!  We left.", &["It rained.", "Did it?", "Yes!", "We left."]);
        check(
            "Mr. Hale met Dr. Voss at 5 p.m. on Main St. in May. Nobody knew.",
            &["Mr. Hale met Dr. Voss at 5 p.m. on Main St. in May.", "Nobody knew."],
        );
        check(
            "The U.S. Senate met J. R. Smith. He paid $3.50 for it.",
            &["The U.S. Senate met J. R. Smith.", "He paid $3.50 for it."],
        );
        check("\"Stop!\" he said. So did I. We went home.", &["\"Stop!\" he said.", "So did I.", "We went home."]);
        check("   ", &[]);
        check("no end", &["no end"]);
    }
}
