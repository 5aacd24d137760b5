use super::*;
use crate::text::GgufVocabulary;

/// Ids are letters: every character is a token of its own, '^' is the BOS when wanted.
fn tokenizer(add_bos: bool) -> Tokenizer {
    let tokens: Vec<String> = ('!'..='~').map(|c| c.to_string()).collect();
    Tokenizer::from_gguf(&GgufVocabulary {
        model: "gpt2",
        pre: "gpt-2",
        tokens: tokens.iter().map(String::as_str).collect(),
        bos: Some(u32::from(b'^' - b'!')),
        add_bos,
        ..Default::default()
    })
    .unwrap()
}

fn fields(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn fill_with(template: &str, pairs: &[(&str, &str)], max_tokens: usize, add_bos: bool) -> Result<String> {
    let ids = Template::parse(template).unwrap().fill(&fields(pairs), &tokenizer(add_bos), max_tokens)?;
    Ok(ids.into_iter().map(|id| char::from(b'!' + id as u8)).collect())
}

fn fill(template: &str, pairs: &[(&str, &str)], max_tokens: usize) -> String {
    fill_with(template, pairs, max_tokens, false).unwrap()
}

#[test]
fn literals_fields_and_braces_are_told_apart() {
    assert_eq!(fill("<{{{a}}}>{b}{a}", &[("a", "x"), ("b", "y")], 99), "<{x}>yx");
    let template = Template::parse("{b} {a} {b}").unwrap();
    assert_eq!(template.fields().collect::<Vec<_>>(), ["b", "a"]);
}

#[test]
fn the_bos_comes_first_and_counts() {
    assert_eq!(fill_with("{a}:", &[("a", "xyz")], 99, true).unwrap(), "^xyz:");
    assert_eq!(fill_with("{a}:", &[("a", "xyz")], 4, true).unwrap(), "^xy:");
}

#[test]
fn the_longest_field_is_cut_and_the_tail_survives() {
    let pair = [("a", "aaaaaaaa"), ("b", "bbb")];
    assert_eq!(fill("{a}/{b}?", &pair, 99), "aaaaaaaa/bbb?");
    assert_eq!(fill("{a}/{b}?", &pair, 10), "aaaaa/bbb?");
    assert_eq!(fill("{a}/{b}?", &pair, 7), "aaa/bb?");
    assert_eq!(fill("{a}/{b}?", &pair, 4), "a/b?");
}

#[test]
fn cutting_is_the_same_as_taking_tokens_from_the_longest_one_by_one() {
    let texts = ["aaaaaaa", "bb", "ccccccc", ""];
    let template = "{a}{b}{c}{d}";
    let pairs: Vec<(&str, &str)> = ["a", "b", "c", "d"].into_iter().zip(texts).collect();
    for room in 3..20 {
        let mut lengths = texts.map(str::len);
        while lengths.iter().sum::<usize>() > room {
            let longest = lengths.iter().copied().max().unwrap();
            let at = lengths.iter().rposition(|length| *length == longest).unwrap();
            lengths[at] -= 1;
        }
        let expected: String = texts.iter().zip(lengths).map(|(text, length)| &text[..length]).collect();
        assert_eq!(fill(template, &pairs, room), expected, "room {room}");
    }
}

#[test]
fn long_texts_are_cut_without_reading_all_of_them() {
    let long = "x".repeat(MAX_FIELD_BYTES);
    assert_eq!(fill("{a}:", &[("a", &long)], 5), "xxxx:");
    let error = fill_with("{a}:", &[("a", &(long + "x"))], 5, false).unwrap_err();
    assert_eq!(error.status(), Status::TooLarge);
}

#[test]
fn what_cannot_be_filled_is_refused_without_showing_text() {
    for (template, pairs, max_tokens, status) in [
        ("{secret_field}", &[("a", "private")][..], 9, Status::InvalidExample),
        ("{a}", &[("a", "")][..], 9, Status::InvalidExample),
        ("{a}", &[("a", "private")][..], 0, Status::InvalidExample),
        ("{a}:", &[("a", "private")][..], 1, Status::TooLarge),
        ("{a}/{b}?", &[("a", "private"), ("b", "words")][..], 3, Status::TooLarge),
        ("{a}long", &[("a", "private")][..], 3, Status::TooLarge),
    ] {
        let error = fill_with(template, pairs, max_tokens, false).unwrap_err();
        assert_eq!(error.status(), status, "{error}");
        assert!(!error.to_string().contains("private"), "{error}");
    }
    assert_eq!(fill("{a}:", &[("a", "")], 9), ":");
    assert_eq!(fill("{a}:", &[("a", "")], 1), ":");
    assert_eq!(fill("{a}/{b}?", &[("a", "text"), ("b", "")], 3), "t/?");
    let error = fill_with("{a}:", &[("a", "text")], 1, false).unwrap_err().to_string();
    assert!(error.contains("max_tokens is 1"), "{error}");
}

#[test]
fn bad_templates_are_refused() {
    let many = "{a}".repeat(MAX_TEMPLATE_FIELDS + 1);
    let long = "{a}".to_owned() + &"x".repeat(MAX_TEMPLATE_BYTES);
    for text in ["", "no field", "{{a}}", "{a", "{a}}", "}", "{}", "{ }", "{a{b}", &many, &long] {
        assert_eq!(Template::parse(text).unwrap_err().status(), Status::InvalidTask, "{}", &text[..text.len().min(20)]);
    }
}
