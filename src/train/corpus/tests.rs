use super::*;
use crate::limits::MAX_LINE_BYTES;

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

fn read(corpus: &Corpus) -> Result<(Vec<(u32, String)>, CorpusSummary)> {
    let mut paragraphs = corpus.paragraphs();
    let mut all = Vec::new();
    for paragraph in paragraphs.by_ref() {
        let Paragraph { document, text } = paragraph?;
        all.push((document, text));
    }
    Ok((all, paragraphs.finish()))
}

#[test]
fn documents_come_in_order_from_both_forms() {
    let json = b"{\"text\": \"four\\nfive\", \"id\": 7}\n\n{\"text\": \" \"}\n{\"text\": \"six\"}\n";
    let text = b"\xEF\xBB\xBFone\r\ntwo\n\n\n \nthree";
    let folder = folder(&[("b.jsonl", json), ("a.txt", text), ("ignored.md", b"no")]);
    let corpus = Corpus::open(folder.path(), None).unwrap();
    let (all, summary) = read(&corpus).unwrap();
    let expected = [(0, "one"), (0, "two"), (1, "three"), (2, "four"), (2, "five"), (3, "six")];
    assert_eq!(all, expected.map(|(document, text)| (document, text.to_owned())));
    assert_eq!((summary.documents, summary.paragraphs), (4, 6));
    assert_eq!(summary.files, ["a.txt", "b.jsonl"]);
    assert_eq!(summary.bytes, (text.len() + json.len()) as u64);
    assert_eq!(summary.digest, corpus.digest(&Cancel::new()).unwrap());
}

#[test]
fn the_digest_follows_names_and_bytes() {
    let digest =
        |files: &[(&str, &[u8])]| Corpus::open(folder(files).path(), None).unwrap().digest(&Cancel::new()).unwrap();
    let one = digest(&[("a.txt", b"x\n")]);
    assert_eq!(one, digest(&[("a.txt", b"x\n")]));
    for other in
        [digest(&[("b.txt", b"x\n")]), digest(&[("a.txt", b"y\n")]), digest(&[("a.txt", b""), ("b.txt", b"x\n")])]
    {
        assert_ne!(one, other);
    }
}

#[test]
fn names_choose_files_and_must_exist() {
    let folder = folder(&[("a.txt", b"one"), ("b.txt", b"two")]);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let corpus = Corpus::open(folder.path(), Some(&names(&["b.txt"]))).unwrap();
    assert_eq!(read(&corpus).unwrap().0, [(0, "two".to_owned())]);
    let error = Corpus::open(folder.path(), Some(&names(&["b.txt", "c.txt"]))).unwrap_err();
    assert!(error.status() == Status::NotFound && error.to_string().contains("c.txt"), "{error}");
}

#[test]
fn bad_input_is_named_with_file_and_line() {
    let long = vec![b'x'; MAX_LINE_BYTES + 1];
    for (name, bytes, status, part) in [
        ("a.txt", &b"good\n\xFFbad\n"[..], Status::InvalidUtf8, "a.txt line 2: not UTF-8 from byte 1"),
        ("a.txt", &long, Status::TooLarge, "a.txt line 1"),
        ("a.jsonl", b"{\"text\": \"x\"}\n[1]\n", Status::CorruptFile, "a.jsonl line 2"),
        ("a.jsonl", b"{\"body\": \"x\"}\n", Status::CorruptFile, "a.jsonl line 1"),
    ] {
        let folder = folder(&[(name, bytes)]);
        let error = read(&Corpus::open(folder.path(), None).unwrap()).unwrap_err();
        assert!(error.status() == status && error.to_string().contains(part), "{error}");
    }
    let empty = folder(&[("a.md", b"x")]);
    assert_eq!(Corpus::open(empty.path(), None).unwrap_err().status(), Status::InvalidArgument);
    assert_eq!(Corpus::open(&empty.path().join("a.md"), None).unwrap_err().status(), Status::InvalidArgument);
    assert_eq!(Corpus::open(&empty.path().join("b.txt"), None).unwrap_err().status(), Status::NotFound);
    #[cfg(unix)]
    {
        let endless = empty.path().join("endless.txt");
        std::os::unix::fs::symlink("/dev/zero", &endless).unwrap();
        assert_eq!(Corpus::open(&endless, None).unwrap_err().status(), Status::InvalidArgument);
    }
}
