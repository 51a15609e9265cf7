//! A task's log as it grows.
//!
//! The follower reads at its own pace, after each round in which the poller asked for the task; a
//! slow reader slows nobody.

use std::collections::VecDeque;

use tokio::sync::watch;

use super::{TaskOutcome, TaskProgress};
use crate::client::Client;
use crate::error::Error;
use crate::task::LogLine;
use crate::upid::Upid;

/// Lines read at once.
const PAGE: u64 = 500;

/// What happens to a followed task.
#[derive(Debug, Clone)]
pub enum TaskEvent {
    /// A new line of the log.
    Line(LogLine),
    /// It ended, or asking for it failed for good; nothing comes after.
    Ended(Result<TaskOutcome, Error>),
}

/// A task that is followed. Dropping it ends the following and nothing else.
#[derive(Debug)]
pub struct TaskFollow {
    client: Client,
    upid: Upid,
    progress: watch::Receiver<TaskProgress>,
    ticks: watch::Receiver<u64>,
    read: u64,
    lines: VecDeque<LogLine>,
    over: bool,
}

impl TaskFollow {
    pub(super) fn new(
        client: Client,
        upid: Upid,
        progress: watch::Receiver<TaskProgress>,
        ticks: watch::Receiver<u64>,
    ) -> Self {
        Self { client, upid, progress, ticks, read: 0, lines: VecDeque::new(), over: false }
    }

    /// What happens next; `None` after the end. Can be dropped while it waits and called again.
    pub async fn next(&mut self) -> Option<TaskEvent> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(TaskEvent::Line(line));
            }
            if self.over {
                return None;
            }
            let ended = match &*self.progress.borrow_and_update() {
                TaskProgress::Ended(result) => Some(result.clone()),
                _ => None,
            };
            // After the end the log grows no more: an empty page is its end.
            if !self.read_page().await
                && let Some(result) = ended
            {
                self.over = true;
                return Some(TaskEvent::Ended(result));
            }
            if !self.lines.is_empty() || matches!(&*self.progress.borrow(), TaskProgress::Ended(_)) {
                continue;
            }
            tokio::select! {
                changed = self.ticks.changed() => {
                    // The end closes the ticks; it is seen in the progress.
                    if changed.is_err() && self.progress.has_changed().is_err() {
                        self.rejoin();
                    }
                }
                _ = self.progress.changed() => {}
            }
        }
    }

    /// Whether new lines came. What cannot be read now is read after the next round.
    async fn read_page(&mut self) -> bool {
        let Ok(log) = self.client.task_log(&self.upid, self.read, PAGE).await else { return false };
        let before = self.read;
        for line in log.lines {
            if line.number > self.read {
                self.read = line.number;
                self.lines.push_back(line);
            }
        }
        self.read > before
    }

    /// The loop ended with its runtime before the task did; a new one takes over.
    fn rejoin(&mut self) {
        if !matches!(&*self.progress.borrow(), TaskProgress::Ended(_)) {
            let again = self.client.tasks().join(&self.upid);
            (self.progress, self.ticks) = again;
        }
    }
}
