//! Commands that start operations: one or several, waited for or not.

use futures_util::future::join_all;
use proto_json::app::{self, App, AppName, AppState, ListParams};
use proto_json::method::Method;
use proto_json::operation::{Operation, OperationState, Started};

use crate::error::Error;
use crate::session::Session;
use crate::{apps, wait};

/// Which apps a command is for.
#[derive(Debug, Clone, clap::Args)]
pub struct Targets {
    /// The apps' names or ids
    #[arg(value_name = "NAME", required_unless_present = "all")]
    pub names: Vec<String>,
    /// All apps
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
}

impl Targets {
    /// Whether the answer is an array: several could be meant.
    pub fn several(&self) -> bool {
        self.all || self.names.len() > 1
    }

    /// The names, each once.
    ///
    /// # Errors
    /// The daemon's.
    pub async fn names(&self, session: &Session) -> Result<Vec<String>, Error> {
        if self.all {
            let all = session.client.call::<app::List>(&ListParams::default()).await?;
            return Ok(all.into_iter().map(|app| app.name).collect());
        }
        let mut names: Vec<String> = Vec::new();
        for name in &self.names {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        Ok(names)
    }
}

/// How operations came out.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Those that were started, in the order of the names.
    pub operations: Vec<Operation>,
    /// What failed, and of which app.
    pub failures: Vec<(String, Error)>,
    asked: usize,
}

/// Starts an operation for each name, at once, and waits for them if asked to.
///
/// # Errors
/// When the wait itself ends early. A failure of one app is in the outcome: it keeps no other from its work.
pub async fn run<M: Method<Output = Started>>(
    session: &Session,
    names: &[String],
    wait: bool,
    params: impl Fn(&str) -> M::Params,
) -> Result<Outcome, Error> {
    let mut outcome = Outcome { asked: names.len(), ..Outcome::default() };
    let params: Vec<M::Params> = names.iter().map(|name| params(name)).collect();
    let started = join_all(params.iter().map(|params| session.client.call::<M>(params))).await;
    for (name, started) in names.iter().zip(started) {
        match started {
            Ok(started) => outcome.operations.push(started.operation),
            // Nothing is started where there is no daemon.
            Err(error @ Error::Unreachable { .. }) if outcome.operations.is_empty() => return Err(error),
            Err(error) => outcome.failures.push((name.clone(), error)),
        }
    }
    if wait && !outcome.operations.is_empty() {
        outcome.wait(session).await?;
    }
    Ok(outcome)
}

/// Waits for operations that were started elsewhere.
///
/// # Errors
/// When the wait itself ends early.
pub async fn waited(session: &Session, operations: Vec<Operation>) -> Result<Outcome, Error> {
    let mut outcome = Outcome { asked: operations.len(), operations, failures: Vec::new() };
    outcome.wait(session).await?;
    Ok(outcome)
}

impl Outcome {
    async fn wait(&mut self, session: &Session) -> Result<(), Error> {
        self.operations = wait::follow(session, std::mem::take(&mut self.operations)).await?;
        for operation in &self.operations {
            if operation.state != OperationState::Done {
                let name = operation.app.clone().unwrap_or_else(|| operation.id.clone());
                self.failures.push((name, Error::Operation(Box::new(operation.clone()))));
            }
        }
        Ok(())
    }

    /// The operations that are done.
    pub fn done(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(|operation| operation.state == OperationState::Done)
    }

    /// Ends the command: with the error of the only app there was, or with a sum, each error told before.
    ///
    /// # Errors
    /// The first failure decides the exit status.
    pub fn end(mut self, session: &Session) -> Result<(), Error> {
        match (self.failures.len(), self.asked) {
            (0, _) => Ok(()),
            (1, 1) => Err(self.failures.remove(0).1),
            (failed, asked) => {
                for (_, error) in &self.failures {
                    session.ui.report(&error.report());
                }
                let names: Vec<&str> = self.failures.iter().map(|(name, _)| name.as_str()).collect();
                let message = format!("{failed} of {asked} failed: {}", names.join(", "));
                Err(Error::Several { message, status: self.failures[0].1.exit_status() })
            }
        }
    }
}

/// Writes what was started, when nobody waits for it: ids for people, whole operations for programs.
///
/// # Errors
/// [`Error::Output`].
pub fn write_started(session: &Session, operations: &[Operation], several: bool) -> Result<(), Error> {
    if session.out.format == crate::output::Format::Table {
        return operations.iter().try_for_each(|operation| session.out.line(&operation.id));
    }
    let now = jiff::Timestamp::now();
    apps::write(session.out, operations, several, || crate::commands::op::table(operations, now))
}

/// Starts, stops or restarts: the same but for the method and the words.
///
/// # Errors
/// Whatever keeps it from being done.
pub async fn run_and_tell<M: Method<Output = Started>>(
    session: &Session,
    targets: &Targets,
    no_wait: bool,
    params: impl Fn(&str) -> M::Params,
) -> Result<(), Error> {
    let names = targets.names(session).await?;
    let outcome = run::<M>(session, &names, !no_wait, params).await?;
    if no_wait {
        write_started(session, &outcome.operations, targets.several())?;
        return outcome.end(session);
    }
    let mut done: Vec<App> = Vec::new();
    for operation in outcome.done() {
        let Some(name) = operation.app.clone() else { continue };
        let app = session.client.call::<app::Get>(&AppName { name }).await?.app;
        let url = app.url.as_ref().filter(|_| app.state == AppState::Running);
        let url = url.map(|url| format!(" at {url}")).unwrap_or_default();
        session.ui.say(&format!("{} is {}{url}", app.name, apps::state_word(app.state)));
        done.push(app);
    }
    if names.is_empty() {
        session.ui.say("there are no apps");
    }
    if targets.several() || !done.is_empty() {
        apps::write(session.out, &done, targets.several(), || apps::csv_of(&done))?;
    }
    outcome.end(session)
}
