//! Tasks: those that a path names, and those that a reply lists.

use serde_json::Value;

use super::super::exchange::{Exchange, plain};
use super::super::world::{Task, USER, World};

/// When tasks that nobody tells the time of have ended.
const LONG_AGO: i64 = 1_795_380_000;

pub(super) fn apply(exchange: &Exchange, world: &mut World) {
    if let Some(upid) = exchange.after("tasks").filter(|u| u.starts_with("UPID:")) {
        named(exchange, world, &upid);
    } else if exchange.method == "GET" && exchange.status == 200 && exchange.plain_path().ends_with("/tasks")
    {
        listed(exchange, world);
    }
}

fn named(exchange: &Exchange, world: &mut World, upid: &str) {
    let unknown = exchange.complains("no such task")
        || exchange.list().first().is_some_and(|l| plain(&l["t"]).starts_with("unable to open file"));
    if unknown {
        return;
    }
    let started = upid.split(':').nth(4).and_then(|t| i64::from_str_radix(t, 16).ok()).unwrap_or(LONG_AGO);
    let data = exchange.data();
    let path = exchange.plain_path();
    let ended = if path.ends_with("/status") {
        (data["status"] != "running").then(|| data["exitstatus"].as_str().unwrap_or("OK").to_owned())
    } else {
        let last = exchange.list().last().map(|l| plain(&l["t"])).unwrap_or_default();
        // Only its end tells how it ended; while it runs, its log has no end.
        match last.strip_prefix("TASK ERROR: ").or_else(|| last.strip_prefix("TASK ")) {
            Some(how) => Some(how.to_owned()),
            None if exchange.reply.get("total").is_some() && exchange.param("start").is_some() => {
                Some("OK".to_owned())
            }
            None => None,
        }
    };
    let running = exchange.method == "DELETE" && !exchange.says("already-stopped");
    let end = if exchange.method == "DELETE" { (!running).then(|| "OK".to_owned()) } else { ended };
    world.task(Task {
        upid: upid.to_owned(),
        log: log(exchange, data),
        end: end.map(|status| (status, started + 1)),
    });
    if let Some((user, token)) = upid.trim_end_matches(':').rsplit(':').next().and_then(|w| w.split_once('!'))
    {
        world.token(user, token);
    }
}

/// The lines that are told, each at its place, and others where only a page of them is.
fn log(exchange: &Exchange, data: &Value) -> Vec<String> {
    if !exchange.plain_path().ends_with("/log") {
        return Vec::new();
    }
    let lines = data.as_array().cloned().unwrap_or_default();
    let total = exchange.reply["total"].as_u64().and_then(|t| usize::try_from(t).ok()).unwrap_or(lines.len());
    let mut log = vec!["INFO: another line".to_owned(); total];
    for line in lines {
        let at = line["n"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(1);
        if let Some(slot) = log.get_mut(at.saturating_sub(1)) {
            *slot = plain(&line["t"]);
        }
    }
    if log == ["no content"] { Vec::new() } else { log }
}

fn listed(exchange: &Exchange, world: &mut World) {
    let entries = exchange.list();
    // There were more of them, which one page does not show: older ones of the same kind.
    let total = exchange.reply["total"].as_u64().and_then(|t| usize::try_from(t).ok()).unwrap_or(0);
    let kind = entries.last().map_or_else(
        || format!("vzstart:100:{USER}!proximity"),
        |entry| {
            plain(&entry["upid"]).trim_end_matches(':').splitn(6, ':').nth(5).unwrap_or_default().to_owned()
        },
    );
    let status = entries.last().map_or_else(|| "OK".to_owned(), |e| plain(&e["status"]));
    for index in (entries.len()..total).rev() {
        let started = LONG_AGO - i64::try_from(index).unwrap_or(0);
        let upid = format!("UPID:pve1:{:08X}:{:08X}:{started:08X}:{kind}:", 5000 + index, 5000 + index);
        world.task(Task { upid, log: Vec::new(), end: Some((status.clone(), started + 1)) });
    }
    // The list begins with the newest.
    for entry in entries.iter().rev() {
        let ended = entry["endtime"].as_i64().map(|at| (plain(&entry["status"]), at));
        world.task(Task { upid: plain(&entry["upid"]), log: Vec::new(), end: ended });
    }
}
