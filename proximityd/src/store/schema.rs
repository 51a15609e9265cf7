//! Opening the database: migrations, settings, the epoch.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::{M, Migrations};

use super::StoreError;
use crate::model::clock::Clock;
use crate::model::ids::Ids;

/// Numbered and immutable: a change of the schema is a new entry, never a change of an old one.
const MIGRATIONS: &[&str] = &[include_str!("migrations/0001_initial.sql")];

/// The newest schema version this program knows (SQLite's `user_version`).
pub(super) fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

fn migrations(count: usize) -> Migrations<'static> {
    Migrations::new(MIGRATIONS[..count].iter().map(|sql| M::up(sql)).collect())
}

/// Opens the database for writing and brings it up to date.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    if path.exists() {
        // Looked at without writing first: one that is newer or damaged stays as it is.
        let look = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let found: i64 = look.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if found > known() {
            return Err(StoreError::Newer { found, known: known() });
        }
        let health: String = look.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if health != "ok" {
            return Err(StoreError::Damaged(health));
        }
    }
    open_at(path, MIGRATIONS.len())
}

fn open_at(path: &Path, version: usize) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // FULL: a commit is on the disk when it returns, power loss included (sqlite.org/pragma.html#pragma_synchronous).
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.set_prepared_statement_cache_capacity(64);
    migrations(version).to_latest(&mut connection).map_err(|error| match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => err.into(),
        other => StoreError::Sqlite(other.to_string()),
    })?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// The database's epoch, made when it is new.
pub(super) fn epoch(connection: &mut Connection, clock: &Clock) -> Result<String, StoreError> {
    let fresh = Ids::random(clock.clone()).next();
    connection.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('epoch', ?1)", [&fresh])?;
    Ok(connection.query_row("SELECT value FROM meta WHERE key = 'epoch'", [], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(connection: &Connection) -> Vec<String> {
        let mut statement = connection
            .prepare("SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master ORDER BY 1")
            .unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn a_migrated_schema_equals_a_fresh_one_from_every_version() {
        let dir = tempfile::tempdir().unwrap();
        let fresh = shape(&open(&dir.path().join("fresh.db")).unwrap());
        assert!(fresh.len() > 8);
        for version in 1..=MIGRATIONS.len() {
            let path = dir.path().join(format!("{version}.db"));
            drop(open_at(&path, version).unwrap());
            assert_eq!(shape(&open(&path).unwrap()), fresh, "from version {version}");
        }
    }

    #[test]
    fn the_migrations_are_valid() {
        migrations(MIGRATIONS.len()).validate().unwrap();
    }

    #[test]
    fn a_newer_database_is_refused_untouched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("newer.db");
        let connection = open(&path).unwrap();
        connection.pragma_update(None, "user_version", known() + 1).unwrap();
        connection.execute("INSERT INTO meta VALUES ('a', 'b')", []).unwrap();
        connection.pragma_update(None, "journal_mode", "DELETE").unwrap();
        drop(connection);
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(open(&path), Err(StoreError::Newer { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn what_is_no_database_is_refused_untouched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("no.db");
        std::fs::write(&path, "this is no database at all, but long enough to look at").unwrap();
        assert!(matches!(open(&path), Err(StoreError::Damaged(_))));
        assert_eq!(std::fs::read(&path).unwrap().len(), 54);
    }
}
