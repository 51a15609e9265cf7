//! Backups: asking for one, and what is in an archive.

mod archive;
mod job;
pub(super) mod prune;

use std::sync::Arc;

use serde_json::{Value, json};

use super::lxc::Work;
use super::lxc::rights::check_volume_access;
use crate::call::Call;
use crate::reply::{ApiError, Outcome};
use crate::schema::split_list;
use crate::tasks::Start;

use prune::Retention;

/// What a backup is asked to be.
struct Plan {
    vmids: Vec<u32>,
    storage: String,
    mode: String,
    compress: String,
    notes: Option<String>,
    protected: bool,
    /// What is kept of the older ones; none keeps all.
    retention: Option<Retention>,
    /// Whether the older ones that are not kept are removed.
    remove: bool,
    /// Whether the caller may keep as many protected ones as they like.
    unlimited: bool,
    command: String,
}

/// Options that only `root@pam` may give.
pub(super) fn roots_options(call: &Call) -> Result<(), ApiError> {
    let given = |option: &&&str| call.params.get(option).is_some();
    match ["tmpdir", "dumpdir", "script", "job-id"].iter().find(given).filter(|_| !call.who.is_root()) {
        Some(option) => Err(ApiError::parameter(option, "Only root may set this option.")),
        None => Ok(()),
    }
}

/// `POST /nodes/{node}/vzdump`.
pub(super) fn start(call: &Call) -> Outcome {
    check_options(call)?;
    let storage = call.params.get("storage").unwrap_or("local").to_owned();
    let vmids = vmids(call)?;
    let here: Vec<u32> = {
        let state = call.node.store.view();
        let elsewhere = |id: &u32| state.guests.get(id).is_some_and(|g| g.node != call.host);
        vmids.into_iter().filter(|id| !elsewhere(id)).collect()
    };
    if here.is_empty() {
        return Ok(json!("OK").into());
    }
    let path = format!("/storage/{storage}");
    let kept = {
        let state = call.node.store.view();
        state.storages.get(&storage).map(|s| s.prune_backups.clone())
    };
    if kept.is_some() {
        call.check(&path, &["Datastore.AllocateSpace"])?;
        if call.params.get("prune-backups").is_some() {
            call.check(&path, &["Datastore.Allocate"])?;
        }
    }
    let asked = call.params.get("prune-backups").map(str::to_owned).or(kept.flatten());
    let retention = asked.and_then(|text| Retention::read(&text));
    let plan = Plan {
        command: command(call),
        vmids: here.clone(),
        mode: call.params.get("mode").unwrap_or("snapshot").to_owned(),
        compress: call.params.get("compress").unwrap_or("0").to_owned(),
        notes: call.params.get("notes-template").filter(|t| !t.is_empty()).map(str::to_owned),
        protected: call.params.is_set("protected"),
        remove: retention.is_some() && call.params.flag("remove").unwrap_or(true),
        retention,
        unlimited: call.may(&path, "Datastore.Allocate"),
        storage,
    };
    let id = if here.len() == 1 { here[0].to_string() } else { String::new() };
    let task_start = Start { node: &call.host, kind: "vzdump", id, who: &call.who };
    let caller = call.clone();
    let task = call.node.tasks.start(&call.node, &task_start, move |task| async move {
        let work = Work { node: Arc::clone(&caller.node), host: caller.host.clone(), vmid: 0, task };
        job::run(work, caller, plan).await
    })?;
    Ok(json!(task.upid.to_string()).into())
}

fn check_options(call: &Call) -> Result<(), ApiError> {
    roots_options(call)?;
    if ["bwlimit", "ionice", "performance"].iter().any(|o| call.params.get(o).is_some()) {
        call.check("/", &["Sys.Modify"])?;
    }
    let given = |name: &str| call.params.get(name).is_some();
    let conflict =
        [("all", call.params.is_set("all")), ("exclude", given("exclude")), ("pool", given("pool"))];
    if given("vmid")
        && let Some((option, _)) = conflict.into_iter().find(|(_, set)| *set)
    {
        return Err(ApiError::parameter(option, "option conflicts with option 'vmid'"));
    }
    match call.params.get("notes-template").map(archive::unknown_in_notes) {
        Some(Some(text)) => Err(ApiError::parameter("notes-template", text)),
        _ => Ok(()),
    }
}

fn vmids(call: &Call) -> Result<Vec<u32>, ApiError> {
    let ids = |text: &str| split_list(text).iter().filter_map(|v| v.parse().ok()).collect::<Vec<u32>>();
    if let Some(list) = call.params.get("vmid") {
        return Ok(ids(list));
    }
    let state = call.node.store.view();
    if let Some(pool) = call.params.get("pool") {
        let pool = state.access.pools.get(pool);
        return Ok(pool.map(|p| p.vms.iter().copied().collect()).unwrap_or_default());
    }
    if call.params.is_set("all") || call.params.get("exclude").is_some() {
        let without = ids(call.params.get("exclude").unwrap_or_default());
        return Ok(state.guests.keys().copied().filter(|id| !without.contains(id)).collect());
    }
    Err(ApiError::parameter("vmid", "property is missing"))
}

fn command(call: &Call) -> String {
    let mut text = format!("vzdump {}", call.params.get("vmid").unwrap_or_default());
    for (name, value) in call.params.iter().filter(|(n, _)| *n != "vmid") {
        let plain = value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.,=/:".contains(&b));
        if plain && !value.is_empty() {
            text.push_str(&format!(" --{name} {value}"));
        } else {
            text.push_str(&format!(" --{name} '{value}'"));
        }
    }
    text
}

/// `GET …/vzdump/defaults`.
pub(super) fn defaults(call: &Call) -> Outcome {
    let storage = call.params.get("storage").unwrap_or("local");
    let path = format!("/storage/{storage}");
    if call.check_any(&path, &["Datastore.Audit", "Datastore.AllocateSpace"]).is_err() {
        return Ok(Value::Null.into());
    }
    let found = call.node.store.view().storages.get(storage).cloned().unwrap_or_default();
    let kept = found.prune_backups;
    Ok(json!({
        "dumpdir": format!("{}/dump", found.path.as_deref().unwrap_or("/var/lib/vz")), "fleecing": { "enabled": 0 },
        "performance": { "pbs-entries-max": 1_048_576, "max-workers": 16 },
        "storage": storage, "mode": "snapshot", "compress": "0", "lockwait": 180, "stopwait": 10, "ionice": 7,
        "bwlimit": 0, "remove": 1, "all": 0, "stdexcludes": 1, "pigz": 0, "zstd": 1, "quiet": 0, "stop": 0,
        "mailnotification": "always", "notification-mode": "auto",
        "prune-backups": kept.unwrap_or_else(|| "keep-all=1".to_owned()),
    })
    .into())
}

/// `GET …/vzdump/extractconfig`.
pub(super) fn extract_config(call: &Call) -> Outcome {
    let volid = call.params.need("volume");
    check_volume_access(call, 0, volid, "backup")?;
    let state = call.node.store.view();
    let config = state.volume(&call.host, volid).and_then(|v| v.config.clone());
    let config = config.ok_or_else(|| ApiError::died(format!("volume '{volid}' does not exist")))?;
    Ok(json!(config).into())
}
