//! A connection that reads. The table modules add what can be asked of it.

use rusqlite::Connection;

/// Reads from the database, each method in a consistent state of its own.
#[derive(Debug)]
pub struct Reader<'c> {
    pub(super) connection: &'c Connection,
}

impl<'c> Reader<'c> {
    pub(super) fn new(connection: &'c Connection) -> Reader<'c> {
        Reader { connection }
    }
}
