//! The tasks' journal: one JSON line when a task starts, one for each piece of its log, one when it ends.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::{End, UNEXPECTED, Upid};

/// The journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the task journal")]
pub struct JournalError(#[from] io::Error);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Started(Upid),
    Logged { upid: Upid, lines: Vec<String> },
    Ended { upid: Upid, at: i64, status: String },
}

/// A task of an earlier run.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) upid: Upid,
    pub(super) end: End,
    pub(super) log: Vec<String>,
}

/// An open journal.
#[derive(Debug)]
pub(super) struct Journal(Mutex<File>);

impl Journal {
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<Entry>), JournalError> {
        let file = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path)?;
        let mut entries: Vec<Entry> = Vec::new();
        for line in BufReader::new(&file).lines() {
            // A line cut short by the process's death is the last one and says nothing that was answered.
            match serde_json::from_str(&line?) {
                Ok(Line::Started(upid)) => {
                    let end = End { at: upid.starttime, status: UNEXPECTED.to_owned() };
                    entries.push(Entry { upid, end, log: Vec::new() });
                }
                Ok(Line::Logged { upid, lines }) => {
                    if let Some(entry) = entries.iter_mut().rev().find(|e| e.upid == upid) {
                        entry.log.extend(lines);
                    }
                }
                Ok(Line::Ended { upid, at, status }) => {
                    if let Some(entry) = entries.iter_mut().rev().find(|e| e.upid == upid) {
                        entry.end = End { at, status };
                    }
                }
                Err(_) => {}
            }
        }
        Ok((Self(Mutex::new(file)), entries))
    }

    pub(super) fn started(&self, upid: &Upid) -> Result<(), JournalError> {
        self.append(&Line::Started(upid.clone()))
    }

    pub(super) fn logged(&self, upid: &Upid, lines: &[String]) -> Result<(), JournalError> {
        self.append(&Line::Logged { upid: upid.clone(), lines: lines.to_vec() })
    }

    pub(super) fn ended(&self, upid: &Upid, end: &End) -> Result<(), JournalError> {
        self.append(&Line::Ended { upid: upid.clone(), at: end.at, status: end.status.clone() })
    }

    fn append(&self, line: &Line) -> Result<(), JournalError> {
        let mut bytes = serde_json::to_vec(line).map_err(io::Error::from)?;
        bytes.push(b'\n');
        self.0.lock().expect("no panic holds the journal").write_all(&bytes)?;
        Ok(())
    }
}
