//! The loop: which tasks are due, what is asked, what the answers mean.
//!
//! It holds the client only while it asks, so that a client that nobody uses goes away.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{Link, Shared, TaskOutcome, TaskProgress};
use crate::client::{Client, Inner};
use crate::error::{Error, ErrorKind};
use crate::ids::NodeName;
use crate::task::{TaskFilter, TaskSource, TaskState, TaskStatus};
use crate::upid::Upid;

/// From so many due tasks of one node on, one list is cheaper than single questions.
const LIST_FROM: usize = 3;

/// More active tasks than this a node does not have in practice; those beyond are asked for singly.
const LIST_LIMIT: u32 = 500;

/// How much of a log an outcome carries.
const LOG_TAIL: u64 = 200;

/// What the loop does next.
enum Next {
    Ask(Vec<Upid>),
    SleepUntil(Instant),
    End,
}

pub(super) async fn run(inner: Weak<Inner>) {
    let mut guard = Guard { inner: inner.clone(), armed: true };
    loop {
        let Some(client) = inner.upgrade().map(|inner| Client { inner }) else { return };
        match next(&client.inner.poller) {
            Next::End => {
                // Another loop may be running by now.
                guard.armed = false;
                return;
            }
            Next::Ask(due) => ask(&client, due).await,
            Next::SleepUntil(due) => {
                // Waiters hold the client, so it lives as long as there is something to ask.
                let shared = &client.inner.poller;
                tokio::select! {
                    () = tokio::time::sleep_until(due) => {}
                    () = shared.wake.notified() => {}
                }
            }
        }
    }
}

/// Lets waiters start a new loop when this one ends with its runtime.
struct Guard {
    inner: Weak<Inner>,
    armed: bool,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(inner) = self.inner.upgrade().filter(|_| self.armed) else { return };
        let mut state = inner.poller.state();
        state.tasks.clear();
        state.running = false;
    }
}

/// Drops tasks for which nobody waits any more, and tells what is to be done.
fn next(shared: &Shared) -> Next {
    let mut state = shared.state();
    state.tasks.retain(|_, entry| entry.progress.receiver_count() > 0);
    let Some(earliest) = state.tasks.values().map(|e| e.schedule.due).min() else {
        state.running = false;
        shared.link.send_if_modified(|link| std::mem::replace(link, Link::Up) != Link::Up);
        return Next::End;
    };
    let now = Instant::now();
    if earliest > now {
        return Next::SleepUntil(earliest);
    }
    let due = state.tasks.iter().filter(|(_, e)| e.schedule.is_due(now));
    Next::Ask(due.map(|(upid, _)| upid.clone()).collect())
}

async fn ask(client: &Client, due: Vec<Upid>) {
    let mut due = due;
    let link_is_down = *client.inner.poller.link.borrow() != Link::Up;
    if link_is_down && due.len() > 1 {
        // One question is enough to see whether anything answers.
        due.sort_by_key(|upid| client.inner.poller.state().tasks.get(upid).map(|e| e.schedule.due));
        let rest = due.split_off(1);
        ask_one(client, &due[0]).await;
        if *client.inner.poller.link.borrow() != Link::Up {
            postpone(client, &rest);
            return;
        }
        due = rest;
    }
    let mut by_node: HashMap<NodeName, Vec<Upid>> = HashMap::new();
    for upid in due {
        by_node.entry(upid.node().clone()).or_default().push(upid);
    }
    join_all(by_node.into_iter().map(|(node, upids)| ask_node(client, node, upids))).await;
}

/// Puts off tasks that were not asked for because nothing answers.
fn postpone(client: &Client, upids: &[Upid]) {
    let shared = &client.inner.poller;
    let Link::Down { since, reason } = shared.link.borrow().clone() else { return };
    let now = Instant::now();
    let mut state = shared.state();
    for upid in upids {
        if let Some(entry) = state.tasks.get_mut(upid) {
            entry.schedule.failed(now);
            mark_unreachable(&entry.progress, since, &reason);
        }
    }
}

async fn ask_node(client: &Client, node: NodeName, upids: Vec<Upid>) {
    let now = Instant::now();
    let (by_list, singly): (Vec<Upid>, Vec<Upid>) = {
        let state = client.inner.poller.state();
        upids.into_iter().partition(|upid| {
            state.tasks.get(upid).is_some_and(|e| e.ended.is_none() && e.schedule.trusts_list(now))
        })
    };
    let mut singly = singly;
    let mut left_the_list = Vec::new();
    if by_list.len() < LIST_FROM {
        singly.extend(by_list);
    } else {
        match active(client, &node).await {
            Ok(running) => {
                for upid in by_list {
                    if running.contains(&upid) {
                        still_runs(client, &upid, true);
                    } else {
                        left_the_list.push(upid.clone());
                        singly.push(upid);
                    }
                }
            }
            // A list that cannot be had says nothing about the tasks.
            Err(_) => singly.extend(by_list),
        }
    }
    join_all(singly.iter().map(|upid| ask_one(client, upid))).await;
    note_unlisted(client, &left_the_list);
}

/// Tasks that run all the same, though the list no longer shows them: for them it is worth nothing.
fn note_unlisted(client: &Client, upids: &[Upid]) {
    let mut state = client.inner.poller.state();
    for upid in upids {
        if let Some(entry) = state.tasks.get_mut(upid) {
            entry.schedule.unlisted = true;
        }
    }
}

/// The tasks of a node that run, as far as the credentials may see them: their own, and with
/// Sys.Audit on the node all.
async fn active(client: &Client, node: &NodeName) -> Result<Vec<Upid>, Error> {
    let filter =
        TaskFilter { source: Some(TaskSource::Active), limit: Some(LIST_LIMIT), ..TaskFilter::default() };
    let list = client.task_list(node, &filter).await?;
    let running = list.into_iter().filter(|t| t.state() == TaskState::Running);
    Ok(running.map(|t| t.upid).collect())
}

async fn ask_one(client: &Client, upid: &Upid) {
    let known = client.inner.poller.state().tasks.get(upid).and_then(|e| e.ended.clone());
    let state = match known {
        Some(status) => Ok(TaskState::Stopped(status)),
        None => client.task_state(upid).await,
    };
    match state {
        Ok(TaskState::Running) => still_runs(client, upid, false),
        Ok(TaskState::Stopped(status)) => ended(client, upid, status).await,
        Err(error) if waiting_helps(&error) => unreachable(client, upid, &error),
        Err(error) => {
            link_up(client);
            finish(client, upid, Err(error));
        }
    }
}

/// Errors that say nothing about the task and may pass: also refused credentials, which a person
/// can mend while the task goes on.
fn waiting_helps(error: &Error) -> bool {
    match error {
        Error::Unreachable(_) | Error::Untrusted { .. } => true,
        Error::Api(api) => matches!(
            api.kind,
            ErrorKind::Unauthorized
                | ErrorKind::ProxyFailed
                | ErrorKind::Unavailable
                | ErrorKind::LockTimeout
        ),
        _ => false,
    }
}

fn still_runs(client: &Client, upid: &Upid, by_list: bool) {
    link_up(client);
    let now = Instant::now();
    let mut state = client.inner.poller.state();
    let Some(entry) = state.tasks.get_mut(upid) else { return };
    if by_list {
        entry.schedule.listed(now);
    } else {
        entry.schedule.asked(now);
    }
    entry.schedule.recovered();
    entry.progress.send_if_modified(|progress| {
        let changed = !matches!(progress, TaskProgress::Running);
        *progress = TaskProgress::Running;
        changed
    });
    entry.ticks.send_modify(|ticks| *ticks += 1);
}

async fn ended(client: &Client, upid: &Upid, status: TaskStatus) {
    let log = match client.task_log_tail(upid, LOG_TAIL).await {
        Ok(log) => log,
        Err(error) if waiting_helps(&error) => {
            // The end of the log may hold what the caller needs (a backup's name): ask again.
            if let Some(entry) = client.inner.poller.state().tasks.get_mut(upid) {
                entry.ended = Some(status);
            }
            return unreachable(client, upid, &error);
        }
        Err(_) => Vec::new(),
    };
    link_up(client);
    finish(client, upid, Ok(TaskOutcome { upid: upid.clone(), status, log }));
}

fn finish(client: &Client, upid: &Upid, result: Result<TaskOutcome, Error>) {
    if let Some(entry) = client.inner.poller.state().tasks.remove(upid) {
        entry.progress.send_replace(TaskProgress::Ended(result));
    }
}

fn unreachable(client: &Client, upid: &Upid, error: &Error) {
    let shared = &client.inner.poller;
    let reason = error.to_string();
    // A node that its neighbour cannot reach is one task's trouble, not the cluster's.
    let mut since = SystemTime::now();
    if error.kind() != Some(&ErrorKind::ProxyFailed) {
        since = link_down(shared, since, &reason);
    }
    let mut state = shared.state();
    let Some(entry) = state.tasks.get_mut(upid) else { return };
    entry.schedule.failed(Instant::now());
    mark_unreachable(&entry.progress, since, &reason);
}

fn mark_unreachable(progress: &tokio::sync::watch::Sender<TaskProgress>, since: SystemTime, reason: &str) {
    progress.send_if_modified(|progress| {
        if matches!(progress, TaskProgress::Unreachable { .. }) {
            return false;
        }
        *progress = TaskProgress::Unreachable { since, reason: reason.to_owned() };
        true
    });
}

/// Tells when the outage began.
fn link_down(shared: &Shared, now: SystemTime, reason: &str) -> SystemTime {
    let mut began = now;
    shared.link.send_if_modified(|link| match link {
        Link::Down { since, .. } => {
            began = *since;
            false
        }
        Link::Up => {
            tracing::warn!(reason, "Proxmox VE does not answer; waiting");
            *link = Link::Down { since: now, reason: reason.to_owned() };
            true
        }
    });
    began
}

fn link_up(client: &Client) {
    let shared: &Arc<Inner> = &client.inner;
    let came_back = shared.poller.link.send_if_modified(|link| std::mem::replace(link, Link::Up) != Link::Up);
    if came_back {
        tracing::info!("Proxmox VE answers again");
    }
}
