//! `restart`: apps stop and run again.

use std::time::Duration;

use clap::Args;
use proto_json::app::{Restart, StopParams};

use crate::duration;
use crate::error::Error;
use crate::operate::{self, Targets};
use crate::session::Session;

/// Restart apps, and wait until they answer
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  proximityctl restart nextcloud
  proximityctl restart --all")]
pub struct RestartArgs {
    /// Which apps.
    #[command(flatten)]
    pub targets: Targets,
    /// How long services and container get to end by themselves [default: 60s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub grace: Option<Duration>,
    /// End what still runs then hard, in place of failing
    #[arg(long)]
    pub force: bool,
    /// Print the operation's id in place of waiting
    #[arg(long)]
    pub no_wait: bool,
}

/// Restarts apps.
///
/// # Errors
/// Whatever keeps them from running again.
pub async fn run(session: &Session, args: RestartArgs) -> Result<(), Error> {
    let timeout_seconds = args.grace.map(duration::seconds);
    let params = |name: &str| StopParams { name: name.into(), timeout_seconds, force: args.force };
    operate::run_and_tell::<Restart>(session, &args.targets, args.no_wait, params).await
}
