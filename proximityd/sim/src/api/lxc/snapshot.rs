//! Snapshots: making, listing, going back to and forgetting them.

use serde_json::{Value, json};

use super::config::{shown, unuse, volumes_of};
use super::power::{bring_down, run_start};
use super::{Work, guest, guest_mut, start, unlocked};
use crate::call::Call;
use crate::durations::{DELETE_SNAPSHOT, ROLLBACK, SNAPSHOT};
use crate::reply::{ApiError, Outcome};
use crate::state::State;
use crate::state::guest::{Config, Snapshot, is_numbered, mount_points};

fn lines(description: &str) -> String {
    if description.is_empty() || description.ends_with('\n') {
        description.to_owned()
    } else {
        format!("{description}\n")
    }
}

/// `GET …/snapshot`.
pub(in crate::api) fn list(call: &Call) -> Outcome {
    let state = call.node.store.view();
    let found = guest(&state, &call.host, call.vmid())?;
    let mut entries: Vec<Value> = found
        .snapshots
        .iter()
        .map(|(name, s)| {
            let description = s.description.clone().unwrap_or_default();
            let mut entry = json!({ "name": name, "description": description, "snaptime": s.time });
            if let Some(parent) = &s.parent {
                entry["parent"] = json!(parent);
            }
            entry
        })
        .collect();
    let mut current = json!({
        "name": "current", "description": "You are here!", "digest": found.digest(),
        "running": u8::from(found.running),
    });
    if let Some(parent) = &found.parent {
        current["parent"] = json!(parent);
    }
    entries.push(current);
    Ok(json!(entries).into())
}

/// `GET …/snapshot/{snapname}`.
pub(in crate::api) fn index() -> Outcome {
    Ok(json!([{ "cmd": "rollback" }, { "cmd": "config" }]).into())
}

/// `GET …/snapshot/{snapname}/config`.
pub(in crate::api) fn get_config(call: &Call) -> Outcome {
    let vmid = call.vmid();
    let snapshot = {
        let state = call.node.store.view();
        snapshot_of(&state, call)?.clone()
    };
    let mut config = snapshot.config;
    config.remove("description");
    if let Some(description) = snapshot.description {
        config.insert("description".into(), description);
    }
    let mut map = shown(call, vmid, &config);
    map.insert("snaptime".into(), json!(snapshot.time));
    if let Some(parent) = snapshot.parent {
        map.insert("parent".into(), json!(parent));
    }
    Ok(Value::Object(map).into())
}

fn snapshot_of<'a>(state: &'a State, call: &Call) -> Result<&'a Snapshot, ApiError> {
    let name = call.params.need("snapname");
    let found = guest(state, &call.host, call.vmid())?;
    found.snapshots.get(name).ok_or_else(|| absent(name))
}

fn absent(name: &str) -> ApiError {
    ApiError::died(format!("snapshot '{name}' does not exist"))
}

/// `PUT …/snapshot/{snapname}/config`.
pub(in crate::api) fn put_config(call: &Call) -> Outcome {
    let name = call.params.need("snapname");
    call.node.change(|state| {
        let found = guest_mut(state, &call.host, call.vmid())?;
        unlocked(found)?;
        let snapshot = found.snapshots.get_mut(name).ok_or_else(|| absent(name))?;
        if let Some(description) = call.params.get("description") {
            snapshot.description = Some(lines(description));
        }
        Ok(())
    })?;
    Ok(Value::Null.into())
}

/// `POST …/snapshot`: whatever is wrong with the container comes out in the task.
pub(in crate::api) fn create(call: &Call) -> Outcome {
    let name = call.params.need("snapname").to_owned();
    if matches!(name.as_str(), "current" | "pending") {
        return Err(ApiError::died(format!("unable to use snapshot name '{name}' (reserved name)")));
    }
    let description = call.params.get("description").map(lines);
    start(call, "vzsnapshot", move |work| make(work, name, description))
}

async fn make(work: Work, name: String, description: Option<String>) -> Result<(), ApiError> {
    {
        let _guard = work.lock().await?;
        prepare(&work, &name)?;
    }
    let spec = work.spec()?;
    let keep = async { Ok(work.node.engine.snapshot(&spec, &name).await?) };
    let kept = work.task.quiet_step(work.node.task_time(SNAPSHOT), keep).await;
    work.change(|guest| {
        guest.config.remove("lock");
        if kept.is_ok() {
            let config: Config = guest
                .config
                .iter()
                .filter(|(key, _)| !key.starts_with("unused") && *key != "description")
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            let parent = guest.parent.replace(name.clone());
            guest
                .snapshots
                .insert(name, Snapshot { config, description, time: work.node.clock.now(), parent });
        }
        Ok(())
    })?;
    kept
}

fn prepare(work: &Work, name: &str) -> Result<(), ApiError> {
    work.node.change(|state| {
        let found = guest(state, &work.host, work.vmid)?;
        if found.is_template() {
            return Err(ApiError::died("you can't take a snapshot if it's a template"));
        }
        unlocked(found)?;
        if found.snapshots.contains_key(name) {
            return Err(ApiError::died(format!("snapshot name '{name}' already used")));
        }
        let all = volumes_of(&found.config).iter().all(|volid| {
            volid.split_once(':').and_then(|(s, _)| state.storages.get(s)).is_some_and(|s| s.has_snapshots())
        });
        if !all {
            return Err(ApiError::died("snapshot feature is not available"));
        }
        guest_mut(state, &work.host, work.vmid)?.config.insert("lock".into(), "snapshot".into());
        Ok(())
    })
}

/// `POST …/snapshot/{snapname}/rollback`.
pub(in crate::api) fn rollback(call: &Call) -> Outcome {
    let name = call.params.need("snapname").to_owned();
    let start_after = call.params.is_set("start");
    let caller = call.clone();
    start(call, "vzrollback", move |work| async move {
        {
            let _guard = work.lock().await?;
            let found = work.guest()?;
            if found.is_template() {
                return Err(ApiError::died("you can't rollback if vm is a template"));
            }
            if !found.snapshots.contains_key(&name) {
                return Err(absent(&name));
            }
            unlocked(&found)?;
            if found.running {
                bring_down(&work).await?;
            }
            work.change(|guest| {
                guest.config.insert("lock".into(), "rollback".into());
                Ok(())
            })?;
        }
        let spec = work.spec()?;
        let back = async { Ok(work.node.engine.rollback(&spec, &name).await?) };
        let went = work.task.quiet_step(work.node.task_time(ROLLBACK), back).await;
        work.change(|guest| {
            guest.config.remove("lock");
            if went.is_ok()
                && let Some(snapshot) = guest.snapshots.get(&name)
            {
                // What a person wrote about the container and its unused disks stay; the rest goes back.
                let mut kept = std::mem::replace(&mut guest.config, snapshot.config.clone());
                let mounted = mount_points(&kept);
                kept.retain(|key, _| key == "description" || is_numbered(key, "unused"));
                guest.config.extend(kept);
                let back = volumes_of(&guest.config);
                // A disk that the snapshot does not know stays, unused.
                for mount in mounted.iter().filter(|m| !back.iter().any(|volid| volid == m.volume())) {
                    unuse(guest, &mount.key, &mount.print());
                }
                guest.pending.clear();
                guest.pending_delete.clear();
                guest.parent = Some(name.clone());
            }
            Ok(())
        })?;
        went?;
        if start_after {
            // A task of its own, which goes on when this one is over.
            start(&caller, "vzstart", run_start)?;
        }
        Ok(())
    })
}

/// `DELETE …/snapshot/{snapname}`.
pub(in crate::api) fn delete(call: &Call) -> Outcome {
    let name = call.params.need("snapname").to_owned();
    start(call, "vzdelsnapshot", move |work| async move {
        {
            let _guard = work.lock().await?;
            work.change(|guest| {
                unlocked(guest)?;
                if guest.is_template() {
                    return Err(ApiError::died("you can't delete a snapshot if vm is a template"));
                }
                if !guest.snapshots.contains_key(&name) {
                    return Err(absent(&name));
                }
                guest.config.insert("lock".into(), "snapshot-delete".into());
                Ok(())
            })?;
        }
        let spec = work.spec()?;
        let forget = async { Ok(work.node.engine.delete_snapshot(&spec, &name).await?) };
        let forgotten = work.task.quiet_step(work.node.task_time(DELETE_SNAPSHOT), forget).await;
        work.change(|guest| {
            guest.config.remove("lock");
            if forgotten.is_ok() {
                let gone = guest.snapshots.remove(&name).and_then(|s| s.parent);
                let orphans = guest.snapshots.values_mut().map(|s| &mut s.parent).chain([&mut guest.parent]);
                orphans.filter(|p| p.as_deref() == Some(&name)).for_each(|p| p.clone_from(&gone));
            }
            Ok(())
        })?;
        forgotten
    })
}
