//! Examples as the network reads them: token ids, masks, targets.

use crate::error::{Result, Status, fail};

/// What becomes of padded encoder positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Padding {
    /// They are left out: examples have lengths of their own.
    LeftOut,
    /// They are computed like others and only masked as keys: they count in the pooled state and in mixing (spec
    /// sections 4 and 5).
    AsPublished,
}

/// One example, teacher forced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Example {
    /// Encoder token ids without the prompt; -c - 1 stands for row c of the cluster centres.
    pub input_ids: Vec<i64>,
    /// Which of them are seen as keys; the prompt's rows always are.
    pub attention_mask: Vec<bool>,
    /// Start id, then the target shifted right. At least one.
    pub decoder_input_ids: Vec<i64>,
    /// Which of them later positions see; the first is seen.
    pub decoder_attention_mask: Vec<bool>,
    /// Target ids, one for each decoder position.
    pub labels: Vec<i64>,
    /// Which targets count in the plain loss.
    pub loss_ids: Vec<bool>,
    /// For each target the ids that the loss tells it apart from; where there is no list, or an empty one, all.
    pub among: Vec<Vec<u32>>,
}

impl Example {
    /// The ids that the target at `position` is told apart from; empty: all.
    pub(super) fn rivals(&self, position: usize) -> &[u32] {
        self.among.get(position).map_or(&[], Vec::as_slice)
    }
}

/// A batch as flat tensors, row by row; masks are 1 or 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tensors<'a> {
    /// Number of examples.
    pub count: usize,
    pub input_ids: &'a [i64],
    pub attention_mask: &'a [i64],
    pub decoder_input_ids: &'a [i64],
    pub decoder_attention_mask: &'a [i64],
    pub labels: &'a [i64],
    pub loss_ids: &'a [i64],
}

impl Tensors<'_> {
    /// The examples; with [`Padding::LeftOut`] masked positions at the end of an example's encoder ids are dropped.
    ///
    /// Errors: `InvalidArgument` when the tensors' sizes do not fit together.
    pub(crate) fn examples(&self, padding: Padding) -> Result<Vec<Example>> {
        let width = |tensor: &[i64]| tensor.len() / self.count.max(1);
        let (encoder, decoder) = (width(self.input_ids), width(self.decoder_input_ids));
        for (tensor, width) in [
            (self.input_ids, encoder),
            (self.attention_mask, encoder),
            (self.decoder_input_ids, decoder),
            (self.decoder_attention_mask, decoder),
            (self.labels, decoder),
            (self.loss_ids, decoder),
        ] {
            if tensor.len() != width * self.count {
                return fail(
                    Status::InvalidArgument,
                    format!("a batch of {} rows of {width} ids is needed, {} came", self.count, tensor.len()),
                );
            }
        }
        let row = |tensor: &[i64], i: usize| tensor[i * width(tensor)..(i + 1) * width(tensor)].to_vec();
        let flags = |tensor: &[i64], i: usize| row(tensor, i).into_iter().map(|flag| flag != 0).collect::<Vec<_>>();
        let examples = (0..self.count).map(|i| {
            let mut example = Example {
                input_ids: row(self.input_ids, i),
                attention_mask: flags(self.attention_mask, i),
                decoder_input_ids: row(self.decoder_input_ids, i),
                decoder_attention_mask: flags(self.decoder_attention_mask, i),
                labels: row(self.labels, i),
                loss_ids: flags(self.loss_ids, i),
                among: Vec::new(),
            };
            if padding == Padding::LeftOut {
                let kept = example.attention_mask.iter().rposition(|&seen| seen).map_or(0, |last| last + 1);
                example.input_ids.truncate(kept);
                example.attention_mask.truncate(kept);
            }
            example
        });
        Ok(examples.collect())
    }
}

/// Checks what [`super::network::T5Network::encode`] reads, for a prompt of `prompt` rows.
pub(super) fn check_encoder(examples: &[Example], prompt: usize) -> Result<()> {
    for (i, example) in examples.iter().enumerate() {
        if example.attention_mask.len() != example.input_ids.len() {
            return fail(
                Status::InvalidArgument,
                format!(
                    "example {}: {} encoder ids need as many mask values, {} came",
                    i + 1,
                    example.input_ids.len(),
                    example.attention_mask.len()
                ),
            );
        }
        if prompt == 0 && !example.attention_mask.contains(&true) {
            let message = format!("example {}: without a prompt at least one encoder token must be unmasked", i + 1);
            return fail(Status::InvalidArgument, message);
        }
    }
    Ok(())
}

/// Checks what [`super::network::T5Network::decode`] reads.
pub(super) fn check_decoder(examples: &[Example]) -> Result<()> {
    for (i, example) in examples.iter().enumerate() {
        let Example { decoder_input_ids: ids, decoder_attention_mask: mask, .. } = example;
        if mask.len() != ids.len() || mask.first() != Some(&true) {
            let message = format!(
                "example {}: decoder ids need as many mask values, the first of them 1; {} and {} came",
                i + 1,
                ids.len(),
                mask.len()
            );
            return fail(Status::InvalidArgument, message);
        }
    }
    Ok(())
}

/// Checks what [`super::network::T5Network::plain_loss`] reads, for `rows` rows of logits.
pub(super) fn check_targets(examples: &[Example], rows: usize, vocabulary: usize) -> Result<()> {
    let total: usize = examples.iter().map(|example| example.labels.len()).sum();
    let counted: usize = examples.iter().map(|example| example.loss_ids.len()).sum();
    if total != rows || counted != rows {
        let message = format!("{rows} decoder positions need as many labels and loss ids, {total} and {counted} came");
        return fail(Status::InvalidArgument, message);
    }
    match examples.iter().flat_map(|e| &e.labels).find(|&&id| id < 0 || id as usize >= vocabulary) {
        Some(id) => fail(Status::InvalidArgument, format!("target id {id} is outside the vocabulary of {vocabulary}")),
        None => Ok(()),
    }
}
