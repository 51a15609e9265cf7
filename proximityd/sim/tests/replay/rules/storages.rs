//! Storages and what is on them.

use serde_json::{Value, json};

use super::super::exchange::{Exchange, plain};
use super::super::world::World;
use super::between;

pub(super) fn apply(exchange: &Exchange, world: &mut World) {
    for id in mentioned(exchange) {
        let absent = exchange.complains(&format!("storage '{id}' does not exist"))
            || exchange.complains("No such storage")
            || exchange.complains(&format!("storage ID '{id}' is not defined"));
        let made = exchange.method == "POST" && exchange.plain_path() == "/storage";
        if absent || (made && !exchange.complains("already defined")) {
            world.map(&["storages"]).remove(&id);
        } else {
            world.storage(&id);
        }
        if let Some(content) = between(&exchange.complaint(), "not configured for content-type '", "'")
            && let Some(list) = world.state["storages"][&id]["content"].as_array_mut()
        {
            list.retain(|c| c != content);
        }
        if exchange.complains("is disabled") || exchange.complains("is not enabled") {
            world.state["storages"][&id]["disable"] = json!(true);
        }
    }
    definitions(exchange, world);
    volumes(exchange, world);
}

/// The storages a request speaks of.
fn mentioned(exchange: &Exchange) -> Vec<String> {
    let mut found = Vec::new();
    let params = exchange.params();
    found.extend(exchange.after("storage"));
    for key in ["storage", "target-storage", "targetstorage"] {
        found.extend(
            params
                .get(key)
                .map(|v| v.split(',').map(str::to_owned).collect::<Vec<_>>())
                .into_iter()
                .flatten(),
        );
    }
    for (key, value) in &params {
        let disk = key == "rootfs" || key.strip_prefix("mp").is_some_and(|n| n.parse::<u32>().is_ok());
        let volume = matches!(key.as_str(), "ostemplate" | "volume" | "archive");
        if (disk || volume) && !value.starts_with('/') {
            found.extend(value.split_once(':').map(|(s, _)| s.trim_start_matches("volume=").to_owned()));
        }
    }
    let text = exchange.complaint();
    found.extend(between(&text, "storage '", "' does not exist").map(str::to_owned));
    found.retain(|s| !s.is_empty());
    found
}

/// Definitions that the reply lists.
fn definitions(exchange: &Exchange, world: &mut World) {
    let listed = exchange.got("/storage") || exchange.path_is_storages();
    if listed && exchange.param("type").is_none() && exchange.param("content").is_none() {
        let seen: Vec<String> = exchange.list().iter().map(|e| plain(&e["storage"])).collect();
        world.map(&["storages"]).retain(|id, _| seen.contains(id));
    }
    if exchange.got("/cluster/resources") {
        let of_storage = exchange.list().into_iter().filter(|e| e["type"] == "storage");
        let seen: Vec<String> = of_storage.map(|e| plain(&e["storage"])).collect();
        if !seen.is_empty() || exchange.param("type").is_some_and(|t| t == "storage") {
            world.map(&["storages"]).retain(|id, _| seen.contains(id));
        }
    }
    for entry in exchange.list().iter().filter(|e| listed || e["type"] == "storage") {
        define(world, entry);
    }
    let entries = exchange.list();
    let pools = entries.iter().chain([exchange.data()]);
    for member in pools.filter_map(|p| p["members"].as_array()).flatten().filter(|m| m["type"] == "storage") {
        define(world, member);
    }
    if let Some(id) = exchange.after("storage").filter(|id| exchange.got(&format!("/storage/{id}"))) {
        let mut entry = exchange.data().clone();
        entry["storage"] = json!(id);
        define(world, &entry);
    }
    let wrote = matches!(exchange.method.as_str(), "PUT") && exchange.status == 200;
    if wrote && exchange.plain_path().starts_with("/storage/") {
        define(world, exchange.data());
    }
}

fn define(world: &mut World, entry: &Value) {
    let Some(id) = entry["storage"].as_str().map(str::to_owned) else { return };
    world.storage(&id);
    let storage = &mut world.state["storages"][&id];
    let kind = entry.get("plugintype").or_else(|| entry.get("type")).and_then(Value::as_str);
    if let Some(kind) = kind.filter(|k| *k != "storage") {
        storage["type"] = json!(kind);
    }
    if let Some(content) = entry["content"].as_str() {
        storage["content"] = json!(content.split(',').collect::<Vec<_>>());
    }
    for key in ["path", "vgname", "thinpool", "prune-backups"] {
        let kept = key.replace('-', "_");
        if let Some(value) = entry.get(key) {
            storage[&kept] = value.clone();
        } else if entry.get("digest").is_some() {
            storage[&kept] = Value::Null;
        }
    }
    if entry["disable"] == 1 || entry["enabled"] == 0 {
        storage["disable"] = json!(true);
    }
    let known = [
        "storage",
        "type",
        "plugintype",
        "content",
        "path",
        "vgname",
        "thinpool",
        "prune-backups",
        "disable",
        "digest",
    ];
    if entry.get("digest").is_some() {
        let more = entry.as_object().into_iter().flatten().filter(|(k, _)| !known.contains(&k.as_str()));
        storage["options"] = Value::Object(more.map(|(k, v)| (k.clone(), json!(plain(v)))).collect());
    }
}

/// Volumes that the request names or the reply lists.
fn volumes(exchange: &Exchange, world: &mut World) {
    for key in ["ostemplate", "volume", "archive"] {
        let Some(volid) = exchange.param(key).filter(|v| !v.starts_with('/') && v.contains(':')) else {
            continue;
        };
        let absent = exchange.complains(&format!("volume '{volid}' does not exist"));
        let storage = volid.split(':').next().unwrap_or_default();
        let known = world.state["storages"].get(storage).is_some();
        if known && !absent && !exchange.says("missing") {
            world.volume(&volid);
        }
    }
    let segments = exchange.segments();
    let Some(at) = segments.iter().position(|s| s == "content") else { return pulled(exchange, world) };
    if !segments.iter().any(|s| s == "storage") {
        return;
    }
    let storage = exchange.after("storage").unwrap_or_default();
    if segments.len() > at + 1 {
        let name = segments[at + 1..].join("/");
        let volid = if name.contains(':') { name } else { format!("{storage}:{name}") };
        one(exchange, world, &volid);
    } else if exchange.method == "GET" {
        world.map(&["volumes"]).clear();
        for entry in exchange.list() {
            let volume = world.volume(&plain(&entry["volid"]));
            for key in ["content", "format", "size", "ctime", "vmid", "notes", "parent"] {
                if let Some(value) = entry.get(key) {
                    volume[key] = value.clone();
                }
            }
            volume["protected"] = json!(entry["protected"] == 1);
        }
        // A list cut down to what its reader may see: there is something to be left out.
        if let Some(vmid) = exchange.list().is_empty().then(|| exchange.says_without()).flatten() {
            world.volume(&format!("{storage}:backup/vzdump-lxc-{vmid}-2026_11_22-22_49_42.tar.zst"));
        }
    }
}

fn one(exchange: &Exchange, world: &mut World, volid: &str) {
    let absent = exchange.complains("does not exist")
        || exchange.complains("no such volume")
        || exchange.says("again");
    if absent {
        return;
    }
    let data = exchange.data();
    let volume = world.volume(volid);
    if let Some(notes) = data["notes"].as_str().filter(|n| !n.is_empty()) {
        volume["notes"] = json!(notes);
    }
    volume["protected"] = json!(data["protected"] == 1);
}

/// What a pull or an upload finds.
fn pulled(exchange: &Exchange, world: &mut World) {
    let there =
        between(&exchange.complaint(), "refusing to override existing file '", "'").map(str::to_owned);
    if let (Some(file), Some(storage)) = (there, exchange.after("storage")) {
        let file = file.rsplit('/').next().unwrap_or_default().to_owned();
        world.volume(&format!("{storage}:vztmpl/{file}"));
    }
    if exchange.plain_path().ends_with("/vzdump/extractconfig")
        && let (Some(config), Some(volid)) = (exchange.data().as_str(), exchange.param("volume"))
    {
        world.volume(&volid)["config"] = json!(config);
    }
}

impl Exchange {
    fn path_is_storages(&self) -> bool {
        let node = self.after("nodes").unwrap_or_default();
        self.got(&format!("/nodes/{node}/storage"))
    }

    /// A guest whose backups the name says were left out.
    fn says_without(&self) -> Option<u32> {
        self.name
            .contains("-without-")
            .then(|| self.param("vmid").and_then(|v| v.parse().ok()).unwrap_or(400))
    }
}
