use super::*;
use crate::adapt::toy::Toy;

fn options() -> AdaptOptions {
    AdaptOptions { steps: 60, learning_rate: 0.3, batch_size: 8, eval_every: 10, ..Default::default() }
}

fn tuned(toy: &Toy, dev: Option<&TokenizedExamples>, options: &AdaptOptions) -> Result<Tuned> {
    tuned_from(toy, toy.prompt(3), dev, options, Control::default())
}

fn tuned_from(
    toy: &Toy,
    start: SoftPrompt,
    dev: Option<&TokenizedExamples>,
    options: &AdaptOptions,
    mut control: Control<'_>,
) -> Result<Tuned> {
    let train = toy.examples(&[10, 10, 10]);
    let labels = toy.labels();
    let verbalizers: Vec<Vec<u32>> = (0..3).map(|label| vec![label]).collect();
    let began = Instant::now();
    let run = Run { backbone: toy, train: &train, dev, labels: &labels, verbalizers: &verbalizers, options, began };
    tune(&run, start, &mut control)
}

/// Dev rows whose gold labels contradict the training rows, so that every step makes them worse.
fn contradicting(toy: &Toy) -> TokenizedExamples {
    let mut dev = toy.examples(&[4, 4, 4]);
    dev.labels.iter_mut().for_each(|label| *label = (*label + 1) % 3);
    dev
}

#[test]
fn the_loop_learns_and_records_every_step() {
    let toy = Toy::new();
    let dev = toy.examples(&[6, 6, 6]);
    let tuned = tuned(&toy, Some(&dev), &options()).unwrap();
    assert_eq!(tuned.steps.len(), 60);
    assert!(tuned.steps[59].loss < 0.5 * tuned.steps[0].loss);
    assert_eq!(tuned.steps[0].learning_rate, 0.3);
    assert!((tuned.steps[59].learning_rate - 0.3 / 60.0).abs() < 1e-7);
    assert_eq!(tuned.dev.iter().map(|r| r.step).collect::<Vec<_>>(), [0, 10, 20, 30, 40, 50, 60]);
    assert_eq!(tuned.dev.last().unwrap().accuracy, 1.0);
    assert!(!tuned.one_class && tuned.stopped == Stopped::Steps);
}

#[test]
fn iterates_are_the_prompts_of_shorter_looks_at_the_same_run() {
    let toy = Toy::new();
    let dev = contradicting(&toy);
    let watched = AdaptOptions { iterates_at: vec![60, 5, 0, 61], ..options() };
    let tuned = tuned(&toy, Some(&dev), &watched).unwrap();
    assert_eq!(tuned.iterates.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [0, 5, 60]);
    assert_eq!(tuned.iterates[0].1, Learned { prompt: toy.prompt(3), head: None });
    let last = tuned_from(&toy, toy.prompt(3), None, &options(), Control::default()).unwrap().learned;
    assert_eq!(tuned.iterates[2].1, last);
    assert!(tuned.iterates[1].1 != last && tuned.learned != last);
}

#[test]
fn the_kept_prompt_is_the_one_of_the_best_scoring() {
    let toy = Toy::new();
    let dev = toy.examples(&[6, 6, 6]);
    // Far too high a rate, without decay in sight: the scorings go up and down.
    let tuned = tuned(&toy, Some(&dev), &AdaptOptions { learning_rate: 40.0, eval_every: 1, ..options() }).unwrap();
    let key = |r: &DevRecord| (r.accuracy, -r.loss);
    let best = tuned.dev.iter().fold(&tuned.dev[0], |best, r| if key(r) > key(best) { r } else { best });
    assert_eq!(tuned.kept_step, best.step);
    let labels = toy.labels();
    let again = Quality::of(&toy, &tuned.learned.prompt, &dev, &labels, &options(), &Cancel::new()).unwrap();
    assert_eq!((again.accuracy, again.loss), (best.accuracy, best.loss));
}

#[test]
fn the_start_can_win() {
    let toy = Toy::new();
    let dev = contradicting(&toy);
    let start = SoftPrompt::new(3, toy.width(), vec![0.0; 3 * toy.width()]).unwrap();
    let tuned = tuned_from(&toy, start.clone(), Some(&dev), &options(), Control::default()).unwrap();
    assert_eq!((tuned.kept_step, tuned.learned.prompt), (0, start));
    assert_eq!(tuned.steps.len(), 60);
}

#[test]
fn patience_ends_the_run() {
    let toy = Toy::new();
    let dev = contradicting(&toy);
    let start = SoftPrompt::new(3, toy.width(), vec![0.0; 3 * toy.width()]).unwrap();
    let options = AdaptOptions { patience: 2, ..options() };
    let tuned = tuned_from(&toy, start, Some(&dev), &options, Control::default()).unwrap();
    assert_eq!((tuned.steps.len(), tuned.kept_step, tuned.stopped), (20, 0, Stopped::Patience));
}

#[test]
fn without_a_dev_part_the_last_prompt_is_kept() {
    let toy = Toy::new();
    let tuned = tuned(&toy, None, &options()).unwrap();
    assert_eq!((tuned.kept_step, tuned.steps.len()), (60, 60));
    assert!(tuned.dev.is_empty() && !tuned.one_class);
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let toy = Toy::new();
    let bits = |seed| {
        let tuned = tuned(&toy, None, &AdaptOptions { seed, ..options() }).unwrap();
        tuned.learned.prompt.values().iter().map(|v| v.to_bits()).collect::<Vec<_>>()
    };
    assert_eq!(bits(1), bits(1));
    assert_ne!(bits(1), bits(2));
}

#[test]
fn a_time_limit_returns_the_best_so_far() {
    let toy = Toy::new();
    let dev = toy.examples(&[6, 6, 6]);
    let options = AdaptOptions { time_limit: 1e-9, ..options() };
    let scored = tuned(&toy, Some(&dev), &options).unwrap();
    assert_eq!((scored.steps.len(), scored.dev.len(), scored.stopped), (1, 2, Stopped::TimeLimit));
    let unscored = tuned(&toy, None, &options).unwrap();
    assert_eq!((unscored.kept_step, unscored.stopped), (1, Stopped::TimeLimit));
}

#[test]
fn a_stop_is_obeyed_before_and_between_steps() {
    let toy = Toy::new();
    let cancel = Cancel::new();
    cancel.request();
    let control = Control { cancel, progress: None };
    let error = tuned_from(&toy, toy.prompt(3), None, &options(), control).err().unwrap();
    assert_eq!(error.status(), Status::Cancelled);

    let mut told = 0;
    let mut listener = |progress: Progress| {
        told = progress.done;
        progress.done < 3
    };
    let control = Control { progress: Some(&mut listener), ..Default::default() };
    let error = tuned_from(&toy, toy.prompt(3), None, &options(), control).err().unwrap();
    assert_eq!((error.status(), told), (Status::Cancelled, 3));

    let cancel = Cancel::new();
    let flag = cancel.clone();
    let mut last = 0;
    let mut listener = |progress: Progress| {
        last = progress.done;
        flag.request();
        true
    };
    let control = Control { cancel, progress: Some(&mut listener) };
    let error = tuned_from(&toy, toy.prompt(3), None, &options(), control).err().unwrap();
    assert_eq!((error.status(), last), (Status::Cancelled, 1));
}

#[test]
fn progress_is_told_on_the_calling_thread_for_steps_and_scorings() {
    let toy = Toy::new();
    let dev = toy.examples(&[6, 6, 6]);
    let here = std::thread::current().id();
    let mut told = Vec::new();
    let mut listener = |p: Progress| {
        assert_eq!(std::thread::current().id(), here);
        told.push((p.stage, p.done, p.total, p.accuracy.is_nan()));
        true
    };
    let control = Control { progress: Some(&mut listener), ..Default::default() };
    let options = AdaptOptions { steps: 3, eval_every: 2, ..options() };
    tuned_from(&toy, toy.prompt(3), Some(&dev), &options, control).unwrap();
    let step = |done| (Stage::Step, done, 3, true);
    let scored = |done| (Stage::Dev, done, 3, false);
    assert_eq!(told, [scored(0), step(1), step(2), scored(2), step(3), scored(3)]);
}

#[test]
fn a_loss_that_is_not_finite_says_what_to_lower() {
    let at = |poisoned_from| {
        let mut toy = Toy::new();
        toy.poisoned_from = poisoned_from;
        tuned(&toy, None, &options()).err().unwrap()
    };
    let error = at(4);
    assert_eq!(error.status(), Status::NotFinite);
    let text = error.to_string();
    assert!(text.contains("step 5 of 60") && text.contains("lower learning_rate, which is 0.3"), "{text}");
    assert!(at(0).to_string().contains("model's weights"));
}

#[test]
fn one_class_for_all_rows_is_seen() {
    let toy = Toy::new();
    let dev = toy.examples(&[6, 6, 6]);
    let options = AdaptOptions { steps: 1, learning_rate: 1e-8, ..options() };
    for dev in [None, Some(&dev)] {
        let tuned = tuned_from(&toy, toy.stubborn_prompt(), dev, &options, Control::default()).unwrap();
        assert!(tuned.one_class);
    }
}

/// The rate of the prompt is a tenth of what it is without a head, which learns beside it.
fn with_head() -> AdaptOptions {
    AdaptOptions { answer_loss: AnswerLoss::Head, learning_rate: 0.03, ..options() }
}

#[test]
fn a_head_is_trained_and_kept_beside_the_prompt() {
    let toy = Toy::new();
    let dev = toy.examples(&[6, 6, 6]);
    for part in [None, Some(&dev)] {
        let tuned = tuned(&toy, part, &with_head()).unwrap();
        assert!(tuned.steps[59].loss < 0.7 * tuned.steps[0].loss);
        let head = tuned.learned.head.unwrap();
        assert_eq!((head.labels(), head.width()), (3, toy.width()));
        let states = AnswerStates::of(&toy, &tuned.learned.prompt, &dev.sequences, 0, &Cancel::new()).unwrap();
        let quality = Quality::of_scores(&states.scores(&head), &dev.labels);
        assert_eq!(quality.accuracy, 1.0);
        assert!(!tuned.one_class);
    }
}

#[test]
fn the_kept_head_is_the_candidate_with_the_lowest_dev_loss_fitted_to_the_dev_rows_too() {
    let toy = Toy::new();
    let dev = toy.examples(&[4, 4, 4]);
    // One step is too few for the trained head to be the best.
    let tuned = tuned(&toy, Some(&dev), &AdaptOptions { steps: 1, ..with_head() }).unwrap();
    let Learned { prompt, head: kept } = tuned.learned;
    let train = toy.examples(&[10, 10, 10]);
    let states =
        |examples: &TokenizedExamples| AnswerStates::of(&toy, &prompt, &examples.sequences, 0, &Cancel::new()).unwrap();
    let verbalizers: Vec<Vec<u32>> = (0..3).map(|label| vec![label]).collect();
    let head = HeadTraining::new(&toy, &verbalizers, &states(&train));
    let candidates = head.candidates(&states(&train), &train.labels, &Cancel::new()).unwrap();
    let loss = |head: &LabelHead| Quality::of_scores(&states(&dev).scores(head), &dev.labels).loss;
    let losses: Vec<f32> = candidates.iter().map(|candidate| loss(&candidate.head)).collect();
    assert!(losses.len() == 5 && losses.iter().any(|loss| *loss != losses[0]));
    let lowest = losses.iter().copied().fold(f32::INFINITY, f32::min);
    let record = tuned.dev.iter().find(|record| record.step == tuned.kept_step).unwrap();
    assert_eq!(record.loss, lowest);

    let chosen = candidates.into_iter().zip(losses).find(|(_, loss)| *loss == lowest).unwrap().0;
    let labels = [train.labels.as_slice(), &dev.labels].concat();
    let joined = AnswerStates::joined([states(&train), states(&dev)]);
    let again = head.fitted_again(chosen, &joined, &labels, &Cancel::new()).unwrap();
    assert!(loss(&again) < lowest);
    assert_eq!(kept.unwrap(), again);
}

#[test]
fn iterates_are_not_scored_where_no_scoring_is_due() {
    let toy = Toy::new();
    let dev = toy.examples(&[6, 6, 6]);
    for options in [options(), with_head()] {
        let watched = AdaptOptions { iterates_at: vec![3, 7], ..options.clone() };
        let (plain, watched) = (tuned(&toy, Some(&dev), &options), tuned(&toy, Some(&dev), &watched));
        let (plain, watched) = (plain.unwrap(), watched.unwrap());
        assert_eq!(watched.iterates.len(), 2);
        assert!(plain.watch_seconds == 0.0 && watched.watch_seconds > 0.0);
        assert_eq!((plain.dev, plain.learned), (watched.dev, watched.learned));
    }
}
