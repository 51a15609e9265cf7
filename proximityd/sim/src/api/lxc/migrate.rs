//! Takes a container to another node of the cluster.

use std::time::Duration;

use serde_json::json;

use super::{guest, guest_mut, start, unlocked};
use crate::call::Call;
use crate::reply::{ApiError, Outcome};
use crate::state::State;
use crate::state::guest::mount_points;

/// `GET …/migrate`: where it could go.
pub(in crate::api) fn preconditions(call: &Call) -> Outcome {
    let state = call.node.store.view();
    let found = guest(&state, &call.host, call.vmid())?;
    let others: Vec<&String> =
        state.nodes.iter().filter(|n| **n != call.host && !state.offline.contains(*n)).collect();
    Ok(json!({
        "running": u8::from(found.running), "allowed-nodes": others, "not-allowed-nodes": {},
        "dependent-ha-resources": [],
    })
    .into())
}

/// `POST …/migrate`: a container that runs is stopped and started again on the other side.
pub(in crate::api) fn migrate(call: &Call) -> Outcome {
    let target = call.params.need("target").to_owned();
    if target == call.host {
        return Err(ApiError::parameter("target", "target is local node."));
    }
    let restart = call.params.is_set("restart");
    {
        let state = call.node.store.view();
        if !state.nodes.contains(&target) {
            return Err(ApiError::died(format!("no such cluster node '{target}'")));
        }
        if state.offline.contains(&target) {
            return Err(ApiError::died(format!("node '{target}' is offline")));
        }
        let found = guest(&state, &call.host, call.vmid())?;
        unlocked(found)?;
        if found.running && !restart {
            return Err(ApiError::died("lxc live migration is currently not implemented"));
        }
    }
    start(call, "vzmigrate", move |work| async move {
        let found = work.set_lock("migrate").await?;
        work.task.log(format!("starting migration of CT {} to node '{target}'", work.vmid));
        let spec = work.spec()?;
        let moving = async {
            if found.running {
                work.node.engine.stop(&spec).await?;
            }
            Ok(())
        };
        let moved = work.task.step("migrate", work.node.task_time(Duration::from_secs(3)), moving).await;
        work.node.change(|state| {
            guest_mut(state, &work.host, work.vmid)?.config.remove("lock");
            if moved.is_ok() {
                take_along(state, &work.host, work.vmid, &target)?;
            }
            Ok(())
        })?;
        moved?;
        for mount in mount_points(&found.config).iter().filter(|m| m.kind() == "volume") {
            work.task.log(format!("found local volume '{}' (in current VM config)", mount.volume()));
        }
        if found.running {
            work.task.log("start container on target node");
            work.node.engine.start(&spec).await?;
        }
        work.task.log("migration finished successfully");
        Ok(())
    })
}

/// Moves the container and what is its own; a shared storage needs no moving.
fn take_along(state: &mut State, host: &str, vmid: u32, target: &str) -> Result<(), ApiError> {
    let own: Vec<String> = state
        .volumes
        .values()
        .filter(|v| v.node == host && v.vmid == Some(vmid) && v.content == "rootdir")
        .map(|v| v.volid.clone())
        .collect();
    for volid in own {
        if let Some(mut volume) = state.remove_volume(host, &volid) {
            target.clone_into(&mut volume.node);
            state.put_volume(volume);
        }
    }
    target.clone_into(&mut guest_mut(state, host, vmid)?.node);
    Ok(())
}
