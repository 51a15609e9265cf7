//! What belongs to the whole cluster: backup jobs, high availability, networks, options.

use serde_json::{Map, Value, json};

use super::super::exchange::{Exchange, plain};
use super::super::world::World;

pub(super) fn apply(exchange: &Exchange, world: &mut World) {
    let segments = exchange.segments();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["cluster", "backup", rest @ ..] => section(
            exchange,
            world,
            &["jobs"],
            "id",
            rest,
            &json!({
                "schedule": "daily", "storage": "local", "vmid": "200", "mode": "snapshot", "enabled": "1", "type": "vzdump",
            }),
        ),
        ["cluster", "ha", "resources", rest @ ..] => {
            section(
                exchange,
                world,
                &["ha", "resources"],
                "sid",
                rest,
                &json!({ "type": "ct", "state": "started" }),
            );
        }
        ["cluster", "ha", "rules", rest @ ..] => {
            let rule = json!({ "type": "node-affinity", "resources": "ct:200", "nodes": "pve1" });
            section(exchange, world, &["ha", "rules"], "rule", rest, &rule);
        }
        ["cluster", "sdn", "zones", rest @ ..] => {
            section(exchange, world, &["sdn", "zones"], "zone", rest, &json!({ "type": "simple" }));
        }
        ["cluster", "sdn", "vnets", vnet, "subnets", rest @ ..] => {
            need_vnet(world, vnet, "prox");
            section(
                exchange,
                world,
                &["sdn", "subnets"],
                "subnet",
                rest,
                &json!({ "type": "subnet", "vnet": vnet }),
            );
        }
        ["cluster", "sdn", "vnets", rest @ ..] => {
            section(
                exchange,
                world,
                &["sdn", "vnets"],
                "vnet",
                rest,
                &json!({ "type": "vnet", "zone": "prox" }),
            );
            let zone =
                exchange.param("zone").filter(|z| !exchange.complains(&format!("zone '{z}' does not exist")));
            for zone in
                exchange.list().iter().filter_map(|v| v["zone"].as_str().map(str::to_owned)).chain(zone)
            {
                world.state["sdn"]["zones"][zone] = json!({ "type": "simple" });
            }
        }
        ["cluster", "options"] if exchange.got("/cluster/options") => {
            let fields = exchange.data().as_object().cloned().unwrap_or_default();
            let set = fields.into_iter().filter(|(k, v)| {
                !["allowed-tags", "digest"].contains(&k.as_str())
                    && v.is_string()
                    && !(k == "description" && *v == "")
            });
            world.state["options"] = Value::Object(set.collect());
        }
        _ => {}
    }
    // A vnet's zone has to be there when subnets are listed.
    for entry in exchange.list().iter().filter(|e| e["type"] == "subnet") {
        need_vnet(world, &plain(&entry["vnet"]), &plain(&entry["zone"]));
    }
    if exchange.method == "POST" && exchange.path.contains("/status/start") {
        managed(exchange, world);
    }
}

/// A start that is handed to high availability: the guest is in its care.
fn managed(exchange: &Exchange, world: &mut World) {
    let handed = exchange.data().as_str().is_some_and(|upid| upid.contains(":hastart:"));
    if let Some(vmid) = exchange.after("lxc").filter(|_| handed) {
        world.state["ha"]["resources"][format!("ct:{vmid}")] = json!({ "type": "ct", "state": "stopped" });
    }
}

fn need_vnet(world: &mut World, vnet: &str, zone: &str) {
    world.state["sdn"]["zones"][zone] = json!({ "type": "simple" });
    world.state["sdn"]["vnets"][vnet] = json!({ "type": "vnet", "zone": zone });
}

/// One kind of named section: a list tells all of them, a path names one, a POST makes one.
fn section(exchange: &Exchange, world: &mut World, at: &[&str], key: &str, rest: &[&str], usual: &Value) {
    let read = exchange.method == "GET" && exchange.status == 200;
    match rest {
        [] if read => {
            let map = world.map(at);
            map.clear();
            for entry in exchange.list() {
                map.insert(plain(&entry[key]), complete(stored(&entry, key), usual));
            }
        }
        [] => {
            let there = exchange.complains("already defined") || exchange.complains("already exists");
            if let Some(id) = exchange.param(key).filter(|_| there) {
                world.map(at).insert(id, usual.clone());
            }
        }
        [id, ..] => {
            if exchange.complains("does not exist")
                || exchange.complains("no such")
                || exchange.complains("No such")
            {
                return;
            }
            let entry = if read { complete(stored(exchange.data(), key), usual) } else { usual.clone() };
            world.map(at).insert((*id).to_owned(), entry);
        }
    }
}

/// With what every section of its kind has.
fn complete(mut entry: Value, usual: &Value) -> Value {
    for key in ["type", "schedule", "zone", "vnet", "state"] {
        if let (Some(map), Some(value)) = (entry.as_object_mut(), usual.get(key)) {
            map.entry(key).or_insert_with(|| value.clone());
        }
    }
    entry
}

/// An entry as it is kept: what the node works out itself is left out.
fn stored(entry: &Value, key: &str) -> Value {
    let derived = ["digest", "next-run", "pending", "state:sdn", "cidr", "mask", "network", "id:subnet"];
    let is_subnet = entry["type"] == "subnet";
    let is_sdn = ["zone", "vnet", "subnet"].contains(&key);
    let mut kept = Map::new();
    for (name, value) in entry.as_object().into_iter().flatten() {
        let skip = name == key
            || derived.contains(&name.as_str())
            || (is_sdn && name == "state")
            || (is_subnet && (name == "id" || name == "zone"));
        if skip || value.is_array() && value.as_array().is_some_and(Vec::is_empty) {
            continue;
        }
        kept.insert(name.clone(), json!(text(value)));
    }
    Value::Object(kept)
}

/// A property string where the reply has an object.
fn text(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(k, v)| format!("{k}={}", plain(v))).collect::<Vec<_>>().join(",")
        }
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        other => plain(other),
    }
}
