//! The `supmer` command: adapt a frozen language model to a task, predict with it, measure it, look into its files.

mod adapt;
mod console;
mod eval;
mod export_peft;
mod failure;
mod files;
mod import_checkpoint;
mod import_peft;
mod inspect;
mod options;
#[cfg(feature = "train")]
mod parity;
mod predict;
mod progress;
mod results;
mod rows;
mod statistics;
#[cfg(feature = "train")]
mod train;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::console::Console;

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    the work failed (memory limit, internal error)
  2    wrong usage: an option is unknown, missing or out of range
  3    an input cannot be used: a missing or damaged file, a bad task, row or adapter, numbers that are not finite;
       or a file cannot be read or written
  130  stopped by Ctrl-C, SIGTERM or SIGHUP; files that were to be written are as they were before (train has saved its
       checkpoint, eval its finished cells)";

/// Adapt a frozen small language model from a few labelled examples, and predict with it.
#[derive(Parser)]
#[command(name = "supmer", version, after_help = EXIT_CODES)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
    /// Print the result as JSON on standard output; messages stay on standard error
    #[arg(long, global = true)]
    json: bool,
    /// Print neither progress nor notes; warnings and errors stay
    #[arg(long, short, global = true)]
    quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Adapt a soft prompt to a task from labelled rows and write the adapter
    #[command(after_help = EXIT_CODES)]
    Adapt(adapt::Arguments),
    /// Predict labels for rows of a file or of standard input
    #[command(after_help = EXIT_CODES)]
    Predict(predict::Arguments),
    /// Measure methods on a labelled data set over several seeds
    #[command(after_help = EXIT_CODES)]
    Eval(eval::Arguments),
    /// Write the page of results of many evaluations from the cells they kept
    #[command(after_help = EXIT_CODES)]
    Results(results::Arguments),
    /// Describe a GGUF file, a model folder, an adapter or a bundle
    #[command(after_help = EXIT_CODES)]
    Inspect(inspect::Arguments),
    /// Make a bundle by meta-training
    #[cfg(feature = "train")]
    #[command(after_help = EXIT_CODES)]
    Train(train::Arguments),
    /// Reproduce the numbers of a parity folder
    #[cfg(feature = "train")]
    #[command(hide = true, after_help = EXIT_CODES)]
    Parity(parity::Arguments),
    /// Make a bundle from the authors' PyTorch files
    #[command(after_help = EXIT_CODES)]
    ImportCheckpoint(import_checkpoint::Arguments),
    /// Write an adapter's prompt as a folder that Hugging Face PEFT loads
    #[command(after_help = EXIT_CODES)]
    ExportPeft(export_peft::Arguments),
    /// Make an adapter from a prompt that Hugging Face PEFT trained
    #[command(after_help = EXIT_CODES)]
    ImportPeft(import_peft::Arguments),
}

impl Command {
    /// How long it may take to end once it was interrupted.
    fn grace(&self) -> Duration {
        match self {
            #[cfg(feature = "train")]
            Command::Train(_) => console::TRAIN_GRACE,
            _ => console::GRACE,
        }
    }
}

fn main() -> ExitCode {
    let line = CommandLine::parse();
    let console = Console::new(line.json, line.quiet);
    if let Err(error) = console.stop_on_interrupt(line.command.grace()) {
        console.warn(&format!("Ctrl-C will end the program at once: {error}"));
    }
    let outcome = match &line.command {
        Command::Adapt(arguments) => adapt::run(arguments, &console),
        Command::Predict(arguments) => predict::run(arguments, &console),
        Command::Eval(arguments) => eval::run(arguments, &console),
        Command::Results(arguments) => results::run(arguments, &console),
        Command::Inspect(arguments) => inspect::run(arguments, &console),
        #[cfg(feature = "train")]
        Command::Train(arguments) => train::run(arguments, &console),
        #[cfg(feature = "train")]
        Command::Parity(arguments) => parity::run(arguments, &console),
        Command::ImportCheckpoint(arguments) => import_checkpoint::run(arguments, &console),
        Command::ExportPeft(arguments) => export_peft::run(arguments, &console),
        Command::ImportPeft(arguments) => import_peft::run(arguments, &console),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(message) = failure.message() {
                eprintln!("supmer: {message}");
            }
            failure.exit_code()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn every_command_documents_its_exit_codes() {
        let mut command = CommandLine::command();
        for sub in command.get_subcommands_mut() {
            let name = sub.get_name().to_owned();
            let help = sub.render_help().to_string();
            assert!(help.contains("130  stopped by Ctrl-C"), "{name} does not say its exit codes");
        }
    }

    #[test]
    fn json_is_accepted_before_and_after_the_command() {
        for line in [["supmer", "--json", "inspect", "x"], ["supmer", "inspect", "x", "--json"]] {
            assert!(CommandLine::try_parse_from(line).is_ok_and(|l| l.json));
        }
    }
}
