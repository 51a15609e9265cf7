//! The daemon's memory: SQLite, and nothing outside this module knows it.
//!
//! One thread writes; it takes what has queued up, gives each request a savepoint of its own and commits them together,
//! so that a durable write costs little and a bad request spoils no other. Readers have connections of their own.
//! Events written in a transaction are published once it is committed, in the order of their numbers.

mod app;
mod event;
mod golden;
mod host;
mod meta;
mod operation;
mod reader;
mod schema;
mod vmid;
mod writer;

pub use event::NewEvent;
pub use host::StoredHost;
pub use reader::Reader;
pub use writer::Tx;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::model::clock::Clock;
use proto_json::event::Event;

/// What can go wrong with the database.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// SQLite's own words.
    #[error("the database: {0}")]
    Sqlite(String),
    /// The disk is full: the write was undone whole and may be tried again.
    #[error("the database's disk is full")]
    Full,
    /// The database was written by a newer Proximity. It was not touched.
    #[error(
        "the database is of schema version {found}, newer than this program's {known}; it was not touched"
    )]
    Newer {
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// It is no database of ours, or damaged.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// Something unique is there already.
    #[error("it is there already: {0}")]
    Unique(String),
    /// The writer is gone: the daemon stops.
    #[error("the daemon is stopping")]
    Closed,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        use rusqlite::ErrorCode;
        if let rusqlite::Error::SqliteFailure(failure, message) = &error {
            let text = message.clone().unwrap_or_else(|| failure.to_string());
            return match failure.code {
                ErrorCode::DiskFull => StoreError::Full,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Damaged(text),
                // SQLITE_CONSTRAINT_UNIQUE and _PRIMARYKEY (sqlite.org/rescode.html).
                ErrorCode::ConstraintViolation if matches!(failure.extended_code, 2067 | 1555) => {
                    StoreError::Unique(text)
                }
                _ => StoreError::Sqlite(text),
            };
        }
        StoreError::Sqlite(error.to_string())
    }
}

/// A stored value that cannot be read is damage, not a reason to panic.
fn decode<T: serde::de::DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}

/// A value of a closed set, stored as its word.
fn decode_word<T: serde::de::DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    let word: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    T::deserialize(word).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}

fn encode(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("the daemon's own types are representable as JSON")
}

fn word(value: &impl serde::Serialize) -> String {
    encode(value).trim_matches('"').to_string()
}

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    jobs: mpsc::Sender<writer::Job>,
    readers: Mutex<Vec<Connection>>,
    path: std::path::PathBuf,
    events: broadcast::Sender<Arc<Event>>,
    listing: Arc<AtomicU64>,
    clock: Clock,
    epoch: String,
}

/// Events that a listener may lag behind before it is cut off.
const EVENT_BUFFER: usize = 8192;
/// Writes that may queue up before callers wait.
const WRITE_QUEUE: usize = 1024;
/// Reading connections kept open.
const READERS: usize = 4;

impl Store {
    /// Opens the database, making or migrating it where needed.
    ///
    /// # Errors
    /// [`StoreError::Newer`] without touching it, [`StoreError::Damaged`], or SQLite's own words.
    pub fn open(path: &Path, clock: Clock) -> Result<Store, StoreError> {
        let mut connection = schema::open(path)?;
        let epoch = schema::epoch(&mut connection, &clock)?;
        let (events, _) = broadcast::channel(EVENT_BUFFER);
        let (jobs, queue) = mpsc::channel(WRITE_QUEUE);
        let listing = Arc::new(AtomicU64::new(0));
        let writer = writer::Writer::new(connection, events.clone(), Arc::clone(&listing), clock.clone())?;
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run(queue))
            .map_err(|error| StoreError::Sqlite(error.to_string()))?;
        let inner =
            Inner { jobs, readers: Mutex::default(), path: path.into(), events, listing, clock, epoch };
        Ok(Store { inner: Arc::new(inner) })
    }

    /// The clock that its entries are dated by.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// This database's epoch: event numbers of another one mean nothing here.
    pub fn epoch(&self) -> &str {
        &self.inner.epoch
    }

    /// A number that is another one after every commit that touched what [`Reader::app_list`] gives. It changes before
    /// the commit's events are published and before its callers hear of it: what is read after taking the number is at
    /// least as new as the number.
    pub fn listing(&self) -> u64 {
        self.inner.listing.load(Ordering::Acquire)
    }

    /// Hears of every event committed from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.inner.events.subscribe()
    }

    /// Writes. When this returns `Ok`, what was written is on the disk; when it returns an error, nothing was written.
    ///
    /// # Errors
    /// Whatever the closure gives, or a [`StoreError`] from the commit.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        let (answer, outcome) = oneshot::channel();
        let job = writer::Job::new(work, answer);
        self.inner.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        outcome.await.map_err(|_| StoreError::Closed)?
    }

    /// Reads, on a connection of its own, off the asynchronous threads.
    ///
    /// # Errors
    /// SQLite's own words.
    pub async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Reader<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let store = self.clone();
        tokio::task::spawn_blocking(move || store.read_now(work)).await.map_err(|_| StoreError::Closed)?
    }

    /// Reads on the calling thread.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn read_now<T>(
        &self,
        work: impl FnOnce(&Reader<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let pool = || self.inner.readers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let kept = pool().pop();
        let connection = match kept {
            Some(connection) => connection,
            None => schema::open_reader(&self.inner.path)?,
        };
        let result = work(&Reader::new(&connection));
        let mut pool = pool();
        if pool.len() < READERS {
            pool.push(connection);
        }
        result
    }
}

#[cfg(test)]
mod tests;
