//! The `golden` table.

use rusqlite::{OptionalExtension, Row, params};

use super::{Reader, StoreError, Tx, decode_word, word};
use crate::model::golden::{Golden, GoldenState};

const COLUMNS: &str = "operation, host, node, storage, recipe, vmid, state";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Golden> {
    Ok(Golden {
        operation: row.get(0)?,
        host: row.get(1)?,
        node: row.get(2)?,
        storage: row.get(3)?,
        recipe: row.get(4)?,
        vmid: row.get(5)?,
        state: decode_word(&row.get::<_, String>(6)?)?,
    })
}

impl Tx<'_> {
    /// Adds a golden container that is to be built.
    ///
    /// # Errors
    /// [`StoreError::Unique`] when one of the same recipe is there for the same place.
    pub fn insert_golden(&mut self, golden: &Golden) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO golden (operation, host, node, storage, recipe, vmid, state, created_at)
                 VALUES (?1,?2,?3,?4,?5,?6,?7,?8)",
            )?
            .execute(params![
                golden.operation,
                golden.host,
                golden.node,
                golden.storage,
                golden.recipe,
                golden.vmid,
                word(&golden.state),
                self.now
            ])?;
        Ok(())
    }

    /// Notes where a golden container stands.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn set_golden(
        &mut self,
        operation: &str,
        vmid: Option<u32>,
        state: GoldenState,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE golden SET vmid = ?2, state = ?3 WHERE operation = ?1")?
            .execute(params![operation, vmid, word(&state)])?;
        Ok(())
    }

    /// The golden container of a recipe for a place, unless it is retired.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn golden_for(&self, place: &Golden) -> Result<Option<Golden>, StoreError> {
        Ok(self
            .connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM golden
                 WHERE host = ?1 AND node = ?2 AND storage = ?3 AND recipe = ?4 AND state <> 'retired'"
            ))?
            .query_row(params![place.host, place.node, place.storage, place.recipe], from_row)
            .optional()?)
    }
}

impl Reader<'_> {
    /// The golden containers that are not retired.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn goldens(&self) -> Result<Vec<Golden>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM golden WHERE state <> 'retired' ORDER BY operation"
        ))?;
        let rows = statement.query_map([], from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
