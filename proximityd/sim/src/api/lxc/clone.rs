//! Copies a container, or turns it into a template for linked copies.

use serde_json::Value;

use super::allocate::{NewVolume, rsync_statistics};
use super::{Work, complete_net, guest, guest_mut, lock_file, start, unlocked};
use crate::call::Call;
use crate::durations::{COPY, LINK, TEMPLATE};
use crate::reply::{ApiError, Outcome};
use crate::schema::print_size;
use crate::state::State;
use crate::state::guest::{Config, Guest, MountPoint, is_numbered, mount_points};

/// What is to be copied, and how.
struct Plan {
    newid: u32,
    storage: Option<String>,
    full: bool,
    snapshot: Option<String>,
    pool: Option<String>,
    mounts: Vec<MountPoint>,
}

/// `POST …/clone`.
pub(in crate::api) async fn clone(call: &Call) -> Outcome {
    let vmid = call.vmid();
    let newid = call.params.number("newid").and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let pool = call.params.get("pool").map(str::to_owned);
    call.check_pool(pool.as_deref())?;
    let storage = call.params.get("storage").map(str::to_owned);
    if let Some(id) = &storage {
        let state = call.node.store.view();
        state.storages.get(id).ok_or_else(|| ApiError::died(format!("storage '{id}' does not exist")))?;
    }
    let _guard = lock_file(&call.node, vmid).await?;
    // The source is locked first, then the new id is taken: both at once, or neither.
    let source = guest(&call.node.store.view(), &call.host, vmid)?.clone();
    unlocked(&source)?;
    let full = call.params.flag("full").unwrap_or(!source.is_template());
    if let Some(taken) = call.node.store.view().guests.get(&newid) {
        return Err(ApiError::died(format!("CT {newid} already exists on node '{}'", taken.node)));
    }
    let (config, mounts) = prepare(call, &source, storage.as_deref(), full)?;
    call.node.change(|state| {
        let locked = guest_mut(state, &call.host, vmid)?;
        unlocked(locked)?;
        locked.config.insert("lock".into(), "disk".into());
        if let Some(taken) = state.guests.get(&newid) {
            return Err(ApiError::died(format!("CT {newid} already exists on node '{}'", taken.node)));
        }
        state.guests.insert(
            newid,
            Guest { node: call.host.clone(), config, created: call.node.clock.now(), ..Guest::default() },
        );
        Ok(())
    })?;
    let snapshot = call.params.get("snapname").map(str::to_owned);
    let plan = Plan { newid, storage, full, snapshot, pool, mounts };
    start(call, "vzclone", move |work| run(work, plan))
}

/// The new configuration, and the volumes to copy.
fn prepare(
    call: &Call,
    source: &Guest,
    storage: Option<&str>,
    full: bool,
) -> Result<(Config, Vec<MountPoint>), ApiError> {
    if storage.is_some() && !full {
        return Err(ApiError::died("parameter 'storage' not allowed for linked clones"));
    }
    let from = match call.params.get("snapname") {
        None => source.config.clone(),
        Some(name) => {
            let snapshot = source.snapshots.get(name);
            let snapshot =
                snapshot.ok_or_else(|| ApiError::died(format!("snapshot '{name}' does not exist")))?;
            // A copy of a snapshot carries the snapshot's description, not the container's.
            let mut config = snapshot.config.clone();
            config.remove("description");
            config.extend(snapshot.description.clone().map(|text| ("description".to_owned(), text)));
            config
        }
    };
    let mounts = mount_points(&from);
    for mount in &mounts {
        volume_can(call, mount, source, storage, full)?;
    }
    let mut config = Config::from([("lock".to_owned(), "create".to_owned())]);
    for (key, value) in &from {
        let skip = ["lock", "template", "rootfs", "parent", "snaptime"].contains(&key.as_str());
        if skip || is_numbered(key, "mp") || is_numbered(key, "unused") {
            continue;
        }
        let value = if is_numbered(key, "net") { complete_net(value, true) } else { value.clone() };
        if is_numbered(key, "net") {
            call.check_bridge(&value)?;
        }
        config.insert(key.clone(), value);
    }
    if let Some(hostname) = call.params.get("hostname") {
        config.insert("hostname".into(), hostname.to_owned());
    }
    if let Some(text) = call.params.get("description").filter(|t| !t.is_empty()) {
        config.insert("description".into(), format!("{}\n", text.trim_end_matches('\n')));
    }
    Ok((config, mounts))
}

fn volume_can(
    call: &Call,
    mount: &MountPoint,
    source: &Guest,
    storage: Option<&str>,
    full: bool,
) -> Result<(), ApiError> {
    if mount.kind() != "volume" {
        return Err(ApiError::died(format!(
            "unable to clone mountpoint '{}' (type {})",
            mount.key,
            mount.kind()
        )));
    }
    let own = mount.volume().split_once(':').map_or("", |(s, _)| s);
    call.check(&format!("/storage/{}", storage.unwrap_or(own)), &["Datastore.AllocateSpace"])?;
    if full {
        if source.running && call.params.get("snapname").is_none() {
            return Err(ApiError::died("Full clone of a running container is only possible from a snapshot"));
        }
        return Ok(());
    }
    let state = call.node.store.view();
    let from_snapshot = call.params.get("snapname").is_some();
    if state.storages.get(own).is_some_and(|s| s.can_link(source.is_template(), from_snapshot)) {
        Ok(())
    } else {
        Err(ApiError::died(format!("Linked clone feature for '{}' is not available", mount.volume())))
    }
}

async fn run(work: Work, plan: Plan) -> Result<(), ApiError> {
    let copy = Work { vmid: plan.newid, ..work.clone() };
    work.task.log(format!("creating a clone of container {} with ID {}", work.vmid, plan.newid));
    let mut made = Vec::new();
    let copied = copy_all(&work, &copy, &plan, &mut made).await;
    work.clear_lock()?;
    let Err(error) = copied else { return Ok(()) };
    if let Ok(spec) = copy.spec()
        && let Err(error) = work.node.engine.destroy(&spec).await
    {
        tracing::warn!(vmid = copy.vmid, %error, "a failed copy left files behind");
    }
    copy.free(&made)?;
    work.node.change(|state| {
        state.guests.remove(&plan.newid);
        Ok(())
    })?;
    Err(ApiError::died(format!("clone failed: {}", error.in_task())))
}

async fn copy_all(work: &Work, copy: &Work, plan: &Plan, made: &mut Vec<String>) -> Result<(), ApiError> {
    for mount in &plan.mounts {
        let volid = mount.volume();
        let how = if plan.full { "full clone of mountpoint" } else { "linked clone of mount point" };
        work.task.log(format!("create {how} {} ({volid})", mount.key));
        let own = volid.split_once(':').map_or("", |(s, _)| s);
        let storage = plan.storage.as_deref().unwrap_or(own);
        let size = mount.size().unwrap_or(4 << 30);
        let mut new = mount.clone();
        if plan.full {
            made.push(copy.make_disk(&mut new, storage, size).await?);
        } else {
            let volid = copy.allocate(&NewVolume { storage, size: 0 })?;
            new.parts.insert("volume".into(), volid.clone());
            new.parts.insert("size".into(), print_size(size));
            made.push(volid);
        }
        copy.change(|guest| {
            guest.config.insert(new.key.clone(), new.print());
            Ok(())
        })?;
    }
    let (from, to) = (work.spec()?, copy.spec()?);
    let time = work.node.task_time(if plan.full { COPY } else { LINK });
    let copying = async {
        work.node.engine.copy(&from, &to, plan.snapshot.as_deref(), !plan.full).await?;
        Ok(work.node.engine.usage(&to).await.disk)
    };
    let bytes = work.task.quiet_step(time, copying).await?;
    if plan.full {
        work.task.log(rsync_statistics(bytes));
    }
    work.node.change(|state| {
        if let Some(pool) = plan.pool.as_ref().and_then(|p| state.access.pools.get_mut(p)) {
            pool.vms.insert(plan.newid);
        }
        guest_mut(state, &copy.host, plan.newid)?.config.remove("lock");
        Ok(())
    })
}

/// `POST …/template`: answers with nothing, and works in a task.
pub(in crate::api) async fn template(call: &Call) -> Outcome {
    let vmid = call.vmid();
    // The worker inherits the lock file: whoever comes meanwhile waits for the template.
    let guard = lock_file(&call.node, vmid).await?;
    {
        let state = call.node.store.view();
        let found = guest(&state, &call.host, vmid)?;
        unlocked(found)?;
        convertible(found)?;
    }
    start(call, "vztemplate", |work| async move {
        let _guard = guard;
        work.task.quiet_step(work.node.task_time(TEMPLATE), std::future::ready(Ok(()))).await?;
        work.node.change(|state| to_template(state, &work.host, work.vmid))
    })?;
    Ok(Value::Null.into())
}

fn convertible(found: &Guest) -> Result<(), ApiError> {
    if !found.snapshots.is_empty() {
        return Err(ApiError::died("unable to create template, because CT contains snapshots"));
    }
    if found.is_template() {
        return Err(ApiError::died("you can't convert a template to a template"));
    }
    if found.running {
        return Err(ApiError::died("you can't convert a CT to template if the CT is running"));
    }
    Ok(())
}

/// Renames the volumes to base volumes and marks the container.
fn to_template(state: &mut State, host: &str, vmid: u32) -> Result<(), ApiError> {
    let mounts = mount_points(&guest(state, host, vmid)?.config);
    for mut mount in mounts.into_iter().filter(|m| m.kind() == "volume") {
        let old = mount.volume().to_owned();
        let new = old.replacen(&format!("vm-{vmid}-"), &format!("base-{vmid}-"), 1);
        if let Some(mut volume) = state.remove_volume(host, &old) {
            volume.volid.clone_from(&new);
            state.put_volume(volume);
        }
        mount.parts.insert("volume".into(), new);
        guest_mut(state, host, vmid)?.config.insert(mount.key.clone(), mount.print());
    }
    guest_mut(state, host, vmid)?.config.insert("template".into(), "1".into());
    Ok(())
}
