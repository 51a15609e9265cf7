//! Moves a container's volume to another storage, or hands it to another container.

use std::sync::Arc;

use serde_json::json;

use super::allocate::rsync_statistics;
use super::config::{stale, unuse};
use super::{Work, guest, guest_mut, lock_file, start, unlocked};
use crate::call::Call;
use crate::durations::COPY;
use crate::reply::{ApiError, Outcome};
use crate::state::guest::{Guest, MountPoint, is_numbered, mount_points, parse_option};
use crate::state::storage::Volume;
use crate::tasks::Start;

/// `POST …/move_volume`.
pub(in crate::api) async fn move_volume(call: &Call) -> Outcome {
    let target = call.params.number("target-vmid").and_then(|v| u32::try_from(v).ok());
    let storage = call.params.get("storage");
    match (storage, target) {
        (Some(_), Some(_)) => Err(ApiError::died("either set storage or target-vmid, but not both")),
        (Some(storage), None) => to_storage(call, storage).await,
        (None, Some(target)) => to_container(call, target).await,
        (None, None) => {
            let text = "both 'storage' and 'target-vmid' missing, either needs to be set".to_owned();
            let both = ["storage", "target-vmid"].map(|name| (name.to_owned(), text.clone()));
            Err(ApiError::Parameters(both.into()))
        }
    }
}

fn mount_point(found: &Guest, key: &str) -> Option<MountPoint> {
    mount_points(&found.config).into_iter().find(|m| m.key == key)
}

fn in_snapshots(found: &Guest, volid: &str) -> bool {
    let configs = found.snapshots.values().map(|s| &s.config);
    configs.flat_map(mount_points).any(|m| m.volume() == volid)
}

async fn to_storage(call: &Call, storage: &str) -> Outcome {
    call.check(&format!("/storage/{storage}"), &["Datastore.AllocateSpace"])?;
    let (vmid, key) = (call.vmid(), call.params.need("volume").to_owned());
    let delete = call.params.is_set("delete");
    let mount = {
        let _guard = lock_file(&call.node, vmid).await?;
        call.node.change(|state| {
            let found = guest_mut(state, &call.host, vmid)?;
            let mount = movable(found, &key, delete)?;
            if call.params.get("digest").is_some_and(|d| d != found.digest()) {
                return Err(stale());
            }
            found.config.insert("lock".into(), "disk".into());
            Ok(mount)
        })?
    };
    let storage = storage.to_owned();
    start(call, "move_volume", move |work| async move {
        let moved = copy(&work, mount, &storage, delete).await;
        work.clear_lock()?;
        moved
    })
}

fn movable(found: &Guest, key: &str, delete: bool) -> Result<MountPoint, ApiError> {
    unlocked(found)?;
    if found.running {
        return Err(ApiError::died("cannot move volumes of a running container"));
    }
    if is_numbered(key, "unused") {
        return Err(ApiError::died(format!(
            "cannot move volume '{key}', only configured volumes can be moved to another storage"
        )));
    }
    let mount = mount_point(found, key).ok_or_else(|| {
        let text = "property is missing and it is not optional".to_owned();
        ApiError::Format([("mp".to_owned(), text.clone()), ("volume".to_owned(), text)].into())
    })?;
    if delete && in_snapshots(found, mount.volume()) {
        return Err(ApiError::died("you can't move a volume with snapshots and delete the source"));
    }
    Ok(mount)
}

async fn copy(work: &Work, mount: MountPoint, storage: &str, delete: bool) -> Result<(), ApiError> {
    let takes = work.node.store.view().storages.get(storage).map(|s| s.takes("rootdir"));
    if takes == Some(false) {
        return Err(ApiError::died(format!("storage '{storage}' does not support content type 'rootdir'")));
    }
    let (old, mut new) = (mount.volume().to_owned(), mount.clone());
    let made = work.make_disk(&mut new, storage, mount.size().unwrap_or(4 << 30)).await?;
    let spec = work.spec()?;
    let copying = async { Ok(work.node.engine.usage(&spec).await.disk) };
    let bytes = match work.task.step("rsync", work.node.task_time(COPY), copying).await {
        Ok(bytes) => bytes,
        Err(error) => {
            work.free(&[made])?;
            return Err(error);
        }
    };
    work.task.log(rsync_statistics(bytes));
    work.change(|guest| {
        guest.config.insert(new.key.clone(), new.print());
        if !delete {
            unuse(guest, &mount.key, &mount.print());
        }
        Ok(())
    })?;
    if delete { work.free(&[old]) } else { Ok(()) }
}

/// Gives a mount point or an unused disk to another container of the same node.
async fn to_container(call: &Call, target: u32) -> Outcome {
    let (vmid, key) = (call.vmid(), call.params.need("volume").to_owned());
    call.check(&format!("/vms/{target}"), &["VM.Config.Disk"])?;
    let target_key = call.params.get("target-volume").unwrap_or(&key).to_owned();
    let storage = reassignable(call, target, &key, &target_key)?;
    call.check(&format!("/storage/{storage}"), &["Datastore.AllocateSpace"])?;
    let id = format!("{vmid}-{key}>{target}-{target_key}");
    let task_start = Start { node: &call.host, kind: "move_volume", id, who: &call.who };
    let (node, host) = (Arc::clone(&call.node), call.host.clone());
    let task = call.node.tasks.start(&call.node, &task_start, move |task| async move {
        let work = Work { node, host, vmid, task };
        let _source = work.lock().await?;
        let _target = lock_file(&work.node, target).await?;
        work.task.log(format!("moving volume '{key}' from container '{vmid}' to '{target}'"));
        work.node.change(|state| reassign(state, &work, target, (&key, &target_key)))?;
        work.task.log(format!("removing volume '{key}' from container '{vmid}' config"));
        work.task.log(format!("target container '{target}' updated with '{target_key}'"));
        Ok(())
    })?;
    Ok(json!(task.upid.to_string()).into())
}

/// Checks what can be checked at once, and tells the disk's storage.
fn reassignable(call: &Call, target: u32, key: &str, target_key: &str) -> Result<String, ApiError> {
    let refuse = |text: String| Err(ApiError::Died(text));
    if key == "rootfs" || target_key == "rootfs" {
        return refuse("Cannot move to/from 'rootfs'".into());
    }
    if is_numbered(key, "unused") && !is_numbered(target_key, "unused") {
        return refuse("Moving an unused volume to a used one is not possible".into());
    }
    let state = call.node.store.view();
    let vmid = call.vmid();
    let source = guest(&state, &call.host, vmid)?;
    let Some(other) = state.guests.get(&target) else {
        return refuse(format!("could not find CT {target}"));
    };
    if other.node != source.node {
        return refuse(format!(
            "Both containers need to be on the same node ({} != {})",
            source.node, other.node
        ));
    }
    unlocked(source)?;
    unlocked(other)?;
    if source.is_template() || other.is_template() {
        return refuse("Can't move volumes from or to template CT".into());
    }
    let Some(value) = source.config.get(key) else {
        return refuse(format!("volume '{key}' for container '{vmid}' does not exist"));
    };
    if other.config.contains_key(target_key) {
        return refuse(format!(
            "Target volume key '{target_key}' is already in use for container '{target}'"
        ));
    }
    let mount = MountPoint { key: key.to_owned(), parts: parse_option(key, value) };
    let volid = if is_numbered(key, "unused") { value } else { mount.volume() };
    if in_snapshots(source, volid) {
        return refuse("Cannot move volume used by a snapshot to another container".into());
    }
    if source.running && !is_numbered(key, "unused") {
        return refuse(
            "Cannot move in-use volume while the source CT is running - detach or shutdown first".into(),
        );
    }
    Ok(volid.split_once(':').map_or_else(String::new, |(storage, _)| storage.to_owned()))
}

fn reassign(
    state: &mut crate::state::State,
    work: &Work,
    target: u32,
    (key, target_key): (&str, &str),
) -> Result<(), ApiError> {
    let value = guest_mut(state, &work.host, work.vmid)?.config.remove(key);
    let value = value.ok_or_else(|| ApiError::died(format!("volume '{key}' does not exist")))?;
    let unused = is_numbered(key, "unused");
    let mut mount = MountPoint { key: target_key.to_owned(), parts: parse_option(key, &value) };
    let old = if unused { value } else { mount.volume().to_owned() };
    let storage = old.split_once(':').map_or("", |(id, _)| id).to_owned();
    let new = state.new_disk(&work.host, &storage, target);
    if let Some(volume) = state.remove_volume(&work.host, &old) {
        state.put_volume(Volume { volid: new.clone(), vmid: Some(target), ..volume });
    }
    mount.parts.insert("volume".into(), new.clone());
    let printed = if is_numbered(target_key, "unused") { new.clone() } else { mount.print() };
    guest_mut(state, &work.host, target)?.config.insert(target_key.to_owned(), printed);
    Ok(())
}
