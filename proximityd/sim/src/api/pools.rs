//! Pools.

use serde_json::{Value, json};

use super::lxc::figures::look;
use crate::call::Call;
use crate::reply::{ApiError, Outcome};
use crate::schema::split_list;
use crate::state::access::Pool;

fn entry(id: &str, pool: &Pool) -> Value {
    let mut entry = json!({ "poolid": id });
    if let Some(comment) = &pool.comment {
        entry["comment"] = json!(comment);
    }
    entry
}

async fn with_members(call: &Call, id: &str) -> Option<Value> {
    let pool = call.node.store.view().access.pools.get(id).cloned()?;
    let seen = look(&call.node, |vmid, _| pool.vms.contains(&vmid)).await;
    let mut members: Vec<Value> = seen
        .iter()
        .map(|s| {
            let mut member = s.in_resources();
            if let Some(map) = member.as_object_mut() {
                map.remove("pool");
            }
            member
        })
        .collect();
    let state = call.node.store.view();
    for storage in &pool.storages {
        members
            .extend(state.nodes.iter().filter_map(|node| super::datastore::resource(&state, node, storage)));
    }
    drop(state);
    // Machines that are no containers do not live here.
    if let Some(kind) = call.params.get("type") {
        members.retain(|member| member["type"] == kind);
    }
    let mut found = entry(id, &pool);
    found["members"] = json!(members);
    Some(found)
}

fn absent(id: &str) -> ApiError {
    ApiError::died(format!("pool '{id}' does not exist"))
}

/// `GET /pools`.
pub(super) async fn list(call: &Call) -> Outcome {
    if let Some(id) = call.params.get("poolid") {
        call.check(&format!("/pool/{id}"), &["Pool.Audit"])?;
        let found = with_members(call, id).await.ok_or_else(|| absent(id))?;
        return Ok(json!([found]).into());
    }
    let pools = call.node.store.view().access.pools.clone();
    let seen = pools.iter().filter(|(id, _)| call.may(&format!("/pool/{id}"), "Pool.Audit"));
    Ok(json!(seen.map(|(id, p)| entry(id, p)).collect::<Vec<_>>()).into())
}

/// `GET /pools/{poolid}`.
pub(super) async fn one(call: &Call) -> Outcome {
    let id = call.params.need("poolid");
    Ok(with_members(call, id).await.ok_or_else(|| absent(id))?.into())
}

/// `POST /pools`.
pub(super) fn create(call: &Call) -> Outcome {
    let id = call.params.need("poolid").to_owned();
    call.node.change(|state| {
        if state.access.pools.contains_key(&id) {
            return Err(ApiError::died(format!("create pool failed: pool '{id}' already exists")));
        }
        let comment = call.params.get("comment").map(str::to_owned);
        state.access.pools.insert(id, Pool { comment, ..Pool::default() });
        Ok(())
    })?;
    Ok(Value::Null.into())
}

/// `PUT /pools`.
pub(super) fn change(call: &Call) -> Outcome {
    let id = call.params.need("poolid");
    let delete = call.params.is_set("delete");
    let failed = |text: String| ApiError::died(format!("update pools failed: {text}"));
    if !call.node.store.view().access.pools.contains_key(id) {
        return Err(failed(format!("pool '{id}' does not exist")));
    }
    let vms: Vec<u32> = split_list(call.params.need("vms")).iter().filter_map(|v| v.parse().ok()).collect();
    for vmid in &vms {
        call.check_any(&format!("/vms/{vmid}"), &["Permissions.Modify", "VM.Allocate"])
            .map_err(|e| failed(e.in_task()))?;
    }
    let storages = split_list(call.params.need("storage"));
    for storage in &storages {
        call.check_any(&format!("/storage/{storage}"), &["Permissions.Modify", "Datastore.Allocate"])
            .map_err(|e| failed(e.in_task()))?;
    }
    call.node.change(|state| {
        for vmid in &vms {
            let other = state.pool_of(*vmid).filter(|p| *p != id).map(str::to_owned);
            if let Some(other) = other.filter(|_| !delete) {
                if !call.params.is_set("allow-move") {
                    return Err(failed(format!("VM {vmid} belongs already to pool '{other}'")));
                }
                if let Some(pool) = state.access.pools.get_mut(&other) {
                    pool.vms.remove(vmid);
                }
            }
            let Some(pool) = state.access.pools.get_mut(id) else { continue };
            match (delete, pool.vms.contains(vmid)) {
                (true, false) => return Err(failed(format!("VM {vmid} is not a pool member"))),
                (true, true) => pool.vms.remove(vmid),
                (false, true) => return Err(failed(format!("VM {vmid} is already a pool member"))),
                (false, false) => pool.vms.insert(*vmid),
            };
        }
        let Some(pool) = state.access.pools.get_mut(id) else { return Ok(()) };
        for storage in &storages {
            if delete {
                pool.storages.remove(*storage);
            } else {
                pool.storages.insert((*storage).to_owned());
            }
        }
        if let Some(comment) = call.params.get("comment") {
            pool.comment = Some(comment.to_owned());
        }
        Ok(())
    })?;
    Ok(Value::Null.into())
}

/// `DELETE /pools`.
pub(super) fn delete(call: &Call) -> Outcome {
    let id = call.params.need("poolid");
    call.node.change(|state| {
        let failed = |text: String| ApiError::died(format!("delete pool failed: {text}"));
        let pool = state.access.pools.get(id).ok_or_else(|| failed(format!("pool '{id}' does not exist")))?;
        if let Some(vmid) = pool.vms.iter().find(|v| state.guests.contains_key(v)) {
            return Err(failed(format!("pool '{id}' is not empty (contains VM {vmid})")));
        }
        if let Some(storage) = pool.storages.first() {
            return Err(failed(format!("pool '{id}' is not empty (contains storage '{storage}')")));
        }
        state.access.pools.remove(id);
        Ok(())
    })?;
    Ok(Value::Null.into())
}
