//! Tasks as clients see them: lists, status, logs, stopping.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::call::Call;
use crate::reply::{Answer, ApiError, Outcome};
use crate::schema::split_list;
use crate::tasks::{Task, Upid};

fn base(upid: &Upid) -> Value {
    let (user, token) = upid.user_and_token();
    let mut entry = json!({
        "upid": upid.to_string(), "node": upid.node, "pid": upid.pid, "pstart": upid.pstart,
        "starttime": upid.starttime, "type": upid.kind, "id": upid.id, "user": user,
    });
    if let Some(token) = token {
        entry["tokenid"] = json!(token);
    }
    entry
}

fn entry(task: &Task) -> Value {
    let mut entry = base(&task.upid);
    if let Some(end) = task.end() {
        entry["endtime"] = json!(end.at);
        entry["status"] = json!(end.status);
    }
    entry
}

/// `GET /nodes/{node}/tasks`: without Sys.Audit only one's own, and those of containers one may see.
pub(super) fn of_node(call: &Call) -> Outcome {
    let auditor = call.may(&format!("/nodes/{}", call.host), "Sys.Audit");
    let number = |name: &str| call.params.number(name);
    let source = call.params.get("source").unwrap_or("archive");
    let types = call.params.get("typefilter");
    let user = call.params.get("userfilter");
    let states = call.params.get("statusfilter").map(split_list);
    let wanted = |task: &Task| {
        let upid = &task.upid;
        let end = task.end();
        let owner = upid.user_and_token().0;
        let started = upid.starttime.cast_unsigned();
        upid.node == call.host
            && (auditor || owner == call.who.user)
            && (source == "all" || (source == "active") == end.is_none())
            && types.is_none_or(|t| t == upid.kind)
            && user.is_none_or(|u| upid.user.contains(u))
            && number("vmid").is_none_or(|v| upid.id == v.to_string())
            && number("since").is_none_or(|s| started >= s)
            && number("until").is_none_or(|u| started <= u)
            && states.as_ref().is_none_or(|s| end.as_ref().is_some_and(|e| s.contains(&state_of(&e.status))))
            && (!call.params.is_set("errors") || end.as_ref().is_some_and(|e| state_of(&e.status) == "error"))
    };
    let all: Vec<Arc<Task>> = call.node.tasks.list().into_iter().filter(|t| wanted(t)).collect();
    let from = number("start").unwrap_or(0);
    let limit = number("limit").unwrap_or(50);
    let take = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let page: Vec<Value> = all.iter().skip(take(from)).take(take(limit)).map(|t| entry(t)).collect();
    Ok(Answer { data: json!(page), total: Some(all.len()) })
}

fn state_of(status: &str) -> &'static str {
    match status {
        "OK" => "ok",
        s if s.starts_with("WARNINGS: ") => "warning",
        "unexpected status" => "unknown",
        _ => "error",
    }
}

/// `GET /cluster/tasks`: the recent ones, of everybody with Sys.Audit on `/`.
pub(super) fn of_cluster(call: &Call) -> Outcome {
    let auditor = call.may("/", "Sys.Audit");
    let all = call.node.tasks.list();
    let seen = all.iter().filter(|t| auditor || t.upid.user_and_token().0 == call.who.user).take(25);
    Ok(json!(seen.map(|t| entry(t)).collect::<Vec<_>>()).into())
}

/// The task a path names, if the caller may see it.
fn named(call: &Call) -> Result<(Upid, Option<Arc<Task>>), ApiError> {
    let text = call.params.need("upid");
    let bad = || ApiError::parameter("upid", "unable to parse worker upid");
    let upid = Upid::parse(text).ok_or_else(bad)?;
    if upid.user != call.who.id() && upid.user_and_token().0 != call.who.user {
        call.check(&format!("/nodes/{}", call.host), &["Sys.Audit"])?;
    }
    let task = call.node.tasks.find(text);
    Ok((upid, task))
}

/// `GET …/status`.
pub(super) fn status(call: &Call) -> Outcome {
    let (upid, task) = named(call)?;
    let task = task.ok_or_else(|| ApiError::parameter("upid", "no such task"))?;
    let mut entry = base(&upid);
    match task.end() {
        Some(end) => {
            entry["status"] = json!("stopped");
            entry["exitstatus"] = json!(end.status);
        }
        None => entry["status"] = json!("running"),
    }
    Ok(entry.into())
}

/// `GET …/log`.
pub(super) fn log(call: &Call) -> Outcome {
    let (_, task) = named(call)?;
    let Some(task) = task else {
        let line = json!([{ "n": 1, "t": "unable to open file - No such file or directory" }]);
        return Ok(Answer { data: line, total: Some(1) });
    };
    let lines = task.lines();
    let number = |name: &str, default: u64| {
        usize::try_from(call.params.number(name).unwrap_or(default)).unwrap_or(usize::MAX)
    };
    let (from, limit) = (number("start", 0), number("limit", 50));
    let limit = if limit == 0 { usize::MAX } else { limit };
    let page = lines.iter().enumerate().skip(from).take(limit);
    let mut data: Vec<Value> = page.map(|(i, text)| json!({ "n": i + 1, "t": text })).collect();
    if lines.is_empty() {
        data.push(json!({ "n": 1, "t": "no content" }));
    }
    Ok(Answer { data: json!(data), total: Some(lines.len().max(1)) })
}

/// `DELETE …/tasks/{upid}`: a task that is over is left as it is.
pub(super) fn stop(call: &Call) -> Outcome {
    let text = call.params.need("upid");
    let upid = Upid::parse(text).ok_or_else(|| ApiError::parameter("upid", "unable to parse worker upid"))?;
    if upid.user_and_token().0 != call.who.user {
        call.check(&format!("/nodes/{}", call.host), &["Sys.Modify"])?;
    }
    if let Some(task) = call.node.tasks.find(text) {
        task.interrupt();
    }
    Ok(Value::Null.into())
}
