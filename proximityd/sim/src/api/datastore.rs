//! Storages: their definitions and how full they are.

use serde_json::{Value, json};

use crate::call::Call;
use crate::reply::{ApiError, Outcome};
use crate::schema::split_list;
use crate::state::State;
use crate::state::storage::Storage;

const READ: [&str; 2] = ["Datastore.Audit", "Datastore.AllocateSpace"];

fn may_read(call: &Call, id: &str) -> bool {
    call.check_any(&format!("/storage/{id}"), &READ).is_ok()
}

fn definition_of(id: &str, storage: &Storage) -> Value {
    let mut entry = json!({ "storage": id, "type": storage.kind, "content": storage.content.join(",") });
    for (key, value) in
        [("path", &storage.path), ("vgname", &storage.vgname), ("thinpool", &storage.thinpool)]
    {
        if let Some(value) = value {
            entry[key] = json!(value);
        }
    }
    if storage.disable {
        entry["disable"] = json!(1);
    }
    entry
}

fn readable(call: &Call) -> Vec<(String, Storage)> {
    let all: Vec<_> = call.node.store.view().storages.iter().map(|(id, s)| (id.clone(), s.clone())).collect();
    all.into_iter().filter(|(id, _)| may_read(call, id)).collect()
}

/// `GET /storage`.
pub(super) fn definitions(call: &Call) -> Outcome {
    let wanted = |s: &Storage| call.params.get("type").is_none_or(|t| t == s.kind);
    let found = readable(call);
    Ok(json!(found.iter().filter(|(_, s)| wanted(s)).map(|(id, s)| definition_of(id, s)).collect::<Vec<_>>())
        .into())
}

/// `GET /storage/{storage}`.
pub(super) fn definition(call: &Call) -> Outcome {
    let id = call.params.need("storage");
    let state = call.node.store.view();
    let storage =
        state.storages.get(id).ok_or_else(|| ApiError::died(format!("storage '{id}' does not exist")))?;
    Ok(definition_of(id, storage).into())
}

fn figures(state: &State, node: &str, id: &str, storage: &Storage) -> Value {
    let used = state.used(node, id);
    json!({
        "type": storage.kind, "content": storage.content.join(","), "shared": 0,
        "enabled": u8::from(!storage.disable), "active": u8::from(!storage.disable),
        "total": storage.total, "used": used, "avail": storage.total - used,
    })
}

#[allow(clippy::cast_precision_loss)]
fn fraction(state: &State, node: &str, id: &str, storage: &Storage) -> f64 {
    if storage.total == 0 { 0.0 } else { state.used(node, id) as f64 / storage.total as f64 }
}

/// `GET /nodes/{node}/storage`.
pub(super) fn list(call: &Call) -> Outcome {
    let content = call.params.get("content").map(split_list);
    let found = readable(call);
    let state = call.node.store.view();
    let listed: Vec<Value> = found
        .iter()
        .filter(|(id, _)| call.params.get("storage").is_none_or(|s| s == id))
        .filter(|(_, s)| content.as_ref().is_none_or(|wanted| wanted.iter().any(|c| s.takes(c))))
        .filter(|(_, s)| !call.params.is_set("enabled") || !s.disable)
        .map(|(id, storage)| {
            let mut entry = figures(&state, &call.host, id, storage);
            entry["storage"] = json!(id);
            entry["used_fraction"] = json!(fraction(&state, &call.host, id, storage));
            entry
        })
        .collect();
    Ok(json!(listed).into())
}

/// `GET /nodes/{node}/storage/{storage}`.
pub(super) fn index(call: &Call) -> Outcome {
    known(call)?;
    Ok(json!(
        [
            "content",
            "download-url",
            "oci-registry-pull",
            "prunebackups",
            "rrd",
            "rrddata",
            "status",
            "upload"
        ]
        .map(|n| json!({ "subdir": n }))
    )
    .into())
}

/// That a storage exists, for paths that name it.
pub(super) fn known(call: &Call) -> Result<Storage, ApiError> {
    let id = call.params.need("storage");
    call.node
        .store
        .view()
        .storages
        .get(id)
        .cloned()
        .ok_or_else(|| ApiError::died(format!("storage '{id}' does not exist")))
}

/// `GET /nodes/{node}/storage/{storage}/status`.
pub(super) fn status(call: &Call) -> Outcome {
    let id = call.params.need("storage");
    let state = call.node.store.view();
    let storage = state.storages.get(id).ok_or_else(|| ApiError::parameter("storage", "No such storage."))?;
    Ok(figures(&state, &call.host, id, storage).into())
}

/// The storages among the cluster's resources.
pub(super) fn in_resources(call: &Call) -> Vec<Value> {
    let all: Vec<_> = call.node.store.view().storages.keys().cloned().collect();
    let seen: Vec<_> =
        all.into_iter().filter(|id| call.may(&format!("/storage/{id}"), "Datastore.Audit")).collect();
    let state = call.node.store.view();
    let mut listed = Vec::new();
    for node in &state.nodes {
        for id in &seen {
            let storage = &state.storages[id];
            listed.push(json!({
                "id": format!("storage/{node}/{id}"), "type": "storage", "storage": id, "node": node,
                "plugintype": storage.kind, "content": storage.content.join(","), "shared": 0,
                "status": if storage.disable { "unknown" } else { "available" },
                "disk": state.used(node, id), "maxdisk": storage.total,
            }));
        }
    }
    listed
}
