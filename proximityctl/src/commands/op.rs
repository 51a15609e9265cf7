//! `op`: operations: what the daemon is doing, and what it did.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use proto_json::method::Method;
use proto_json::operation::{Cancel, Get, List, ListParams, Operation, OperationId, StepState};

use crate::error::Error;
use crate::facts::Facts;
use crate::output::Format;
use crate::session::Session;
use crate::table::Table;
use crate::{duration, operate, progress};

/// See, await and cancel operations
#[derive(Debug, Args)]
pub struct OpArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: OpCommand,
}

/// What can be done with operations.
#[derive(Debug, Subcommand)]
pub enum OpCommand {
    /// List operations, newest first
    Ls {
        /// Only those of this app
        #[arg(long, value_name = "NAME")]
        app: Option<String>,
        /// Only those that have not ended
        #[arg(long)]
        active: bool,
        /// At most this many
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Show an operation with its steps
    Show {
        /// The operation's id, or the beginning of it
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Wait for operations to end; the exit status is theirs
    Wait {
        /// The operations' ids, or the beginnings of them
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
    /// Ask an operation to stop at its next step, and to undo what it did
    Cancel {
        /// The operation's id, or the beginning of it
        #[arg(value_name = "ID")]
        id: String,
        /// Do not wait until it has ended
        #[arg(long)]
        no_wait: bool,
    },
}

/// Does what was asked with operations.
///
/// # Errors
/// The daemon's; for `wait`, the operation's own.
pub async fn run(session: &Session, args: OpArgs) -> Result<(), Error> {
    match args.command {
        OpCommand::Ls { app, active, limit } => {
            let answer =
                session.client.call_text::<List>(&ListParams { app, active, limit: Some(limit) }).await?;
            if session.out.is_json() {
                return session.out.json_answer(&answer);
            }
            let list: Vec<Operation> = answer.read(List::NAME)?;
            if list.is_empty() && session.out.format == Format::Table {
                session.ui.say("there are no operations");
                return Ok(());
            }
            session.out.table(&listed(session, &list))
        }
        OpCommand::Show { id } => show(session, id).await,
        OpCommand::Wait { ids } => {
            let mut operations = Vec::new();
            for id in ids {
                operations.push(session.client.call::<Get>(&OperationId { id }).await?);
            }
            let several = operations.len() > 1;
            let outcome = operate::waited(session, operations).await?;
            let ended = &outcome.operations;
            crate::apps::write(session.out, ended, several, || csv(ended))?;
            outcome.end(session)
        }
        OpCommand::Cancel { id, no_wait } => {
            let asked = session.client.call::<Cancel>(&OperationId { id }).await?;
            if no_wait || asked.state.ended() {
                return tell(session, &asked);
            }
            let ended = crate::wait::follow(session, vec![asked]).await?;
            ended.first().map_or(Ok(()), |operation| tell(session, operation))
        }
    }
}

fn listed(session: &Session, list: &[Operation]) -> Table<'static> {
    match session.out.format {
        Format::Csv => csv(list),
        _ => table(list, Timestamp::now()),
    }
}

fn tell(session: &Session, operation: &Operation) -> Result<(), Error> {
    let what =
        operation.app.as_ref().map_or(operation.kind.clone(), |app| format!("{} of {app}", operation.kind));
    let asked = if operation.state.ended() { "" } else { ", and will stop at its next step" };
    session.ui.say(&format!("{what} is {}{asked}", progress::state_word(operation.state)));
    let one = std::slice::from_ref(operation);
    crate::apps::write(session.out, one, false, || csv(one))
}

async fn show(session: &Session, id: String) -> Result<(), Error> {
    let answer = session.client.call_text::<Get>(&OperationId { id }).await?;
    if session.out.is_json() {
        return session.out.json_answer(&answer);
    }
    let operation: Operation = answer.read(Get::NAME)?;
    if session.out.format == Format::Csv {
        return session.out.table(&csv(std::slice::from_ref(&operation)));
    }
    session.out.line(&facts(&operation).text())
}

/// The table for people.
pub fn table(list: &[Operation], now: Timestamp) -> Table<'static> {
    let mut table = Table::new(&["id", "kind", "app", "state", "step", "age"]);
    for operation in list {
        table.row([
            operation.id.clone(),
            operation.kind.clone(),
            operation.app.clone().unwrap_or_else(|| "-".into()),
            progress::state_word(operation.state).into(),
            step_of(operation),
            duration::ago(&operation.created_at, now),
        ]);
    }
    table
}

fn step_of(operation: &Operation) -> String {
    let count = operation.steps.len();
    let at =
        operation.step.as_ref().and_then(|name| operation.steps.iter().position(|step| step.name == *name));
    match at {
        Some(index) if !operation.state.ended() => {
            format!("{}/{count} {}", index + 1, operation.steps[index].title)
        }
        _ => "-".into(),
    }
}

fn csv(list: &[Operation]) -> Table<'static> {
    let mut table = Table::new(&[
        "id",
        "kind",
        "app",
        "state",
        "step",
        "waiting_for",
        "actor",
        "created_at",
        "started_at",
        "ended_at",
        "error",
    ]);
    for operation in list {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        table.row([
            operation.id.clone(),
            operation.kind.clone(),
            text(&operation.app),
            // As in JSON: one word.
            progress::state_word(operation.state).replace(' ', "-"),
            text(&operation.step),
            text(&operation.waiting_for),
            operation.actor.clone(),
            operation.created_at.clone(),
            text(&operation.started_at),
            text(&operation.ended_at),
            operation.error.as_ref().map(|error| error.message.clone()).unwrap_or_default(),
        ]);
    }
    table
}

fn facts(operation: &Operation) -> Facts {
    let mut facts = Facts::new();
    facts.add("Id", &operation.id);
    facts.add("Kind", &operation.kind);
    facts.add_some("App", operation.app.as_ref());
    let asked =
        if operation.cancel_requested && !operation.state.ended() { " (cancel asked for)" } else { "" };
    facts.add("State", format!("{}{asked}", progress::state_word(operation.state)));
    facts.add_some("Waiting for", operation.waiting_for.as_ref());
    facts.add("Asked by", &operation.actor);
    facts.add("Created", &operation.created_at);
    facts.add_some("Ended", operation.ended_at.as_ref());
    facts.heading("Steps");
    for (index, step) in operation.steps.iter().enumerate() {
        let took = duration::between(step.started_at.as_deref(), step.ended_at.as_deref());
        let took = took.map(|took| format!(" in {}", duration::show(took))).unwrap_or_default();
        let word = match step.state {
            StepState::Pending => "not begun",
            StepState::Running => "at work",
            StepState::Done => "done",
            StepState::Skipped => "nothing to do",
            StepState::Failed => "failed",
            StepState::Undone => "undone",
        };
        let message = step.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
        facts.add(format!("{}. {}", index + 1, step.title), format!("{word}{took}{message}"));
    }
    if let Some(error) = &operation.error {
        facts.heading("Error");
        facts.add("Step", &error.step);
        facts.add("Message", &error.message);
        error.causes.iter().for_each(|cause| facts.add("Caused by", cause));
        error.hints.iter().for_each(|hint| facts.add("Hint", hint));
        if !error.log.is_empty() {
            facts.add("Log", error.log.join("\n"));
        }
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_shown_with_each_step_and_its_error() {
        insta::assert_snapshot!(facts(&crate::testing::failed_operation("failed")).text(), @r"
        Id        0199aa
        Kind      deploy
        App       web
        State     failed
        Asked by  root
        Created   2026-01-10T12:00:00Z
        Ended     2026-01-10T12:01:00Z

        Steps:
          1. Reserve an id          done in 0.2s
          2. Create the container   undone
          3. Wait until it answers  failed

        Error:
          Step       wait-healthy
          Message    the app did not become healthy
          Caused by  the probe was answered with 502
          Hint       look at its settings
          Log        app  | starting
                     app  | fatal: no database
        ");
    }

    #[test]
    fn operations_are_listed_with_the_step_at_work() {
        let mut out = Vec::new();
        let now = "2026-01-10T12:00:30Z".parse().unwrap();
        let list = [crate::testing::running_operation(), crate::testing::failed_operation("failed")];
        table(&list, now).plain(&mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
        ID      KIND    APP  STATE    STEP                      AGE
        0199aa  deploy  web  running  2/3 Create the container  30s
        0199aa  deploy  web  failed   -                         30s
        ");
    }
}
