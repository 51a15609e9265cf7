//! The `meta` table: single values of the daemon's own.

use rusqlite::{OptionalExtension, params};

use super::{Reader, StoreError, Tx};

impl Tx<'_> {
    /// Keeps a value under a name.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn set_meta(&mut self, key: &str, value: &str) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?
            .execute(params![key, value])?;
        Ok(())
    }
}

impl Reader<'_> {
    /// The value under a name.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn meta(&self, key: &str) -> Result<Option<String>, StoreError> {
        Ok(self
            .connection
            .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
            .query_row([key], |row| row.get(0))
            .optional()?)
    }
}
