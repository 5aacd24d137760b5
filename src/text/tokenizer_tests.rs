use super::*;
use crate::text::GgufVocabulary;

/// Letters, a few merges and a space, cut like GPT-2.
fn tokenizer() -> Tokenizer {
    Tokenizer::from_gguf(&GgufVocabulary {
        model: "gpt2",
        pre: "gpt-2",
        tokens: vec!["a", "b", "Ġ", "aa", "aaaa", "Ġb", "ĠĠ", "ĠĠĠĠ", ".", "ä", "¸", "Ń"],
        merges: vec!["a a", "aa aa", "Ġ b", "Ġ Ġ", "ĠĠ ĠĠ"],
        ..Default::default()
    })
    .unwrap()
}

#[test]
fn the_first_tokens_of_long_text_are_those_of_the_whole() {
    let tokenizer = tokenizer();
    let words = "aaa b. aa  b ".repeat(3_000);
    let long_word = "a".repeat(60_000);
    let spaces = " ".repeat(60_001) + "b";
    let han = "中".repeat(20_000);
    for text in [words.as_str(), &long_word, &spaces, &han, "a b", ""] {
        let whole = tokenizer.encode(text).unwrap();
        for count in [0, 1, 7, 400, 5_000, 100_000] {
            let kept = tokenizer.encode_at_most(text, count).unwrap();
            assert_eq!(kept, whole[..count.min(whole.len())], "{count} of {} bytes", text.len());
        }
    }
}

#[test]
fn large_text_is_encoded_in_parts_that_change_nothing() {
    let tokenizer = tokenizer();
    let sentence = "aaa b. aa  b\n\n aaaa.b ";
    let times = 2 * LARGE_TEXT / sentence.len();
    let one = tokenizer.encode(sentence).unwrap();
    let all = tokenizer.encode(&sentence.repeat(times)).unwrap();
    let seam = tokenizer.encode(&sentence.repeat(2)).unwrap();
    // The last space of a sentence and the first word of the next are tokens of their own: sentences are independent.
    assert_eq!(seam, one.repeat(2));
    assert_eq!(all, one.repeat(times));
}

#[test]
fn a_window_ends_between_words_where_it_can() {
    assert_eq!(start_of("aaaa bbbb cccc", 12), ("aaaa bbbb", true));
    assert_eq!(start_of("aaaa     bbbbbbbbbb", 12), ("aaaa     bbb", false));
    assert_eq!(start_of("中中中中", 7), ("中中", false));
}

#[test]
fn huge_inputs_end_soon() {
    let tokenizer = tokenizer();
    let start = std::time::Instant::now();
    for text in ["a".repeat(4 << 20), " ".repeat(4 << 20), "中".repeat(1 << 20), "a b. ".repeat(800_000)] {
        assert_eq!(tokenizer.encode_at_most(&text, 2_000).unwrap().len(), 2_000);
    }
    for text in ["a".repeat(100_000), " ".repeat(100_000), "中".repeat(100_000)] {
        assert!(!tokenizer.encode(&text).unwrap().is_empty());
    }
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}
