//! The one thread that writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use proto_json::event::Event;
use rusqlite::Connection;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::StoreError;
use crate::model::clock::Clock;

/// Most requests committed together.
const GROUP: usize = 256;

/// A transaction in progress. The table modules add what can be done in it.
#[derive(Debug)]
pub struct Tx<'c> {
    pub(super) connection: &'c Connection,
    pub(super) events: Vec<Event>,
    pub(super) now: String,
}

impl Tx<'_> {
    /// The time that everything in this transaction is dated by.
    pub fn now(&self) -> &str {
        &self.now
    }
}

/// Gives the answer of a request, once it is known whether the commit worked.
type Answer = Box<dyn FnOnce(Option<StoreError>) + Send>;
/// Does the work; false when it must be undone.
type Work = Box<dyn FnOnce(&mut Tx<'_>) -> (bool, Answer) + Send>;

/// A queued request.
pub(super) struct Job(Work);

impl Job {
    pub(super) fn new<T, E, F>(work: F, answer: oneshot::Sender<Result<T, E>>) -> Job
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        Job(Box::new(move |tx| {
            let result = work(tx);
            let good = result.is_ok();
            let reply: Answer = Box::new(move |failure| {
                // A caller that has gone away does not need its answer.
                let _ = answer.send(match failure {
                    Some(error) if good => Err(error.into()),
                    _ => result,
                });
            });
            (good, reply)
        }))
    }
}

/// The tables that the list of apps is read from.
const LISTED: [&str; 2] = ["app", "operation"];

/// What the thread works with.
pub(super) struct Writer {
    connection: Connection,
    bus: broadcast::Sender<Arc<Event>>,
    /// Counts the commits after which the list of apps may be another.
    listing: Arc<AtomicU64>,
    /// Set by SQLite itself when a row of such a table is touched, so that no write can be forgotten.
    touched: Arc<AtomicBool>,
    clock: Clock,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        bus: broadcast::Sender<Arc<Event>>,
        listing: Arc<AtomicU64>,
        clock: Clock,
    ) -> Result<Writer, StoreError> {
        let touched = Arc::new(AtomicBool::new(false));
        let touch = Arc::clone(&touched);
        // It is not called for tables WITHOUT ROWID (sqlite.org/c3ref/update_hook.html): these two are none.
        connection.update_hook(Some(move |_, _: &str, table: &str, _| {
            if LISTED.contains(&table) {
                touch.store(true, Ordering::Relaxed);
            }
        }))?;
        Ok(Writer { connection, bus, listing, touched, clock })
    }

    /// Runs until every sender is gone.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        while let Some(first) = queue.blocking_recv() {
            let mut jobs = vec![first];
            while jobs.len() < GROUP {
                match queue.try_recv() {
                    Ok(job) => jobs.push(job),
                    Err(_) => break,
                }
            }
            let mut answers = Vec::with_capacity(jobs.len());
            let committed = commit(&mut self.connection, jobs, &mut answers, &self.clock);
            let (events, failure) = match committed {
                Ok(events) => (events, None),
                Err(error) => {
                    tracing::error!(%error, "a write to the database failed");
                    (Vec::new(), Some(error))
                }
            };
            // Before anybody hears of the commit; after one that failed it only costs reading the list once more.
            if self.touched.swap(false, Ordering::Relaxed) {
                self.listing.fetch_add(1, Ordering::Release);
            }
            for event in events {
                // No listener is no error.
                let _ = self.bus.send(Arc::new(event));
            }
            for answer in answers {
                answer(failure.clone());
            }
        }
    }
}

fn commit(
    connection: &mut Connection,
    jobs: Vec<Job>,
    answers: &mut Vec<Answer>,
    clock: &Clock,
) -> Result<Vec<Event>, StoreError> {
    let mut jobs = jobs.into_iter();
    let begun = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate);
    let mut outer = match begun {
        Ok(outer) => outer,
        Err(error) => {
            // The work is still run, on a transaction that is thrown away, so that each caller gets an answer.
            refuse(jobs, answers);
            return Err(error.into());
        }
    };
    let mut events = Vec::new();
    for job in jobs.by_ref() {
        let savepoint = outer.savepoint()?;
        let mut tx = Tx { connection: &savepoint, events: Vec::new(), now: clock.text() };
        let (good, answer) = (job.0)(&mut tx);
        let written = std::mem::take(&mut tx.events);
        answers.push(answer);
        if good {
            savepoint.commit()?;
            events.extend(written);
        }
        // Otherwise dropping the savepoint undoes it.
    }
    outer.commit()?;
    Ok(events)
}

/// Runs requests against an empty database in memory: their work fails there, and their callers hear of it.
fn refuse(jobs: impl Iterator<Item = Job>, answers: &mut Vec<Answer>) {
    let Ok(nowhere) = Connection::open_in_memory() else { return };
    for job in jobs {
        let mut tx = Tx { connection: &nowhere, events: Vec::new(), now: String::new() };
        answers.push((job.0)(&mut tx).1);
    }
}
