//! Labelled examples as text in front of every row: what a model does without any adaptation.
//!
//! The examples' tokens become the rows of a soft prompt, so that their keys and values are computed once.

use std::collections::BTreeMap;

use supmer::adapter::Lineage;
use supmer::limits::MAX_PROMPT_ROWS;
use supmer::predict::PreparedTask;
use supmer::{Adapter, Error, Model, PredictOptions, SoftPrompt, Status, predict};

use super::metrics::{accuracy, log_loss};
use super::plan::{Plan, Split};
use crate::failure::{Failure, Outcome};

/// What stands between an example's answer and the next example.
const SEPARATOR: &str = "\n\n";

/// Where the examples come from and how many are taken.
pub struct Choice<'a> {
    /// The data set.
    pub plan: &'a Plan,
    /// The train rows are shown, in their order; the dev rows choose how many.
    pub split: &'a Split,
    /// Examples of each class to show; none lets the dev rows choose.
    pub per_class: Option<usize>,
    /// Most tokens of a filled template.
    pub max_tokens: usize,
}

/// The adapter that shows examples, and how many of each class it shows.
///
/// Tried are 1, 2, 4 and so on, and the most that fit the context; of two that predict the dev rows equally well, the one
/// with the lower loss, then the shorter.
pub fn choose(choice: &Choice<'_>, model: &Model, options: &PredictOptions) -> Outcome<(Adapter, usize)> {
    let shown = Shown::of(choice, model)?;
    let mut best: Option<((f64, f64), (Adapter, usize))> = None;
    for per_class in shown.candidates(choice.per_class)? {
        let adapter = shown.adapter(choice, model, per_class)?;
        let score = match choice.per_class {
            Some(_) => (0.0, 0.0),
            None => dev_score(choice, model, &adapter, options)?,
        };
        if best.as_ref().is_none_or(|(kept, _)| score > *kept) {
            best = Some((score, (adapter, per_class)));
        }
    }
    best.map(|(_, chosen)| chosen).ok_or_else(|| too_long(shown.room))
}

/// Accuracy and minus the loss on the dev rows.
fn dev_score(choice: &Choice<'_>, model: &Model, adapter: &Adapter, options: &PredictOptions) -> Outcome<(f64, f64)> {
    let gold = choice.plan.classes(&choice.split.dev);
    let predictions = predict(model, adapter, &choice.plan.rows(&choice.split.dev), options)?;
    let probabilities: Vec<Vec<f32>> = predictions.into_iter().map(|p| p.probabilities).collect();
    Ok((accuracy(&gold, &probabilities), -log_loss(&gold, &probabilities)))
}

/// The examples in tokens.
struct Shown {
    /// Tokens and class of every example.
    examples: Vec<(Vec<u32>, usize)>,
    bos: Option<u32>,
    /// Most tokens of all examples together.
    room: usize,
}

impl Shown {
    fn of(choice: &Choice<'_>, model: &Model) -> Outcome<Self> {
        let backbone = model.backbone();
        let tokenizer = backbone.tokenizer();
        if backbone.fingerprint().architecture == "t5" {
            let message = "in-context needs a decoder-only model; T5 reads no examples in front of a row";
            return Err(Failure::Work(Error::new(Status::Unsupported, message)));
        }
        let Choice { plan, split, .. } = choice;
        let prepared = PreparedTask::new(&plan.task, tokenizer, choice.max_tokens)?;
        let longest = prepared.verbalizers().iter().map(Vec::len).max().unwrap_or(0);
        let room = backbone.context_length().saturating_sub(choice.max_tokens + longest).min(MAX_PROMPT_ROWS);
        let separator = tokenizer.encode_continuation(SEPARATOR)?;
        let bos = tokenizer.bos();
        let mut examples = Vec::with_capacity(split.train.len());
        for (row, class) in plan.rows(&split.train).iter().zip(plan.classes(&split.train)) {
            let mut ids = prepared.fill(row, tokenizer)?;
            // One at the very start; prediction then puts one in front of the row as well.
            ids.drain(..bos.map_or(0, |bos| usize::from(ids.first() == Some(&bos))));
            ids.extend(&prepared.verbalizers()[class]);
            ids.extend(&separator);
            examples.push((ids, class));
        }
        Ok(Self { examples, bos, room })
    }

    /// Numbers of examples of each class that fit; the given one, if there are so many and they do.
    fn candidates(&self, given: Option<usize>) -> Outcome<Vec<usize>> {
        let mut counts = BTreeMap::new();
        self.examples.iter().for_each(|(_, class)| *counts.entry(*class).or_insert(0) += 1);
        let most = counts.into_values().max().unwrap_or(0);
        if let Some(given) = given.filter(|given| *given > most) {
            return Err(too_many(given, most));
        }
        let fits = |&per_class: &usize| self.tokens(per_class).len() <= self.room;
        let fitting = (1..=most).take_while(fits).last();
        match (given, fitting) {
            (Some(given), Some(most)) if given <= most => Ok(vec![given]),
            (None, Some(most)) => {
                let doubling = std::iter::successors(Some(1), |n| Some(2 * n)).take_while(|n| *n < most);
                Ok(doubling.chain([most]).collect())
            }
            _ => Err(too_long(self.room)),
        }
    }

    /// The first `per_class` examples of each class, in their order.
    fn tokens(&self, per_class: usize) -> Vec<u32> {
        let mut taken = BTreeMap::new();
        let mut ids: Vec<u32> = self.bos.into_iter().collect();
        for (example, class) in &self.examples {
            let count = taken.entry(*class).or_insert(0);
            if *count < per_class {
                *count += 1;
                ids.extend(example);
            }
        }
        ids
    }

    fn adapter(&self, choice: &Choice<'_>, model: &Model, per_class: usize) -> Outcome<Adapter> {
        let backbone = model.backbone();
        let width = backbone.width();
        let ids = self.tokens(per_class);
        let mut values = vec![0.0; ids.len() * width];
        for (row, &id) in values.chunks_exact_mut(width).zip(&ids) {
            backbone.embed(id, row);
        }
        let lineage = Lineage {
            method: "in-context".to_owned(),
            seed: 0,
            steps: 0,
            train_examples: choice.split.train.len(),
            dev_accuracy: None,
            dev_loss: None,
            max_tokens: choice.max_tokens,
            bundle: None,
        };
        let prompt = SoftPrompt::new(ids.len(), width, values)?;
        Ok(Adapter::new(prompt, choice.plan.task.clone(), lineage, backbone.fingerprint().clone()))
    }
}

fn too_many(given: usize, most: usize) -> Failure {
    let message = format!(
        "--context-examples asks for {given} examples of each class, but no class has more than {most} in train; lower it \
         or raise --shots"
    );
    Failure::Work(Error::new(Status::InvalidOption, message))
}

fn too_long(room: usize) -> Failure {
    let message = format!(
        "so many examples of each class do not fit the {room} tokens that the context leaves for them; lower \
         --context-examples or --max-tokens"
    );
    Failure::Work(Error::new(Status::InvalidOption, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(room: usize) -> Shown {
        let examples = [(4, 0), (2, 1), (3, 0), (2, 0), (5, 1)];
        let examples = examples.map(|(length, class): (usize, usize)| (vec![class as u32; length], class)).to_vec();
        Shown { examples, bos: Some(9), room }
    }

    #[test]
    fn the_first_of_each_class_are_shown_in_order_after_one_bos() {
        assert_eq!(shown(99).tokens(1), [9, 0, 0, 0, 0, 1, 1]);
        assert_eq!(shown(99).tokens(2).len(), 1 + 4 + 2 + 3 + 5);
        assert_eq!(shown(99).tokens(3), shown(99).tokens(7));
    }

    #[test]
    fn as_many_as_fit_are_tried() {
        assert_eq!(shown(99).candidates(None).unwrap(), [1, 2, 3]);
        assert_eq!(shown(15).candidates(None).unwrap(), [1, 2]);
        assert_eq!(shown(14).candidates(None).unwrap(), [1]);
        assert_eq!(shown(15).candidates(Some(2)).unwrap(), [2]);
        assert!(shown(14).candidates(Some(2)).unwrap_err().message().unwrap().contains("the 14 tokens"));
        assert!(shown(6).candidates(None).is_err());
        let refused = shown(99).candidates(Some(4)).unwrap_err().message().unwrap();
        assert!(refused.contains("no class has more than 3"), "{refused}");
    }
}
