use super::*;
use crate::backbone::{Footprint, LossAndGradient, Mixture, PromptState, Readout, Sequence, StateLoss, Wanted};
use crate::error::{Status, fail};
use crate::kernels::Isa;
use crate::runtime::Cancel;
use crate::task::Label;
use crate::text::{GgufVocabulary, Tokenizer};

/// A backbone that only says what it is.
struct Named {
    fingerprint: Fingerprint,
    tokenizer: Tokenizer,
    width: usize,
}

impl Backbone for Named {
    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    fn width(&self) -> usize {
        self.width
    }

    fn vocabulary(&self) -> usize {
        1
    }

    fn context_length(&self) -> usize {
        1
    }

    fn isa(&self) -> Isa {
        Isa::Portable
    }

    fn embed(&self, _: u32, _: &mut [f32]) {}

    fn loss(&self, _: &SoftPrompt, _: &[Sequence], _: Wanted, _: usize, _: &Cancel) -> Result<LossAndGradient> {
        fail(Status::Internal, "only a name")
    }

    fn mixture_loss(&self, _: &SoftPrompt, _: Mixture<'_>, _: usize, _: &Cancel) -> Result<LossAndGradient> {
        fail(Status::Internal, "only a name")
    }

    fn pooled(&self, _: &[Vec<u32>], _: &Cancel) -> Result<Vec<f32>> {
        fail(Status::Internal, "only a name")
    }

    fn prompt_state(&self, _: &SoftPrompt, _: &Cancel) -> Result<Box<dyn PromptState>> {
        fail(Status::Internal, "only a name")
    }

    fn state_loss(
        &self,
        _: &SoftPrompt,
        _: &[Sequence],
        _: &mut StateLoss<'_>,
        _: Wanted,
        _: usize,
        _: &Cancel,
    ) -> Result<LossAndGradient> {
        fail(Status::Internal, "only a name")
    }

    fn output_row(&self, _: u32, _: &mut [f32]) {}

    fn score(&self, _: &[&dyn PromptState], _: &[&[u32]], _: &[Readout<'_>], _: &Cancel) -> Result<Vec<Vec<f32>>> {
        fail(Status::Internal, "only a name")
    }

    fn footprint(&self) -> Footprint {
        Footprint::default()
    }
}

fn fingerprint() -> Fingerprint {
    let text = |text: &str| text.to_owned();
    Fingerprint { architecture: text("llama"), shape: text("2x2"), tokenizer: text("aa"), weights: text("bb") }
}

fn adapter() -> Adapter {
    let label = |name: &str| Label { name: name.to_owned(), verbalizer: format!(" {name}") };
    let lineage = Lineage {
        method: "prompt-tuning".to_owned(),
        seed: u64::MAX,
        steps: 3,
        train_examples: 4,
        dev_accuracy: Some(0.1),
        dev_loss: None,
        max_tokens: 64,
        bundle: None,
    };
    let task = Task::new("t", "{text}:", vec![label("good"), label("bad")]).unwrap();
    Adapter::new(SoftPrompt::new(1, 2, vec![1.0, -0.0]).unwrap(), task, lineage, fingerprint())
}

fn backbone(change: impl Fn(&mut Named)) -> Named {
    let vocabulary = GgufVocabulary { model: "gpt2", pre: "gpt-2", tokens: vec!["a"], ..Default::default() };
    let tokenizer = Tokenizer::from_gguf(&vocabulary).unwrap();
    let mut backbone = Named { fingerprint: fingerprint(), tokenizer, width: 2 };
    change(&mut backbone);
    backbone
}

#[test]
fn another_family_is_refused_with_the_field_and_both_values() {
    type Change = (&'static str, &'static str, fn(&mut Named));
    let changes: [Change; 4] = [
        ("architecture", "llama", |b| b.fingerprint.architecture = "other".to_owned()),
        ("shape", "2x2", |b| b.fingerprint.shape = "other".to_owned()),
        ("tokenizer", "aa", |b| b.fingerprint.tokenizer = "other".to_owned()),
        ("width", "2", |b| b.width = 7),
    ];
    for (field, was, change) in changes {
        let error = adapter().check(&backbone(change)).unwrap_err();
        let message = error.to_string();
        assert_eq!(error.status(), Status::BackboneMismatch);
        assert!(message.contains(field) && message.contains(was), "{message}");
        assert!(message.contains("other") || message.contains('7'), "{message}");
    }
}

#[test]
fn other_weights_of_the_family_only_warn() {
    assert_eq!(adapter().check(&backbone(|_| {})).unwrap(), None);
    let warning = adapter().check(&backbone(|b| b.fingerprint.weights = "other".to_owned())).unwrap();
    assert!(warning.unwrap().contains("weights"));
}

#[test]
fn every_adapter_has_an_identity_of_its_own() {
    assert_ne!(adapter().id(), adapter().id());
}
