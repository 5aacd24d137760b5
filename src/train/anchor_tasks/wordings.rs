//! How tasks are put into words: the one table of templates and label words.
//!
//! A decoder-only backbone gets texts close to the instructions of real tasks (our extension), one drawn for each task; a
//! T5 gets the published text. `{text}`, `{first}`, `{second}`, `{before}` and `{after}` are fields. `[options]` is where
//! the options go, each as [`Wording::option`] says: `[n]` is its mark, `[field]` the sentence or centre. `[list]` is a
//! list of the label words.
//!
//! What a decoder-only backbone is asked here is kept apart from the tasks that a bundle is measured on: none of the
//! templates is one of theirs, and no answers are their labels, upper case or lower (a test holds them beside each other).

use super::options::Format;
use crate::error::{Result, Status, fail};
use crate::text::Tokenizer;

/// One way to ask.
pub(super) struct Wording {
    /// The question.
    pub template: &'static str,
    /// How an option is written; empty for tasks without options.
    pub option: &'static str,
    /// The words of the answers, in label order.
    pub words: Words,
}

/// What the answers are.
#[derive(Clone, Copy)]
pub(super) enum Words {
    /// These.
    Listed(&'static [&'static str]),
    /// The marks of the options: A, B, ...
    Letters,
    /// The marks of the options: 1, 2, ...
    Digits,
    /// Words drawn with the task.
    Drawn,
}

impl Words {
    /// The mark of option `at`.
    pub fn mark(self, at: usize) -> String {
        match self {
            Words::Digits => (at + 1).to_string(),
            _ => char::from(b'A' + at as u8).to_string(),
        }
    }
}

impl Wording {
    /// The answers, with so many options where they are marks; none when they are drawn.
    pub fn answers(&self, choices: usize) -> Vec<String> {
        match self.words {
            Words::Listed(words) => words.iter().map(|&word| word.to_owned()).collect(),
            Words::Drawn => Vec::new(),
            marks => (0..choices).map(|at| marks.mark(at)).collect(),
        }
    }
}

/// What the model is asked to say for `word`: a T5 starts every text with a space by itself.
pub(super) fn verbalizer(word: &str, is_t5: bool) -> String {
    if is_t5 { word.to_owned() } else { format!(" {word}") }
}

/// The wordings of `format` whose answers have one token each; where a small vocabulary has no such, those whose answers
/// differ in their last token. Errors: `InvalidTask` when there is none.
pub(super) fn usable(
    format: Format,
    choices: usize,
    tokenizer: &Tokenizer,
    is_t5: bool,
) -> Result<Vec<&'static Wording>> {
    let (mut whole, mut cut) = (Vec::new(), Vec::new());
    for wording in if is_t5 { t5(format) } else { causal(format) } {
        let mut last = Vec::new();
        let mut single = true;
        for answer in wording.answers(choices) {
            let ids = tokenizer.encode_continuation(&verbalizer(&answer, is_t5))?;
            single &= ids.len() == 1;
            last.extend(ids.last().copied());
        }
        let count = last.len();
        last.sort_unstable();
        last.dedup();
        if last.len() == count {
            if single { whole.push(wording) } else { cut.push(wording) }
        }
    }
    let found = if whole.is_empty() { cut } else { whole };
    if found.is_empty() {
        let message =
            format!("{}: this tokenizer tells the answers of no wording apart; turn the format off", format.name());
        return fail(Status::InvalidTask, message);
    }
    Ok(found)
}

const fn ask(template: &'static str, words: &'static [&'static str]) -> Wording {
    Wording { template, option: "", words: Words::Listed(words) }
}

const fn choose(template: &'static str, option: &'static str, words: Words) -> Wording {
    Wording { template, option, words }
}

const fn name(template: &'static str) -> Wording {
    Wording { template, option: "", words: Words::Drawn }
}

const LETTER: &str = "\n[n]. {[field]}";
const BRACKETS: &str = "\n([n]) {[field]}";

fn causal(format: Format) -> &'static [Wording] {
    match format {
        // Labels: follows; (of the same cluster;) of another cluster.
        Format::NextPair => {
            const ALL: &[Wording] = &[
                ask("{first}\n{second}\nIs this continuation right or wrong? Answer:", &["right", "wrong"]),
                ask("Start: {first}\nContinuation: {second}\nCorrect or incorrect? Answer:", &["correct", "incorrect"]),
                ask("Sentence 1: {first}\nSentence 2: {second}\nIn the text, 1 and 2 are", &["connected", "separate"]),
                ask("{first}\n{second}\nWhere the first ends, the second one", &["follows", "jumps"]),
                ask("Text: {first}\nNext: {second}\nHow likely is that? Answer:", &["likely", "possible", "unlikely"]),
            ];
            ALL
        }
        // Labels: of one cluster; of two.
        Format::ClusterPair => {
            const ALL: &[Wording] = &[
                ask("{first}\n{second}\nThat both are about one thing is", &["right", "wrong"]),
                ask("Sentence 1: {first}\nSentence 2: {second}\nTheir contents are", &["related", "unrelated"]),
                ask("1. {first}\n2. {second}\nOne subject, correct or incorrect? Answer:", &["correct", "incorrect"]),
                ask("First: {first}\nSecond: {second}\nThe topics of the two are", &["same", "different"]),
            ];
            ALL
        }
        Format::NextChoice => {
            const ALL: &[Wording] = &[
                choose("{text}\nWhich sentence comes next?[options]\nAnswer:", LETTER, Words::Letters),
                choose("Text: {text}\nHow does it go on?[options]\nThe correct one is", BRACKETS, Words::Letters),
                choose("{text}\nChoose the next sentence.[options]\nChoice:", LETTER, Words::Digits),
            ];
            ALL
        }
        Format::ClusterChoice => {
            const ALL: &[Wording] = &[
                choose("{text}\nWhich of these is about the same thing?[options]\nAnswer:", LETTER, Words::Letters),
                choose("Sentence: {text}\nMost similar:[options]\nThe correct one is", BRACKETS, Words::Letters),
                choose("{text}\nFind a sentence on the same topic.[options]\nChoice:", LETTER, Words::Digits),
            ];
            ALL
        }
        Format::ClusterCenter => {
            const ALL: &[Wording] = &[
                choose("{text}\nWhich group does this belong to?[options]\nAnswer:", LETTER, Words::Letters),
                choose("Sentence: {text}\nIts category:[options]\nThe correct one is", BRACKETS, Words::Letters),
                choose("{text}\nChoose the class of the text.[options]\nChoice:", LETTER, Words::Digits),
            ];
            ALL
        }
        Format::TopicWord => {
            const ALL: &[Wording] = &[
                name("{text}\nThe subject of it:"),
                name("{text}\nThe text is about"),
                name("What is this about: [list]?\n{text}\nAnswer:"),
                name("Text: {text}\nCategory ([list]):"),
                name("Classify the text as [list].\nText: {text}\nLabel:"),
            ];
            ALL
        }
        Format::HiddenWord => {
            const ALL: &[Wording] = &[
                name("{before} ___{after}\nThe missing word:"),
                name("Fill the gap with [list].\n{before} ___{after}\nAnswer:"),
                name("{before} ___{after}\nWhich word fits ([list])? Answer:"),
            ];
            ALL
        }
    }
}

fn t5(format: Format) -> &'static [Wording] {
    const OPTION: &str = " [n] . {[field]} .";
    const YES_NO: &[&str] = &["yes", "no"];
    match format {
        Format::NextPair | Format::ClusterPair => {
            const ALL: &[Wording] = &[ask("{first} <extra_id_0> {second}", YES_NO)];
            ALL
        }
        Format::NextChoice | Format::ClusterChoice | Format::ClusterCenter => {
            const ALL: &[Wording] =
                &[choose("{text} ?[options] ? The correct one is <extra_id_0>", OPTION, Words::Letters)];
            ALL
        }
        Format::TopicWord => {
            const ALL: &[Wording] = &[name("{text} This is about <extra_id_0> ."), name("{text} Topic: <extra_id_0>")];
            ALL
        }
        Format::HiddenWord => {
            const ALL: &[Wording] = &[name("{before} <extra_id_0>{after}")];
            ALL
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Templates and verbalizers of the tasks of docs/RESULTS.md; two of them share theirs.
    const MEASURED: [(&str, &[&str]); 7] = [
        ("{text}\nThe answer is a", &["expression", "thing", "description", "person", "place", "number"]),
        ("{text}\nThis sentence is", &["subjective", "objective"]),
        ("{text}\nSentiment:", &["terrible", "great"]),
        ("{text}\nIntent:", &["atm support", "card arrival", "card linking"]),
        ("{text}\nTopic:", &["world", "sports", "business", "technology"]),
        ("{text_a}\nQuestion: {text_b} True or false?\nAnswer:", &["true", "false"]),
        ("{text_a}\n{text_b}\nDo they have the same meaning?", &["Yes", "No"]),
    ];

    #[test]
    fn no_wording_is_that_of_a_task_that_bundles_are_measured_on() {
        let plain = |text: &str| text.to_lowercase();
        for format in Format::ALL {
            for wording in causal(format) {
                let template = wording.template.replace("{first}", "{text_a}").replace("{second}", "{text_b}");
                let answers = wording.answers(4);
                for (measured, labels) in MEASURED {
                    assert_ne!(plain(&template), plain(measured), "{}", format.name());
                    let asked_for = labels.iter().all(|label| answers.iter().any(|word| plain(word) == plain(label)));
                    assert!(!asked_for, "{}: {answers:?} hold the labels {labels:?}", format.name());
                }
            }
        }
    }
}
