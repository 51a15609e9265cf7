//! Waiting for tasks: one loop for all of a cluster's tasks, not one for each.
//!
//! The loop asks quickly at first, so that a short task is noticed at once, and then once a second.
//! Where several tasks of a node are due together it lists the node's active tasks in one call and
//! asks singly only for those that left the list. While Proxmox VE cannot be reached the waiters
//! go on waiting, and [`TaskPoller::link`] says so. How often to ask is decided in `schedule`; what
//! to do with an outcome is left to the caller.

mod follow;
mod rounds;
mod schedule;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use tokio::sync::{Notify, watch};

use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::task::{LogLine, TaskStatus};
use crate::upid::Upid;
use schedule::Schedule;

pub use follow::{TaskEvent, TaskFollow};

/// How a task ended, with the end of its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskOutcome {
    /// The task.
    pub upid: Upid,
    /// How it ended.
    pub status: TaskStatus,
    /// The last lines of its log, at most 200; empty when the log could not be read.
    pub log: Vec<LogLine>,
}

impl TaskOutcome {
    /// What the failure means; `None` for a success. A tool that ran out of space says so in the
    /// log only, the status has just its exit code.
    pub fn error_kind(&self) -> Option<ErrorKind> {
        let kind = self.status.error_kind()?;
        let full = || self.log.iter().any(|l| ErrorKind::of_text(&l.text) == ErrorKind::NoSpace);
        if kind == ErrorKind::Other && full() { Some(ErrorKind::NoSpace) } else { Some(kind) }
    }
}

/// What is known of a task that is waited for.
#[derive(Debug, Clone)]
pub enum TaskProgress {
    /// It runs.
    Running,
    /// It cannot be asked for, and is waited for all the same.
    Unreachable {
        /// Since when.
        since: SystemTime,
        /// Why.
        reason: String,
    },
    /// It ended, or asking for it failed for good.
    Ended(Result<TaskOutcome, Error>),
}

/// Whether Proxmox VE answers the poller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// It did when last asked.
    Up,
    /// It does not: unreachable, refusing the credentials, or without quorum.
    Down {
        /// Since when.
        since: SystemTime,
        /// Why.
        reason: String,
    },
}

/// The state that the clones of a client share.
pub(crate) struct Shared {
    state: Mutex<State>,
    wake: Notify,
    link: watch::Sender<Link>,
}

impl Default for Shared {
    fn default() -> Self {
        Self { state: Mutex::default(), wake: Notify::new(), link: watch::Sender::new(Link::Up) }
    }
}

#[derive(Default)]
struct State {
    tasks: HashMap<Upid, Entry>,
    /// Whether the loop runs; it ends when there is nothing to wait for.
    running: bool,
}

struct Entry {
    progress: watch::Sender<TaskProgress>,
    /// Counts the rounds in which the task was asked for, so that followers read on.
    ticks: watch::Sender<u64>,
    schedule: Schedule,
    /// The status of a task that ended, while its log is yet to be read.
    ended: Option<TaskStatus>,
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing panics while the lock is held, and the state is whole between statements.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Waits for tasks. Cheap to clone; all clones of one client's poller are one.
#[derive(Debug, Clone)]
pub struct TaskPoller {
    client: Client,
}

impl TaskPoller {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Waits until a task ends. Waits on while Proxmox VE cannot be reached; dropping the future
    /// ends the wait and nothing else.
    ///
    /// # Errors
    /// [`crate::ErrorKind::TaskNotFound`] when the node does not know the task, or another error
    /// that waiting does not mend, such as a missing privilege.
    pub async fn wait(&self, upid: &Upid) -> Result<TaskOutcome, Error> {
        let mut progress = self.watch(upid);
        loop {
            if let TaskProgress::Ended(result) = &*progress.borrow_and_update() {
                return result.clone();
            }
            if progress.changed().await.is_err() {
                // The loop ended with its runtime; a new one takes over.
                progress = self.watch(upid);
            }
        }
    }

    /// What is known of a task, as it changes. The task is asked for as long as the receiver lives.
    pub fn watch(&self, upid: &Upid) -> watch::Receiver<TaskProgress> {
        self.join(upid).0
    }

    /// Follows a task's log while it runs, from its first line.
    pub fn follow(&self, upid: &Upid) -> TaskFollow {
        let (progress, ticks) = self.join(upid);
        TaskFollow::new(self.client.clone(), upid.clone(), progress, ticks)
    }

    /// Whether Proxmox VE answers. Only told while there are tasks to wait for.
    pub fn link(&self) -> watch::Receiver<Link> {
        self.client.inner.poller.link.subscribe()
    }

    /// How many tasks are waited for.
    pub fn waiting(&self) -> usize {
        self.client.inner.poller.state().tasks.len()
    }

    fn join(&self, upid: &Upid) -> (watch::Receiver<TaskProgress>, watch::Receiver<u64>) {
        let shared = &self.client.inner.poller;
        let mut state = shared.state();
        let entry = state.tasks.entry(upid.clone()).or_insert_with(|| Entry {
            progress: watch::Sender::new(TaskProgress::Running),
            ticks: watch::Sender::new(0),
            schedule: Schedule::new(tokio::time::Instant::now()),
            ended: None,
        });
        let receivers = (entry.progress.subscribe(), entry.ticks.subscribe());
        if !state.running {
            state.running = true;
            tokio::spawn(rounds::run(Arc::downgrade(&self.client.inner)));
        }
        drop(state);
        shared.wake.notify_one();
        receivers
    }
}
