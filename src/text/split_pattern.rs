//! Which patterns a tokenizer.json may cut text with: those whose matches take time linear in the text.
//!
//! `fancy-regex`, which runs them, hands to the linear engine of `regex` what that engine knows and tries the rest in all
//! ways there are. Of that rest tokenizers need one thing alone: white space up to the last before a word.

use std::sync::LazyLock;

use fancy_regex::{Assertion, Expr};
use regex::RegexBuilder;

use crate::backbone::excerpt::excerpt;
use crate::error::{Error, Result, Status, fail};

/// The one alternative with a look-ahead: it steps back once.
const SPACE_BEFORE_WORD: &str = r"\s+(?!\S)";
/// Most bytes that a compiled pattern takes.
const MAX_COMPILED_BYTES: usize = 10 << 20;

/// Checks `pattern`. Errors: `CorruptFile` when it is no pattern, `Unsupported` when it asks for more than the linear
/// engine gives.
pub(super) fn check(pattern: &str) -> Result<()> {
    static SPACE: LazyLock<Option<Expr>> = LazyLock::new(|| tree(SPACE_BEFORE_WORD).ok());
    let alternatives = match tree(pattern)? {
        Expr::Alt(alternatives) => alternatives,
        other => vec![other],
    };
    let rest: Vec<Expr> = alternatives.into_iter().filter(|expr| SPACE.as_ref() != Some(expr)).collect();
    if let Some(refused) = rest.iter().find_map(refused) {
        let message = format!(
            "a Split pattern with {refused} is not accepted, since one match may then take any time: write it without, \
             look-around only as the alternative {SPACE_BEFORE_WORD}"
        );
        return fail(Status::Unsupported, message);
    }
    let mut linear = String::new();
    Expr::Alt(rest).to_str(&mut linear, 0);
    let compiled = RegexBuilder::new(&linear).size_limit(MAX_COMPILED_BYTES).build();
    match compiled {
        Ok(_) => Ok(()),
        Err(regex::Error::CompiledTooBig(most)) => fail(
            Status::Unsupported,
            format!("a Split pattern takes more than {most} bytes; write its repeats shorter"),
        ),
        Err(error) => Err(no_pattern(&error.to_string())),
    }
}

/// The pattern as `fancy-regex` reads it.
fn tree(pattern: &str) -> Result<Expr> {
    Expr::parse_tree(pattern).map(|tree| tree.expr).map_err(|error| no_pattern(&error.to_string()))
}

fn no_pattern(error: &str) -> Error {
    Error::new(Status::CorruptFile, format!("a Split pattern cannot be read: {}", excerpt(error)))
}

/// What of `expr` the linear engine is not given.
fn refused(expr: &Expr) -> Option<&'static str> {
    match expr {
        Expr::Empty | Expr::Any { .. } | Expr::Literal { .. } | Expr::Delegate { .. } => None,
        Expr::Assertion(
            Assertion::StartText | Assertion::EndText | Assertion::StartLine { .. } | Assertion::EndLine { .. },
        ) => None,
        Expr::Assertion(_) => Some("a word boundary"),
        Expr::Concat(parts) | Expr::Alt(parts) => parts.iter().find_map(refused),
        Expr::Group(inner) | Expr::Repeat { child: inner, .. } => refused(inner),
        Expr::LookAround(..) => Some("look-around"),
        Expr::AtomicGroup(_) => Some("an atomic group or a possessive repeat"),
        Expr::Backref(_) | Expr::BackrefExistsCondition(_) | Expr::Conditional { .. } => {
            Some("a back reference or a condition")
        }
        Expr::KeepOut | Expr::ContinueFromPreviousMatchEnd => Some(r"\K or \G"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_known_tokenizers_are_accepted() {
        for pattern in [
            // GPT-2, SmolLM and others that spell it out.
            r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
            r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
            // Llama 3, GPT-4.
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            // Qwen 2.
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            // GPT-4o.
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n\/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            // DeepSeek.
            "[\r\n]",
            r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-Ϋά-ώ]+",
            r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
            r"\s+$",
            "[一-龥ࠀ-一가-퟿]+",
            r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##,
            // Falcon, Bloom, StarCoder.
            "[0-9][0-9][0-9]",
            r" ?[^(\s|[.,!?…。，、।۔،])]+",
            r"\p{N}{1,3}",
            // Where the look-ahead stands does not matter.
            r"\s+(?!\S)|\s+",
            r"(?:\p{L}+|\s+(?!\S)|\s+)",
        ] {
            check(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        }
    }

    #[test]
    fn patterns_that_may_take_any_time_are_refused_with_what_they_ask_for() {
        for (pattern, construct) in [
            (r"(?:(?=(?:(?!q)[\s\S]|(?!q)[\s\S]){16}\x00)|)[\s\S]", "look-around"),
            (r"\p{L}+|(?:\s+(?!\S)|a)+b", "look-around"),
            (r"\s+(?!\S)a", "look-around"),
            (r"\s+(?=\S)", "look-around"),
            (r"(?<!a)b", "look-around"),
            (r"(a+)\1", "back reference"),
            (r"(?:(?>a|b)|c)*d", "atomic"),
            (r"(?:(?:a++|b)*)*c", "possessive"),
            (r"(?:\b|a)*b", "word boundary"),
            (r"a\Kb", r"\K"),
            (
                r"(?x)# |\s+(?!\S)
              (?=b)",
                "look-around",
            ),
            (r"\w{1000}|\s+(?!\S)", "shorter"),
        ] {
            let error = check(pattern).unwrap_err();
            assert_eq!(error.status(), Status::Unsupported, "{pattern}");
            assert!(error.to_string().contains(construct), "{pattern}: {error}");
        }
        for pattern in ["(a", "[", "a{2,1}", &"(".repeat(4000)] {
            assert_eq!(check(pattern).unwrap_err().status(), Status::CorruptFile, "{pattern}");
        }
    }
}
