//! Man pages and shell completions, made from the command line's tree.

use clap::Command;
use clap_complete::Shell;

use crate::cli;

/// Every file that is made: its path below the repository, and its content.
pub fn all() -> Vec<(String, Vec<u8>)> {
    let mut files = man();
    let names = [
        (Shell::Bash, "completions/proximityctl.bash"),
        (Shell::Zsh, "completions/_proximityctl"),
        (Shell::Fish, "completions/proximityctl.fish"),
    ];
    files.extend(names.map(|(shell, name)| (name.to_string(), completions(shell))));
    files
}

/// The completions for a shell.
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut visible(cli::tree()), "proximityctl", &mut out);
    out
}

/// A page for the program and one for each of its commands.
fn man() -> Vec<(String, Vec<u8>)> {
    let mut tree = visible(cli::tree()).disable_help_subcommand(true);
    tree.build();
    let mut files = Vec::new();
    pages("proximityctl", &tree, &mut files);
    files
}

fn pages(name: &str, command: &Command, files: &mut Vec<(String, Vec<u8>)>) {
    // The shell's own colours are no part of a page, and the grouped help is the terminal's.
    let page = command.clone().name(name.to_string()).bin_name(name.replace('-', " "));
    let mut out = Vec::new();
    let man = clap_mangen::Man::new(page).source("Proximity").manual("Proximity");
    man.render(&mut out).expect("memory can be written to");
    files.push((format!("man/{name}.1"), out));
    for sub in command.get_subcommands() {
        pages(&format!("{name}-{}", sub.get_name()), sub, files);
    }
}

/// The tree without what is not for people.
fn visible(tree: Command) -> Command {
    let hidden: Vec<String> = tree
        .get_subcommands()
        .filter(|sub| sub.is_hide_set())
        .map(|sub| sub.get_name().to_string())
        .collect();
    if hidden.is_empty() {
        return tree;
    }
    let mut shown = Command::new("proximityctl")
        .version(env!("CARGO_PKG_VERSION"))
        .args(tree.get_arguments().cloned().collect::<Vec<_>>());
    if let Some(about) = tree.get_about() {
        shown = shown.about(about.clone());
    }
    if let Some(after) = tree.get_after_long_help() {
        shown = shown.after_long_help(after.clone());
    }
    shown.subcommands(tree.get_subcommands().filter(|sub| !sub.is_hide_set()).cloned().collect::<Vec<_>>())
}
