//! What is on a storage: guest templates, backups, disks.

use std::sync::Arc;

use serde_json::{Value, json};

use super::datastore::known;
use super::lxc::rights::volume_kind;
use crate::call::Call;
use crate::durations::DELETE_VOLUME;
use crate::reply::{ApiError, Outcome};
use crate::state::storage::{Volume, format_of, split_volid};
use crate::tasks::Start;

/// Takes files up that were put into the storage's directory by hand.
fn look_around(call: &Call, storage: &str) -> Result<(), ApiError> {
    let cache = call.node.storage_dir(&call.host, storage).join("template/cache");
    let Ok(files) = std::fs::read_dir(cache) else { return Ok(()) };
    let new: Vec<Volume> = files
        .flatten()
        .filter_map(|file| {
            let name = file.file_name().into_string().ok().filter(|n| n.contains(".tar"))?;
            let meta = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
            let volid = format!("{storage}:vztmpl/{name}");
            let state = call.node.store.view();
            state.volume(&call.host, &volid).is_none().then(|| Volume {
                node: call.host.clone(),
                storage: storage.to_owned(),
                format: format_of(&name, "vztmpl"),
                volid,
                content: "vztmpl".into(),
                size: meta.len(),
                ctime: crate::node::now(),
                ..Volume::default()
            })
        })
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    call.node.change(|state| {
        new.into_iter().for_each(|volume| state.put_volume(volume));
        Ok(())
    })
}

fn entry(volume: &Volume) -> Value {
    let mut entry = json!({
        "volid": volume.volid, "content": volume.content, "format": volume.format, "size": volume.size,
        "ctime": volume.ctime,
    });
    if let Some(vmid) = volume.vmid {
        entry["vmid"] = json!(vmid);
    }
    if let Some(parent) = &volume.parent {
        entry["parent"] = json!(parent.split_once(':').map_or(parent.as_str(), |(_, name)| name));
    }
    if volume.content == "backup" {
        entry["subtype"] = json!("lxc");
        if let Some(notes) = &volume.notes {
            entry["notes"] = json!(notes);
        }
        if volume.protected {
            entry["protected"] = json!(1);
        }
    }
    entry
}

fn may_see(call: &Call, volume: &Volume) -> bool {
    match (volume.content.as_str(), volume.vmid) {
        ("backup", Some(vmid)) => call.may(&format!("/vms/{vmid}"), "VM.Backup"),
        (_, Some(vmid)) => {
            call.may(&format!("/storage/{}", volume.storage), "Datastore.Allocate")
                || call.may(&format!("/vms/{vmid}"), "VM.Config.Disk")
        }
        _ => true,
    }
}

/// `GET …/content`: backups of containers the caller may not back up are left out.
pub(super) fn list(call: &Call) -> Outcome {
    known(call)?;
    let storage = call.params.need("storage");
    look_around(call, storage)?;
    let vmid = call.params.number("vmid");
    let content = call.params.get("content");
    let all: Vec<Volume> = call.node.store.view().volumes_on(&call.host, storage).cloned().collect();
    let seen = all
        .iter()
        .filter(|v| content.is_none_or(|c| c == v.content))
        .filter(|v| vmid.is_none() || v.vmid.map(u64::from) == vmid)
        .filter(|v| may_see(call, v));
    Ok(json!(seen.map(entry).collect::<Vec<_>>()).into())
}

/// The volume a path names: whole, or without its storage.
fn named(call: &Call) -> Result<(String, String), ApiError> {
    let text = call.params.need("volume");
    let storage = call.params.get("storage");
    let (id, volid) = match split_volid(text) {
        Some((id, _)) => (id.to_owned(), text.to_owned()),
        None => (storage.unwrap_or("local").to_owned(), format!("{}:{text}", storage.unwrap_or("local"))),
    };
    if storage.is_some_and(|s| s != id) {
        return Err(ApiError::died(format!("storage ID mismatch ({} != {id})", storage.unwrap_or_default())));
    }
    if !call.node.store.view().storages.contains_key(&id) {
        return Err(ApiError::died(format!("storage '{id}' does not exist")));
    }
    Ok((id, volid))
}

fn check_read(call: &Call, storage: &str, volid: &str) -> Result<(), ApiError> {
    call.check_any(&format!("/storage/{storage}"), &["Datastore.Audit", "Datastore.AllocateSpace"])?;
    let (kind, owner) = volume_kind(volid.split_once(':').map_or("", |(_, name)| name));
    match (kind, owner) {
        ("backup", Some(vmid)) => call.check(&format!("/vms/{vmid}"), &["VM.Backup"]),
        _ => Ok(()),
    }
}

/// `GET …/content/{volume}`.
pub(super) fn attributes(call: &Call) -> Outcome {
    let (storage, volid) = named(call)?;
    check_read(call, &storage, &volid)?;
    let state = call.node.store.view();
    let Some(volume) = state.volume(&call.host, &volid) else {
        return Err(ApiError::died(format!("volume_size_info on '{volid}' failed - no such volume")));
    };
    let mut entry =
        json!({ "path": state.path_of(&volid), "size": volume.size, "used": volume.size, "format": "raw" });
    if volume.content == "backup" {
        entry["protected"] = json!(u8::from(volume.protected));
        entry["notes"] = json!(volume.notes.clone().unwrap_or_default());
    }
    Ok(entry.into())
}

/// `PUT …/content/{volume}`: a backup's notes and protection.
pub(super) fn change(call: &Call) -> Outcome {
    let (storage, volid) = named(call)?;
    check_write(call, &storage, &volid)?;
    call.node.change(|state| {
        let Some(volume) = state.volume_mut(&call.host, &volid) else {
            return Err(ApiError::died(format!("volume '{volid}' does not exist")));
        };
        if let Some(notes) = call.params.get("notes") {
            volume.notes = Some(notes.to_owned()).filter(|n| !n.is_empty());
        }
        if let Some(protected) = call.params.flag("protected") {
            volume.protected = protected;
        }
        Ok(())
    })?;
    Ok(Value::Null.into())
}

fn check_write(call: &Call, storage: &str, volid: &str) -> Result<(), ApiError> {
    let path = format!("/storage/{storage}");
    match volume_kind(volid.split_once(':').map_or("", |(_, name)| name)) {
        ("backup", Some(vmid)) => {
            call.check(&path, &["Datastore.AllocateSpace"])?;
            call.check(&format!("/vms/{vmid}"), &["VM.Backup"])
        }
        _ => call.check(&path, &["Datastore.Allocate"]),
    }
}

/// `DELETE …/content/{volume}`.
pub(super) fn delete(call: &Call) -> Outcome {
    let (storage, volid) = named(call)?;
    check_write(call, &storage, &volid)?;
    let owner = volume_kind(volid.split_once(':').map_or("", |(_, name)| name)).1;
    let id = owner.map_or_else(|| storage.clone(), |vmid| format!("{vmid}@{storage}"));
    let start = Start { node: &call.host, kind: "imgdel", id, who: &call.who };
    let (node, host) = (Arc::clone(&call.node), call.host.clone());
    let task = call.node.tasks.start(&call.node, &start, move |task| async move {
        let name = volid.split_once(':').map_or("", |(_, name)| name).to_owned();
        let removed = node.change(|state| {
            if state.volume(&host, &volid).is_some_and(|v| v.protected) {
                return Err(ApiError::died(format!(
                    "cannot remove protected volume '{name}' on '{storage}'"
                )));
            }
            Ok(state.remove_volume(&host, &volid))
        })?;
        match removed {
            None => task.log(format!("disk image '{}' does not exist", node.store.view().path_of(&volid))),
            Some(_) => {
                let folder = if name.starts_with("vztmpl/") { "template/cache" } else { "dump" };
                let file = name.rsplit('/').next().unwrap_or_default();
                let path = node.storage_dir(&host, &storage).join(folder).join(file);
                if let Err(error) = std::fs::remove_file(&path) {
                    tracing::debug!(%error, volid, "the volume had no file");
                }
            }
        }
        let time = node.task_time(DELETE_VOLUME);
        task.step("rm", time, std::future::ready(Ok(()))).await?;
        task.log(format!("Removed volume '{volid}'"));
        Ok(())
    })?;
    Ok(json!(task.upid.to_string()).into())
}
