//! A Proxmox VE task inside a step: its intent is journaled, then it is sent, then its UPID is journaled, then it is
//! awaited. After a crash in between, the task is looked for before anything is sent again.

use proto_json::{Code, Problem};
use proximity_pve as pve;
use serde_json::json;

use super::context::Context;
use super::failure::StepError;
use crate::guest::printable;
use crate::hosts::Host;
use crate::model::operation::JournalKind;

/// A task to be done once.
#[derive(Debug, Clone)]
pub struct Once<'a> {
    /// Its name within the step.
    pub key: &'a str,
    /// The node it runs on.
    pub node: &'a pve::NodeName,
    /// What the task is about, as in its UPID: a vmid, or nothing.
    pub id: &'a str,
    /// The task's type as in its UPID, such as `vzcreate`.
    pub kind: &'a str,
    /// What is being done, for an error: `the container cannot be created`.
    pub failure: &'a str,
}

/// What became of a request whose answer was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trace {
    /// It never took effect.
    None,
    /// This is its task.
    Task(pve::Upid),
    /// Its effect is there, and nothing of it runs any more.
    Done,
}

/// Clocks of two machines may differ by so much, in seconds, and a task still be found.
const CLOCK_SKEW: u64 = 900;
/// Seconds after which a lock that no task holds is not waited for any more.
const LOCK_PATIENCE: i64 = 30;
/// Lines of a task's log that an error shows.
const LOG_LINES: usize = 15;

impl Context {
    /// Does a task once, whatever happens in between, and waits for its end. A task whose UPID was lost is looked for by
    /// its type and what it is about.
    ///
    /// # Errors
    /// [`StepError::Failed`] with the task's own words; [`StepError::Wait`] while Proxmox VE is out of reach.
    pub async fn task(
        &self,
        host: &Host,
        once: Once<'_>,
        submit: impl AsyncFnOnce() -> Result<Option<pve::Upid>, pve::Error>,
    ) -> Result<(), StepError> {
        self.task_traced(host, once.clone(), submit, async || self.find(host, &once).await).await
    }

    /// As [`Context::task`], with a way of one's own to tell what became of a request whose answer was lost.
    ///
    /// # Errors
    /// As [`Context::task`].
    pub async fn task_traced(
        &self,
        host: &Host,
        once: Once<'_>,
        submit: impl AsyncFnOnce() -> Result<Option<pve::Upid>, pve::Error>,
        trace: impl AsyncFnOnce() -> Result<Trace, StepError>,
    ) -> Result<(), StepError> {
        let entries = self.entries(once.key);
        let last = |kind: JournalKind| entries.iter().rev().find(|entry| entry.kind == kind);
        if last(JournalKind::TaskEnded).is_some() {
            return Ok(());
        }
        let known = last(JournalKind::Submitted).and_then(|entry| entry.data["upid"].as_str()?.parse().ok());
        let upid: Option<pve::Upid> = if known.is_some() {
            known
        } else {
            let trace = if last(JournalKind::Intent).is_some() { trace().await? } else { Trace::None };
            match trace {
                Trace::Task(upid) => {
                    self.submitted(&once, &upid).await?;
                    Some(upid)
                }
                Trace::Done => None,
                Trace::None => {
                    let intent = json!({"key": once.key, "task": once.kind, "id": once.id});
                    self.journal(JournalKind::Intent, intent).await?;
                    let upid = match submit().await {
                        Ok(upid) => upid,
                        Err(error) => {
                            return Err(self.refused(host, &once, error).await?.doing(once.failure));
                        }
                    };
                    if let Some(upid) = &upid {
                        self.submitted(&once, upid).await?;
                    }
                    upid
                }
            }
        };
        let exit = match &upid {
            Some(upid) => self.outcome(host, &once, upid).await?,
            None => "done without a task".to_string(),
        };
        self.journal(JournalKind::TaskEnded, json!({"key": once.key, "exit": exit})).await
    }

    /// A lock that a task holds goes away with it; one that no task has held for a while needs a person.
    async fn refused(&self, host: &Host, once: &Once<'_>, error: pve::Error) -> Result<StepError, StepError> {
        let Some(pve::ErrorKind::Locked(lock)) = error.kind().cloned() else { return Ok(error.into()) };
        let first = self.entries(once.key).into_iter().find(|entry| entry.kind == JournalKind::Intent);
        let begun = first.and_then(|entry| entry.at.parse::<jiff::Timestamp>().ok());
        let waited = begun.map_or(0, |at| self.services.clock.now().as_second() - at.as_second());
        if waited < LOCK_PATIENCE {
            return Ok(error.into());
        }
        let filter = pve::TaskFilter {
            vmid: once.id.parse().ok(),
            source: Some(pve::TaskSource::Active),
            ..pve::TaskFilter::default()
        };
        if !host.client.task_list(once.node, &filter).await?.is_empty() {
            return Ok(error.into());
        }
        let message = format!("container {} is locked ({lock}), and no task holds the lock", once.id);
        let hint = format!("on the node {}, run: pct unlock {}", once.node, once.id);
        Ok(StepError::failed(Problem::new(Code::Conflict, message).hint(hint)))
    }

    async fn submitted(&self, once: &Once<'_>, upid: &pve::Upid) -> Result<(), StepError> {
        self.journal(JournalKind::Submitted, json!({"key": once.key, "upid": upid.as_str()})).await
    }

    /// A task of ours that was sent before a crash, and whose UPID was lost with it.
    async fn find(&self, host: &Host, once: &Once<'_>) -> Result<Trace, StepError> {
        let intent = self.entries(once.key).into_iter().find(|entry| entry.kind == JournalKind::Intent);
        let since = intent
            .and_then(|entry| entry.at.parse::<jiff::Timestamp>().ok())
            .and_then(|at| u64::try_from(at.as_second()).ok())
            .unwrap_or(0)
            .saturating_sub(CLOCK_SKEW);
        let known = self.services.store.read(|reader| reader.submitted_upids()).await?;
        let tasks = host.tasks_of(once.node, once.id, once.kind, false).await?;
        let identity = host.client.identity();
        let ours = tasks.into_iter().filter(|task| task.user() == identity);
        Ok(ours
            .filter(|task| task.starttime() >= since && !known.contains(task.as_str()))
            .max_by_key(pve::Upid::starttime)
            .map_or(Trace::None, Trace::Task))
    }

    /// Waits for a task's end; an outage on the way is shown, and waited out.
    async fn outcome(&self, host: &Host, once: &Once<'_>, upid: &pve::Upid) -> Result<String, StepError> {
        let poller = host.client.tasks();
        let mut link = poller.link();
        let wait = poller.wait(upid);
        tokio::pin!(wait);
        // A task of Proxmox VE is not broken off: a cancel is looked at when it has ended.
        let outcome = loop {
            tokio::select! {
                outcome = &mut wait => break outcome?,
                changed = link.changed() => {
                    let down = match &*link.borrow_and_update() {
                        pve::Link::Down { reason, .. } => Some(format!("Proxmox VE does not answer: {reason}")),
                        pve::Link::Up => None,
                    };
                    self.show_waiting(down.as_deref()).await?;
                    if changed.is_err() {
                        break wait.await?;
                    }
                }
            }
        };
        if outcome.status.is_success() {
            return Ok(outcome.status.to_string());
        }
        let log: Vec<String> = outcome.log.iter().map(|line| printable(&line.text)).collect();
        let tail = log[log.len().saturating_sub(LOG_LINES)..].to_vec();
        let code = match outcome.status.error_kind() {
            Some(pve::ErrorKind::Forbidden { .. }) => Code::Refused,
            _ => Code::PveFailed,
        };
        let problem = Problem::new(code, once.failure)
            .cause(format!("Proxmox VE: {}", printable(&outcome.status.to_string())))
            .hint(format!("Proxmox VE keeps the task's log as {upid}"));
        Err(StepError::with_log(problem, tail))
    }
}
