//! The `vmid` table: which container ids operations hold.

use rusqlite::params;

use super::{Reader, StoreError, Tx};

impl Tx<'_> {
    /// Takes a vmid for an operation. False when another holds it.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn reserve_vmid(&mut self, host: &str, vmid: u32, operation: &str) -> Result<bool, StoreError> {
        let result = self
            .connection
            .prepare_cached("INSERT INTO vmid (host, vmid, operation, reserved_at) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![host, vmid, operation, self.now]);
        match result.map_err(StoreError::from) {
            Ok(_) => Ok(true),
            Err(StoreError::Unique(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Frees a vmid.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn release_vmid(&mut self, host: &str, vmid: u32) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE vmid SET released_at = ?3 WHERE host = ?1 AND vmid = ?2 AND released_at IS NULL",
            )?
            .execute(params![host, vmid, self.now])?;
        Ok(())
    }

    /// Frees every vmid that an operation holds, but the one that it uses.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn release_unused_vmids(&mut self, operation: &str, used: Option<u32>) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE vmid SET released_at = ?3
                 WHERE operation = ?1 AND released_at IS NULL AND vmid IS NOT ?2",
            )?
            .execute(params![operation, used, self.now])?;
        Ok(())
    }
}

impl Reader<'_> {
    /// The vmids held on a host, with the operations that took them.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn held_vmids(&self, host: &str) -> Result<Vec<(u32, String)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT vmid, operation FROM vmid WHERE host = ?1 AND released_at IS NULL ORDER BY vmid",
        )?;
        let rows = statement.query_map([host], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
