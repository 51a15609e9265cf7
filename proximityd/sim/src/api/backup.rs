//! Backups: `vzdump` and what is in an archive.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::lxc::rights::check_volume_access;
use super::lxc::{Work, guest, unlocked};
use crate::call::Call;
use crate::node::now;
use crate::reply::{ApiError, Outcome};
use crate::schema::split_list;
use crate::state::guest::{Guest, mount_points, section};
use crate::state::storage::Volume;
use crate::tasks::Start;

/// What a backup is asked to be.
struct Plan {
    vmids: Vec<u32>,
    storage: String,
    mode: String,
    compress: String,
    notes: Option<String>,
    protected: bool,
    command: String,
}

/// `POST /nodes/{node}/vzdump`.
pub(super) fn start(call: &Call) -> Outcome {
    for option in ["tmpdir", "dumpdir", "script", "job-id"] {
        if call.params.get(option).is_some() && !call.who.is_root() {
            return Err(ApiError::parameter(option, "Only root may set this option."));
        }
    }
    if ["bwlimit", "ionice", "performance"].iter().any(|o| call.params.get(o).is_some()) {
        call.check("/", &["Sys.Modify"])?;
    }
    let all = call.params.is_set("all");
    let vmids: Vec<u32> = match (call.params.get("vmid"), call.params.get("pool")) {
        (Some(list), _) => split_list(list).iter().filter_map(|v| v.parse().ok()).collect(),
        (None, Some(pool)) => call
            .node
            .store
            .view()
            .access
            .pools
            .get(pool)
            .map(|p| p.vms.iter().copied().collect())
            .unwrap_or_default(),
        (None, None) if all => call.node.store.view().guests.keys().copied().collect(),
        (None, None) => return Err(ApiError::parameter("vmid", "property is missing")),
    };
    let storage = call.params.get("storage").unwrap_or("local").to_owned();
    let path = format!("/storage/{storage}");
    if call.node.store.view().storages.contains_key(&storage) {
        call.check(&path, &["Datastore.AllocateSpace"])?;
        if call.params.get("prune-backups").is_some() {
            call.check(&path, &["Datastore.Allocate"])?;
        }
    }
    let here: Vec<u32> = {
        let state = call.node.store.view();
        let elsewhere = |id: &u32| state.guests.get(id).is_some_and(|g| g.node != call.host);
        vmids.into_iter().filter(|id| !elsewhere(id)).collect()
    };
    if here.is_empty() {
        return Ok(json!("OK").into());
    }
    let plan = Plan {
        command: command(call),
        vmids: here.clone(),
        storage,
        mode: call.params.get("mode").unwrap_or("snapshot").to_owned(),
        compress: call.params.get("compress").unwrap_or("0").to_owned(),
        notes: call.params.get("notes-template").map(str::to_owned),
        protected: call.params.is_set("protected"),
    };
    let id = if here.len() == 1 { here[0].to_string() } else { String::new() };
    let task_start = Start { node: &call.host, kind: "vzdump", id, who: &call.who };
    let caller = call.clone();
    let task = call.node.tasks.start(&call.node, &task_start, move |task| async move {
        let work = Work { node: Arc::clone(&caller.node), host: caller.host.clone(), vmid: 0, task };
        run(work, caller, plan).await
    })?;
    Ok(json!(task.upid.to_string()).into())
}

fn command(call: &Call) -> String {
    let mut text = format!("vzdump {}", call.params.get("vmid").unwrap_or_default());
    for (name, value) in call.params.iter().filter(|(n, _)| *n != "vmid") {
        let plain = value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.,=/:".contains(&b));
        if plain {
            text.push_str(&format!(" --{name} {value}"));
        } else {
            text.push_str(&format!(" --{name} '{value}'"));
        }
    }
    text
}

async fn run(work: Work, call: Call, plan: Plan) -> Result<(), ApiError> {
    for vmid in &plan.vmids {
        call.check(&format!("/vms/{vmid}"), &["VM.Backup"])?;
    }
    {
        let state = work.node.store.view();
        let wrong = |why: String| {
            ApiError::died(format!("could not get storage information for '{}': {why}", plan.storage))
        };
        match state.storages.get(&plan.storage) {
            None => return Err(wrong(format!("storage '{}' does not exist", plan.storage))),
            Some(s) if !s.takes("backup") => {
                return Err(wrong(format!(
                    "can't use storage '{}' for backups - wrong content type",
                    plan.storage
                )));
            }
            Some(_) => {}
        }
    }
    work.task.log(format!("INFO: starting new backup job: {}", plan.command));
    let mut failed = false;
    for vmid in &plan.vmids {
        let one = Work { vmid: *vmid, ..work.clone() };
        if let Err(error) = backup(&one, &plan).await {
            failed = true;
            one.task.log(format!("ERROR: Backup of VM {vmid} failed - {}", error.in_task()));
            one.task.log(format!("INFO: Failed at {}", stamp(now(), "%Y-%m-%d %H:%M:%S")));
        }
    }
    if failed {
        work.task.log("INFO: Backup job finished with errors");
        return Err(ApiError::died("job errors"));
    }
    work.task.log("INFO: Backup job finished successfully");
    Ok(())
}

fn stamp(at: i64, format: &str) -> String {
    let zoned = Timestamp::from_second(at).unwrap_or_default().to_zoned(TimeZone::UTC);
    zoned.strftime(format).to_string()
}

async fn backup(work: &Work, plan: &Plan) -> Result<(), ApiError> {
    let (begun, at, vmid) = (Instant::now(), now(), work.vmid);
    work.task.log(format!("INFO: Starting Backup of VM {vmid} (lxc)"));
    work.task.log(format!("INFO: Backup started at {}", stamp(at, "%Y-%m-%d %H:%M:%S")));
    let guard = work.lock().await;
    let found = guest(&work.node.store.view(), &work.host, vmid)?.clone();
    unlocked(&found)?;
    let snapshots = {
        let state = work.node.store.view();
        mount_points(&found.config).iter().all(|m| {
            m.volume()
                .split_once(':')
                .and_then(|(s, _)| state.storages.get(s))
                .is_some_and(|s| s.has_snapshots())
        })
    };
    let mode = match plan.mode.as_str() {
        _ if !found.running => "stop",
        "snapshot" if snapshots => "snapshot",
        "snapshot" => "suspend",
        other => other,
    };
    work.task.log(format!("INFO: status = {}", if found.running { "running" } else { "stopped" }));
    work.task.log(format!("INFO: CT Name: {}", found.name(vmid)));
    work.task.log("INFO: including mount point rootfs ('/') in backup");
    work.task.log(format!("INFO: backup mode: {mode}"));
    work.task.log("INFO: ionice priority: 7");
    work.set_lock("backup")?;
    let result = write(work, plan, &found, mode, at).await;
    work.clear_lock()?;
    drop(guard);
    result?;
    let took = begun.elapsed().as_secs();
    work.task.log(format!("INFO: Finished Backup of VM {vmid} (00:{:02}:{:02})", took / 60, took % 60));
    work.task.log(format!("INFO: Backup finished at {}", stamp(now(), "%Y-%m-%d %H:%M:%S")));
    Ok(())
}

async fn write(work: &Work, plan: &Plan, found: &Guest, mode: &str, at: i64) -> Result<(), ApiError> {
    let spec = work.spec()?;
    let ending = match plan.compress.as_str() {
        "zstd" => "tar.zst",
        "gzip" | "1" => "tar.gz",
        "lzo" => "tar.lzo",
        _ => "tar",
    };
    let name = format!("vzdump-lxc-{}-{}.{ending}", work.vmid, stamp(at, "%Y_%m_%d-%H_%M_%S"));
    let volid = format!("{}:backup/{name}", plan.storage);
    let mut config = found.config.clone();
    config.remove("lock");
    let text = section(&config, None);
    let stopped = mode == "stop" && found.running;
    if stopped {
        work.task.log("INFO: stopping virtual guest");
        work.node.engine.shutdown(&spec, Duration::from_secs(60)).await?;
        work.node.engine.stop(&spec).await?;
    } else if mode == "snapshot" {
        work.task.log("INFO: create storage snapshot 'vzdump'");
    }
    work.task.log(format!("INFO: creating vzdump archive '/var/lib/vz/dump/{name}'"));
    let archived = archive(work, plan, &name, &text).await;
    if stopped {
        work.task.log("INFO: restarting vm");
        work.node.engine.start(&spec).await?;
    } else if mode == "snapshot" {
        work.task.log("INFO: cleanup temporary 'vzdump' snapshot");
    }
    let size = archived?;
    if plan.notes.is_some() {
        work.task.log("INFO: adding notes to backup");
    }
    work.node.change(|state| {
        state.put_volume(Volume {
            node: work.host.clone(),
            storage: plan.storage.clone(),
            volid: volid.clone(),
            content: "backup".into(),
            format: ending.into(),
            size,
            vmid: Some(work.vmid),
            ctime: at,
            notes: plan.notes.as_ref().map(|n| notes(n, work, found)),
            protected: plan.protected,
            config: Some(text.clone()),
            ..Volume::default()
        });
        Ok(())
    })
}

/// Writes the archive and returns its size.
async fn archive(work: &Work, plan: &Plan, name: &str, config: &str) -> Result<u64, ApiError> {
    let dir = work.node.storage_dir(&work.host, &plan.storage).join("dump");
    std::fs::create_dir_all(&dir)
        .map_err(|e| ApiError::died(format!("unable to create dump directory - {e}")))?;
    let path = dir.join(name);
    let spec = work.spec()?;
    let tar = format!(
        "set -o pipefail && lxc-usernsexec -m u:0:100000:65536 -m g:0:100000:65536 -- tar cpf - --totals \
         --one-file-system -p --sparse --numeric-owner --acls --xattrs '--directory=/mnt/vzsnap0' ./ | zstd >{}",
        format_args!("/var/lib/vz/dump/{name}")
    );
    let time = work.node.task_time(Duration::from_millis(2500));
    let archiving = async { Ok(work.node.engine.archive(&spec, config, &path).await?) };
    if let Err(error) = work.task.step(&tar, time, archiving).await {
        let _ = std::fs::remove_file(&path);
        return Err(error);
    }
    let written = std::fs::metadata(&path).map_or(0, |m| m.len());
    if work.node.store.view().free(&work.host, &plan.storage) < written {
        let _ = std::fs::remove_file(&path);
        work.task.log("INFO: tar: -: Cannot write: No space left on device");
        work.task.log("INFO: tar: Error is not recoverable: exiting now");
        return Err(ApiError::died(format!("command '{tar}' failed: exit code 2")));
    }
    work.task.log(format!("INFO: Total bytes written: {written} ({}MiB, 58MiB/s)", written >> 20));
    work.task.log(format!("INFO: archive file size: {}MB", written >> 20));
    Ok(written)
}

/// Fills a notes template in.
fn notes(template: &str, work: &Work, found: &Guest) -> String {
    template
        .replace("{{guestname}}", &found.name(work.vmid))
        .replace("{{vmid}}", &work.vmid.to_string())
        .replace("{{node}}", &work.host)
        .replace("{{cluster}}", &work.host)
        .replace("\\n", "\n")
}

/// `GET …/vzdump/defaults`.
pub(super) fn defaults(call: &Call) -> Outcome {
    let storage = call.params.get("storage").unwrap_or("local");
    if call.who.is_root()
        || call
            .check_any(&format!("/storage/{storage}"), &["Datastore.Audit", "Datastore.AllocateSpace"])
            .is_ok()
    {
        return Ok(json!({
            "storage": storage, "mode": "snapshot", "compress": "0", "lockwait": 180, "stopwait": 10, "ionice": 7,
            "bwlimit": 0, "remove": 1, "all": 0, "stdexcludes": 1, "pigz": 0, "zstd": 1, "quiet": 0, "stop": 0,
            "mailnotification": "always", "notification-mode": "auto", "prune-backups": "keep-all=1",
        })
        .into());
    }
    Ok(Value::Null.into())
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
