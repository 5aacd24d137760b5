//! Which word is missing? (our extension, after the subset masked language modelling tasks of Bansal et al. 2020)

use super::draw::{Draw, DrawnSets};
use super::options::SetSizes;
use crate::error::Result;

/// The answers are words; each sentence holds one of them, once, and none of the others. It is cut out. Sentences are of the
/// part that the words are of.
pub(super) fn hidden_word(draw: &mut Draw<'_>, sizes: SetSizes) -> Result<DrawnSets> {
    let count = 2 + draw.random.below(draw.choices - 1);
    let words = draw.until(|draw| {
        let words = draw.distinct(&draw.part.words, count)?;
        Ok(draw.words()?.differ(&words).then_some(words))
    })?;
    let mut answers = Vec::with_capacity(count);
    let mut candidates = Vec::with_capacity(count);
    let mut clusters = Vec::with_capacity(count);
    for &word in &words {
        let examples = draw.words()?.examples(word).to_vec();
        answers.push(draw.words()?.text(word).to_owned());
        clusters.push(draw.words()?.home(word));
        candidates.push(draw.distinct(&examples, examples.len())?);
    }
    let [support, query] = draw.classes(sizes, candidates, |text, label| {
        let (before, after) = cut_out(&text, label, &answers)?;
        Some(vec![("before", before), ("after", after)])
    })?;
    Ok(DrawnSets { answers, clusters, support, query })
}

/// What stands before and after the only one of `words` in `text`; `None` unless that is `words[label]`, once.
fn cut_out(text: &str, label: usize, words: &[String]) -> Option<(String, String)> {
    if words.iter().enumerate().any(|(at, word)| at != label && find_word(text, word).is_some()) {
        return None;
    }
    let start = find_word(text, &words[label])?;
    let (before, after) = (&text[..start], &text[start + words[label].len()..]);
    find_word(after, &words[label]).is_none().then(|| (before.trim_end().to_owned(), after.to_owned()))
}

/// Where `word`, in lower case, stands in `text` as a whole word in any case.
pub(super) fn find_word(text: &str, word: &str) -> Option<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '\'';
    text.char_indices().map(|(at, _)| at).find(|&at| {
        text.get(at..at + word.len()).is_some_and(|part| part.eq_ignore_ascii_case(word))
            && !text[..at].ends_with(is_word)
            && !text[at + word.len()..].starts_with(is_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_whole_and_cut_out_when_alone() {
        assert_eq!(find_word("Rain, rainy rain", "rain"), Some(0));
        assert_eq!(find_word("rainy terrain's brain", "rain"), None);
        assert_eq!(find_word("ünrain ü rain", "rain"), Some(11));
        let words = ["rain".to_owned(), "wind".to_owned()];
        let expected = Some(("The".to_owned(), " fell.".to_owned()));
        assert_eq!(cut_out("The Rain fell.", 0, &words), expected);
        for text in ["The rain fell on rain.", "The rain and wind.", "The sun."] {
            assert_eq!(cut_out(text, 0, &words), None);
        }
    }
}
