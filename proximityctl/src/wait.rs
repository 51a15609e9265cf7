//! Waiting for operations.
//!
//! Events say *that* something happened; `operation.get` says what is the case, and only it decides that an operation
//! has ended. So an event that is repeated, unknown or lost changes nothing but the moment of the next look. When the
//! stream breaks off it is opened anew where it ended; when the daemon is away for longer, that is said, and given up
//! after [`PATIENCE`].

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::FutureExt;
use proto_json::event::{Event, StreamLine};
use proto_json::operation::{self, Operation, OperationId};
use tokio::time::Instant;

use crate::client::{Client, EventQuery, EventStream};
use crate::error::Error;
use crate::progress::Progress;
use crate::session::Session;

/// How long the daemon may be away while an operation is waited for: longer than a restart or an upgrade takes.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The first and the longest pause between two tries to reach the daemon again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// How often is looked though no event came. Only a daemon that forgot to tell would make it matter.
const LOOK_ANYWAY: Duration = Duration::from_secs(15);

/// Waits until the operations have ended, whatever their end is, and gives their last snapshots in the same order.
///
/// # Errors
/// [`Error::Timeout`], [`Error::Detached`] by Ctrl-C, [`Error::Unreachable`] when the daemon stays away. All three
/// name the operations that go on.
pub async fn follow(session: &Session, operations: Vec<Operation>) -> Result<Vec<Operation>, Error> {
    let order: Vec<String> = operations.iter().map(|operation| operation.id.clone()).collect();
    let mut follower = Follower {
        client: &session.client,
        progress: Progress::new(session.ui, operations.len()),
        patience: PATIENCE,
        known: operations.into_iter().map(|operation| (operation.id.clone(), operation)).collect(),
    };
    let deadline = session.client.deadline();
    let outcome = {
        let passed = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            outcome = follower.run() => outcome,
            () = passed => Err(None),
            signal = tokio::signal::ctrl_c() => {
                // Without a handler there is only the default: the process ends by the signal, and detaches as well.
                if signal.is_err() {
                    std::future::pending::<()>().await;
                }
                Err(Some(Error::Detached { operations: Vec::new() }))
            }
        }
    };
    follower.progress.close();
    let open = follower.open();
    match outcome {
        Ok(()) => Ok(order.iter().filter_map(|id| follower.known.remove(id)).collect()),
        Err(None) => {
            Err(deadline.expect("only it ends the wait so").passed(&unfinished(&open, &follower.known), open))
        }
        Err(Some(Error::Detached { .. })) => Err(Error::Detached { operations: open }),
        Err(Some(Error::Unreachable { socket, cause, denied, .. })) => {
            Err(Error::Unreachable { socket, cause, denied, operations: open })
        }
        Err(Some(error)) => Err(error),
    }
}

/// What has not ended, in words.
fn unfinished(open: &[String], known: &BTreeMap<String, Operation>) -> String {
    match open {
        [only] => match known.get(only) {
            Some(Operation { app: Some(app), kind, .. }) => format!("{kind} of {app} has not ended"),
            _ => format!("operation {only} has not ended"),
        },
        several => format!("{} operations have not ended", several.len()),
    }
}

struct Follower<'a> {
    client: &'a Client,
    progress: Progress,
    patience: Duration,
    known: BTreeMap<String, Operation>,
}

impl Follower<'_> {
    /// Runs until all have ended. `Err(None)` never comes from here: it is the caller's word for a passed deadline.
    async fn run(&mut self) -> Result<(), Option<Error>> {
        self.known.values().for_each(|operation| self.progress.update(operation));
        let mut query = self.query();
        let mut away_since: Option<Instant> = None;
        let mut pause = PAUSES.0;
        while !self.open().is_empty() {
            match self.connected(&mut query).await {
                Ok(()) => {
                    if away_since.take().is_some() {
                        self.progress.note("the daemon answers again");
                    }
                    pause = PAUSES.0;
                }
                Err(error @ Error::Unreachable { .. }) => {
                    let since = *away_since.get_or_insert_with(|| {
                        self.progress.note(
                            "the daemon does not answer: trying to reach it again (the work is not lost)",
                        );
                        Instant::now()
                    });
                    if since.elapsed() > self.patience {
                        return Err(Some(error));
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSES.1);
                    continue;
                }
                Err(error) => return Err(Some(error)),
            }
        }
        Ok(())
    }

    /// One connection, to its end.
    async fn connected(&mut self, query: &mut EventQuery) -> Result<(), Error> {
        let mut stream = self.client.events(query).await?;
        // What ended before the stream was there is seen here, what ends from now on by an event.
        self.look(None).await?;
        let mut came = false;
        while !self.open().is_empty() {
            match self.hear(&mut stream, query).await? {
                Heard::Nothing => {}
                Heard::Event => came = true,
                // The pause is for a daemon that ends every stream at once.
                Heard::End if came => return Ok(()),
                Heard::End => {
                    tokio::time::sleep(PAUSES.0).await;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Takes in what comes next, and looks where something happened.
    async fn hear(&mut self, stream: &mut EventStream, query: &mut EventQuery) -> Result<Heard, Error> {
        let mut lines = match tokio::time::timeout(LOOK_ANYWAY, stream.next()).await {
            Err(_) => {
                self.look(None).await?;
                return Ok(Heard::Nothing);
            }
            // A stream that breaks off is a stream that ends: the next connection shows whether the daemon is there.
            Ok(Err(_) | Ok(None)) => return Ok(Heard::End),
            Ok(Ok(Some(lines))) => lines,
        };
        // What is there already is one look: a replay may have hundreds of lines.
        let mut heard = Heard::Nothing;
        let mut ended = false;
        while let Some(more) = stream.next().now_or_never() {
            match more {
                Ok(Some(more)) => lines.extend(more),
                Ok(None) | Err(_) => {
                    ended = true;
                    break;
                }
            }
        }
        let mut changed: Vec<String> = Vec::new();
        let mut words: Vec<(String, String)> = Vec::new();
        for line in lines {
            match line {
                StreamLine::Hello { epoch, oldest, reset, .. } => {
                    query.epoch = Some(epoch);
                    if reset.is_some() {
                        query.since = oldest.saturating_sub(1);
                    }
                }
                StreamLine::Event(event) => {
                    query.since = event.seq;
                    heard = Heard::Event;
                    self.sort(event, &mut changed, &mut words);
                }
                StreamLine::Ping => {}
                StreamLine::End { since, .. } => {
                    query.since = since.max(query.since);
                    heard = Heard::End;
                }
            }
        }
        if !changed.is_empty() {
            self.look(Some(&changed)).await?;
        }
        for (id, message) in words {
            self.progress.message(&id, &message);
        }
        Ok(if ended { Heard::End } else { heard })
    }

    /// A step's words are shown as they are; anything else asks for a look.
    fn sort(&self, event: Event, changed: &mut Vec<String>, words: &mut Vec<(String, String)>) {
        let Some(id) =
            event.operation.filter(|id| self.known.get(id).is_some_and(|known| !known.state.ended()))
        else {
            return;
        };
        words.retain(|(other, _)| *other != id);
        if event.kind == "step.progress" {
            words.push((id, event.message));
        } else if !changed.contains(&id) {
            changed.push(id);
        }
    }

    /// Asks for the operations that have not ended, or for those of them that are named.
    async fn look(&mut self, only: Option<&[String]>) -> Result<(), Error> {
        for id in self.open() {
            if only.is_some_and(|only| !only.contains(&id)) {
                continue;
            }
            let operation = self.client.call::<operation::Get>(&OperationId { id: id.clone() }).await?;
            self.progress.update(&operation);
            self.known.insert(id, operation);
        }
        Ok(())
    }

    fn open(&self) -> Vec<String> {
        self.known
            .values()
            .filter(|operation| !operation.state.ended())
            .map(|operation| operation.id.clone())
            .collect()
    }

    /// From the first event of the first operation on; the daemon selects where there is only one.
    fn query(&self) -> EventQuery {
        let first = self.known.values().map(|operation| operation.first_event).min().unwrap_or(1);
        let mut ids = self.known.keys();
        let operation = match (ids.next(), ids.next()) {
            (Some(only), None) => Some(only.clone()),
            _ => None,
        };
        EventQuery { since: first.saturating_sub(1), operation, follow: true, ..EventQuery::default() }
    }
}

enum Heard {
    Nothing,
    Event,
    End,
}
