//! What replies tell of a container: its configuration, its entries in lists, its interfaces and snapshots.

use serde_json::{Map, Value, json};

use super::super::exchange::{Exchange, plain};
use super::super::world::World;

/// A configuration that was read: it is the guest's.
pub(super) fn configured(exchange: &Exchange, world: &mut World, vmid: u32, data: &Value) {
    let Some(fields) = data.as_object() else { return };
    // What every container has stands even where a reply leaves it out, but for one that is only being made.
    let always = ["arch", "hostname", "memory", "ostype", "rootfs", "swap"];
    let bare = fields.contains_key("lock") && fields.len() <= 2;
    let mut config: Map<String, Value> = if bare {
        Map::new()
    } else {
        let defaults = world.guest(vmid)["config"].as_object().cloned().unwrap_or_default();
        defaults.into_iter().filter(|(k, _)| always.contains(&k.as_str())).collect()
    };
    for (key, value) in
        fields.iter().filter(|(k, _)| !["digest", "parent", "snaptime", "lxc"].contains(&k.as_str()))
    {
        config.insert(key.clone(), json!(plain(value)));
    }
    let raw = fields.get("lxc").cloned().unwrap_or_else(|| json!([]));
    if let Some(name) = exchange.param("snapshot") {
        world.snapshot(vmid, &name)["config"] = Value::Object(config);
        return;
    }
    let guest = world.guest(vmid);
    guest["config"] = Value::Object(config);
    guest["raw"] = raw;
    if let Some(parent) = fields.get("parent").map(plain) {
        world.snapshot(vmid, &parent);
    }
}

/// Values now, and those that wait.
pub(super) fn pending(world: &mut World, vmid: u32, data: &Value) {
    let guest = world.guest(vmid);
    guest["config"] = json!({});
    guest["running"] = json!(true);
    for entry in data.as_array().into_iter().flatten() {
        let key = plain(&entry["key"]);
        if key == "digest" {
            continue;
        }
        if let Some(value) = entry.get("value") {
            guest["config"][&key] = json!(plain(value));
        }
        if let Some(value) = entry.get("pending") {
            guest["pending"][&key] = json!(plain(value));
        }
        if entry.get("delete").is_some() {
            if guest["pending_delete"].is_null() {
                guest["pending_delete"] = json!([]);
            }
            if let Some(list) = guest["pending_delete"].as_array_mut() {
                list.push(json!(key));
            }
        }
    }
}

/// A guest's entry in a list, or its status: what of its configuration shows in it.
pub(super) fn shown(world: &mut World, vmid: u32, entry: &Value) {
    if entry["status"] == "unknown" {
        world.guest(vmid)["unmeasured"] = json!(true);
    }
    if let Some(pool) = entry["pool"].as_str() {
        world.member(pool, vmid);
    }
    let mebibytes = |key: &str| entry[key].as_u64().map(|bytes| (bytes >> 20).to_string());
    let number = |keys: [&str; 2]| keys.iter().find_map(|k| entry[*k].as_u64()).map(|n| n.to_string());
    let config = &mut world.guest(vmid)["config"];
    if entry["name"] == format!("CT{vmid}") {
        config.as_object_mut().map(|c| c.remove("hostname"));
    } else if let Some(name) = entry["name"].as_str() {
        config["hostname"] = json!(name);
    }
    for (key, value) in [
        ("cores", number(["cpus", "maxcpu"])),
        ("memory", mebibytes("maxmem")),
        ("swap", mebibytes("maxswap")),
        ("lock", entry["lock"].as_str().map(str::to_owned)),
        ("tags", entry["tags"].as_str().map(str::to_owned)),
    ] {
        match value {
            Some(value) => config[key] = json!(value),
            None if key == "tags" => drop(config.as_object_mut().map(|c| c.remove(key))),
            None => {}
        }
    }
    if entry["template"] == 1 {
        config["template"] = json!("1");
    }
    if entry["status"] == "running" {
        world.running(vmid);
    }
    if entry["ha"]["managed"] == 1 || entry.get("hastate").is_some() {
        let state = entry["hastate"].as_str().unwrap_or("started").to_owned();
        world.state["ha"]["resources"][format!("ct:{vmid}")] = json!({ "type": "ct", "state": state });
    }
}

/// Interfaces that a running guest has: its networks and their addresses.
pub(super) fn addresses(world: &mut World, vmid: u32, data: &Value) {
    let bare = |entry: &&Value| entry.get("inet").is_none() && entry.get("inet6").is_none();
    let others = || data.as_array().into_iter().flatten().filter(|e| e["name"] != "lo");
    // Interfaces without any address are those of a guest that has only just been started.
    world.guest(vmid)["joining"] = json!(others().next().is_some() && others().all(|e| bare(&e)));
    for (index, entry) in data.as_array().into_iter().flatten().filter(|e| e["name"] != "lo").enumerate() {
        let (name, hwaddr) = (plain(&entry["name"]), plain(&entry["hwaddr"]).to_uppercase());
        let ip = entry["inet"].as_str().map(|ip| format!(",ip={ip}")).unwrap_or_default();
        let net = format!("name={name},bridge=vmbr0,hwaddr={hwaddr}{ip},type=veth");
        world.option(vmid, &format!("net{index}"), &net);
    }
}

/// Snapshots that a path names or a list tells.
pub(super) fn snapshots(exchange: &Exchange, world: &mut World, vmid: u32, rest: &str) {
    let gone = |name: &str| exchange.complains(&format!("snapshot '{name}' does not exist"));
    match (exchange.method.as_str(), rest) {
        ("GET", "") if exchange.status == 200 => {
            for entry in exchange.list() {
                let name = plain(&entry["name"]);
                if name == "current" {
                    world.guest(vmid)["running"] = json!(entry["running"] == 1);
                    world.guest(vmid)["parent"] = entry.get("parent").cloned().unwrap_or_default();
                    continue;
                }
                let snapshot = world.snapshot(vmid, &name);
                snapshot["time"] = entry["snaptime"].clone();
                snapshot["parent"] = entry.get("parent").cloned().unwrap_or_default();
                let description = entry["description"].as_str().filter(|d| !d.is_empty());
                snapshot["description"] = json!(description);
            }
        }
        ("POST", "") if exchange.says("exists") => {
            world.snapshot(vmid, &exchange.param("snapname").unwrap_or_default());
        }
        ("POST", "") => {}
        (method, _) => {
            let name = rest.trim_start_matches('/').split('/').next().unwrap_or_default().to_owned();
            if name.is_empty() || gone(&name) {
                return;
            }
            world.snapshot(vmid, &name);
            if method == "GET" && rest.ends_with("/config") && exchange.status == 200 {
                let data = exchange.data().clone();
                let snapshot = world.snapshot(vmid, &name);
                let described = data.get("description").map(plain);
                let mut config = data.as_object().cloned().unwrap_or_default();
                config.retain(|k, _| !["description", "snaptime", "parent", "digest"].contains(&k.as_str()));
                config.values_mut().for_each(|v| *v = json!(plain(v)));
                let defaults = snapshot["config"].as_object().cloned().unwrap_or_default();
                for key in ["arch", "memory", "ostype", "rootfs", "hostname"] {
                    if let Some(value) = defaults.get(key) {
                        config.entry(key).or_insert(value.clone());
                    }
                }
                snapshot["config"] = Value::Object(config);
                snapshot["description"] = json!(described);
                snapshot["time"] = data.get("snaptime").cloned().unwrap_or(json!(1_795_387_307));
                snapshot["parent"] = data.get("parent").cloned().unwrap_or_default();
            }
        }
    }
}
