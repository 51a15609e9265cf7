//! A listener of `GET /events`.

use std::io::{BufRead, BufReader, Lines};
use std::os::unix::net::UnixStream;

use serde_json::Value;

use crate::http::Chunked;

/// The lines of the event stream, one JSON value each.
#[derive(Debug)]
pub struct EventStream {
    lines: Lines<BufReader<Chunked<BufReader<UnixStream>>>>,
    /// The first line.
    pub hello: Value,
}

impl EventStream {
    pub(crate) fn new(reader: BufReader<UnixStream>) -> Self {
        let mut lines = BufReader::new(Chunked::new(reader)).lines();
        let first = lines.next().expect("the stream has a first line").expect("it can be read");
        let hello = serde_json::from_str(&first).expect("a line is JSON");
        Self { lines, hello }
    }

    /// The next event of an operation or an app of this kind.
    ///
    /// # Panics
    /// When the stream ends before.
    pub fn until(&mut self, kind: &str) -> Value {
        self.find(|line| line["kind"] == kind).unwrap_or_else(|| panic!("the stream ended before {kind}"))
    }
}

impl Iterator for EventStream {
    type Item = Value;

    /// The next line that is no ping; none when the connection is gone.
    fn next(&mut self) -> Option<Value> {
        loop {
            let line = self.lines.next()?.ok()?;
            let value: Value = serde_json::from_str(&line).ok()?;
            if value["type"] != "ping" {
                return Some(value);
            }
        }
    }
}
