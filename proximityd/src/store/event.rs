//! The `event` table.

use proto_json::event::{Event, Level};
use rusqlite::{Row, params};
use serde_json::Value;

use super::{Reader, StoreError, Tx, decode, decode_word, encode, word};

/// An event to write; it gets its number and its time here.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// See [`Event::kind`].
    pub kind: &'static str,
    /// How much it matters.
    pub level: Level,
    /// The app's name.
    pub app: Option<String>,
    /// The operation's id.
    pub operation: Option<String>,
    /// One line.
    pub message: String,
    /// More.
    pub data: Value,
}

impl NewEvent {
    /// An event of no great weight.
    pub fn info(kind: &'static str, message: impl Into<String>) -> NewEvent {
        let message = message.into();
        NewEvent { kind, level: Level::Info, app: None, operation: None, message, data: Value::Null }
    }
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        seq: row.get(0)?,
        at: row.get(1)?,
        kind: row.get(2)?,
        level: decode_word(&row.get::<_, String>(3)?)?,
        app: row.get(4)?,
        operation: row.get(5)?,
        message: row.get(6)?,
        data: decode(&row.get::<_, String>(7)?)?,
    })
}

impl Tx<'_> {
    /// Writes an event; it is published when the transaction is committed. Gives its number.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn event(&mut self, new: NewEvent) -> Result<u64, StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO event (at, kind, level, app, operation, message, data) VALUES (?1,?2,?3,?4,?5,?6,?7)",
            )?
            .execute(params![
                self.now,
                new.kind,
                word(&new.level),
                new.app,
                new.operation,
                new.message,
                encode(&new.data)
            ])?;
        let seq = u64::try_from(self.connection.last_insert_rowid()).unwrap_or(0);
        self.events.push(Event {
            seq,
            at: self.now.clone(),
            kind: new.kind.into(),
            level: new.level,
            app: new.app,
            operation: new.operation,
            message: new.message,
            data: new.data,
        });
        Ok(seq)
    }
}

impl Reader<'_> {
    /// The oldest event's number, and the number that the next one will have.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn event_range(&self) -> Result<(u64, u64), StoreError> {
        let last: u64 = self
            .connection
            .prepare_cached("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0)")?
            .query_row([], |row| row.get(0))?;
        let oldest: Option<u64> =
            self.connection.prepare_cached("SELECT min(seq) FROM event")?.query_row([], |row| row.get(0))?;
        Ok((oldest.unwrap_or(last + 1), last + 1))
    }

    /// Up to `limit` events after `since`, in order.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn events(&self, since: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, at, kind, level, app, operation, message, data FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        )?;
        let rows = statement.query_map(params![since, limit], from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
