//! A backup job: one container after the other, in the order and the words of `vzdump`.

use std::time::Duration;

use super::Plan;
use super::archive::{self, Written, stamp};
use crate::api::lxc::power::{bring_up, end};
use crate::api::lxc::{Work, guest, lock_file};
use crate::call::Call;
use crate::durations::DUMP_SNAPSHOT;
use crate::reply::ApiError;
use crate::state::guest::{Guest, MountPoint, mount_points};

/// The lock that lets one job run at a time; no container has this id.
const JOB_LOCK: u32 = 0;
/// How many protected backups of one container a caller without Datastore.Allocate may keep.
const PROTECTED: usize = 5;
/// How long a job waits for a container that is to stop (the option `stopwait`: ten minutes).
const STOP_WAIT: Duration = Duration::from_secs(600);

pub(super) async fn run(work: Work, call: Call, plan: Plan) -> Result<(), ApiError> {
    for vmid in &plan.vmids {
        call.check(&format!("/vms/{vmid}"), &["VM.Backup"])?;
    }
    let done = all(&work, &plan).await;
    // The root user of this node has no address, as after an installation without one.
    work.task.log(
        "WARN: 'root@pam' does not have a configured email address in the user configuration - not sending an \
         email to this user",
    );
    work.task.log(
        "ERROR: could not notify via target `mail-to-root`: could not notify via endpoint(s): mail-to-root: no \
         recipients provided for the mail, cannot send it.",
    );
    done
}

async fn all(work: &Work, plan: &Plan) -> Result<(), ApiError> {
    check_storage(work, plan)?;
    let lock = work.node.guest_lock(JOB_LOCK);
    let _only_one = match lock.clone().try_lock_owned() {
        Ok(guard) => guard,
        Err(_) => {
            work.task.log("INFO: trying to get global lock - waiting...");
            let waiting = async { Ok(lock.lock_owned().await) };
            let guard = work.task.interruptible("interrupted by signal", Duration::ZERO, waiting).await?;
            work.task.log("INFO: got global lock");
            guard
        }
    };
    work.task.log(format!("INFO: starting new backup job: {}", plan.command));
    let mut failed = false;
    for vmid in &plan.vmids {
        let one = Work { vmid: *vmid, ..work.clone() };
        failed |= !backup(&one, plan).await;
    }
    if failed {
        work.task.log("INFO: Backup job finished with errors");
        return Err(ApiError::died("job errors"));
    }
    work.task.log("INFO: Backup job finished successfully");
    Ok(())
}

fn check_storage(work: &Work, plan: &Plan) -> Result<(), ApiError> {
    let state = work.node.store.view();
    let storage = &plan.storage;
    let why = match state.storages.get(storage) {
        None => format!("storage '{storage}' does not exist"),
        Some(s) if !s.takes("backup") => {
            format!("can't use storage '{storage}' for backups - wrong content type")
        }
        Some(_) => return Ok(()),
    };
    Err(ApiError::died(format!("could not get storage information for '{storage}': {why}")))
}

/// Backs one container up and tells whether that went well.
async fn backup(work: &Work, plan: &Plan) -> bool {
    let (begun, at, vmid) = (work.node.clock.elapsed(), work.node.clock.now(), work.vmid);
    let when = |at: i64| stamp(at, "%Y-%m-%d %H:%M:%S");
    let mut stopped = None;
    let done = one(work, plan, at, &mut stopped).await;
    if let Some(since) = stopped {
        restart(work, since).await;
    }
    let took = work.node.clock.elapsed().saturating_sub(begun).as_secs();
    match &done {
        Ok(()) => {
            let took = format!("{:02}:{:02}:{:02}", took / 3600, took / 60 % 60, took % 60);
            work.task.log(format!("INFO: Finished Backup of VM {vmid} ({took})"));
            work.task.log(format!("INFO: Backup finished at {}", when(work.node.clock.now())));
        }
        Err(error) => {
            work.task.log(format!("ERROR: Backup of VM {vmid} failed - {}", error.in_task()));
            work.task.log(format!("INFO: Failed at {}", when(work.node.clock.now())));
        }
    }
    done.is_ok()
}

async fn restart(work: &Work, since: Duration) {
    work.task.log("INFO: restarting vm");
    match bring_up(work).await {
        Ok(()) => online_again(work, since),
        Err(error) => work.task.log(error.in_task()),
    }
}

fn online_again(work: &Work, since: Duration) {
    let away = match work.node.clock.elapsed().saturating_sub(since).as_secs() {
        0 => "<1".to_owned(),
        seconds => seconds.to_string(),
    };
    work.task.log(format!("INFO: guest is online again after {away} seconds"));
}

async fn one(work: &Work, plan: &Plan, at: i64, stopped: &mut Option<Duration>) -> Result<(), ApiError> {
    let vmid = work.vmid;
    let missing = |_| ApiError::died(format!("unable to find VM '{vmid}'"));
    let found = guest(&work.node.store.view(), &work.host, vmid).cloned().map_err(missing)?;
    within_limits(work, plan)?;
    work.task.log(format!("INFO: Starting Backup of VM {vmid} (lxc)"));
    work.task.log(format!("INFO: Backup started at {}", stamp(at, "%Y-%m-%d %H:%M:%S")));
    work.task.log(format!("INFO: status = {}", if found.running { "running" } else { "stopped" }));
    work.set_lock("backup").await?;
    let written = locked(work, plan, &found, at, stopped).await;
    work.clear_lock()?;
    let written = written?;
    if written.mode == "snapshot" {
        work.task.log("INFO: cleanup temporary 'vzdump' snapshot");
        // The worker takes the lock file for it, as for any snapshot.
        let _guard = lock_file(&work.node, vmid).await?;
        work.node.clock.sleep(work.node.task_time(DUMP_SNAPSHOT)).await;
    }
    written.result
}

/// What is done under the lock `backup`.
async fn locked(
    work: &Work,
    plan: &Plan,
    found: &Guest,
    at: i64,
    stopped: &mut Option<Duration>,
) -> Result<Written, ApiError> {
    let mut mode = if found.running { plan.mode.as_str() } else { "stop" };
    let volumes = included(found);
    if mode == "snapshot" {
        tell_volumes(work, found);
        if !volumes.iter().all(|mount| has_snapshots(work, mount)) {
            work.task.log("INFO: mode failure - some volumes do not support snapshots");
            work.task.log("INFO: trying 'suspend' mode instead");
            mode = "suspend";
        }
    }
    work.task.log(format!("INFO: backup mode: {mode}"));
    work.task.log("INFO: ionice priority: 7");
    if mode != "snapshot" {
        tell_volumes(work, found);
    }
    match mode {
        "stop" if found.running => {
            work.task.log("INFO: stopping virtual guest");
            *stopped = Some(work.node.clock.elapsed());
            end(work, STOP_WAIT, false).await?;
        }
        "suspend" => suspended(work, plan, at).await,
        "snapshot" => snapshot(work, volumes.len()).await?,
        _ => {}
    }
    let result = archive::write(work, plan, found, at).await;
    Ok(Written { mode: mode.to_owned(), result })
}

async fn snapshot(work: &Work, volumes: usize) -> Result<(), ApiError> {
    let since = work.node.clock.elapsed();
    if volumes > 1 {
        work.task.log("INFO: suspend vm to make snapshot");
    }
    work.task.log("INFO: create storage snapshot 'vzdump'");
    let time = work.node.task_time(DUMP_SNAPSHOT);
    work.task.interruptible("interrupted by signal", time, std::future::ready(Ok(()))).await?;
    if volumes > 1 {
        work.task.log("INFO: resume vm");
        online_again(work, since);
    }
    Ok(())
}

/// Copies the files of a running container twice, the second time with its processes frozen.
async fn suspended(work: &Work, plan: &Plan, at: i64) {
    let usage = match work.spec() {
        Ok(spec) => work.node.engine.usage(&spec).await,
        Err(_) => return,
    };
    let target = format!("{}.tmp", archive::path(work, plan, &archive::stem(work.vmid, at)));
    let sync = |text: &str, bytes: u64| {
        work.task.log(format!("INFO: starting {text} sync /proc/{}/root/ to {target}", usage.pid));
        work.task.log(format!("INFO: {text} sync finished - transferred {bytes} bytes in 1s"));
    };
    sync("first", usage.disk);
    let since = work.node.clock.elapsed();
    work.task.log("INFO: suspending guest");
    sync("final", 0);
    work.task.log("INFO: resuming guest");
    online_again(work, since);
}

fn has_snapshots(work: &Work, mount: &MountPoint) -> bool {
    let state = work.node.store.view();
    let storage = mount.volume().split_once(':').and_then(|(id, _)| state.storages.get(id));
    storage.is_some_and(crate::state::storage::Storage::has_snapshots)
}

/// Why a mount point is left out of backups, if it is.
fn left_out(mount: &MountPoint) -> Option<&'static str> {
    if mount.kind() != "volume" {
        return Some("not a volume");
    }
    let asked = mount.parts.get("backup").is_some_and(|b| b == "1");
    (mount.key != "rootfs" && !asked).then_some("disabled")
}

fn included(found: &Guest) -> Vec<MountPoint> {
    mount_points(&found.config).into_iter().filter(|m| left_out(m).is_none()).collect()
}

fn tell_volumes(work: &Work, found: &Guest) {
    work.task.log(format!("INFO: CT Name: {}", found.name(work.vmid)));
    for mount in mount_points(&found.config) {
        let place = mount.parts.get("mp").map_or("/", String::as_str);
        let key = &mount.key;
        match left_out(&mount) {
            None => work.task.log(format!("INFO: including mount point {key} ('{place}') in backup")),
            Some(why) => work.task.log(format!(
                "INFO: excluding {} mount point {key} ('{place}') from backup ({why})",
                mount.kind()
            )),
        }
    }
}

/// That the backups there already leave room for one more.
fn within_limits(work: &Work, plan: &Plan) -> Result<(), ApiError> {
    let state = work.node.store.view();
    let backups = || {
        state
            .volumes_on(&work.host, &plan.storage)
            .filter(|v| v.content == "backup" && v.vmid == Some(work.vmid))
    };
    if plan.protected {
        if !plan.unlimited && backups().filter(|v| v.protected).count() >= PROTECTED {
            return Err(ApiError::died(format!(
                "The number of protected backups per guest is limited to {PROTECTED} on storage '{}'",
                plan.storage
            )));
        }
        return Ok(());
    }
    let limit = plan.retention.as_ref().map_or(0, super::Retention::most);
    let count = backups().filter(|v| !v.protected).count() as u64;
    if limit > 0 && !plan.remove && count >= limit {
        return Err(ApiError::died(format!(
            "There is a max backup limit of {limit} enforced by the target storage or the vzdump parameters. \
             Either increase the limit or delete old backups."
        )));
    }
    Ok(())
}
