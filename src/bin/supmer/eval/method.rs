//! A way to solve the task, as it is named on the command line and in results.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A way to solve the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// The label that most test rows have, for every row: what no learner is told, and a floor for all.
    Majority,
    /// The model as it is.
    ZeroShot,
    /// Labelled examples as text in front of every row.
    InContext,
    /// A soft prompt adapted from vocabulary rows.
    PromptTuning,
    /// The same on train and dev rows together, the last prompt kept: as many labels as a label head learns from.
    PromptTuningAllRows,
    /// A soft prompt adapted from the embedded tokens of a text.
    TextInit,
    /// From a bundle's prompt, its regularizer applied at every step.
    Supmer(BundleName),
    /// From a bundle's prompt, without its regularizer.
    SupmerNoPsi(BundleName),
    /// Logistic regression on sentence embeddings of another model.
    MinilmLogreg,
}

/// Which of the given bundles; none is the one without a name.
pub type BundleName = Option<String>;

/// The names that [`Method::from_str`] takes, for messages.
const NAMES: &str = "majority, zero-shot, in-context, prompt-tuning, prompt-tuning-all-rows, text-init, supmer[:NAME], \
                     supmer-no-psi[:NAME], minilm-logreg";

impl Method {
    /// The bundle it starts from, where it starts from one.
    pub fn bundle(&self) -> Option<&BundleName> {
        match self {
            Method::Supmer(name) | Method::SupmerNoPsi(name) => Some(name),
            _ => None,
        }
    }

    /// Whether a seed changes anything: the drawn examples, the start or the batches.
    pub fn has_seeds(&self) -> bool {
        !matches!(self, Method::Majority | Method::ZeroShot)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Majority => "majority",
            Method::ZeroShot => "zero-shot",
            Method::InContext => "in-context",
            Method::PromptTuning => "prompt-tuning",
            Method::PromptTuningAllRows => "prompt-tuning-all-rows",
            Method::TextInit => "text-init",
            Method::Supmer(_) => "supmer",
            Method::SupmerNoPsi(_) => "supmer-no-psi",
            Method::MinilmLogreg => "minilm-logreg",
        })?;
        match self.bundle() {
            Some(Some(name)) => write!(f, ":{name}"),
            _ => Ok(()),
        }
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = match text.split_once(':') {
            Some((kind, name)) if is_name(name) => (kind, Some(name.to_owned())),
            Some(_) => return Err(format!("a bundle's name has {NAME_FORM}")),
            None => (text, None),
        };
        match (kind, &name) {
            ("supmer", _) => Ok(Method::Supmer(name)),
            ("supmer-no-psi", _) => Ok(Method::SupmerNoPsi(name)),
            ("majority", None) => Ok(Method::Majority),
            ("zero-shot", None) => Ok(Method::ZeroShot),
            ("in-context", None) => Ok(Method::InContext),
            ("prompt-tuning", None) => Ok(Method::PromptTuning),
            ("prompt-tuning-all-rows", None) => Ok(Method::PromptTuningAllRows),
            ("text-init", None) => Ok(Method::TextInit),
            ("minilm-logreg", None) => Ok(Method::MinilmLogreg),
            _ => Err(format!("expected one of {NAMES}")),
        }
    }
}

/// A bundle file and the name that methods call it by: `FILE` or `NAME=FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleFile {
    /// Its name; none for the bundle of plain `supmer`.
    pub name: BundleName,
    /// Where it lies.
    pub path: PathBuf,
}

impl FromStr for BundleFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text.split_once('=') {
            Some((name, path)) if is_name(name) => Self { name: Some(name.to_owned()), path: path.into() },
            _ => Self { name: None, path: text.into() },
        })
    }
}

const NAME_FORM: &str = "1 to 64 letters, digits, dots, dashes and underscores";

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for name in NAMES.split(", ").map(|name| name.replace("[:NAME]", "")) {
            assert_eq!(name.parse::<Method>().unwrap().to_string(), name);
        }
        let named: Method = "supmer:no-mixup_2".parse().unwrap();
        assert_eq!(named, Method::Supmer(Some("no-mixup_2".to_owned())));
        assert_eq!(named.to_string(), "supmer:no-mixup_2");
        for wrong in ["", "supmer:", "supmer:a/b", "zero-shot:a", "Supmer", "fine-tuning"] {
            assert!(wrong.parse::<Method>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_bundle_may_have_a_name() {
        let file = |text: &str| text.parse::<BundleFile>().unwrap();
        assert_eq!(file("a.supmer"), BundleFile { name: None, path: "a.supmer".into() });
        assert_eq!(file("two=dir/a.supmer"), BundleFile { name: Some("two".to_owned()), path: "dir/a.supmer".into() });
        assert_eq!(file("./rate=1/a.supmer").path, PathBuf::from("./rate=1/a.supmer"));
    }
}
