use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::adapt::AnswerLoss;
use crate::error::{Result, Status};
use crate::model::{Model, ModelOptions};
use crate::runtime::Cancel;
use crate::task::Example;
use crate::train::{ClusterOptions, Clusters, Corpus, Embedder, EmbeddingTable, SentenceOptions, SentenceStore};

const SUBJECTS: [&str; 8] = ["rain", "wind", "bread", "music", "horse", "paper", "winter", "garden"];

/// Words that say nothing of the subject.
const ANYWHERE: [&str; 20] = [
    "clever", "quick", "proud", "honest", "early", "fancy", "modest", "noble", "plain", "royal", "solid", "sudden",
    "tough", "urban", "vivid", "warm", "yellow", "zesty", "brisk", "calm",
];

/// Clusters are subjects: a vector says which one a sentence names.
struct BySubject;

impl Embedder for BySubject {
    fn id(&self) -> String {
        "subjects".to_owned()
    }

    fn width(&self) -> usize {
        SUBJECTS.len()
    }

    fn embed(&self, texts: &[&str], _: &Cancel) -> Result<Vec<f32>> {
        Ok(texts.iter().flat_map(|text| SUBJECTS.map(|subject| f32::from(text.contains(subject)))).collect())
    }
}

struct World {
    _folder: tempfile::TempDir,
    sentences: SentenceStore,
    clusters: Clusters,
}

/// Documents of four sentences on one subject; only the second names it with a word of its own.
fn world(documents: usize, held_out: f64) -> World {
    world_of(documents, held_out, |document| {
        let subject = SUBJECTS[document % SUBJECTS.len()];
        let sentence = |at| format!("Part {at} of {document} tells of {subject}{at} today.");
        let plain = format!("Here {document} the {subject} is named.");
        [sentence(0), plain, sentence(2), sentence(3)]
    })
}

/// Documents of four sentences that go from subject to subject, each with a word that goes with all subjects.
fn wandering_world(documents: usize, held_out: f64) -> World {
    world_of(documents, held_out, |document| {
        [0, 1, 2, 3].map(|at| {
            let subject = SUBJECTS[(document + at * (1 + document / 8)) % SUBJECTS.len()];
            let word = ANYWHERE[(document + document / 8 + 7 * at) % ANYWHERE.len()];
            format!("Part {at} of {document} tells of the {subject}, which is {word} today.")
        })
    })
}

/// Documents of the four sentences that `sentences` gives for their number.
fn world_of(documents: usize, held_out: f64, sentences: impl Fn(usize) -> [String; 4]) -> World {
    let folder = tempfile::tempdir().unwrap();
    let line = |document: usize| sentences(document).join(" ") + "\n\n";
    std::fs::write(folder.path().join("a.txt"), (0..documents).map(line).collect::<String>()).unwrap();
    let corpus = Corpus::open(folder.path(), None).unwrap();
    let cancel = Cancel::new();
    let sentences = SentenceStore::build(&corpus, &SentenceOptions::default(), folder.path(), &cancel).unwrap();
    assert_eq!(sentences.len(), 4 * documents);
    let table = EmbeddingTable::build(&sentences, &BySubject, folder.path(), &mut |_, _| Ok(()), &cancel).unwrap();
    let options = ClusterOptions { count: SUBJECTS.len(), held_out, steps: 10, ..ClusterOptions::default() };
    let clusters = Clusters::build(&table, &options, 1, folder.path(), &mut |_, _| Ok(()), &cancel).unwrap();
    assert!(clusters.sizes().iter().all(|&size| size > 0));
    World { _folder: folder, sentences, clusters }
}

fn model(name: &str) -> Arc<Model> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    Model::load(path, &ModelOptions { thread_count: 1, ..ModelOptions::default() }).unwrap()
}

/// All formats on, small sets.
fn options() -> AnchorOptions {
    let mut options = AnchorOptions { max_tokens: 300, tasks_per_step: 2, choices: 3, ..AnchorOptions::default() };
    for sizes in options.formats.values_mut() {
        *sizes = SetSizes { weight: 1.0, support: 7, query: 6, support_batch: 4, query_batch: 3 };
    }
    options
}

fn only(format: Format) -> AnchorOptions {
    let mut options = options();
    options.formats.retain(|&other, _| other == format);
    options
}

/// The subject of a sentence.
fn subject(text: &str) -> &'static str {
    SUBJECTS.into_iter().find(|subject| text.contains(subject)).unwrap()
}

/// Document and place of a sentence.
fn place(text: &str) -> (usize, usize) {
    let words: Vec<&str> = text.split(' ').collect();
    match words[0] {
        "Here" => (words[1].parse().unwrap(), 1),
        _ => (words[3].parse().unwrap(), words[1].parse().unwrap()),
    }
}

fn check_label(task: &AnchorTask, example: &Example) {
    let label = example.label.as_deref().unwrap();
    let field = |name: &str| example.fields[name].as_str();
    let follows = |a: &str, b: &str| {
        let ((document, at), (other, next)) = (place(a), place(b));
        document == other && at + 1 == next
    };
    let at = task.task.label_index(label).unwrap();
    match task.format {
        Format::NextPair => {
            let (first, second) = (field("first"), field("second"));
            assert_eq!(at == 0, follows(first, second), "{first} {second} {label}");
            assert_eq!(at + 1 == task.task.labels().len(), subject(first) != subject(second));
        }
        Format::ClusterPair => {
            let (first, second) = (field("first"), field("second"));
            assert_eq!(at == 0, subject(first) == subject(second));
            assert_ne!(first, second);
        }
        Format::NextChoice | Format::ClusterChoice => {
            for (option, name) in ["a", "b", "c"].into_iter().enumerate() {
                assert_eq!(option == at, subject(field("text")) == subject(field(name)));
                assert!(task.format == Format::ClusterChoice || option != at || follows(field("text"), field(name)));
            }
        }
        Format::ClusterCenter => {
            let expected = format!("[centre of cluster {}]", task.clusters[at]);
            assert_eq!(field(["a", "b", "c"][at]), expected);
        }
        Format::TopicWord => assert!(!SUBJECTS.contains(&label) || !field("text").contains(&format!(" {label} "))),
        Format::HiddenWord => {
            let whole = format!("{} {label}{}", field("before"), field("after"));
            assert!(
                !field("before").contains(label) && (whole.starts_with("Part") || whole.starts_with("Here")),
                "{whole}"
            );
        }
    }
}

#[test]
fn every_format_gives_balanced_sets_with_true_labels() {
    let world = world(400, 0.5);
    for name in ["tiny-llama-tied", "tiny-t5"] {
        let model = model(name);
        let tasks = AnchorTasks::new(&world.sentences, &world.clusters, model.backbone(), &options(), &Cancel::new());
        let tasks = tasks.unwrap();
        assert_eq!(tasks.formats(), Format::ALL);
        for format in Format::ALL {
            for at in 0..6 {
                let task = tasks.sample(format, at).unwrap();
                assert!(task.clusters.iter().all(|&cluster| !world.clusters.is_held_out(cluster)));
                for (set, size) in [(&task.support, 7), (&task.query, 6)] {
                    assert_eq!(set.len(), size);
                    let counts = task.task.count_per_label(set).unwrap();
                    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
                    assert!(most - least <= 1, "{name} {format:?}: {counts:?}");
                    set.iter().for_each(|example| check_label(&task, example));
                }
                let asked: BTreeSet<String> = task
                    .support
                    .iter()
                    .chain(&task.query)
                    .map(|e| {
                        ["text", "first", "before"].iter().filter_map(|name| e.fields.get(*name)).cloned().collect()
                    })
                    .collect();
                assert_eq!(asked.len(), 13, "{format:?}: a sentence is asked about twice");
                let rendered = task.render(&task.query[0]);
                assert!(rendered.ends_with(task.query[0].label.as_deref().unwrap()) && !rendered.contains("{text}"));
            }
        }
    }
}

#[test]
fn a_step_depends_on_seed_and_number_alone_and_pairs() {
    let world = world(400, 0.25);
    for name in ["tiny-llama-tied", "tiny-t5"] {
        let model = model(name);
        let new = |options: &AnchorOptions| {
            AnchorTasks::new(&world.sentences, &world.clusters, model.backbone(), options, &Cancel::new()).unwrap()
        };
        let (one, two) = (new(&options()), new(&options()));
        let seen: Vec<String> = (0..12).map(|step| format!("{:?}", one.tasks_at(step).unwrap())).collect();
        for step in (0..12).rev() {
            assert_eq!(format!("{:?}", two.tasks_at(step).unwrap()), seen[step]);
        }
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 12);
        let other = new(&AnchorOptions { seed: 2, ..options() });
        assert_ne!(format!("{:?}", other.tasks_at(0).unwrap()), seen[0]);
        for step in 0..12 {
            let tasks = one.tasks_at(step).unwrap();
            assert!(tasks.len() == 2 && tasks[0].format == tasks[1].format);
            for StepTask { format, task, answers } in tasks {
                let drawn: BTreeSet<_> = task.support.iter().flatten().map(|sequence| &sequence.answer).collect();
                assert!((2..=3).contains(&answers) && drawn.len() <= answers, "{format:?}");
                assert_eq!(task.support.iter().map(Vec::len).collect::<Vec<_>>(), [4, 3]);
                assert_eq!(
                    task.query.iter().map(|(own, other)| (own.len(), other.len())).collect::<Vec<_>>(),
                    [(3, 3); 2]
                );
                assert!((0.0..=1.0 + 1e-6).contains(&task.domain_similarity));
                for sequence in
                    task.support.iter().flatten().chain(task.query.iter().flat_map(|(a, b)| a.iter().chain(b)))
                {
                    assert_eq!(
                        (sequence.answer.len(), sequence.given.len()),
                        (1, 3 * usize::from(format == Format::ClusterCenter))
                    );
                    assert!(sequence.text.len() <= 300);
                }
            }
        }
        assert!(one.tasks_at(0).unwrap().iter().all(|task| task.task.partner_support.is_empty()));
        let head_options = AnchorOptions { answer_loss: AnswerLoss::Head, ..options() };
        let heads = new(&head_options);
        for StepTask { task, .. } in heads.tasks_at(0).unwrap() {
            assert_eq!(task.partner_support.iter().map(Vec::len).collect::<Vec<_>>(), [4, 3]);
            let known: Vec<&u32> = task.partner_support.iter().flatten().flat_map(|s| s.among[0].iter()).collect();
            assert!(task.query.iter().flat_map(|(_, other)| other).all(|s| known.contains(&&s.answer[0])));
        }
        for (alone, paired) in heads.unmixed().tasks_at(0).unwrap().iter().zip(new(&head_options).tasks_at(0).unwrap())
        {
            assert_eq!(alone.task.support, paired.task.support);
            assert!(alone.task.query.iter().zip(&paired.task.query).all(|(a, b)| a.0 == b.0 && a.1.is_empty()));
            assert!(alone.task.partner_support.is_empty() && alone.task.domain_similarity == 1.0);
        }
        let mixed = new(&AnchorOptions { one_format_a_step: false, tasks_per_step: 8, ..options() });
        let formats: BTreeSet<Format> = mixed.tasks_at(0).unwrap().iter().map(|task| task.format).collect();
        assert!(formats.len() > 1);
    }
}

#[test]
fn centres_lie_in_embedding_space_and_go_where_options_are() {
    let world = world(200, 0.0);
    for name in ["tiny-llama-tied", "tiny-t5"] {
        let model = model(name);
        let backbone = model.backbone();
        let options = only(Format::ClusterCenter);
        let tasks = AnchorTasks::new(&world.sentences, &world.clusters, backbone, &options, &Cancel::new()).unwrap();
        let StepTask { task, .. } = tasks.tasks_at(3).unwrap().remove(0);
        let sequence = &task.support[0][0];
        let places: Vec<usize> = sequence.given.iter().map(|(at, _)| *at).collect();
        assert!(places.is_sorted() && places.iter().all(|&at| at < sequence.text.len() - 1));
        let norms: Vec<f32> =
            sequence.given.iter().map(|(_, row)| row.iter().map(|x| x * x).sum::<f32>().sqrt()).collect();
        assert!(sequence.given.iter().all(|(_, row)| row.len() == backbone.width()));
        assert!(norms.iter().all(|norm| (norm - norms[0]).abs() < 1e-3 * norms[0]), "{norms:?}");
        let loss = |batch: &Vec<crate::backbone::Sequence>| {
            let prompt = crate::SoftPrompt::empty(backbone.width());
            backbone.loss(&prompt, batch, crate::backbone::Wanted::Loss, 0, &Cancel::new()).unwrap().loss
        };
        assert!(loss(&task.support[0]).is_finite());
        let as_published = AnchorOptions { center_rows: CenterRows::SentenceEncoder, ..options };
        let error = AnchorTasks::new(&world.sentences, &world.clusters, backbone, &as_published, &Cancel::new());
        assert_eq!(error.err().unwrap().status(), Status::InvalidOption);
    }
}

#[test]
fn validation_tasks_come_from_held_out_clusters_with_their_answers() {
    let world = world(400, 0.5);
    let model = model("tiny-llama-tied");
    let tasks =
        AnchorTasks::new(&world.sentences, &world.clusters, model.backbone(), &options(), &Cancel::new()).unwrap();
    for format in Format::ALL {
        let made = tasks.validation(format, 3).unwrap();
        assert_eq!(made.len(), 3);
        for task in made {
            assert!(task.text.clusters.iter().all(|&cluster| world.clusters.is_held_out(cluster)), "{format:?}");
            let sequences: Vec<_> = task
                .task
                .query
                .iter()
                .flat_map(|(own, other)| {
                    assert!(other.is_empty());
                    own
                })
                .collect();
            assert_eq!((sequences.len(), task.gold.len()), (6, 6));
            for (sequence, &gold) in sequences.iter().zip(&task.gold) {
                assert_eq!(sequence.answer, [task.answers[gold]]);
            }
        }
    }
}

/// The sentences of an example, whole.
fn whole_sentences(task: &AnchorTask, example: &Example) -> Vec<String> {
    match task.format {
        Format::HiddenWord => {
            let (before, after) = (&example.fields["before"], &example.fields["after"]);
            vec![format!("{before} {}{after}", example.label.as_deref().unwrap())]
        }
        _ => example.fields.values().filter(|text| !text.starts_with("[centre")).cloned().collect(),
    }
}

#[test]
fn training_and_validation_share_no_sentence() {
    let world = wandering_world(240, 0.5);
    let model = model("tiny-llama-tied");
    let mut options = options();
    // No word is typical of a subject here.
    options.formats.remove(&Format::TopicWord);
    let tasks =
        AnchorTasks::new(&world.sentences, &world.clusters, model.backbone(), &options, &Cancel::new()).unwrap();
    let texts = world.sentences.texts(0, world.sentences.len()).unwrap();
    let check = |task: &AnchorTask, held_out: bool| {
        for text in task.support.iter().chain(&task.query).flat_map(|example| whole_sentences(task, example)) {
            let at = texts.iter().position(|other| *other == text).unwrap();
            let cluster = world.clusters.of(at as u32);
            assert_eq!(world.clusters.is_held_out(cluster), held_out, "{:?}: {text}", task.format);
        }
    };
    for format in tasks.formats() {
        for at in 0..6 {
            check(&tasks.sample(format, at).unwrap(), false);
        }
        for task in tasks.validation(format, 6).unwrap() {
            check(&task.text, true);
        }
    }
}

#[test]
fn what_cannot_be_drawn_is_refused_with_the_counts() {
    let small = world(16, 0.0);
    let model = model("tiny-llama-tied");
    let refused = |world: &World, options: &AnchorOptions| {
        let made = AnchorTasks::new(&world.sentences, &world.clusters, model.backbone(), options, &Cancel::new());
        let error = made.err().unwrap();
        assert_eq!(error.status(), Status::InvalidOption, "{error}");
        error.to_string()
    };
    // Eight members a cluster, six of them followed by another; five words in sentences enough.
    for format in Format::ALL {
        let (choices, found) = match format {
            Format::ClusterCenter => (9, "there are 8"),
            Format::HiddenWord => (9, "there are 5"),
            _ => (3, "there are 0"),
        };
        let message = refused(&small, &AnchorOptions { choices, ..only(format) });
        assert!(message.starts_with(format.name()) && message.contains(found), "{message}");
    }
    for broken in [
        AnchorOptions { choices: 10, ..options() },
        AnchorOptions { max_tokens: 0, ..options() },
        AnchorOptions { tasks_per_step: 0, ..options() },
        AnchorOptions { formats: Default::default(), ..options() },
    ] {
        refused(&small, &broken);
    }
    let mut sizes = options();
    sizes.formats.get_mut(&Format::NextPair).unwrap().weight = f64::NAN;
    assert!(refused(&small, &sizes).contains("nsp"));
    let whole = world(400, 0.0);
    let tasks =
        AnchorTasks::new(&whole.sentences, &whole.clusters, model.backbone(), &options(), &Cancel::new()).unwrap();
    assert_eq!(tasks.validation(Format::ClusterPair, 1).unwrap_err().status(), Status::InvalidOption);
}

#[test]
fn formats_are_weighed_by_name() {
    let mut options = AnchorOptions::causal();
    options.weigh_formats("nsp=0.5,cloze").unwrap();
    let active: Vec<_> = options.active().map(|(format, sizes)| (format, sizes.weight)).collect();
    assert_eq!(active, [(Format::NextPair, 0.5), (Format::HiddenWord, 1.0)]);
    for wrong in ["", "nsq=1", "nsp=x", "nsp=1=2", "nsp, cloze"] {
        assert_eq!(options.weigh_formats(wrong).unwrap_err().status(), Status::InvalidOption, "{wrong}");
    }
}
