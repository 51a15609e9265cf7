//! `ls`: the apps.

use clap::Args;
use proto_json::app::{List, ListParams};
use proto_json::method::Method;

use crate::apps::{self, Row};
use crate::error::Error;
use crate::output::Format;
use crate::session::Session;

/// List the apps
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  proximityctl ls
  proximityctl ls -o json | jq -r '.[] | select(.state != \"running\") | .name'
  proximityctl ls -o csv > apps.csv")]
pub struct LsArgs {
    /// Also those that were removed
    #[arg(short, long)]
    pub all: bool,
    /// Only those on this host
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
}

/// Lists the apps.
///
/// # Errors
/// The daemon's, and [`Error::Output`].
pub async fn run(session: &Session, args: LsArgs) -> Result<(), Error> {
    let answer = session.client.call_text::<List>(&ListParams { removed: args.all, host: args.host }).await?;
    if session.out.is_json() {
        return session.out.json_answer(&answer);
    }
    let list: Vec<Row<'_>> = answer.read(List::NAME)?;
    if session.out.format == Format::Csv {
        return session.out.table(&apps::csv(list));
    }
    if list.is_empty() {
        session.ui.say("there are no apps yet");
        session.ui.hint("proximityctl catalog ls, then proximityctl deploy NAME");
        return Ok(());
    }
    session.out.table(&apps::table(list, jiff::Timestamp::now()))
}
