//! Held-out tasks: one inner step, then the plain loss of the query set and the share of right answers (method section 6).

use super::meta_step::query_loss;
use super::metrics::ValidationMetric;
use super::task_head::TaskHead;
use super::{BackboneLearner, Learner, MetaOptions, MetaState, ValidationTask};
use crate::backbone::{LabelTrie, Readout};
use crate::error::Result;
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;

/// Means over `tasks`, format by format in their order of appearance.
pub fn validate(
    state: &MetaState,
    learner: &BackboneLearner<'_>,
    tasks: &[ValidationTask],
    options: &MetaOptions,
    cancel: &Cancel,
) -> Result<Vec<ValidationMetric>> {
    let mut formats: Vec<&str> = Vec::new();
    for task in tasks {
        if !formats.contains(&task.kind.format) {
            formats.push(task.kind.format);
        }
    }
    let mut metrics = Vec::with_capacity(formats.len());
    for format in formats {
        let of_format: Vec<_> = tasks.iter().filter(|task| task.kind.format == format).collect();
        let share = 1.0 / of_format.len() as f64;
        let mut mean = ValidationMetric {
            step: state.step,
            format: format.to_owned(),
            loss_before: 0.0,
            loss_after: 0.0,
            accuracy: of_format.iter().all(|task| task.answers.is_some()).then_some(0.0),
            chance_loss: 0.0,
        };
        for task in of_format {
            let adapted = state.adapted(learner, &task.task, options, cancel)?;
            let head = learner.head(&state.prompt, &[&task.task.support], cancel)?;
            mean.loss_before += share * query_loss(learner, &state.prompt, &task.task, &head, cancel)?;
            let head = learner.head(&adapted, &[&task.task.support], cancel)?;
            mean.loss_after += share * query_loss(learner, &adapted, &task.task, &head, cancel)?;
            mean.chance_loss += share * task.kind.chance_loss;
            if let Some(sum) = &mut mean.accuracy {
                *sum += share * accuracy(learner, &adapted, task, &head, cancel)?;
            }
        }
        metrics.push(mean);
    }
    Ok(metrics)
}

fn accuracy(
    learner: &BackboneLearner<'_>,
    prompt: &SoftPrompt,
    task: &ValidationTask,
    head: &Option<TaskHead>,
    cancel: &Cancel,
) -> Result<f64> {
    if let Some(head) = head {
        let (mut right, mut count) = (0, 0);
        for (own, _) in &task.task.query {
            right += head.right(learner.network(), prompt, own, cancel)?;
            count += own.len();
        }
        return Ok(right as f64 / count.max(1) as f64);
    }
    let Some(answers) = &task.answers else { return Ok(f64::NAN) };
    let trie = LabelTrie::new(answers);
    let state = learner.backbone.prompt_state(prompt, cancel)?;
    let (mut right, mut count) = (0, 0);
    for (own, _) in &task.task.query {
        let texts: Vec<&[u32]> = own.iter().map(|sequence| sequence.text.as_slice()).collect();
        let states = vec![state.as_ref(); own.len()];
        let labels = vec![Readout::Verbalizers(&trie); own.len()];
        for (scores, sequence) in learner.backbone.score(&states, &texts, &labels, cancel)?.iter().zip(own) {
            let best = (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
            right += usize::from(best.is_some_and(|best| answers[best] == sequence.answer));
            count += 1;
        }
    }
    Ok(right as f64 / count.max(1) as f64)
}
