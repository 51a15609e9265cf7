//! The Proximity command line.
//!
//! A command is a verb with a file of its own in [`commands`]; it calls the daemon through [`client`], waits through
//! [`wait`], writes its data through [`output`] and says everything else through [`ui`]. Nothing here knows how the
//! daemon does its work: the types of `proto-json` are all they share.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod apps;
pub mod cli;
pub mod client;
pub mod commands;
pub mod connect;
pub mod daemon;
pub mod duration;
pub mod error;
pub mod facts;
pub mod operate;
pub mod output;
pub mod pages;
pub mod printable;
pub mod progress;
pub mod prompt;
pub mod session;
pub mod settings;
pub mod size;
pub mod socket;
pub mod table;
#[cfg(test)]
mod testing;
pub mod token_setup;
pub mod ui;
pub mod wait;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};

use clap::FromArgMatches;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::Cli;
use crate::error::Error;
use crate::ui::Ui;

/// Exit status of a bug in this program.
const BUG: u8 = 255;

/// Runs one command line, its first argument the program's name, and gives the exit status.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    std::panic::set_hook(Box::new(|info| {
        ui::put(&format!("error: this is a bug in proximityctl\n  caused by: {info}"));
        ui::put("hint: please report it with the command that you typed and the line above");
    }));
    catch_unwind(AssertUnwindSafe(|| parse_and_run(args.into_iter().collect()))).unwrap_or(BUG)
}

fn parse_and_run(args: Vec<OsString>) -> u8 {
    let no_color = args.iter().any(|arg| arg == "--no-color");
    let parse = |tree: clap::Command| {
        let tree = if no_color { tree.color(clap::ColorChoice::Never) } else { tree };
        tree.try_get_matches_from(&args).and_then(|matches| <Cli>::from_arg_matches(&matches))
    };
    // What is not right, or asks for help, is told by the whole tree.
    let cli = match parse(cli::quick()).or_else(|_| parse(cli::tree())) {
        Ok(cli) => cli,
        Err(error) => return explain(error, Ui::new(false, false, false, no_color)),
    };
    let ui = Ui::new(cli.global.quiet, cli.global.yes, false, cli.global.no_color);
    let json = cli.global.output == output::Format::Json;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(commands::run(cli));
            // A thread that still reads standard input must not keep the process.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(Error::failed(format!("cannot begin: {error}"))),
    };
    let Err(error) = outcome else { return 0 };
    if !error.is_silent() {
        let report = error.report();
        ui.report(&report);
        if json {
            let object = serde_json::json!({ "error": report });
            ui::put(&object.to_string());
        }
    }
    error.exit_status()
}

/// Help, version, and what clap has to say about arguments that do not fit.
fn explain(error: clap::Error, ui: Ui) -> u8 {
    if !error.use_stderr() {
        // Whoever closed the pipe does not want to read on.
        let _ = error.print();
        return 0;
    }
    if let (ErrorKind::InvalidSubcommand, Some(ContextValue::String(word))) =
        (error.kind(), error.get(ContextKind::InvalidSubcommand))
        && let Some(verb) = cli::verb_for(word)
    {
        let hint = format!("it is called `proximityctl {verb}` here");
        ui.report(&Error::usage(format!("there is no command `{word}`"), hint).report());
        return 2;
    }
    let text = error.render();
    let text = if ui.color { text.ansi().to_string() } else { text.to_string() };
    ui::put(text.replace("tip:", "hint:").trim_end());
    2
}
