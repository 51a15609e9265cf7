//! The `app` and `secret` tables.

use std::collections::BTreeMap;

use proto_json::app::{App, AppState};
use rusqlite::{OptionalExtension, Row, params};

use super::{Reader, StoreError, Tx, decode, decode_word, encode, word};
use crate::model::app::AppRecord;

const COLUMNS: &str = "id, name, host, template, template_version, state, reason, node, vmid, ip, url, spec, \
                       created_at, checked_at, removed_at";

fn from_row(row: &Row<'_>) -> rusqlite::Result<AppRecord> {
    Ok(AppRecord {
        id: row.get(0)?,
        name: row.get(1)?,
        host: row.get(2)?,
        template: row.get(3)?,
        template_version: row.get(4)?,
        state: decode_word(&row.get::<_, String>(5)?)?,
        reason: row.get(6)?,
        node: row.get(7)?,
        vmid: row.get(8)?,
        ip: row.get(9)?,
        url: row.get(10)?,
        spec: decode(&row.get::<_, String>(11)?)?,
        created_at: row.get(12)?,
        checked_at: row.get(13)?,
        removed_at: row.get(14)?,
    })
}

impl Tx<'_> {
    /// Adds an app.
    ///
    /// # Errors
    /// [`StoreError::Unique`] when its name is taken.
    pub fn insert_app(&mut self, app: &AppRecord) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO app (id, name, host, template, template_version, state, spec, created_at)
                 VALUES (?1,?2,?3,?4,?5,?6,?7,?8)",
            )?
            .execute(params![
                app.id,
                app.name,
                app.host,
                app.template,
                app.template_version,
                word(&app.state),
                encode(&app.spec),
                app.created_at
            ])?;
        Ok(())
    }

    /// Writes everything of an app that may change.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn update_app(&mut self, app: &AppRecord) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE app SET state = ?2, reason = ?3, node = ?4, vmid = ?5, ip = ?6, url = ?7, spec = ?8,
                 checked_at = ?9, removed_at = ?10 WHERE id = ?1",
            )?
            .execute(params![
                app.id,
                word(&app.state),
                app.reason,
                app.node,
                app.vmid,
                app.ip,
                app.url,
                encode(&app.spec),
                app.checked_at,
                app.removed_at
            ])?;
        Ok(())
    }

    /// Writes how an app is, and nothing else of it.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn set_app_state(
        &mut self,
        id: &str,
        state: AppState,
        reason: Option<&str>,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE app SET state = ?2, reason = ?3, checked_at = ?4 WHERE id = ?1")?
            .execute(params![id, word(&state), reason, self.now])?;
        Ok(())
    }

    /// Reads an app.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn app(&self, id: &str) -> Result<Option<AppRecord>, StoreError> {
        Reader::new(self.connection).app(id)
    }

    /// See [`Reader::address_holder`].
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn address_holder(&self, host: &str, ip: &str) -> Result<Option<String>, StoreError> {
        Reader::new(self.connection).address_holder(host, ip)
    }

    /// Keeps a sealed secret of an app.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn set_secret(&mut self, app: &str, key: &str, sealed: &[u8]) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO secret (app, key, sealed) VALUES (?1, ?2, ?3)")?
            .execute(params![app, key, sealed])?;
        Ok(())
    }

    /// Forgets an app's secrets.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn delete_secrets(&mut self, app: &str) -> Result<(), StoreError> {
        self.connection.execute("DELETE FROM secret WHERE app = ?1", [app])?;
        Ok(())
    }
}

impl Reader<'_> {
    /// The apps as they are listed, by name, each with its operation that has not ended; with `removed`, those too.
    /// What was resolved for them is not read: a list is short of it, and quick.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn app_list(&self, removed: bool) -> Result<Vec<App>, StoreError> {
        let mut apps = Vec::new();
        self.each_app(removed, |app| apps.push(app))?;
        Ok(apps)
    }

    /// Shows each app of [`Reader::app_list`], one at a time: however many there are, only one is in memory.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn each_app(&self, removed: bool, mut show: impl FnMut(App)) -> Result<(), StoreError> {
        // Those that are not removed come from the index of their names, without sorting.
        let which = if removed {
            "ORDER BY a.name, a.created_at"
        } else {
            "WHERE a.removed_at IS NULL ORDER BY a.name"
        };
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT a.id, a.name, a.host, a.template, a.template_version, a.state, a.reason, a.node, a.vmid, a.ip, a.url,
                    a.created_at, a.checked_at, o.id
             FROM app a LEFT JOIN operation o ON o.app = a.id AND o.ended_at IS NULL {which}"
        ))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            show(App {
                id: row.get(0)?,
                name: row.get(1)?,
                host: row.get(2)?,
                template: row.get(3)?,
                template_version: row.get(4)?,
                state: decode_word(row.get_ref(5)?.as_str().map_err(rusqlite::Error::from)?)?,
                reason: row.get(6)?,
                node: row.get(7)?,
                vmid: row.get(8)?,
                ip: row.get(9)?,
                url: row.get(10)?,
                created_at: row.get(11)?,
                checked_at: row.get(12)?,
                operation: row.get(13)?,
            });
        }
        Ok(())
    }

    /// The app on a host that has the address of `ip`, in CIDR notation, or was given it. Nobody has `dhcp`.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn address_holder(&self, host: &str, ip: &str) -> Result<Option<String>, StoreError> {
        let Some((address, _)) = ip.split_once('/') else { return Ok(None) };
        Ok(self
            .connection
            .prepare_cached(
                "SELECT name FROM app WHERE host = ?1 AND removed_at IS NULL
                 AND (ip = ?2 OR spec ->> 'ip' LIKE ?2 || '/%') LIMIT 1",
            )?
            .query_row([host, address], |row| row.get(0))
            .optional()?)
    }

    /// The records of the apps that are up, or may be: running, degraded or starting.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn apps_up(&self) -> Result<Vec<AppRecord>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM app
             WHERE removed_at IS NULL AND state IN ('running', 'degraded', 'starting') ORDER BY name"
        ))?;
        let rows = statement.query_map([], from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// An app by its id.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn app(&self, id: &str) -> Result<Option<AppRecord>, StoreError> {
        Ok(self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM app WHERE id = ?1"))?
            .query_row([id], from_row)
            .optional()?)
    }

    /// An app by its name, or by its id; a removed one only by its id.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn app_named(&self, name: &str) -> Result<Option<AppRecord>, StoreError> {
        Ok(self
            .connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM app WHERE (name = ?1 AND removed_at IS NULL) OR id = ?1 LIMIT 1"
            ))?
            .query_row([name], from_row)
            .optional()?)
    }

    /// For each app that has one, its operation that has not ended.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn active_operations_by_app(&self) -> Result<BTreeMap<String, String>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT app, id FROM operation WHERE ended_at IS NULL AND app IS NOT NULL")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The sealed secrets of an app, by key.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn secrets(&self, app: &str) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT key, sealed FROM secret WHERE app = ?1")?;
        let rows = statement.query_map([app], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Number of apps that are not removed.
    ///
    /// # Errors
    /// SQLite's own words.
    pub fn app_count(&self) -> Result<u32, StoreError> {
        Ok(self
            .connection
            .query_row("SELECT count(*) FROM app WHERE removed_at IS NULL", [], |row| row.get(0))?)
    }
}
