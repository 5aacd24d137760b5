//! A toy backbone for tests: multinomial logistic regression on the mean embedding of a text, whose weights are the
//! prompt. Row p of the prompt gives the logit of token p; all other tokens have the logit 0. The answer state of a text is
//! its mean embedding, each value times 1 plus that of the prompt's first row.

use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::examples::TokenizedExamples;
use crate::backbone::{
    Backbone, Fingerprint, Footprint, LabelTrie, LossAndGradient, Mixture, PromptState, Readout, Sequence, StateLoss,
    Wanted,
};
use crate::error::Result;
use crate::kernels::Isa;
use crate::runtime::{Cancel, Random};
use crate::soft_prompt::SoftPrompt;
use crate::text::Tokenizer;

const WIDTH: usize = 6;
const VOCABULARY: usize = 16;
/// Label c has the one token c; texts of class c hold token `FIRST_WORD + c` and noise.
const CLASSES: usize = 3;
const FIRST_WORD: u32 = 10;

/// The backbone, which counts its calls.
pub(crate) struct Toy {
    fingerprint: Fingerprint,
    states_made: AtomicUsize,
    losses_made: AtomicUsize,
    /// The loss is NaN from this call on.
    pub poisoned_from: usize,
}

struct ToyState(SoftPrompt);

impl Toy {
    pub fn new() -> Self {
        let text = || "toy".to_owned();
        let fingerprint = Fingerprint { architecture: text(), shape: text(), tokenizer: text(), weights: text() };
        Self { fingerprint, states_made: 0.into(), losses_made: 0.into(), poisoned_from: usize::MAX }
    }

    pub fn width(&self) -> usize {
        WIDTH
    }

    pub fn states_made(&self) -> usize {
        self.states_made.load(Ordering::Relaxed)
    }

    pub fn labels(&self) -> LabelTrie {
        self.labels_of(CLASSES)
    }

    pub fn labels_of(&self, count: usize) -> LabelTrie {
        let labels = (0..count as u32).map(|token| vec![(None, token)]).collect();
        LabelTrie { tokens: Vec::new(), parents: Vec::new(), labels }
    }

    /// Some prompt.
    pub fn prompt(&self, seed: u64) -> SoftPrompt {
        let mut random = Random::new(seed, "toy prompt");
        let values = (0..CLASSES * WIDTH).map(|_| random.unit() as f32 - 0.5).collect();
        SoftPrompt::new(CLASSES, WIDTH, values).unwrap()
    }

    /// A prompt that tells every class.
    pub fn perfect_prompt(&self) -> SoftPrompt {
        let mut values = vec![0.0; CLASSES * WIDTH];
        (0..CLASSES).for_each(|class| values[class * WIDTH + 1 + class] = 10.0);
        SoftPrompt::new(CLASSES, WIDTH, values).unwrap()
    }

    /// A prompt that always says class 0.
    pub fn stubborn_prompt(&self) -> SoftPrompt {
        let mut values = vec![0.0; CLASSES * WIDTH];
        values[0] = 20.0;
        SoftPrompt::new(CLASSES, WIDTH, values).unwrap()
    }

    /// `counts[c]` examples of each class c, classes taking turns.
    pub fn examples(&self, counts: &[usize]) -> TokenizedExamples {
        let mut random = Random::new(9, "toy examples");
        let mut examples = TokenizedExamples::default();
        for turn in 0..counts.iter().copied().max().unwrap_or(0) {
            for class in (0..counts.len()).filter(|&class| turn < counts[class]) {
                let mut text = vec![FIRST_WORD + class as u32];
                text.extend((0..random.below(4)).map(|_| random.below(FIRST_WORD as usize) as u32));
                examples.sequences.push(Sequence::new(text, vec![class as u32]));
                examples.labels.push(class);
            }
        }
        examples
    }

    fn features(&self, text: &[u32]) -> Vec<f32> {
        let mut mean = vec![0.0; WIDTH];
        let mut row = [0.0; WIDTH];
        for &id in text {
            self.embed(id, &mut row);
            mean.iter_mut().zip(row).for_each(|(m, x)| *m += x / text.len() as f32);
        }
        mean
    }

    fn state(&self, prompt: &SoftPrompt, text: &[u32]) -> Vec<f32> {
        self.features(text).iter().zip(prompt.values()).map(|(x, p)| x * (1.0 + p)).collect()
    }

    /// Log-probability of every token.
    fn log_probabilities(&self, prompt: &SoftPrompt, features: &[f32]) -> Vec<f32> {
        let mut logits = [0.0f32; VOCABULARY];
        for (logit, row) in logits.iter_mut().zip(prompt.values().chunks_exact(WIDTH)) {
            *logit = row.iter().zip(features).map(|(w, x)| w * x).sum();
        }
        let highest = logits.iter().copied().fold(f32::MIN, f32::max);
        let total = logits.iter().map(|l| (l - highest).exp()).sum::<f32>().ln() + highest;
        logits.iter().map(|l| l - total).collect()
    }
}

impl PromptState for ToyState {
    fn bytes(&self) -> usize {
        4 * self.0.values().len()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Backbone for Toy {
    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn tokenizer(&self) -> &Tokenizer {
        unimplemented!("the toy reads token ids only")
    }

    fn width(&self) -> usize {
        WIDTH
    }

    fn vocabulary(&self) -> usize {
        VOCABULARY
    }

    fn context_length(&self) -> usize {
        64
    }

    fn isa(&self) -> Isa {
        Isa::Portable
    }

    /// A constant 1, one dimension a class word, and noise.
    fn embed(&self, id: u32, row: &mut [f32]) {
        let mut random = Random::new(u64::from(id), "toy embedding");
        row.fill(0.0);
        row[0] = 1.0;
        row[WIDTH - 1] = random.unit() as f32 - 0.5;
        row[WIDTH - 2] = random.unit() as f32 - 0.5;
        if id >= FIRST_WORD && id < FIRST_WORD + CLASSES as u32 {
            row[1 + (id - FIRST_WORD) as usize] = 1.0;
        }
    }

    fn loss(
        &self,
        prompt: &SoftPrompt,
        batch: &[Sequence],
        wanted: Wanted,
        _memory_limit: usize,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        cancel.check()?;
        let mut loss = 0.0;
        let mut gradient = vec![0.0; if wanted == Wanted::Loss { 0 } else { prompt.values().len() }];
        for sequence in batch {
            let features = self.features(&sequence.text);
            let log_probabilities = self.log_probabilities(prompt, &features);
            let gold = sequence.answer[0] as usize;
            loss -= log_probabilities[gold] / batch.len() as f32;
            for (token, row) in gradient.chunks_exact_mut(WIDTH).enumerate() {
                let error = log_probabilities[token].exp() - f32::from(u8::from(token == gold));
                row.iter_mut().zip(&features).for_each(|(g, x)| *g += error * x / batch.len() as f32);
            }
        }
        if self.losses_made.fetch_add(1, Ordering::Relaxed) >= self.poisoned_from {
            loss = f32::NAN;
        }
        let pooled = vec![0.25; if wanted == Wanted::GradientAndPooled { WIDTH } else { 0 }];
        Ok(LossAndGradient { loss, gradient, pooled })
    }

    fn state_loss(
        &self,
        prompt: &SoftPrompt,
        batch: &[Sequence],
        loss: &mut StateLoss<'_>,
        wanted: Wanted,
        _memory_limit: usize,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        cancel.check()?;
        let mut gradient = vec![0.0; if wanted == Wanted::Loss { 0 } else { prompt.values().len() }];
        let mut total = 0.0;
        for (first, Sequence { text, .. }) in batch.iter().enumerate() {
            let mut dstate = vec![0.0; WIDTH];
            total += loss(first, &self.state(prompt, text), &mut dstate);
            let slopes = dstate.iter().zip(self.features(text));
            gradient.iter_mut().zip(slopes).for_each(|(g, (d, x))| *g += d * x);
        }
        let pooled = vec![0.25; if wanted == Wanted::GradientAndPooled { WIDTH } else { 0 }];
        Ok(LossAndGradient { loss: total, gradient, pooled })
    }

    fn output_row(&self, token: u32, row: &mut [f32]) {
        row.fill(0.0);
        row[(1 + token as usize) % WIDTH] = 0.5;
    }

    fn mixture_loss(&self, _: &SoftPrompt, _: Mixture<'_>, _: usize, _: &Cancel) -> Result<LossAndGradient> {
        unimplemented!("nothing that uses the toy mixes")
    }

    fn pooled(&self, texts: &[Vec<u32>], _: &Cancel) -> Result<Vec<f32>> {
        Ok(vec![0.25; texts.len() * WIDTH])
    }

    fn prompt_state(&self, prompt: &SoftPrompt, _: &Cancel) -> Result<Box<dyn PromptState>> {
        self.states_made.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(ToyState(prompt.clone())))
    }

    fn score(
        &self,
        states: &[&dyn PromptState],
        texts: &[&[u32]],
        readouts: &[Readout<'_>],
        cancel: &Cancel,
    ) -> Result<Vec<Vec<f32>>> {
        cancel.check()?;
        let rows = states.iter().zip(texts).zip(readouts).map(|((state, text), readout)| {
            let ToyState(prompt) = state.as_any().downcast_ref().unwrap();
            match readout {
                Readout::Verbalizers(trie) => {
                    let log_probabilities = self.log_probabilities(prompt, &self.features(text));
                    trie.labels.iter().map(|path| log_probabilities[path[0].1 as usize]).collect()
                }
                Readout::Head(head) => head.logits(&self.state(prompt, text)),
            }
        });
        Ok(rows.collect())
    }

    fn footprint(&self) -> Footprint {
        Footprint::default()
    }
}
