//! Tasks: UPIDs, workers, their logs and how they end.
//!
//! A worker is a tokio task. What started and how it ended is appended to a journal, so that a task cut short
//! by the node's death is found again as Proxmox VE finds it: `unexpected status`.

mod journal;
mod upid;

use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::node::Node;
use crate::reply::ApiError;
use crate::state::access::Identity;

use journal::Journal;
pub(crate) use journal::JournalError;
pub(crate) use upid::Upid;

/// How a killed worker ended.
pub(crate) const UNEXPECTED: &str = "unexpected status";

/// A task, running or done.
#[derive(Debug)]
pub(crate) struct Task {
    /// Its name and everything in it.
    pub upid: Upid,
    lines: Mutex<Vec<String>>,
    end: Mutex<Option<End>>,
    warnings: AtomicU32,
    begun: Instant,
    took: OnceLock<Duration>,
    stop: watch::Sender<bool>,
    /// An error that a fault rule has the next step end with, so that the worker clears up as after a real one.
    injected: Mutex<Option<String>>,
    /// A fault rule kills the worker at its next step.
    dying: watch::Sender<Dying>,
    clock: Arc<Clock>,
    journal: Arc<Journal>,
}

/// How near a worker is to being killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dying {
    No,
    AtNextStep,
    Now,
}

/// How a task ended.
#[derive(Debug, Clone)]
pub(crate) struct End {
    /// When, seconds since 1970.
    pub at: i64,
    /// `OK`, `WARNINGS: 1`, an error's text, `unexpected status`.
    pub status: String,
}

impl Task {
    fn new(upid: Upid, clock: Arc<Clock>, journal: Arc<Journal>) -> Self {
        Self {
            upid,
            lines: Mutex::default(),
            end: Mutex::default(),
            warnings: AtomicU32::new(0),
            begun: Instant::now(),
            took: OnceLock::new(),
            stop: watch::Sender::new(false),
            injected: Mutex::default(),
            dying: watch::Sender::new(Dying::No),
            clock,
            journal,
        }
    }

    /// Adds lines to the log.
    pub(crate) fn log(&self, text: impl AsRef<str>) {
        let new: Vec<String> = text.as_ref().split('\n').map(str::to_owned).collect();
        if let Err(error) = self.journal.logged(&self.upid, &new) {
            tracing::error!(error = &error as &dyn std::error::Error, "a task's log is not on disk");
        }
        self.lines.lock().expect("no panic holds a log").extend(new);
    }

    /// Adds a warning, which the exit status counts.
    pub(crate) fn warn(&self, text: &str) {
        self.log(format!("WARN: {text}"));
        self.warnings.fetch_add(1, Ordering::Relaxed);
    }

    /// The log so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no panic holds a log").clone()
    }

    /// How it ended, if it has.
    pub(crate) fn end(&self) -> Option<End> {
        self.end.lock().expect("no panic holds a task's end").clone()
    }

    /// How long it ran, if it ran in this process and has ended.
    pub(crate) fn took(&self) -> Option<Duration> {
        self.took.get().copied()
    }

    /// Asks the worker to stop.
    pub(crate) fn interrupt(&self) {
        self.stop.send_replace(true);
    }

    /// Ends when somebody asks the worker to stop.
    pub(crate) async fn interrupted(&self) {
        let mut stop = self.stop.subscribe();
        if stop.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Runs a step that is no command, for at least some time; a stop asked for meanwhile ends it.
    ///
    /// # Errors
    /// The step's own error, or `interrupted by signal`.
    pub(crate) async fn quiet_step<T>(
        &self,
        least: Duration,
        work: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        self.interruptible("interrupted by signal", least, work).await
    }

    /// Runs a step under a command's name, for at least some time; a stop asked for meanwhile fails it as
    /// a real command would.
    ///
    /// # Errors
    /// The step's own error, or `command '…' failed: received interrupt`.
    pub(crate) async fn step<T>(
        &self,
        command: &str,
        least: Duration,
        work: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        self.interruptible(&format!("command '{command}' failed: received interrupt"), least, work).await
    }

    /// Runs a step for at least some time; a stop asked for meanwhile ends it with a text of its own.
    ///
    /// # Errors
    /// The step's own error, or that text.
    pub(crate) async fn interruptible<T>(
        &self,
        interrupted: &str,
        least: Duration,
        work: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        if *self.dying.borrow() == Dying::AtNextStep {
            self.dying.send_replace(Dying::Now);
            std::future::pending::<()>().await;
        }
        if let Some(text) = self.injected.lock().expect("no panic holds a fault").take() {
            return Err(ApiError::Died(text));
        }
        let timed = async {
            let begun = self.clock.elapsed();
            let result = work.await?;
            self.clock.sleep(least.saturating_sub(self.clock.elapsed().saturating_sub(begun))).await;
            Ok(result)
        };
        tokio::select! {
            biased;
            () = self.interrupted() => Err(ApiError::died(interrupted)),
            result = timed => result,
        }
    }
}

/// What to start.
#[derive(Debug, Clone)]
pub(crate) struct Start<'a> {
    /// The node it runs on.
    pub node: &'a str,
    /// `vzcreate`, `vzstart`, …
    pub kind: &'a str,
    /// A container's id, a file name, or nothing.
    pub id: String,
    /// Who asked.
    pub who: &'a Identity,
}

/// All tasks of the node.
#[derive(Debug)]
pub(crate) struct Tasks {
    all: Mutex<Vec<Arc<Task>>>,
    journal: Arc<Journal>,
    pid: AtomicU32,
    clock: Arc<Clock>,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

/// How many tasks are kept in the list.
const KEPT: usize = 2000;

impl Tasks {
    /// Takes up the journal.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub(crate) fn open(path: &Path, clock: Arc<Clock>) -> Result<Self, JournalError> {
        let (journal, entries) = Journal::open(path)?;
        let journal = Arc::new(journal);
        let skip = entries.len().saturating_sub(KEPT);
        let all: Vec<_> = entries
            .into_iter()
            .skip(skip)
            .map(|entry| {
                let task = Task::new(entry.upid, Arc::clone(&clock), Arc::clone(&journal));
                *task.lines.lock().expect("the task is new") = entry.log;
                *task.end.lock().expect("the task is new") = Some(entry.end);
                Arc::new(task)
            })
            .collect();
        let pid = all.iter().map(|t| t.upid.pid).max().unwrap_or(4_000);
        Ok(Self { all: Mutex::new(all), journal, pid: AtomicU32::new(pid), clock, workers: Mutex::default() })
    }

    /// A task by its name.
    pub(crate) fn find(&self, upid: &str) -> Option<Arc<Task>> {
        self.list().into_iter().find(|t| t.upid.to_string() == upid)
    }

    /// All tasks, newest first.
    pub(crate) fn list(&self) -> Vec<Arc<Task>> {
        let all = self.all.lock().expect("no panic holds the tasks");
        all.iter().rev().cloned().collect()
    }

    /// Puts a task in place that this node has not run; it is gone when the node ends.
    pub(crate) fn put(&self, upid: Upid, lines: Vec<String>, end: Option<End>) {
        let task = Task::new(upid, Arc::clone(&self.clock), Arc::clone(&self.journal));
        *task.lines.lock().expect("the task is new") = lines;
        *task.end.lock().expect("the task is new") = end;
        self.all.lock().expect("no panic holds the tasks").push(Arc::new(task));
    }

    /// Starts a worker and returns its name at once.
    pub(crate) fn start<F, W>(
        &self,
        node: &Arc<Node>,
        start: &Start<'_>,
        work: F,
    ) -> Result<Arc<Task>, ApiError>
    where
        F: FnOnce(Arc<Task>) -> W,
        W: Future<Output = Result<(), ApiError>> + Send + 'static,
    {
        let upid = Upid {
            node: start.node.to_owned(),
            pid: self.pid.fetch_add(7, Ordering::Relaxed) + 7,
            pstart: u32::try_from(self.clock.elapsed().as_millis() / 10)
                .unwrap_or(u32::MAX)
                .wrapping_add(360_000),
            starttime: self.clock.now(),
            kind: start.kind.to_owned(),
            id: start.id.clone(),
            user: start.who.id(),
        };
        let task = Arc::new(Task::new(upid, Arc::clone(&self.clock), Arc::clone(&self.journal)));
        self.journal
            .started(&task.upid)
            .map_err(|e| ApiError::died(format!("unable to create task - {e}")))?;
        {
            let mut all = self.all.lock().expect("no panic holds the tasks");
            let over = (all.len() + 1).saturating_sub(KEPT);
            all.drain(..over);
            all.push(Arc::clone(&task));
        }
        let fault = node.faults.for_task(start.kind, &start.id);
        let (worker, kind) = (work(Arc::clone(&task)), start.kind.to_owned());
        let (node, running) = (Arc::clone(node), Arc::clone(&task));
        let worker = tokio::spawn(async move {
            let status = match fault {
                // What makes a container undoes its own work when it fails.
                Some(crate::fault::TaskFault::Fail(text))
                    if ["vzclone", "vzcreate"].contains(&kind.as_str()) =>
                {
                    *running.injected.lock().expect("no panic holds a fault") = Some(text.clone());
                    match worker.await {
                        Ok(()) => failed(&running, &ApiError::Died(text)),
                        Err(error) => failed(&running, &error),
                    }
                }
                Some(crate::fault::TaskFault::Fail(text)) => failed(&running, &ApiError::Died(text)),
                Some(crate::fault::TaskFault::FailAfter(text)) => match worker.await {
                    Ok(()) => failed(&running, &ApiError::Died(text)),
                    Err(error) => failed(&running, &error),
                },
                Some(crate::fault::TaskFault::Die) => {
                    running.dying.send_replace(Dying::AtNextStep);
                    let mut dying = running.dying.subscribe();
                    // What the worker had done so far stays as it is.
                    tokio::select! {
                        biased;
                        _ = dying.wait_for(|dying| *dying == Dying::Now) => {}
                        _ = worker => {}
                    }
                    UNEXPECTED.to_owned()
                }
                Some(crate::fault::TaskFault::Hang) => {
                    running.interrupted().await;
                    failed(&running, &ApiError::died("received interrupt"))
                }
                None => match worker.await {
                    Ok(()) => done(&running),
                    Err(error) => failed(&running, &error),
                },
            };
            node.tasks.finish(&running, status);
        });
        let mut workers = self.workers.lock().expect("no panic holds the workers");
        workers.retain(|worker| !worker.is_finished());
        workers.push(worker);
        drop(workers);
        Ok(task)
    }

    /// Ends all workers where they are, as the end of the node does.
    pub(crate) async fn abort(&self) {
        let workers = std::mem::take(&mut *self.workers.lock().expect("no panic holds the workers"));
        workers.iter().for_each(JoinHandle::abort);
        for worker in workers {
            if let Err(error) = worker.await
                && error.is_panic()
            {
                tracing::error!(%error, "a worker failed");
            }
        }
    }

    fn finish(&self, task: &Task, status: String) {
        let end = End { at: self.clock.now(), status };
        // A task ends once.
        let _ = task.took.set(task.begun.elapsed());
        if let Err(error) = self.journal.ended(&task.upid, &end) {
            tracing::error!(error = &error as &dyn std::error::Error, "a task's end is not on disk");
        }
        *task.end.lock().expect("no panic holds a task's end") = Some(end);
    }
}

fn done(task: &Task) -> String {
    let status = match task.warnings.load(Ordering::Relaxed) {
        0 => "OK".to_owned(),
        n => format!("WARNINGS: {n}"),
    };
    task.log(format!("TASK {status}"));
    status
}

fn failed(task: &Task, error: &ApiError) -> String {
    let text = error.in_task();
    task.log(format!("TASK ERROR: {text}"));
    text.replace('\n', " ")
}
