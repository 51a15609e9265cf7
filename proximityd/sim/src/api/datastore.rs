//! Storages: their definitions and how full they are.

use serde_json::{Value, json};

use super::edit::shown;
use crate::call::Call;
use crate::reply::{ApiError, Outcome};
use crate::schema::split_list;
use crate::state::State;
use crate::state::sections::digest;
use crate::state::storage::Storage;

const READ: [&str; 2] = ["Datastore.Audit", "Datastore.AllocateSpace"];

fn may_read(call: &Call, id: &str) -> bool {
    call.check_any(&format!("/storage/{id}"), &READ).is_ok()
}

/// The digest of all definitions, which stand in one file.
pub(super) fn digest_of(state: &State) -> String {
    let text: Vec<String> = state.storages.iter().map(|(id, s)| definition_of(id, s).to_string()).collect();
    digest(&text)
}

fn definition_of(id: &str, storage: &Storage) -> Value {
    let mut entry = Value::Object(shown(&storage.options, "POST", "/storage", &[]));
    entry["storage"] = json!(id);
    entry["type"] = json!(storage.kind);
    entry["content"] = json!(storage.content.join(","));
    for (key, value) in [
        ("path", &storage.path),
        ("vgname", &storage.vgname),
        ("thinpool", &storage.thinpool),
        ("prune-backups", &storage.prune_backups),
    ] {
        if let Some(value) = value {
            entry[key] = json!(value);
        }
    }
    if storage.disable {
        entry["disable"] = json!(1);
    }
    entry
}

fn with_digest(mut entry: Value, digest: &str) -> Value {
    entry["digest"] = json!(digest);
    entry
}

fn readable(call: &Call) -> Vec<(String, Storage)> {
    let all: Vec<_> = call.node.store.view().storages.iter().map(|(id, s)| (id.clone(), s.clone())).collect();
    all.into_iter().filter(|(id, _)| may_read(call, id)).collect()
}

/// `GET /storage`.
pub(super) fn definitions(call: &Call) -> Outcome {
    let wanted = |s: &Storage| call.params.get("type").is_none_or(|t| t == s.kind);
    let (found, digest) = (readable(call), digest_of(&call.node.store.view()));
    let listed =
        found.iter().filter(|(_, s)| wanted(s)).map(|(id, s)| with_digest(definition_of(id, s), &digest));
    Ok(Value::Array(listed.collect()).into())
}

/// `GET /storage/{storage}`.
pub(super) fn definition(call: &Call) -> Outcome {
    let id = call.params.need("storage");
    let state = call.node.store.view();
    let storage =
        state.storages.get(id).ok_or_else(|| ApiError::died(format!("storage '{id}' does not exist")))?;
    Ok(with_digest(definition_of(id, storage), &digest_of(&state)).into())
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

/// How many seconds apart the points of a time frame are, and how many there are.
pub(super) fn resolution(timeframe: &str) -> (i64, i64) {
    match timeframe {
        "hour" => (60, 60),
        "day" => (60, 1440),
        "week" => (1800, 336),
        "month" => (1800, 1488),
        "year" => (21_600, 1460),
        _ => (604_800, 570),
    }
}

/// `GET /nodes/{node}/storage/{storage}/rrddata`: the last point is now; before that nothing was measured.
pub(super) fn history(call: &Call) -> Outcome {
    let storage = known(call)?;
    let (step, points) = resolution(call.params.need("timeframe"));
    let last = crate::node::now() / step * step;
    let mut series: Vec<Value> = (0..points).rev().map(|i| json!({ "time": last - i * step })).collect();
    if let Some(point) = series.last_mut() {
        point["total"] = json!(storage.total);
        point["used"] = json!(call.node.store.view().used(&call.host, call.params.need("storage")));
    }
    Ok(Value::Array(series).into())
}

/// The storages among the cluster's resources.
pub(super) fn in_resources(call: &Call) -> Vec<Value> {
    let all: Vec<_> = call.node.store.view().storages.keys().cloned().collect();
    let seen: Vec<_> =
        all.into_iter().filter(|id| call.may(&format!("/storage/{id}"), "Datastore.Audit")).collect();
    let state = call.node.store.view();
    let on = |node: &String| seen.iter().filter_map(|id| resource(&state, node, id)).collect::<Vec<_>>();
    state.nodes.iter().flat_map(on).collect()
}

/// A storage of a node as a resource.
pub(super) fn resource(state: &State, node: &str, id: &str) -> Option<Value> {
    let storage = state.storages.get(id)?;
    Some(json!({
        "id": format!("storage/{node}/{id}"), "type": "storage", "storage": id, "node": node,
        "plugintype": storage.kind, "content": storage.content.join(","), "shared": 0,
        "status": if storage.disable { "unknown" } else { "available" },
        "disk": state.used(node, id), "maxdisk": storage.total,
    }))
}
