//! `start`: stopped apps run again.

use clap::Args;
use proto_json::app::{AppName, Start};

use crate::error::Error;
use crate::operate::{self, Targets};
use crate::session::Session;

/// Start apps, and wait until they answer
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  proximityctl start nextcloud
  proximityctl start --all --no-wait")]
pub struct StartArgs {
    /// Which apps.
    #[command(flatten)]
    pub targets: Targets,
    /// Print the operation's id in place of waiting
    #[arg(long)]
    pub no_wait: bool,
}

/// Starts apps.
///
/// # Errors
/// Whatever keeps them from running.
pub async fn run(session: &Session, args: StartArgs) -> Result<(), Error> {
    let params = |name: &str| AppName { name: name.into() };
    operate::run_and_tell::<Start>(session, &args.targets, args.no_wait, params).await
}
