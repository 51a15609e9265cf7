//! Tasks: their status, their log, the list of them. Waiting for their end is left to `poller`.

use std::fmt;

use reqwest::Method;
use serde::Deserialize;

use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::ids::{NodeName, Vmid};
use crate::params::{Params, path};
use crate::upid::Upid;

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskStatus {
    /// `OK`.
    Ok,
    /// `WARNINGS: n`: done, with warnings in the log.
    Warnings(u32),
    /// `unexpected status`: the worker was killed, and what it left is unknown.
    Interrupted,
    /// Anything else is the reason for which it failed.
    Failed(String),
}

impl TaskStatus {
    /// Done, perhaps with warnings.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Ok | Self::Warnings(_))
    }

    /// What the reason means, when it failed with one.
    pub fn error_kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Failed(text) => Some(ErrorKind::of_text(text)),
            _ => None,
        }
    }
}

impl From<&str> for TaskStatus {
    fn from(text: &str) -> Self {
        let text = text.trim();
        if text == "OK" {
            return Self::Ok;
        }
        if text == "unexpected status" {
            return Self::Interrupted;
        }
        match text.strip_prefix("WARNINGS: ").and_then(|n| n.trim().parse().ok()) {
            Some(count) => Self::Warnings(count),
            None => Self::Failed(text.to_owned()),
        }
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("OK"),
            Self::Warnings(count) => write!(f, "WARNINGS: {count}"),
            Self::Interrupted => f.write_str("unexpected status"),
            Self::Failed(text) => f.write_str(text),
        }
    }
}

/// Whether a task runs or how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
    /// It runs.
    Running,
    /// It ended.
    Stopped(TaskStatus),
}

#[derive(Deserialize)]
struct RawStatus {
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    status: String,
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    exitstatus: Option<String>,
}

/// A line of a task's log.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LogLine {
    /// Its number, from 1.
    #[serde(rename = "n", default, deserialize_with = "crate::lenient::or_default")]
    pub number: u64,
    /// Its text.
    #[serde(rename = "t", default, deserialize_with = "crate::lenient::or_default")]
    pub text: String,
}

/// The one line that stands for a log without lines.
const EMPTY_LOG: &str = "no content";

/// A page of a task's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskLog {
    /// The lines of the page.
    pub lines: Vec<LogLine>,
    /// How many lines the log has now.
    pub total: u64,
}

/// Where a list of tasks comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskSource {
    /// Those that run; may hold some that just ended.
    Active,
    /// Those that ended.
    Archive,
    /// Both.
    All,
}

impl TaskSource {
    fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Archive => "archive",
            Self::All => "all",
        }
    }
}

/// Which tasks to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// Only those about this guest.
    pub vmid: Option<Vmid>,
    /// Only those of this type, such as `vzcreate`.
    pub kind: Option<String>,
    /// Where from; ended ones when absent.
    pub source: Option<TaskSource>,
    /// Only those that began at or after this time, in seconds since 1970.
    pub since: Option<u64>,
    /// At most so many; 50 when absent.
    pub limit: Option<u32>,
    /// How many to skip.
    pub start: Option<u32>,
    /// Only those that failed.
    pub errors: bool,
}

/// A task in a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TaskListEntry {
    /// Its identifier.
    pub upid: Upid,
    /// When it began, in seconds since 1970.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub starttime: u64,
    /// When it ended; absent while it runs.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub endtime: Option<u64>,
    /// Its exit status; absent while it runs.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub status: Option<String>,
    /// Who started it, without the token's name.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub user: String,
    /// The token that started it.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub tokenid: Option<String>,
}

impl TaskListEntry {
    /// Whether it runs or how it ended.
    pub fn state(&self) -> TaskState {
        match (&self.status, self.endtime) {
            (Some(status), Some(_)) => TaskState::Stopped(TaskStatus::from(status.as_str())),
            _ => TaskState::Running,
        }
    }
}

impl Client {
    /// Whether a task runs or how it ended. Somebody else's task needs Sys.Audit on the node.
    ///
    /// # Errors
    /// [`ErrorKind::TaskNotFound`] when the node does not know it, or any other [`Error`].
    pub async fn task_state(&self, upid: &Upid) -> Result<TaskState, Error> {
        let raw: RawStatus = self.get(task_path(upid, "status"), Params::new()).await?;
        if raw.status != "stopped" {
            return Ok(TaskState::Running);
        }
        let exit = raw.exitstatus.unwrap_or_else(|| "unexpected status".to_owned());
        Ok(TaskState::Stopped(TaskStatus::from(exit.as_str())))
    }

    /// A page of a task's log: `limit` lines after the first `start`.
    ///
    /// # Errors
    /// As [`Client::task_state`].
    pub async fn task_log(&self, upid: &Upid, start: u64, limit: u64) -> Result<TaskLog, Error> {
        let params = Params::new().with("start", start).with("limit", limit);
        let (lines, total) = self.envelope::<Option<Vec<LogLine>>>(task_path(upid, "log"), params).await?;
        let mut lines = lines.unwrap_or_default();
        if start == 0 && lines.len() == 1 && lines[0].text == EMPTY_LOG {
            lines.clear();
            return Ok(TaskLog { lines, total: 0 });
        }
        let total = total.unwrap_or(start + lines.len() as u64);
        Ok(TaskLog { lines, total })
    }

    /// The last lines of a task's log, at most `count`.
    ///
    /// # Errors
    /// As [`Client::task_state`].
    pub async fn task_log_tail(&self, upid: &Upid, count: u64) -> Result<Vec<LogLine>, Error> {
        let first = self.task_log(upid, 0, count).await?;
        if first.total <= count {
            return Ok(first.lines);
        }
        Ok(self.task_log(upid, first.total - count, count).await?.lines)
    }

    /// Asks a task to stop; it ends as failed. A task that ended already is no error.
    ///
    /// # Errors
    /// As [`Client::task_state`].
    pub async fn stop_task(&self, upid: &Upid) -> Result<(), Error> {
        let path = path(&[&"nodes", upid.node(), &"tasks", upid]);
        self.write_unit(Method::DELETE, path, Params::new()).await
    }

    /// A node's tasks, newest first. Without Sys.Audit on the node only one's own.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn task_list(&self, node: &NodeName, filter: &TaskFilter) -> Result<Vec<TaskListEntry>, Error> {
        let params = Params::new()
            .opt("vmid", filter.vmid)
            .opt("typefilter", filter.kind.as_ref())
            .opt("source", filter.source.map(TaskSource::word))
            .opt("since", filter.since)
            .opt("limit", filter.limit)
            .opt("start", filter.start)
            .flag("errors", filter.errors);
        self.get_list(path(&[&"nodes", node, &"tasks"]), params).await
    }
}

fn task_path(upid: &Upid, leaf: &str) -> String {
    path(&[&"nodes", upid.node(), &"tasks", upid, &leaf])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_statuses_are_told_apart() {
        for (text, status, success) in [
            ("OK", TaskStatus::Ok, true),
            ("WARNINGS: 1", TaskStatus::Warnings(1), true),
            ("unexpected status", TaskStatus::Interrupted, false),
            ("job errors", TaskStatus::Failed("job errors".into()), false),
        ] {
            let read = TaskStatus::from(text);
            assert_eq!(read, status);
            assert_eq!(read.is_success(), success);
            assert_eq!(read.to_string(), text);
        }
    }
}
