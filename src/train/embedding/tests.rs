use std::cell::Cell;
use std::path::Path;

use super::*;
use crate::error::{Status, fail};
use crate::runtime::Cancel;
use crate::train::{Corpus, SentenceOptions, SentenceStore};

/// Counts what it is asked for; a vector is a text's length and its first byte. Fails after `until` texts.
struct Toy {
    seen: Cell<usize>,
    until: usize,
}

impl Embedder for Toy {
    fn id(&self) -> String {
        "toy".to_owned()
    }

    fn width(&self) -> usize {
        2
    }

    fn embed(&self, texts: &[&str], _: &Cancel) -> Result<Vec<f32>> {
        self.seen.set(self.seen.get() + texts.len());
        if self.seen.get() > self.until {
            return fail(Status::Io, "enough");
        }
        Ok(texts.iter().flat_map(|text| [text.len() as f32, f32::from(text.as_bytes()[0])]).collect())
    }
}

fn store(sentences: usize) -> (tempfile::TempDir, SentenceStore) {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..sentences).map(|i| format!("{} number {i} is a sentence.\n", ["a", "Bb"][i % 2])).collect();
    std::fs::write(folder.path().join("a.txt"), text).unwrap();
    let corpus = Corpus::open(folder.path(), None).unwrap();
    let work = folder.path().join("work");
    let store = SentenceStore::build(&corpus, &SentenceOptions::default(), &work, &Cancel::new()).unwrap();
    (folder, store)
}

#[test]
fn a_stopped_table_is_continued_and_a_finished_one_reused() {
    let (folder, store) = store(2500);
    let work = folder.path().join("work");
    let build = |until, reports: &mut Vec<usize>| {
        let toy = Toy { seen: Cell::new(0), until };
        let progress = &mut |done, total| {
            assert_eq!(total, 2500);
            reports.push(done);
            Ok(())
        };
        let table = EmbeddingTable::build(&store, &toy, &work, progress, &Cancel::new());
        (table, toy.seen.get())
    };
    let mut reports = Vec::new();
    assert_eq!(build(1500, &mut reports).0.err().unwrap().status(), Status::Io);
    assert_eq!(reports, [1024]);
    let (table, seen) = build(usize::MAX, &mut reports);
    let table = table.unwrap();
    assert_eq!((seen, reports.as_slice()), (2500 - 1024, &[1024, 2048, 2500][..]));
    assert_eq!((table.len(), table.width()), (2500, 2));
    for at in [0, 1023, 1024, 2499] {
        let text = store.text(at).unwrap();
        let expected = [text.len() as f32, f32::from(text.as_bytes()[0])];
        assert_eq!(table.rows(at as usize, 1).unwrap(), expected);
        assert_eq!(table.gather(&[at]).unwrap(), expected);
    }
    assert_eq!(build(0, &mut reports).1, 0);
}

fn tiny_bert() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny-bert")
}

#[derive(serde::Deserialize)]
struct Expected {
    sentences: Vec<Sentence>,
}

#[derive(serde::Deserialize)]
struct Sentence {
    text: String,
    embedding: Vec<f32>,
}

fn check_close(what: &str, found: &[f32], expected: &[f32]) {
    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(found.len() == expected.len() && worst < 2e-6, "{what}: {worst:e}");
}

#[test]
fn a_bert_gives_the_reference_embeddings_alone_and_padded_in_a_batch() {
    let (bert, cancel) = (MiniLm::load(&tiny_bert(), 2).unwrap(), Cancel::new());
    let json = std::fs::read(tiny_bert().join("expected.json")).unwrap();
    let Expected { sentences } = serde_json::from_slice(&json).unwrap();
    let texts: Vec<&str> = sentences.iter().map(|sentence| sentence.text.as_str()).collect();
    let together = bert.embed(&texts, &cancel).unwrap();
    for (sentence, row) in sentences.iter().zip(together.chunks_exact(bert.width())) {
        check_close(&sentence.text, row, &sentence.embedding);
        check_close(&sentence.text, &bert.embed(&[&sentence.text], &cancel).unwrap(), &sentence.embedding);
    }
    assert!(bert.embed(&[], &cancel).unwrap().is_empty());
}

#[test]
fn a_damaged_bert_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let load = || MiniLm::load(folder.path(), 1).err().unwrap();
    assert_eq!(load().status(), Status::NotFound);
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(tiny_bert().join(name), folder.path().join(name)).unwrap();
    }
    for name in ["model.safetensors", "tokenizer.json", "config.json"] {
        let path = folder.path().join(name);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let error = load();
        assert!(error.status() == Status::CorruptFile && error.to_string().contains(name), "{error}");
        std::fs::write(&path, &bytes).unwrap();
    }
}

#[test]
fn sizes_that_no_bert_has_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(tiny_bert().join(name), folder.path().join(name)).unwrap();
    }
    let path = folder.path().join("config.json");
    let genuine: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for (name, value) in [
        ("num_attention_heads", 0),
        ("num_attention_heads", 3),
        ("hidden_size", 0),
        ("max_position_embeddings", 0),
        ("max_position_embeddings", 1),
    ] {
        let mut config = genuine.clone();
        config[name] = value.into();
        std::fs::write(&path, config.to_string()).unwrap();
        let error = MiniLm::load(folder.path(), 1).err().unwrap();
        assert!(error.status() == Status::CorruptFile && error.to_string().contains(name), "{error}");
    }
}

#[test]
fn pooled_states_are_those_of_the_loss_without_a_prompt() {
    use crate::backbone::{Sequence, Wanted};
    for name in ["tiny-llama-tied", "tiny-t5"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        let model = crate::Model::load(path, &crate::ModelOptions::default()).unwrap();
        let backbone = model.backbone();
        let texts = ["The lamp is not broken.", "Rain."];
        let ids = texts.map(|text| backbone.tokenizer().encode(text).unwrap());
        let pooled = backbone.pooled(&ids, &Cancel::new()).unwrap();
        for (text, row) in ids.iter().zip(pooled.chunks_exact(backbone.width())) {
            let alone = backbone.pooled(std::slice::from_ref(text), &Cancel::new()).unwrap();
            check_close(name, row, &alone);
            // A T5's loss appends the sentinel; only a decoder-only network reads the text alone.
            if name == "tiny-llama-tied" {
                let prompt = crate::SoftPrompt::empty(backbone.width());
                let batch = [Sequence::new(text.clone(), vec![3])];
                let made = backbone.loss(&prompt, &batch, Wanted::GradientAndPooled, 0, &Cancel::new()).unwrap();
                check_close(name, row, &made.pooled);
            }
        }
        let rows = PooledStates::new(backbone).embed(&texts, &Cancel::new()).unwrap();
        for row in rows.chunks_exact(backbone.width()) {
            assert!((row.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
        }
        for bad in [vec![], vec![backbone.vocabulary() as u32]] {
            assert_eq!(backbone.pooled(&[bad], &Cancel::new()).unwrap_err().status(), Status::InvalidArgument);
        }
    }
}
