//! `host`: the configured Proxmox VE endpoints.

use clap::{Args, Subcommand};
use proto_json::host::{Host, HostName, List, Remove, Test, TestOutput};
use proto_json::method::{Method, NoParams};

use crate::commands::doctor;
use crate::connect::{self, ConnectArgs};
use crate::error::Error;
use crate::output::Format;
use crate::session::Session;
use crate::table::Table;
use crate::{apps, prompt};

/// Connect, list, test and forget Proxmox VE hosts
#[derive(Debug, Args)]
pub struct HostArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: HostCommand,
}

/// What can be done with hosts.
#[derive(Debug, Subcommand)]
pub enum HostCommand {
    /// Connect a host or cluster
    Add {
        /// Its name here
        #[arg(value_name = "NAME")]
        name: String,
        /// Where it is and how to be let in.
        #[command(flatten)]
        connect: Box<ConnectArgs>,
    },
    /// List the hosts
    Ls,
    /// Check that a host has what a deployment needs
    Test {
        /// The host's name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Forget a host that has no apps; nothing is changed on it
    Rm {
        /// The host's name
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// Does what was asked with hosts.
///
/// # Errors
/// The daemon's; [`Error::Unhealthy`] when a host cannot be used.
pub async fn run(session: &Session, args: HostArgs) -> Result<(), Error> {
    match args.command {
        HostCommand::Add { name, connect } => connect::connect(session, Some(name), *connect).await.map(drop),
        HostCommand::Ls => list(session).await,
        HostCommand::Test { name } => test(session, name).await,
        HostCommand::Rm { name } => remove(session, name).await,
    }
}

async fn list(session: &Session) -> Result<(), Error> {
    let answer = session.client.call_text::<List>(&NoParams {}).await?;
    if session.out.is_json() {
        return session.out.json_answer(&answer);
    }
    let hosts: Vec<Host> = answer.read(List::NAME)?;
    if session.out.format == Format::Csv {
        return session.out.table(&csv(&hosts));
    }
    if hosts.is_empty() {
        session.ui.say("there are no hosts yet");
        session.ui.hint("proximityctl init connects one");
        return Ok(());
    }
    let mut table = Table::new(&["name", "state", "version", "endpoints", "identity", "apps"]);
    let mut bad = Vec::new();
    for host in hosts {
        // One word; why is told by `host test`.
        let state = match (&host.problem, host.reachable) {
            (Some(_), _) => "unusable",
            (None, true) => "reachable",
            (None, false) => "unreachable",
        };
        if state != "reachable" {
            bad.push(host.name.clone());
        }
        table.row([
            host.name,
            state.into(),
            host.version.unwrap_or_else(|| "-".into()),
            host.endpoints.join(", "),
            host.identity,
            host.apps.to_string(),
        ]);
    }
    session.out.table(&table)?;
    bad.iter().for_each(|name| {
        session.ui.hint(&format!("what is wrong with {name}: proximityctl host test {name}"))
    });
    Ok(())
}

/// The table for CSV: every field, named as in JSON.
pub fn csv(hosts: &[Host]) -> Table<'static> {
    let mut table = Table::new(&[
        "name",
        "endpoints",
        "auth",
        "identity",
        "trust",
        "pool",
        "storage",
        "bridge",
        "embedded",
        "reachable",
        "version",
        "seen_at",
        "problem",
        "apps",
    ]);
    for host in hosts {
        let host = host.clone();
        table.row([
            host.name,
            host.endpoints.join(" "),
            host.auth,
            host.identity,
            host.trust,
            host.pool,
            host.storage.unwrap_or_default(),
            host.bridge.unwrap_or_default(),
            host.embedded.to_string(),
            host.reachable.to_string(),
            host.version.unwrap_or_default(),
            host.seen_at.unwrap_or_default(),
            host.problem.unwrap_or_default(),
            host.apps.to_string(),
        ]);
    }
    table
}

async fn test(session: &Session, name: String) -> Result<(), Error> {
    let answer = session.client.call_text::<Test>(&HostName { name }).await?;
    let found: TestOutput = answer.read(Test::NAME)?;
    match session.out.format {
        Format::Json => session.out.json_answer(&answer)?,
        _ => doctor::write(session, &found.checks)?,
    }
    if found.usable { Ok(()) } else { Err(Error::Unhealthy) }
}

async fn remove(session: &Session, name: String) -> Result<(), Error> {
    let question = format!("Forget the host {name}? Nothing is changed on it");
    if !prompt::confirm(session.ui, &question, "--yes")? {
        return Err(Error::failed("nothing was changed"));
    }
    let removed = session.client.call::<Remove>(&HostName { name }).await?;
    session.ui.say(&format!("host {} is forgotten", removed.name));
    let one = std::slice::from_ref(&removed);
    apps::write(session.out, one, false, || csv(one))
}
