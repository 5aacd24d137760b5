use super::*;
use crate::text::GgufVocabulary;

fn label(name: &str, verbalizer: &str) -> Label {
    Label { name: name.to_owned(), verbalizer: verbalizer.to_owned() }
}

fn task() -> Task {
    Task::new("t", "{text}:", vec![label("good", " a"), label("bad", " b")]).unwrap()
}

fn tokenizer() -> Tokenizer {
    let tokens = vec!["a", "b", "Ġ", "Ġa"];
    Tokenizer::from_gguf(&GgufVocabulary {
        model: "gpt2",
        pre: "gpt-2",
        tokens,
        merges: vec!["Ġ a"],
        ..Default::default()
    })
    .unwrap()
}

#[test]
fn invalid_tasks_say_what_is_wrong() {
    let two = || vec![label("good", " a"), label("bad", " b")];
    let many = (0..=MAX_LABELS).map(|i| label(&i.to_string(), "a")).collect();
    for (name, template, labels, place) in [
        ("t", "{text}", vec![], "0 came"),
        ("t", "{text}", vec![label("good", " a")], "1 came"),
        ("t", "{text}", many, "1001 came"),
        ("t", "{text}", vec![label("good", " a"), label("good", " b")], "\"good\""),
        ("t", "{text}", vec![label("good", " a"), label("", " b")], "labels[1]: name"),
        ("t", "{text}", vec![label("good", " a"), label("bad", " ")], "labels[1]: verbalizer"),
        ("t", "no field", two(), "template"),
        (&"n".repeat(MAX_NAME_BYTES + 1), "{text}", two(), "name"),
    ] {
        let error = Task::new(name, template, labels).unwrap_err();
        assert_eq!(error.status(), Status::InvalidTask);
        assert!(error.to_string().contains(place), "{error}");
    }
}

#[test]
fn the_file_form_goes_both_ways_and_other_keys_are_not_kept() {
    let text = r#"{"name":"t","extra":[1],"template":"{text}:","labels":[
        {"name":"good","verbalizer":" a","note":1},{"name":"bad","verbalizer":" b"}]}"#;
    let read = Task::from_json(text.as_bytes()).unwrap();
    assert_eq!(read, task());
    let written = serde_json::to_string(&read).unwrap();
    assert!(!written.contains("extra") && !written.contains("note"));
    assert_eq!(serde_json::from_str::<Task>(&written).unwrap(), task());
    assert!(serde_json::from_str::<Task>(r#"{"name":"t","template":"{text}","labels":[]}"#).is_err());
}

#[test]
fn verbalizers_are_tokenized_apart_and_must_differ() {
    assert_eq!(task().verbalizer_ids(&tokenizer()).unwrap(), [vec![3], vec![2, 1]]);
    let verbalizers = |a: &str, b: &str| Task::new("t", "{text}", vec![label("good", a), label("bad", b)]).unwrap();
    for (task, place) in [
        (verbalizers(" a", " a"), "\"good\" and \"bad\""),
        (verbalizers("a", "z"), "\"bad\""),
        (verbalizers(&"a".repeat(MAX_VERBALIZER_TOKENS + 1), "b"), "33"),
    ] {
        let error = task.verbalizer_ids(&tokenizer()).unwrap_err();
        assert_eq!(error.status(), Status::InvalidTask);
        assert!(error.to_string().contains(place), "{error}");
    }
}

#[test]
fn labels_are_found_and_counted() {
    let task = task();
    assert_eq!((task.label_index("bad"), task.label_index("x")), (Some(1), None));
    let rows = [Example::text("x", Some("bad")), Example::text("y", None), Example::text("z", Some("bad"))];
    assert_eq!(task.count_per_label(&rows).unwrap(), [0, 2]);
    let error = task.count_per_label(&[Example::text("x", Some("private"))]).unwrap_err();
    assert!(error.to_string().contains("example 1") && !error.to_string().contains("private"), "{error}");
}

#[test]
fn rows_take_the_wanted_fields_only() {
    let task = Task::new("t", "{text} {n} {b} {label}", task().labels().to_vec()).unwrap();
    let row =
        task.parse_row(r#" {"n": 1.5, "text": "x", "b": true, "other": [{"a": 1}], "label": "good"} "#, true).unwrap();
    let fields: Vec<(&str, &str)> = row.fields.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(fields, [("b", "true"), ("label", "good"), ("n", "1.5"), ("text", "x")]);
    assert_eq!(row.label.as_deref(), Some("good"));
}

#[test]
fn debug_shows_no_text() {
    let shown = format!("{:?}", Example::text("private words", Some("good")));
    assert!(shown.contains("text") && shown.contains("13") && !shown.contains("private"), "{shown}");
}
