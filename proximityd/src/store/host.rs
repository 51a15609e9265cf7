//! The `host` table.

use rusqlite::{OptionalExtension, params};

use super::{Reader, StoreError, Tx, decode, encode};
use crate::model::host::{HostConfig, HostSeen};

/// A stored host: its configuration, its sealed secret, what was last seen of it.
pub type StoredHost = (HostConfig, Vec<u8>, HostSeen);

impl Tx<'_> {
    /// Adds a host.
    ///
    /// # Errors
    /// [`StoreError::Unique`] when the name is taken.
    pub fn insert_host(&mut self, config: &HostConfig, sealed: &[u8]) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("INSERT INTO host (name, config, secret, created_at) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![config.name, encode(config), sealed, self.now])?;
        Ok(())
    }

    /// Adds a host, or takes over its new configuration.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn upsert_host(&mut self, config: &HostConfig, sealed: &[u8]) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO host (name, config, secret, created_at) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (name) DO UPDATE SET config = excluded.config, secret = excluded.secret",
            )?
            .execute(params![config.name, encode(config), sealed, self.now])?;
        Ok(())
    }

    /// Notes what was seen of it.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn set_host_seen(&mut self, name: &str, seen: &HostSeen) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE host SET seen = ?2 WHERE name = ?1")?
            .execute(params![name, encode(seen)])?;
        Ok(())
    }

    /// Forgets a host. False when there is none of that name.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn delete_host(&mut self, name: &str) -> Result<bool, StoreError> {
        Ok(self.connection.execute("DELETE FROM host WHERE name = ?1", [name])? > 0)
    }

    /// Number of apps on a host that are not removed, and of operations there that have not ended.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn host_use(&self, name: &str) -> Result<u32, StoreError> {
        Ok(self.connection.query_row(
            "SELECT (SELECT count(*) FROM app WHERE host = ?1 AND removed_at IS NULL)
                  + (SELECT count(*) FROM operation WHERE host = ?1 AND ended_at IS NULL)",
            [name],
            |row| row.get(0),
        )?)
    }
}

impl Reader<'_> {
    /// Every host, by name.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn hosts(&self) -> Result<Vec<StoredHost>, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT config, secret, seen FROM host ORDER BY name")?;
        let rows = statement.query_map([], |row| {
            let seen: String = row.get(2)?;
            Ok((decode(&row.get::<_, String>(0)?)?, row.get(1)?, decode(&seen).unwrap_or_default()))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Number of apps on a host.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn host_apps(&self, name: &str) -> Result<u32, StoreError> {
        Ok(self
            .connection
            .prepare_cached("SELECT count(*) FROM app WHERE host = ?1 AND removed_at IS NULL")?
            .query_row([name], |row| row.get(0))
            .optional()?
            .unwrap_or(0))
    }
}
