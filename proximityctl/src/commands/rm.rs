//! `rm`: apps are removed, after saying what is lost.

use std::time::Duration;

use clap::Args;
use proto_json::app::{App, AppName, AppState, Get, Remove, RemoveParams};

use crate::error::Error;
use crate::operate::{self, Targets};
use crate::session::Session;
use crate::{apps, duration, prompt, size};

/// Remove apps, with their containers and data
#[derive(Debug, Args)]
#[command(after_help = "\
The record of a removed app is kept: `proximityctl ls --all` shows it.

Examples:
  proximityctl rm scratch
  proximityctl rm one two three --yes")]
pub struct RmArgs {
    /// Which apps.
    #[command(flatten)]
    pub targets: Targets,
    /// How long a container gets to end by itself before it is stopped hard [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub grace: Option<Duration>,
    /// Print the operation's id in place of waiting
    #[arg(long)]
    pub no_wait: bool,
}

/// Removes apps.
///
/// # Errors
/// [`Error::Usage`] without a terminal and without `--yes`; whatever keeps them from being removed.
pub async fn run(session: &Session, args: RmArgs) -> Result<(), Error> {
    if !session.ui.yes && !session.ui.interactive {
        return Err(Error::usage("removing an app asks first, and there is no terminal", "give --yes"));
    }
    let several = args.targets.several();
    let names = args.targets.names(session).await?;
    let mut found: Vec<App> = Vec::new();
    if !session.ui.yes && !names.is_empty() && !agreed(session, &names, &mut found).await? {
        return Err(Error::failed("nothing is removed: that was not what was to be typed"));
    }
    let timeout_seconds = args.grace.map(duration::seconds);
    let params = |name: &str| RemoveParams { name: name.into(), timeout_seconds };
    // The record goes by its id from here on: the name is free for another app.
    if found.is_empty() {
        for name in &names {
            if let Ok(detail) = session.client.call::<Get>(&AppName { name: name.clone() }).await {
                found.push(detail.app);
            }
        }
    }
    let outcome = operate::run::<Remove>(session, &names, !args.no_wait, params).await?;
    if args.no_wait {
        operate::write_started(session, &outcome.operations, several)?;
        return outcome.end(session);
    }
    let mut removed = Vec::new();
    for operation in outcome.done() {
        let Some(before) = found.iter().find(|app| Some(&app.name) == operation.app.as_ref()) else {
            continue;
        };
        session.ui.say(&format!("{} is removed", before.name));
        let now = session.client.call::<Get>(&AppName { name: before.id.clone() }).await;
        removed.push(match now {
            Ok(detail) => detail.app,
            // The operation is done: that is what is known.
            Err(_) => {
                App { state: AppState::Removed, url: None, ip: None, operation: None, ..before.clone() }
            }
        });
    }
    if names.is_empty() {
        session.ui.say("there are no apps");
    }
    if several || !removed.is_empty() {
        apps::write(session.out, &removed, several, || apps::csv_of(&removed))?;
    }
    outcome.end(session)
}

/// Says what is lost, and has it confirmed.
async fn agreed(session: &Session, names: &[String], found: &mut Vec<App>) -> Result<bool, Error> {
    let mut details = Vec::new();
    for name in names {
        details.push(session.client.call::<Get>(&AppName { name: name.clone() }).await?);
    }
    session.ui.say("This removes, with all data in it:");
    for detail in details {
        let (app, disk) = (&detail.app, size::show(detail.resources.disk));
        let place = match (app.vmid, &app.node) {
            (Some(vmid), Some(node)) => format!("container {vmid} on {node}, its {disk} disk"),
            _ => format!("no container yet, a {disk} disk was asked for"),
        };
        session.ui.say(&format!("  {} ({}): {place}", app.name, app.template));
        found.push(detail.app);
    }
    match names {
        [only] => prompt::type_word(session.ui, only, &format!("Type {only} to remove it")),
        _ => {
            let count = names.len().to_string();
            prompt::type_word(session.ui, &count, &format!("Type {count} to remove these {count} apps"))
        }
    }
}
