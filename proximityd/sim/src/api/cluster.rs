//! The cluster as a whole: its resources, its status, the next free id.

use serde_json::{Value, json};

use super::lxc::figures::look;
use super::{datastore, nodes};
use crate::call::Call;
use crate::reply::{ApiError, Outcome};

/// `GET /cluster/resources`: what the caller may see.
pub(super) async fn resources(call: &Call) -> Outcome {
    let kind = call.params.get("type");
    let wanted = |name: &str| kind.is_none() || kind == Some(name);
    let mut found = Vec::new();
    if kind.is_none() {
        let pools: Vec<String> = call.node.store.view().access.pools.keys().cloned().collect();
        let seen = pools.into_iter().filter(|p| call.may(&format!("/pool/{p}"), "Pool.Audit"));
        found.extend(seen.map(|p| json!({ "id": format!("/pool/{p}"), "type": "pool", "pool": p })));
    }
    if wanted("vm") {
        let seen = look(&call.node, |vmid, _| call.may(&format!("/vms/{vmid}"), "VM.Audit")).await;
        found.extend(seen.iter().map(|s| s.in_resources()));
    }
    if wanted("node") {
        found.extend(nodes::in_resources(call).await);
    }
    if wanted("storage") {
        found.extend(datastore::in_resources(call));
    }
    if kind.is_none() || kind == Some("sdn") {
        found.extend(nodes::networks_in_resources(call, kind.is_none()));
    }
    Ok(Value::Array(found).into())
}

/// `GET /cluster/status`.
pub(super) fn status(call: &Call) -> Outcome {
    let state = call.node.store.view();
    let mut entries = Vec::new();
    let many = state.nodes.len() > 1;
    if many {
        entries.push(json!({
            "type": "cluster", "id": "cluster", "name": "proximity", "version": state.nodes.len(),
            "nodes": state.nodes.len(), "quorate": 1,
        }));
    }
    for (index, name) in state.nodes.iter().enumerate() {
        entries.push(json!({
            "type": "node", "id": format!("node/{name}"), "name": name, "level": "",
            "nodeid": if many { index + 1 } else { 0 }, "ip": format!("192.0.2.{}", index + 2),
            "local": u8::from(index == 0), "online": u8::from(!state.offline.contains(name)),
        }));
    }
    Ok(json!(entries).into())
}

/// `GET /cluster/nextid`: reserves nothing.
pub(super) fn next_id(call: &Call) -> Outcome {
    let state = call.node.store.view();
    match call.params.number("vmid") {
        None => Ok(json!(state.next_free().to_string()).into()),
        Some(id) if u32::try_from(id).is_ok_and(|id| state.guests.contains_key(&id)) => {
            Err(ApiError::parameter("vmid", format!("VM {id} already exists")))
        }
        Some(id) => Ok(json!(id.to_string()).into()),
    }
}

/// `GET /cluster/options`.
pub(super) fn options(call: &Call) -> Outcome {
    let state = call.node.store.view();
    let mut options = json!({ "mac_prefix": "BC:24:11", "description": "", "allowed-tags": [] });
    for (name, value) in &state.options {
        options[name] = json!(value);
    }
    Ok(options.into())
}

/// `PUT /cluster/options`.
pub(super) fn set_options(mut call: Call) -> Outcome {
    let delete = call.params.take("delete").unwrap_or_default();
    call.node.change(|state| {
        for name in crate::schema::split_list(&delete) {
            state.options.remove(name);
        }
        for (name, value) in call.params.iter() {
            state.options.insert(name.to_owned(), value.to_owned());
        }
        Ok(())
    })?;
    Ok(Value::Null.into())
}
