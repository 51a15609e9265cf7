//! The `operation` and `operation_event` tables.

use proto_json::operation::{OperationError, OperationState};
use rusqlite::{OptionalExtension, Row, params};
use serde_json::Value;

use super::{Reader, StoreError, Tx, decode, decode_word, encode, word};
use crate::model::operation::{JournalEntry, JournalKind, OperationRecord};

const COLUMNS: &str = "id, kind, version, app, app_name, host, parent, params, data, state, step, waiting_for, actor, \
                       request_id, created_at, started_at, ended_at, error, cancel_requested, first_event";

fn from_row(row: &Row<'_>) -> rusqlite::Result<OperationRecord> {
    let error: Option<String> = row.get(17)?;
    Ok(OperationRecord {
        id: row.get(0)?,
        kind: row.get(1)?,
        version: row.get(2)?,
        app: row.get(3)?,
        app_name: row.get(4)?,
        host: row.get(5)?,
        parent: row.get(6)?,
        params: decode(&row.get::<_, String>(7)?)?,
        data: decode(&row.get::<_, String>(8)?)?,
        state: decode_word(&row.get::<_, String>(9)?)?,
        step: row.get(10)?,
        waiting_for: row.get(11)?,
        actor: row.get(12)?,
        request_id: row.get(13)?,
        created_at: row.get(14)?,
        started_at: row.get(15)?,
        ended_at: row.get(16)?,
        error: error.as_deref().map(decode).transpose()?,
        cancel_requested: row.get(18)?,
        first_event: row.get(19)?,
    })
}

impl Tx<'_> {
    /// Adds an operation.
    ///
    /// # Errors
    /// [`StoreError::Unique`] when the app has one that has not ended, or the request id was used.
    pub fn insert_operation(&mut self, operation: &OperationRecord) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO operation (id, kind, version, app, app_name, host, parent, params, data, state, actor,
                 request_id, created_at, first_event) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)",
            )?
            .execute(params![
                operation.id,
                operation.kind,
                operation.version,
                operation.app,
                operation.app_name,
                operation.host,
                operation.parent,
                encode(&operation.params),
                encode(&operation.data),
                word(&operation.state),
                operation.actor,
                operation.request_id,
                operation.created_at,
                operation.first_event
            ])?;
        Ok(())
    }

    /// Writes where an operation stands.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn set_operation_state(
        &mut self,
        id: &str,
        state: OperationState,
        step: Option<&str>,
        waiting_for: Option<&str>,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE operation SET state = ?2, step = coalesce(?3, step), waiting_for = ?4,
                 started_at = coalesce(started_at, ?5) WHERE id = ?1",
            )?
            .execute(params![id, word(&state), step, waiting_for, self.now])?;
        Ok(())
    }

    /// Notes why an operation fails, before it is undone.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn set_operation_error(&mut self, id: &str, error: &OperationError) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE operation SET error = ?2 WHERE id = ?1")?
            .execute(params![id, encode(error)])?;
        Ok(())
    }

    /// Ends an operation.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn end_operation(&mut self, id: &str, state: OperationState) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE operation SET state = ?2, waiting_for = NULL, ended_at = ?3 WHERE id = ?1",
            )?
            .execute(params![id, word(&state), self.now])?;
        Ok(())
    }

    /// Replaces the saga's own data.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn set_operation_data(&mut self, id: &str, data: &Value) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE operation SET data = ?2 WHERE id = ?1")?
            .execute(params![id, encode(data)])?;
        Ok(())
    }

    /// Notes that a cancel was asked for. False when it has ended, or there is none.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn request_cancel(&mut self, id: &str) -> Result<bool, StoreError> {
        Ok(self
            .connection
            .execute("UPDATE operation SET cancel_requested = 1 WHERE id = ?1 AND ended_at IS NULL", [id])?
            > 0)
    }

    /// Adds a journal entry.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn journal(
        &mut self,
        id: &str,
        step: &str,
        kind: &JournalKind,
        data: &Value,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO operation_event (operation, step, kind, data, at) VALUES (?1,?2,?3,?4,?5)",
            )?
            .execute(params![id, step, kind.as_str(), encode(data), self.now])?;
        Ok(())
    }

    /// The operation of a request id.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn operation_of_request(&self, request_id: &str) -> Result<Option<OperationRecord>, StoreError> {
        Ok(self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM operation WHERE request_id = ?1"))?
            .query_row([request_id], from_row)
            .optional()?)
    }

    /// The operation of an app that has not ended.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn active_operation(&self, app: &str) -> Result<Option<OperationRecord>, StoreError> {
        Ok(self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM operation WHERE app = ?1 AND ended_at IS NULL"))?
            .query_row([app], from_row)
            .optional()?)
    }

    /// An operation.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn operation(&self, id: &str) -> Result<Option<OperationRecord>, StoreError> {
        Reader::new(self.connection).operation(id)
    }
}

impl Reader<'_> {
    /// An operation.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn operation(&self, id: &str) -> Result<Option<OperationRecord>, StoreError> {
        Ok(self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM operation WHERE id = ?1"))?
            .query_row([id], from_row)
            .optional()?)
    }

    /// The operations whose id begins so; at most two, which is enough to see that it is ambiguous.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn operations_beginning(&self, prefix: &str) -> Result<Vec<OperationRecord>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM operation WHERE substr(id, 1, length(?1)) = ?1 ORDER BY (id = ?1) DESC LIMIT 2"
        ))?;
        let rows = statement.query_map([prefix], from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Operations, newest first.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn operations(
        &self,
        app: Option<&str>,
        active: bool,
        limit: u32,
    ) -> Result<Vec<OperationRecord>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM operation
             WHERE (?1 IS NULL OR app = ?1 OR app_name = ?1) AND (NOT ?2 OR ended_at IS NULL)
             ORDER BY created_at DESC, id DESC LIMIT ?3"
        ))?;
        let rows = statement.query_map(params![app, active, limit], from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Operations that have not ended, oldest first: what a starting daemon takes up again.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn unfinished_operations(&self) -> Result<Vec<OperationRecord>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM operation WHERE ended_at IS NULL ORDER BY id"))?;
        let rows = statement.query_map([], from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Number of operations that have not ended.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn active_operation_count(&self) -> Result<u32, StoreError> {
        Ok(self
            .connection
            .query_row("SELECT count(*) FROM operation WHERE ended_at IS NULL", [], |row| row.get(0))?)
    }

    /// An operation's journal.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn journal(&self, operation: &str) -> Result<Vec<JournalEntry>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, step, kind, data, at FROM operation_event WHERE operation = ?1 ORDER BY seq",
        )?;
        let rows = statement.query_map([operation], |row| {
            let kind: String = row.get(2)?;
            let kind = JournalKind::parse(&kind).ok_or_else(|| {
                rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, kind.into())
            })?;
            Ok(JournalEntry {
                seq: row.get(0)?,
                step: row.get(1)?,
                kind,
                data: decode(&row.get::<_, String>(3)?)?,
                at: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The UPIDs of every task that an operation is known to have started in the last days.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn submitted_upids(&self) -> Result<std::collections::BTreeSet<String>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT json_extract(data, '$.upid') FROM operation_event
             WHERE kind = 'submitted' AND seq > (SELECT max(seq) FROM operation_event) - 20000",
        )?;
        let rows = statement.query_map([], |row| row.get::<_, Option<String>>(0))?;
        Ok(rows.filter_map(Result::transpose).collect::<Result<_, _>>()?)
    }

    /// Operations of the last ones that need a person.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn stuck_operations(&self) -> Result<Vec<String>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT o.id FROM operation o WHERE state = 'needs-attention'
             AND NOT EXISTS (SELECT 1 FROM app a WHERE a.id = o.app AND a.removed_at IS NOT NULL)
             ORDER BY id DESC LIMIT 20",
        )?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
