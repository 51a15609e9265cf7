//! `completions`: what a shell needs to complete our commands.

use clap::Args;
use clap_complete::Shell;

use crate::error::Error;
use crate::pages;
use crate::session::Session;

/// Print the completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  proximityctl completions bash > ~/.local/share/bash-completion/completions/proximityctl
  proximityctl completions zsh > ~/.zfunc/_proximityctl
  proximityctl completions fish > ~/.config/fish/completions/proximityctl.fish")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Prints completions.
///
/// # Errors
/// [`Error::Output`].
pub fn run(session: &Session, args: CompletionsArgs) -> Result<(), Error> {
    session.out.bytes(&pages::completions(args.shell))
}
