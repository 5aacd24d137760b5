//! Progress of long work: a bar on a terminal, a few lines elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use supmer::Progress;
use supmer::runtime::Stage;

use crate::console::Console;

/// Lines that are printed in the course of an adaptation when there is no terminal.
const LINES: usize = 10;

/// The progress of one adaptation.
pub struct AdaptProgress {
    bar: Option<ProgressBar>,
    lines: bool,
    last_line: usize,
    loss: f32,
    dev_accuracy: f32,
}

impl AdaptProgress {
    /// Shows the progress of `title` as far as `console` wants it.
    pub fn new(console: &Console, title: &str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self {
            bar: (terminal && !console.quiet).then(|| steps_bar(title)),
            lines: !terminal && !console.quiet,
            last_line: 0,
            loss: f32::NAN,
            dev_accuracy: f32::NAN,
        }
    }

    /// Shows what the library reports.
    pub fn update(&mut self, progress: Progress) {
        match progress.stage {
            Stage::Step | Stage::Train => self.loss = progress.loss,
            Stage::Dev => self.dev_accuracy = progress.accuracy,
            Stage::Prepare => self.loss = f32::NAN,
            Stage::Predict | Stage::Load => return,
        }
        if let Some(bar) = &self.bar {
            bar.set_length(progress.total as u64);
            bar.set_position(progress.done as u64);
            bar.set_message(self.figures());
        }
        let line = progress.done * LINES / progress.total.max(1);
        // Another kind of work has begun.
        self.last_line = self.last_line.min(line);
        if self.lines && progress.stage != Stage::Dev && line > self.last_line {
            self.last_line = line;
            let unit = if progress.stage == Stage::Prepare { "sentence" } else { "step" };
            eprintln!("{unit} {} of {}  {}", progress.done, progress.total, self.figures());
        }
    }

    /// Takes the bar away.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }

    fn figures(&self) -> String {
        let mut text = String::new();
        if self.loss.is_finite() {
            text += &format!("loss {:.3}", self.loss);
        }
        if self.dev_accuracy.is_finite() {
            text += &format!("  dev accuracy {:.1} %", 100.0 * self.dev_accuracy);
        }
        text
    }
}

/// A bar that counts rows on a terminal, hidden elsewhere; without a `total` it only counts.
pub fn rows_bar(console: &Console, title: &str, total: Option<usize>) -> ProgressBar {
    if console.quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, style) = match total {
        Some(total) => (ProgressBar::new(total as u64), "{prefix} [{bar:30}] {pos}/{len} rows"),
        None => (ProgressBar::no_length(), "{prefix} {spinner} {pos} rows, {per_sec}"),
    };
    bar.set_style(style_of(style));
    bar.set_prefix(title.to_owned());
    bar
}

fn steps_bar(title: &str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    bar.set_style(style_of("{prefix} [{bar:30}] {pos}/{len} steps, {eta} left  {msg}"));
    bar.set_prefix(title.to_owned());
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

fn style_of(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden() -> AdaptProgress {
        AdaptProgress { bar: None, lines: false, last_line: 0, loss: f32::NAN, dev_accuracy: f32::NAN }
    }

    #[test]
    fn figures_hold_the_latest_of_each_kind() {
        let mut shown = hidden();
        assert_eq!(shown.figures(), "");
        shown.update(Progress { stage: Stage::Step, done: 1, total: 4, loss: 2.0, accuracy: f32::NAN });
        shown.update(Progress { stage: Stage::Dev, done: 1, total: 4, loss: 1.5, accuracy: 0.75 });
        shown.update(Progress { stage: Stage::Step, done: 2, total: 4, loss: 1.25, accuracy: f32::NAN });
        assert_eq!(shown.figures(), "loss 1.250  dev accuracy 75.0 %");
    }

    #[test]
    fn templates_of_the_bars_are_valid() {
        for template in ["{prefix} [{bar:30}] {pos}/{len} rows", "{prefix} {spinner} {pos} rows, {per_sec}"] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
