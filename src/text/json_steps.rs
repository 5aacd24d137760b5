//! The normalizer and pre-tokenizer of a tokenizer.json: only steps of bounded cost, others are refused by name.

use serde_json::{Value, json};
use tokenizers::normalizers::{NormalizerWrapper, Sequence as Normalizers};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;

use super::charsmap;
use super::split_pattern;
use super::tokenizer::SpacePrefix;
use crate::error::{Error, Result, Status, fail};

/// Most steps of one kind.
const MAX_STEPS: usize = 8;
/// Most bytes of a pattern.
const MAX_PATTERN_BYTES: usize = 4096;

/// Which tokens the steps prepare text for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepsFor {
    /// Byte pairs: the space in front is kept apart because parts of a template go without it.
    BytePairs,
    /// Unigrams: every part has the space in front, as T5 was trained and as parts are tokenized where they come from
    /// (method section 7); SentencePiece's own normalizers are known.
    Unigrams,
}

/// What happens to text before the merges.
#[derive(Default)]
pub(super) struct JsonSteps {
    pub(super) normalizer: Option<NormalizerWrapper>,
    pub(super) pre_tokenizer: Option<PreTokenizerWrapper>,
    pub(super) space_prefix: SpacePrefix,
}

/// Reads both. Errors: `Unsupported` names the step, `CorruptFile` when a known step has wrong settings.
pub(super) fn read(
    normalizer: Option<&Value>,
    pre_tokenizer: Option<&Value>,
    steps_for: StepsFor,
) -> Result<JsonSteps> {
    let unigrams = steps_for == StepsFor::Unigrams;
    let mut space_prefix = SpacePrefix::default();
    let mut normalizers: Vec<NormalizerWrapper> = Vec::new();
    for step in flatten(normalizer, "normalizer", "normalizers")? {
        match kind_of(step) {
            "NFC" | "NFD" | "NFKC" | "NFKD" | "Lowercase" => normalizers.push(parse(step, "normalizer")?),
            "Precompiled" if unigrams => {
                charsmap::check(step["precompiled_charsmap"].as_str().unwrap_or_default())?;
                normalizers.push(parse(step, "normalizer")?);
            }
            "Strip" if unigrams => normalizers.push(parse(step, "normalizer")?),
            "Replace" if unigrams && joins_spaces(step) => normalizers.push(parse(step, "normalizer")?),
            "Replace" if replaces_spaces(step) => normalizers.push(parse(step, "normalizer")?),
            "Prepend" if !unigrams && step["prepend"] == "▁" => {
                space_prefix = SpacePrefix { at_start: true, after_user_tokens: true, unless_spaced: false };
            }
            other => return refused("normalizer", other),
        }
    }
    let mut pre_tokenizers: Vec<PreTokenizerWrapper> = Vec::new();
    for step in flatten(pre_tokenizer, "pre_tokenizer", "pretokenizers")? {
        match kind_of(step) {
            "Digits" | "ByteLevel" | "Punctuation" | "Whitespace" | "WhitespaceSplit" => {}
            "Split" if step["pattern"].to_string().len() <= MAX_PATTERN_BYTES => {
                // Any other form of pattern is text that is looked for as it is.
                if let Some(pattern) = step["pattern"]["Regex"].as_str() {
                    split_pattern::check(pattern).map_err(|e| e.context("pre_tokenizer"))?;
                }
            }
            "Metaspace" => {}
            other => return refused("pre_tokenizer", other),
        }
        let mut parsed = parse(step, "pre_tokenizer")?;
        if let PreTokenizerWrapper::Metaspace(metaspace) = &mut parsed
            && !unigrams
        {
            space_prefix = take_prefix(metaspace);
        }
        pre_tokenizers.push(parsed);
    }
    let normalizer = (!normalizers.is_empty()).then(|| NormalizerWrapper::Sequence(Normalizers::new(normalizers)));
    let pre_tokenizer =
        (!pre_tokenizers.is_empty()).then(|| PreTokenizerWrapper::Sequence(PreTokenizers::new(pre_tokenizers)));
    Ok(JsonSteps { normalizer, pre_tokenizer, space_prefix })
}

/// The steps of a step or of a one-level sequence of steps.
fn flatten<'a>(step: Option<&'a Value>, what: &str, list: &str) -> Result<Vec<&'a Value>> {
    let steps = match step {
        None | Some(Value::Null) => Vec::new(),
        Some(step) if kind_of(step) == "Sequence" => match step.get(list).and_then(Value::as_array) {
            Some(steps) => steps.iter().collect(),
            None => return fail(Status::CorruptFile, format!("{what}: a Sequence needs the list {list:?}")),
        },
        Some(step) => vec![step],
    };
    if steps.len() > MAX_STEPS {
        return fail(
            Status::Unsupported,
            format!("{what}: at most {MAX_STEPS} steps are accepted, {} came", steps.len()),
        );
    }
    Ok(steps)
}

fn kind_of(step: &Value) -> &str {
    step.get("type").and_then(Value::as_str).unwrap_or("without a type")
}

fn replaces_spaces(step: &Value) -> bool {
    step["pattern"] == json!({"String": " "}) && step["content"] == "▁"
}

/// Runs of spaces become one, or one mark.
fn joins_spaces(step: &Value) -> bool {
    step["pattern"] == json!({"Regex": " {2,}"}) && (step["content"] == " " || step["content"] == "▁")
}

fn refused<T>(what: &str, kind: &str) -> Result<T> {
    let kind: String = kind.chars().take(40).collect();
    fail(Status::Unsupported, format!("{what} {kind:?} with these settings is not known to this build"))
}

fn parse<T: serde::de::DeserializeOwned>(step: &Value, what: &str) -> Result<T> {
    serde_json::from_value(step.clone()).map_err(|_| {
        Error::new(Status::CorruptFile, format!("{what} {:?}: its settings cannot be read", kind_of(step)))
    })
}

/// Takes the space that a Metaspace step puts in front of text out of the step.
fn take_prefix(metaspace: &mut tokenizers::pre_tokenizers::metaspace::Metaspace) -> SpacePrefix {
    use tokenizers::pre_tokenizers::metaspace::PrependScheme;
    let scheme = metaspace.get_prepend_scheme();
    metaspace.set_prepend_scheme(PrependScheme::Never);
    SpacePrefix {
        at_start: scheme != PrependScheme::Never,
        after_user_tokens: scheme == PrependScheme::Always,
        unless_spaced: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(normalizer: Value, pre_tokenizer: Value) -> Error {
        read(Some(&normalizer), Some(&pre_tokenizer), StepsFor::BytePairs).err().unwrap()
    }

    fn spaces(content: &str) -> Value {
        json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": content})
    }

    #[test]
    fn the_space_in_front_is_taken_out_of_the_steps() {
        let spaced = json!({"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]});
        let steps = read(Some(&spaced), None, StepsFor::BytePairs).unwrap();
        assert_eq!(steps.space_prefix, SpacePrefix { at_start: true, after_user_tokens: true, unless_spaced: false });
        assert!(steps.normalizer.is_some() && steps.pre_tokenizer.is_none());
        let metaspace = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false});
        let steps = read(None, Some(&metaspace), StepsFor::BytePairs).unwrap();
        assert_eq!(steps.space_prefix, SpacePrefix { at_start: true, after_user_tokens: false, unless_spaced: true });
        assert!(read(None, None, StepsFor::BytePairs).unwrap().pre_tokenizer.is_none());
        let steps = read(None, Some(&metaspace), StepsFor::Unigrams).unwrap();
        assert_eq!(steps.space_prefix, SpacePrefix::default());
    }

    #[test]
    fn costly_or_unknown_steps_are_refused_by_name() {
        let long =
            json!({"type": "Split", "pattern": {"Regex": "a".repeat(5000)}, "behavior": "Isolated", "invert": false});
        let blow_up = json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaa"});
        let nested = json!({"type": "Sequence", "pretokenizers": [{"type": "Sequence", "pretokenizers": []}]});
        let many = json!({"type": "Sequence", "pretokenizers": vec![json!({"type": "Whitespace"}); 9]});
        for (error, name) in [
            (error(json!({"type": "Precompiled"}), Value::Null), "Precompiled"),
            (error(blow_up, Value::Null), "Replace"),
            (error(json!(7), Value::Null), "without a type"),
            (error(Value::Null, long), "Split"),
            (error(Value::Null, nested), "Sequence"),
            (error(Value::Null, many), "9"),
        ] {
            assert_eq!(error.status(), Status::Unsupported);
            assert!(error.to_string().contains(name), "{error}");
        }
        let map = json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"});
        assert_eq!(read(Some(&map), None, StepsFor::Unigrams).err().unwrap().status(), Status::CorruptFile);
        assert!(read(Some(&spaces("▁")), None, StepsFor::Unigrams).is_ok());
        assert!(read(Some(&spaces("__")), None, StepsFor::Unigrams).is_err());
        assert!(read(Some(&spaces("▁")), None, StepsFor::BytePairs).is_err());
        let ahead = json!({"type": "Split", "pattern": {"Regex": "(?=a)"}, "behavior": "Isolated", "invert": false});
        assert_eq!(error(Value::Null, ahead).status(), Status::Unsupported);
        let bad_regex = json!({"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated", "invert": false});
        for bad in [bad_regex, json!({"type": "Digits", "individual_digits": "x"}), json!({"type": "Sequence"})] {
            assert_eq!(error(Value::Null, bad).status(), Status::CorruptFile);
        }
    }
}
