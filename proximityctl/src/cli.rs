//! The command line's tree: its verbs, its global flags, and the help that groups them.
//!
//! Each verb's own flags are beside its code, in `commands/<verb>.rs`. Completions and man pages are made from this
//! tree, so there is no second list of anything.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::Styles;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand};

use crate::commands;
use crate::duration;
use crate::output::Format;

/// A personal cloud on Proxmox VE: from a catalog to a URL that answers, with one command
#[derive(Debug, Parser)]
#[command(name = "proximityctl", version, max_term_width = 110, after_help = EXAMPLES, after_long_help = LONG)]
pub struct Cli<V: Subcommand = Command> {
    /// For every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: V,
}

/// Flags that every command takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The daemon's socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or
    /// the user's own in $XDG_RUNTIME_DIR or ~/.local/share]
    #[arg(long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// How to write data
    #[arg(short, long, global = true, value_enum, value_name = "FORMAT", default_value_t = Format::Table, hide_possible_values = true, help = "How to write data: table, json or csv")]
    pub output: Format,
    /// Say nothing but errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Answer every question with yes
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration::parse)]
    pub timeout: Option<Duration>,
    /// Use no colours (as NO_COLOR does)
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Say more: each step as it begins, what it says, each call to the daemon
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

/// The verbs, of which two trees are made: one whose verbs are built when they are typed, for reading a command line,
/// and a whole one for help, errors, man pages and completions. The whole one takes longer than most commands.
macro_rules! verbs {
    ($(#[$meta:meta])* $name:ident) => {
        #[derive(Debug, Subcommand)]
        $(#[$meta])*
        #[allow(missing_docs, reason = "clap takes the documentation for help: see each verb's own")]
        pub enum $name {
            Try(commands::r#try::TryArgs),
            Init(Box<commands::init::InitArgs>),
            Doctor(commands::doctor::DoctorArgs),
            Deploy(Box<commands::deploy::DeployArgs>),
            Ls(commands::ls::LsArgs),
            Info(commands::info::InfoArgs),
            Open(commands::open::OpenArgs),
            Start(commands::start::StartArgs),
            Stop(commands::stop::StopArgs),
            Restart(commands::restart::RestartArgs),
            Rm(commands::rm::RmArgs),
            Host(commands::host::HostArgs),
            Catalog(commands::catalog::CatalogArgs),
            Op(commands::op::OpArgs),
            Events(commands::events::EventsArgs),
            Status(commands::status::StatusArgs),
            Completions(commands::completions::CompletionsArgs),
            #[command(hide = true)]
            Generate(commands::generate::GenerateArgs),
        }
    };
}

verbs!(
    #[command(defer = true)]
    Command
);
verbs!(Whole);

/// The verbs of the help, in their groups.
pub const GROUPS: [(&str, &[&str]); 5] = [
    ("Start here", &["try", "init", "doctor"]),
    ("Apps", &["deploy", "ls", "info", "open", "start", "stop", "restart", "rm"]),
    ("Fleet", &["host", "catalog"]),
    ("Watch", &["op", "events", "status"]),
    ("Admin", &["completions"]),
];

const EXAMPLES: &str = "\
Examples:
  proximityctl try                        look around, without Proxmox VE
  proximityctl init                       connect a Proxmox VE host
  proximityctl deploy nextcloud           from the catalog to a URL that answers
  proximityctl deploy -f compose.yaml shop
  proximityctl ls -o json | jq -r '.[].url'

More about a command: proximityctl COMMAND --help";

const LONG: &str = "\
Examples:
  proximityctl try                        look around, without Proxmox VE
  proximityctl init                       connect a Proxmox VE host
  proximityctl deploy nextcloud           from the catalog to a URL that answers
  proximityctl deploy -f compose.yaml shop
  proximityctl ls -o json | jq -r '.[].url'

Output:
  Data goes to standard output, everything else to standard error. `-o json` is the stable interface:
  snake_case, RFC 3339 times in UTC, bytes as integers; indented on a terminal, one line in a pipe. An
  error is told in words, and with `-o json` its object {\"error\":{code,kind,message,causes,hints}} follows
  as the last line of standard error.

Waiting:
  A command that starts an operation waits for its end. Ctrl-C leaves the operation at work and says how
  to return to it; `op cancel` stops it.

Exit status:
  0 done          1 failed        2 usage                     3 not found
  4 refused       5 conflict      6 daemon not reachable      7 Proxmox VE not reachable
  124 --timeout passed            130 detached by Ctrl-C      255 a bug

More about a command: proximityctl COMMAND --help";

/// The tree for reading a command line that is right.
pub fn quick() -> clap::Command {
    finish(Cli::<Command>::command())
}

/// The whole tree, with grouped help.
pub fn tree() -> clap::Command {
    let tree = Cli::<Whole>::command();
    let template = help_template(&tree);
    finish(tree.help_template(template))
}

fn finish(tree: clap::Command) -> clap::Command {
    tree.subcommand_required(true).arg_required_else_help(true)
}

/// The root's help: about, usage, then the verbs by group.
fn help_template(tree: &clap::Command) -> String {
    let styles = Styles::styled();
    let (head, name) = (styles.get_header(), styles.get_literal());
    let mut text = String::from("{about}\n\n{usage-heading} {usage}\n");
    for (group, verbs) in GROUPS {
        text.push_str(&format!("\n{head}{group}:{head:#}\n"));
        for verb in verbs {
            let about = tree.find_subcommand(verb).and_then(clap::Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            text.push_str(&format!("  {name}{verb:<12}{name:#} {about}\n"));
        }
    }
    text.push_str(&format!("\n{head}Global options:{head:#}\n{{options}}{{after-help}}"));
    text
}

/// What other tools call our verbs: for a hint when somebody types it.
pub fn verb_for(word: &str) -> Option<&'static str> {
    Some(match word {
        "install" | "create" | "run" | "add" | "up" => "deploy",
        "list" | "ps" | "apps" => "ls",
        "show" | "get" | "inspect" | "describe" => "info",
        "delete" | "remove" | "destroy" | "uninstall" | "down" => "rm",
        "search" | "templates" | "store" => "catalog",
        "operations" | "operation" | "tasks" | "jobs" => "op",
        "connect" | "setup" | "login" => "init",
        "hosts" | "nodes" => "host",
        "watch" | "log" => "events",
        "check" | "diagnose" => "doctor",
        "demo" => "try",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    #[test]
    fn the_tree_is_sound() {
        tree().debug_assert();
    }

    #[test]
    fn both_trees_read_the_same() {
        let read = |tree: clap::Command, line: &[&str]| {
            let args = ["proximityctl"].iter().chain(line);
            let matches = tree.try_get_matches_from(args).map_err(|error| error.kind())?;
            let cli = Cli::<Command>::from_arg_matches(&matches).map_err(|error| error.kind())?;
            Ok::<_, clap::error::ErrorKind>(format!("{cli:?}"))
        };
        for line in [
            &["ls", "-a", "--host", "h", "-o", "json", "--timeout", "3s"][..],
            &["-q", "deploy", "whoami", "--name", "w", "--socket", "/s"],
            &["rm", "a", "b", "--yes"],
            &["op", "show", "1"],
            &["catalog", "ls", "-v"],
            &["generate", "."],
            &["ls", "--no-such-flag"],
            &["no-such-verb"],
            &["op"],
            &["--help"],
            &["ls", "--help"],
            &[],
        ] {
            assert_eq!(read(quick(), line), read(tree(), line), "{line:?}");
        }
    }

    #[test]
    fn every_verb_is_in_one_group_and_documented() {
        let tree = tree();
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, verbs)| verbs.iter().copied()).collect();
        for verb in tree.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            assert!(grouped.contains(&verb.get_name()), "{} is in no group", verb.get_name());
            grouped.retain(|name| *name != verb.get_name());
            assert!(verb.get_about().is_some(), "{} is not documented", verb.get_name());
        }
        assert!(grouped.is_empty(), "{grouped:?} are no verbs");
    }

    #[test]
    fn a_word_of_another_tool_leads_to_a_verb_of_ours() {
        let tree = tree();
        for word in ["install", "ps", "delete", "inspect", "tasks"] {
            let verb = verb_for(word).unwrap();
            assert!(tree.find_subcommand(verb).is_some(), "{verb}");
        }
    }
}
