//! One folder with a corpus, and `supmer train` run in it.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::text::write_corpus;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny-llama-tied");
/// Small enough for the tiny model and its corpus; options given later win. Clusters by the states of a random model have no
/// typical words, so `topic` is off. What is published and no default for this family is on: all of its formats, mixing, and
/// the loss over the vocabulary.
const SMALL: [&str; 20] = [
    "--clusters",
    "8",
    "--held-out",
    "0.5",
    "--cluster-steps",
    "20",
    "--support",
    "4",
    "--query",
    "4",
    "--prompt-length",
    "4",
    "--rank",
    "3",
    "--formats",
    "nsp,nss,scsp,scss,scc,cloze",
    "--mixing",
    "true",
    "--answer-loss",
    "vocabulary",
];

/// A scratch folder.
pub struct Run(TempDir);

impl Run {
    /// With a corpus of so many documents.
    pub fn new(documents: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_corpus(&folder.path().join("text"), documents);
        Self(folder)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    pub fn exists(&self, name: &str) -> bool {
        Path::new(&self.path(name)).exists()
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub fn metrics(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("run/metrics.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Steps that the bundle says were done.
    pub fn steps_done(&self) -> u64 {
        supmer::Bundle::load(self.path("b.supmer")).unwrap().origin().recipe["steps_done"].as_u64().unwrap()
    }

    /// Trains on the corpus; what it printed.
    pub fn succeed(&self, options: &[&str]) -> String {
        let output = self.command(MODEL, &self.corpus(), options).output().unwrap();
        succeeded(&output)
    }

    pub fn succeed_on(&self, source: &[&str], options: &[&str]) -> String {
        let source: Vec<String> = source.iter().map(|&part| part.to_owned()).collect();
        succeeded(&self.command(MODEL, &source, options).output().unwrap())
    }

    /// Trains `model` by its own recipe on the corpus; a run that is not done in time is stopped and fails.
    #[cfg(feature = "real-model-tests")]
    pub fn succeed_within(&self, limit: Duration, model: &str, options: &[&str]) {
        let mut command = self.plain_command(model, &self.corpus());
        let mut child = command.args(options).stdout(Stdio::null()).spawn().unwrap();
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if began.elapsed() > limit {
                child.kill().unwrap();
                panic!("the run was not done after {limit:?}");
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        assert!(status.success(), "{status}");
    }

    /// Trains and must fail; what it said.
    pub fn fail(&self, options: &[&str]) -> String {
        failed(&self.command(MODEL, &self.corpus(), options).output().unwrap())
    }

    pub fn fail_on(&self, source: &[&str], options: &[&str]) -> String {
        let source: Vec<String> = source.iter().map(|&part| part.to_owned()).collect();
        failed(&self.command(MODEL, &source, options).output().unwrap())
    }

    /// Trains until `lines` lines of metrics are written, then sends the signal.
    pub fn stop_at(&self, lines: usize, signal: &str, options: &[&str]) {
        let mut command = self.command(MODEL, &self.corpus(), options);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let began = Instant::now();
        let metrics = self.path("run/metrics.jsonl");
        let written = || std::fs::read(&metrics).map_or(0, |bytes| bytes.iter().filter(|&&b| b == b'\n').count());
        while written() < lines {
            assert!(child.try_wait().unwrap().is_none(), "the run ended before it could be stopped");
            assert!(began.elapsed() < Duration::from_secs(300), "no metrics came");
            std::thread::sleep(Duration::from_millis(1));
        }
        let sent = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let status = child.wait().unwrap();
        match signal {
            "KILL" => assert!(!status.success()),
            _ => assert_eq!(status.code(), Some(130), "{signal}"),
        }
    }

    fn corpus(&self) -> Vec<String> {
        vec!["--corpus".to_owned(), self.path("text")]
    }

    fn plain_command(&self, model: &str, source: &[String]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_supmer"));
        command.args(["train", "--model", model]).args(source);
        command.args(["--out", &self.path("b.supmer"), "--run", &self.path("run")]);
        command
    }

    fn command(&self, model: &str, source: &[String], options: &[&str]) -> Command {
        let mut command = self.plain_command(model, source);
        // A start of its own leaves no room for sizes, labelled sets none for those of text; an option given twice is refused.
        let from_bundle = options.contains(&"--init-bundle");
        let is_labelled = source.iter().any(|part| part == "--labelled");
        for pair in SMALL.chunks_exact(2) {
            let is_start = ["--prompt-length", "--rank"].contains(&pair[0]);
            if !(options.contains(&pair[0]) || from_bundle && is_start || is_labelled && !is_start) {
                command.args(pair);
            }
        }
        command.args(options);
        command
    }
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn failed(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr.clone()).unwrap()
}
