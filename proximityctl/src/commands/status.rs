//! `status`: the daemon.

use clap::Args;
use proto_json::daemon::{Status, StatusOutput};
use proto_json::method::{Method, NoParams};

use crate::error::Error;
use crate::facts::Facts;
use crate::output::Format;
use crate::session::Session;
use crate::table::Table;
use crate::{duration, size};

/// Show the daemon: version, uptime, what it does
#[derive(Debug, Args)]
pub struct StatusArgs {}

/// Shows the daemon.
///
/// # Errors
/// The daemon's, and [`Error::Output`].
pub async fn run(session: &Session, _: StatusArgs) -> Result<(), Error> {
    let answer = session.client.call_text::<Status>(&NoParams {}).await?;
    if session.out.is_json() {
        return session.out.json_answer(&answer);
    }
    let status: StatusOutput = answer.read(Status::NAME)?;
    let pairs = [
        ("Version", status.version),
        ("API version", status.api_version),
        ("Socket", session.client.socket().display().to_string()),
        ("Process", status.pid.to_string()),
        ("Up for", duration::show(std::time::Duration::from_secs(status.uptime_seconds))),
        ("Data", status.data_dir),
        ("Identity", status.identity),
        ("Apps", status.apps.to_string()),
        ("Operations at work", status.active_operations.to_string()),
        ("Calls to Proxmox VE", status.pve_requests.to_string()),
        ("Memory", size::show(status.memory)),
        ("You are", status.caller),
    ];
    if session.out.format == Format::Csv {
        let mut table = Table::new(&["name", "value"]);
        pairs.into_iter().for_each(|(name, value)| table.row([name.into(), value]));
        return session.out.table(&table);
    }
    let mut facts = Facts::new();
    pairs.into_iter().for_each(|(name, value)| facts.add(name, value));
    session.out.line(&facts.text())
}
