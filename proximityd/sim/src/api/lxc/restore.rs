//! Makes a container from a backup, beside or in place of another.

use super::allocate::{full_storage, unpack_command};
use super::create::{Plan, archive_path, finish_options};
use super::rights::new_disk;
use super::{Work, complete_net};
use crate::call::Call;
use crate::durations::RESTORE;
use crate::reply::ApiError;
use crate::state::guest::{Config, is_numbered, mount_points, read_section};

pub(super) async fn run(work: Work, call: Call, plan: Plan) -> Result<(), ApiError> {
    let _guard = work.lock().await?;
    let mut made = Vec::new();
    let built = build(&work, &call, &plan, &mut made).await;
    let Err(error) = built else { return Ok(()) };
    work.free(&made)?;
    match &plan.before {
        // Nothing of the old container was touched before the new disks were complete.
        Some(_) => work.clear_lock()?,
        None => work.node.change(|state| {
            state.guests.remove(&work.vmid);
            Ok(())
        })?,
    }
    Err(ApiError::died(format!("unable to restore CT {} - {}", work.vmid, error.in_task())))
}

async fn build(work: &Work, call: &Call, plan: &Plan, made: &mut Vec<String>) -> Result<(), ApiError> {
    work.task.log(format!("recovering backed-up configuration from '{}'", plan.archive));
    let text = work.node.store.view().volume(&work.host, &plan.archive).and_then(|v| v.config.clone());
    let text = text.ok_or_else(|| ApiError::died(format!("volume '{}' does not exist", plan.archive)))?;
    let file = archive_path(work, &plan.archive)?;
    let backed_up = read_section(&text);
    for (key, net) in backed_up.iter().filter(|(k, _)| is_numbered(k, "net")) {
        if !plan.options.contains_key(key) {
            call.check_bridge(net)?;
        }
    }
    let mut config = merged(&backed_up, plan);
    if config.get("unprivileged").is_none_or(|u| u != "1")
        && plan.before.as_ref().is_none_or(|g| g.config.contains_key("unprivileged"))
    {
        call.check("/", &["Sys.Modify"])?;
    }
    let wanted = if plan.mounts.is_empty() { mount_points(&backed_up) } else { plan.mounts.clone() };
    if !wanted.iter().any(|m| m.key == "rootfs") {
        return Err(ApiError::died(
            "rootfs configuration could not be recovered, please check and specify manually!",
        ));
    }
    for mut mount in wanted.into_iter().filter(|m| m.kind() == "volume") {
        let (storage, size) = match new_disk(mount.volume()) {
            Some((storage, size)) => (storage.to_owned(), size),
            None => (plan.storage.clone(), mount.size().unwrap_or(4 << 30)),
        };
        let volid = work.make_disk(&mut mount, &storage, size).await;
        let volid = volid.map_err(|e| full_storage(work, &plan.archive, e))?;
        made.push(volid);
        config.insert(mount.key.clone(), mount.print());
    }
    finish_options(&mut config, work.vmid, &plan.archive);
    work.task.log(format!("restoring '{}' now..", plan.archive));
    let shown = work.node.store.view().path_of(&plan.archive);
    work.task.log(format!("extracting archive '{shown}'"));
    let mut spec = work.spec()?;
    spec.config.clone_from(&config);
    spec.hostname.clone_from(&config["hostname"]);
    let unpack = async {
        if plan.before.is_some() {
            work.node.engine.destroy(&spec).await?;
        }
        Ok(work.node.engine.restore(&spec, &file).await?)
    };
    let time = work.node.task_time(RESTORE);
    work.task.step(&unpack_command(work.vmid, &plan.archive), time, unpack).await?;
    work.task.log("Total bytes read: 545187840 (520MiB, 158MiB/s)");
    work.task.log("merging backed-up and given configuration..");
    let old: Vec<String> =
        plan.before.iter().flat_map(|g| mount_points(&g.config)).map(|m| m.volume().to_owned()).collect();
    work.free(&old)?;
    work.node.change(|state| {
        let guest = super::guest_mut(state, &work.host, work.vmid)?;
        guest.config = config;
        guest.pending.clear();
        guest.pending_delete.clear();
        guest.snapshots.clear();
        guest.parent = None;
        if let Some(pool) = plan.pool.as_ref().and_then(|p| state.access.pools.get_mut(p)) {
            pool.vms.insert(work.vmid);
        }
        Ok(())
    })
}

/// The backed-up configuration with what was given laid over it.
fn merged(backed_up: &Config, plan: &Plan) -> Config {
    let mut config: Config = backed_up
        .iter()
        .filter(|(key, _)| {
            let skip = ["rootfs", "lock", "parent", "snaptime", "template"];
            !skip.contains(&key.as_str()) && !is_numbered(key, "mp") && !is_numbered(key, "unused")
        })
        .map(|(key, value)| {
            let renew = plan.unique && is_numbered(key, "net");
            (key.clone(), if renew { complete_net(value, true) } else { value.clone() })
        })
        .collect();
    config.extend(plan.options.clone());
    if let Some(unprivileged) = plan.unprivileged {
        config.remove("unprivileged");
        if unprivileged {
            config.insert("unprivileged".into(), "1".into());
        }
    }
    config
}
