//! The prompt that adaptation starts from.

use super::options::{AdaptOptions, PromptStart};
use crate::backbone::Backbone;
use crate::error::{Result, Status, fail};
use crate::limits::MAX_FIELD_BYTES;
use crate::model::Model;
use crate::runtime::Random;
use crate::soft_prompt::SoftPrompt;

/// The start prompt that `options` describe, exactly as [`adapt`](super::adapt) uses it.
///
/// Errors: `InvalidOption` for a bad `prompt_length`, a start text without tokens, a prompt of another width or without
/// rows; `BackboneMismatch` for an adapter of another family.
pub fn start_prompt(model: &Model, options: &AdaptOptions) -> Result<SoftPrompt> {
    options.validate()?;
    make_start(model.backbone(), options)
}

/// [`start_prompt`] of validated options.
pub(super) fn make_start(backbone: &dyn Backbone, options: &AdaptOptions) -> Result<SoftPrompt> {
    if let (PromptStart::Auto, Some(bundle)) = (&options.start, &options.bundle) {
        return given(backbone, bundle.prompt());
    }
    let ids = match &options.start {
        PromptStart::Prompt(prompt) => return given(backbone, prompt),
        PromptStart::Adapter(adapter) => {
            adapter.check(backbone)?;
            return given(backbone, adapter.prompt());
        }
        PromptStart::Auto | PromptStart::Vocabulary => drawn_ids(&backbone.tokenizer().plain_ids(), options)?,
        PromptStart::Text(text) if text.len() > MAX_FIELD_BYTES => {
            let bytes = text.len();
            return fail(
                Status::TooLarge,
                format!("the start text has {bytes} bytes, at most {MAX_FIELD_BYTES} are read"),
            );
        }
        PromptStart::Text(text) => backbone.tokenizer().encode(text)?,
    };
    if ids.is_empty() {
        return fail(Status::InvalidOption, "the start text gives no tokens; give at least one word");
    }
    embedded(backbone, &ids, options.prompt_length)
}

/// `prompt_length` of `ids` drawn uniformly, with repeats.
fn drawn_ids(ids: &[u32], options: &AdaptOptions) -> Result<Vec<u32>> {
    if ids.is_empty() {
        return fail(Status::Unsupported, "the model's vocabulary holds no token of plain text to start a prompt from");
    }
    let mut random = Random::new(options.seed, "start prompt");
    Ok((0..options.prompt_length).map(|_| ids[random.below(ids.len())]).collect())
}

/// `rows` embeddings of `ids`, repeated or cut.
fn embedded(backbone: &dyn Backbone, ids: &[u32], rows: usize) -> Result<SoftPrompt> {
    let width = backbone.width();
    let mut values = vec![0.0; rows * width];
    for (row, &id) in values.chunks_exact_mut(width).zip(ids.iter().cycle()) {
        backbone.embed(id, row);
    }
    SoftPrompt::new(rows, width, values)
}

fn given(backbone: &dyn Backbone, prompt: &SoftPrompt) -> Result<SoftPrompt> {
    if prompt.width() != backbone.width() {
        let (needed, came) = (backbone.width(), prompt.width());
        return fail(
            Status::InvalidOption,
            format!("the start prompt must be {needed} wide for this model, it is {came}"),
        );
    }
    if prompt.rows() == 0 {
        return fail(Status::InvalidOption, "the start prompt has no rows; give at least one");
    }
    Ok(prompt.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapt::toy::Toy;

    #[test]
    fn drawn_ids_are_plain_seeded_and_as_many_as_asked() {
        let options = AdaptOptions { prompt_length: 500, ..Default::default() };
        let plain: Vec<u32> = (30..40).collect();
        let ids = drawn_ids(&plain, &options).unwrap();
        assert_eq!(ids.len(), 500);
        assert!(plain.iter().all(|id| ids.contains(id)) && ids.iter().all(|id| plain.contains(id)));
        assert_eq!(ids, drawn_ids(&plain, &options).unwrap());
        assert_ne!(ids, drawn_ids(&plain, &AdaptOptions { seed: 1, ..options.clone() }).unwrap());
        assert_eq!(drawn_ids(&[], &options).unwrap_err().status(), Status::Unsupported);
    }

    #[test]
    fn a_short_text_repeats_and_a_long_one_is_cut() {
        let toy = Toy::new();
        let row = |prompt: &SoftPrompt, i: usize| prompt.values()[i * toy.width()..][..toy.width()].to_vec();
        let prompt = embedded(&toy, &[3, 5], 5).unwrap();
        assert_eq!(row(&prompt, 0), row(&prompt, 4));
        assert_eq!(row(&prompt, 1), row(&prompt, 3));
        assert_ne!(row(&prompt, 0), row(&prompt, 1));
        assert_eq!(row(&embedded(&toy, &[3, 5, 7], 1).unwrap(), 0), row(&prompt, 0));
    }

    #[test]
    fn given_rows_are_taken_as_they_are() {
        let toy = Toy::new();
        let from =
            |prompt| make_start(&toy, &AdaptOptions { start: PromptStart::Prompt(prompt), ..Default::default() });
        let prompt = SoftPrompt::new(2, toy.width(), vec![0.5; 2 * toy.width()]).unwrap();
        assert_eq!(from(prompt.clone()).unwrap(), prompt);
        assert_eq!(from(SoftPrompt::new(1, 3, vec![0.0; 3]).unwrap()).unwrap_err().status(), Status::InvalidOption);
        assert_eq!(from(SoftPrompt::empty(toy.width())).unwrap_err().status(), Status::InvalidOption);
    }
}
