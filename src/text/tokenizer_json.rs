//! The tokenizer of a Hugging Face folder: tokenizer.json, with tokenizer_config.json where there is one.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::byte_pairs::{BytePairParts, BytePairs, Uncovered};
use super::json_steps::{self, JsonSteps, StepsFor};
use super::tokenizer::{Encoder, Tokenizer};
use super::unigrams::Unigrams;
use super::user_tokens::UserTokens;
use super::vocabulary_digest::vocabulary_digest;
use crate::error::{Error, Result, Status, fail};
use crate::limits::{MAX_ADDED_TOKEN_BYTES, MAX_TOKENIZER_BYTES, MAX_VOCABULARY};

impl Tokenizer {
    /// Builds the tokenizer from the bytes of tokenizer.json and, when the folder has one, the parsed
    /// tokenizer_config.json.
    ///
    /// A BOS is taken when the configuration says `add_bos_token: true`, or says nothing about it and the file's
    /// post-processor puts a special token first. Errors: `CorruptFile` says where, `Unsupported` names a model,
    /// normalizer, pre-tokenizer or setting this build does not know, `TooLarge` above [`MAX_TOKENIZER_BYTES`].
    pub fn from_json(bytes: &[u8], config: Option<&Value>) -> Result<Self> {
        build(bytes, config).map_err(|e| e.context("tokenizer.json"))
    }
}

fn build(bytes: &[u8], config: Option<&Value>) -> Result<Tokenizer> {
    if bytes.len() > MAX_TOKENIZER_BYTES {
        return fail(
            Status::TooLarge,
            format!("at most {MAX_TOKENIZER_BYTES} bytes are accepted, {} came", bytes.len()),
        );
    }
    let file: TokenizerFile =
        serde_json::from_slice(bytes).map_err(|e| Error::new(Status::CorruptFile, e.to_string()))?;
    let kind = kind_of(&file.model)?;
    check_added(&file.added_tokens)?;
    let steps = json_steps::read(file.normalizer.as_ref(), file.pre_tokenizer.as_ref(), kind)?;
    let added = || file.added_tokens.iter().map(|token| (token.content.as_str(), token.id));
    let mut all: Vec<(&str, u32)> = file.model.vocab.tokens().into_iter().chain(added()).collect();
    let bos = match config.and_then(|config| config.get("add_bos_token")) {
        Some(Value::Bool(false)) => None,
        Some(Value::Bool(true)) => Some(configured_bos(config, &all)?),
        _ => file.post_processor.as_ref().and_then(leading_special_token),
    };
    if let Some(id) = all.iter().map(|(_, id)| *id).chain(bos).find(|id| *id as usize >= MAX_VOCABULARY) {
        return fail(Status::CorruptFile, format!("token ids 0 to {} are accepted, {id} came", MAX_VOCABULARY - 1));
    }
    // The GGUF form of a byte-fallback vocabulary has scores instead of merges; the digest must not depend on the form.
    let hashed = if file.model.byte_fallback { &[][..] } else { &file.model.merges.0 };
    let digest = vocabulary_digest(&mut all, hashed.iter().map(Merge::pair), bos);
    let space_prefix = steps.space_prefix;
    let encoder = encoder(&file, kind, steps).map_err(|e| e.context("model"))?;
    let named = |wanted: fn(&AddedToken) -> bool| {
        UserTokens::new(file.added_tokens.iter().filter(|token| wanted(token)).map(|t| (t.content.as_str(), t.id)))
    };
    Ok(Tokenizer {
        encoder,
        user_tokens: named(|token| !token.special),
        sentinels: named(AddedToken::is_sentinel),
        space_prefix,
        bos,
        digest,
    })
}

fn encoder(file: &TokenizerFile, kind: StepsFor, steps: JsonSteps) -> Result<Encoder> {
    let model = &file.model;
    let special = file.added_tokens.iter().filter(|token| token.special);
    let control: HashSet<&str> = special.map(|token| token.content.as_str()).collect();
    match (&model.vocab, kind) {
        (Vocabulary::Scored(pieces), StepsFor::Unigrams) => {
            let encoder = Unigrams::new(pieces, &control, model.unk_id, steps.normalizer, steps.pre_tokenizer)?;
            Ok(Encoder::Unigrams(Box::new(encoder)))
        }
        (Vocabulary::Numbered(_), StepsFor::BytePairs) => {
            let encoder = BytePairs::new(BytePairParts {
                tokens: model.vocab.tokens(),
                control,
                merges: model.merges.0.iter().map(Merge::pair).collect(),
                normalizer: steps.normalizer,
                pre_tokenizer: steps.pre_tokenizer,
                whole_words_first: model.ignore_merges,
                uncovered: model.unk_token.as_deref().map_or(Uncovered::Vanish, Uncovered::Token),
                fuse_unknown: model.fuse_unk,
                byte_fallback: model.byte_fallback,
                word_suffix: model.end_of_word_suffix.as_deref(),
            })?;
            Ok(Encoder::BytePairs(Box::new(encoder)))
        }
        (Vocabulary::Numbered(_), _) => fail(Status::CorruptFile, "vocab: a list of [piece, score] is needed"),
        (Vocabulary::Scored(_), _) => fail(Status::CorruptFile, "vocab: an object from token to id is needed"),
    }
}

#[derive(Deserialize)]
struct TokenizerFile {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    #[serde(default)]
    normalizer: Option<Value>,
    #[serde(default)]
    pre_tokenizer: Option<Value>,
    #[serde(default)]
    post_processor: Option<Value>,
    model: Model,
}

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
    #[serde(default)]
    special: bool,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
}

#[derive(Deserialize)]
struct Model {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    dropout: Option<f32>,
    #[serde(default)]
    unk_token: Option<String>,
    #[serde(default)]
    unk_id: Option<usize>,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    fuse_unk: bool,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
    #[serde(default)]
    vocab: Vocabulary,
    #[serde(default)]
    merges: Merges,
}

impl AddedToken {
    /// Whether it marks a gap in the text, as T5's `<extra_id_0>` does.
    fn is_sentinel(&self) -> bool {
        let number = self.content.strip_prefix("<extra_id_").and_then(|rest| rest.strip_suffix('>'));
        self.special && number.is_some_and(|number| number.parse::<u16>().is_ok())
    }
}

/// Which kind of model it is. Errors: `Unsupported` names the model or its setting.
fn kind_of(model: &Model) -> Result<StepsFor> {
    let set = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    let refused = match model.kind.as_deref() {
        Some("BPE") | None if model.dropout.is_some_and(|dropout| dropout != 0.0) => "model.dropout".to_owned(),
        Some("BPE") | None if set(&model.continuing_subword_prefix) => "model.continuing_subword_prefix".to_owned(),
        Some("BPE" | "Unigram") | None if model.vocab.is_empty() => {
            return fail(Status::CorruptFile, "model.vocab: tokens are needed, none came");
        }
        Some("BPE") | None => return Ok(StepsFor::BytePairs),
        Some("Unigram") if model.byte_fallback => "model.byte_fallback with \"Unigram\"".to_owned(),
        Some("Unigram") => return Ok(StepsFor::Unigrams),
        Some(other) => format!("model.type {:?}", other.chars().take(40).collect::<String>()),
    };
    let known = "byte pairs (\"BPE\") and \"Unigram\" are";
    fail(Status::Unsupported, format!("{refused} is not known to this build: {known}"))
}

fn check_added(added: &[AddedToken]) -> Result<()> {
    for (index, token) in added.iter().enumerate() {
        if token.content.is_empty()
            || token.content.len() > MAX_ADDED_TOKEN_BYTES
            || token.id as usize >= MAX_VOCABULARY
        {
            return fail(
                Status::CorruptFile,
                format!(
                    "added_tokens[{index}]: 1 to {MAX_ADDED_TOKEN_BYTES} bytes and an id below {MAX_VOCABULARY} are needed"
                ),
            );
        }
        if !token.special && (token.single_word || token.lstrip || token.rstrip) {
            return fail(
                Status::Unsupported,
                format!("added_tokens[{index}]: single_word, lstrip and rstrip are not known to this build"),
            );
        }
    }
    Ok(())
}

/// The id of tokenizer_config.json's `bos_token`, a text or an object with `content`.
fn configured_bos(config: Option<&Value>, tokens: &[(&str, u32)]) -> Result<u32> {
    let token = config.and_then(|config| config.get("bos_token"));
    let text = token.and_then(|token| token.as_str().or_else(|| token.get("content")?.as_str()));
    let id = text.and_then(|text| tokens.iter().rev().find(|(token, _)| *token == text));
    id.map(|(_, id)| *id).ok_or_else(|| {
        Error::new(
            Status::CorruptFile,
            "tokenizer_config.json says add_bos_token, but its bos_token is not a token of the vocabulary",
        )
    })
}

/// The special token that a template puts in front of a single text.
fn leading_special_token(processor: &Value) -> Option<u32> {
    match processor.get("type")?.as_str()? {
        "Sequence" => processor.get("processors")?.as_array()?.iter().find_map(leading_special_token),
        "TemplateProcessing" => {
            let name = processor.get("single")?.get(0)?.get("SpecialToken")?.get("id")?.as_str()?;
            let id = processor.get("special_tokens")?.get(name)?.get("ids")?.get(0)?.as_u64()?;
            u32::try_from(id).ok()
        }
        _ => None,
    }
}

/// `vocab`, bounded while it is read.
enum Vocabulary {
    /// An object from text to id (byte pairs).
    Numbered(Vec<(String, u32)>),
    /// A list of [text, log-probability] in order of the ids (unigrams).
    Scored(Vec<(String, f64)>),
}

impl Vocabulary {
    fn is_empty(&self) -> bool {
        match self {
            Vocabulary::Numbered(tokens) => tokens.is_empty(),
            Vocabulary::Scored(pieces) => pieces.is_empty(),
        }
    }

    /// Texts with their ids.
    fn tokens(&self) -> Vec<(&str, u32)> {
        match self {
            Vocabulary::Numbered(tokens) => tokens.iter().map(|(text, id)| (text.as_str(), *id)).collect(),
            Vocabulary::Scored(pieces) => pieces.iter().zip(0..).map(|((text, _), id)| (text.as_str(), id)).collect(),
        }
    }
}

impl Default for Vocabulary {
    fn default() -> Self {
        Vocabulary::Numbered(Vec::new())
    }
}

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Entries;
        fn too_many<E: de::Error>() -> E {
            E::custom(format_args!("vocab: at most {MAX_VOCABULARY} tokens are accepted"))
        }
        impl<'de> Visitor<'de> for Entries {
            type Value = Vocabulary;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object from token to id or a list of [piece, score]")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Vocabulary, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    if entries.len() == MAX_VOCABULARY {
                        return Err(too_many());
                    }
                    entries.push(entry);
                }
                Ok(Vocabulary::Numbered(entries))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Vocabulary, A::Error> {
                let mut pieces = Vec::new();
                while let Some(piece) = list.next_element()? {
                    if pieces.len() == MAX_VOCABULARY {
                        return Err(too_many());
                    }
                    pieces.push(piece);
                }
                Ok(Vocabulary::Scored(pieces))
            }
        }
        deserializer.deserialize_any(Entries)
    }
}

/// `merges`: a list of "left right" or of [left, right], bounded while it is read.
#[derive(Default)]
struct Merges(Vec<Merge>);

struct Merge(String, String);

impl Merge {
    fn pair(&self) -> (&str, &str) {
        (&self.0, &self.1)
    }
}

impl<'de> Deserialize<'de> for Merges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Merges;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of merges")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Merges, A::Error> {
                let mut merges = Vec::new();
                while let Some(merge) = list.next_element()? {
                    if merges.len() == 4 * MAX_VOCABULARY {
                        return Err(de::Error::custom(format_args!(
                            "merges: at most {} are accepted",
                            4 * MAX_VOCABULARY
                        )));
                    }
                    merges.push(merge);
                }
                Ok(Merges(merges))
            }
        }
        deserializer.deserialize_seq(Entries)
    }
}

impl<'de> Deserialize<'de> for Merge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Entry;
        impl<'de> Visitor<'de> for Entry {
            type Value = Merge;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a merge: \"left right\" or [\"left\", \"right\"]")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<Merge, E> {
                match text.split_once(' ') {
                    Some((left, right)) if !right.contains(' ') => Ok(Merge(left.to_owned(), right.to_owned())),
                    _ => Err(E::custom("a merge is two tokens with one space between them")),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Merge, A::Error> {
                let wrong = || de::Error::custom("a merge is two tokens");
                let merge = Merge(list.next_element()?.ok_or_else(wrong)?, list.next_element()?.ok_or_else(wrong)?);
                if list.next_element::<IgnoredAny>()?.is_some() { Err(wrong()) } else { Ok(merge) }
            }
        }
        deserializer.deserialize_any(Entry)
    }
}

#[cfg(test)]
#[path = "tokenizer_json_tests.rs"]
mod tests;
