//! Brings a node into the state a story starts from, by what its `start` says and what its replies take for granted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proximity_sim::{Options, Running, TaskTime, serve};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::Client;
use super::story::{Step, Story};

/// The least roles with which a token can do everything in its pool and nothing outside of it.
const ROLES: &[(&str, &str)] = &[
    (
        "FlowPool",
        "VM.Allocate,VM.Audit,VM.Clone,VM.Backup,VM.Console,VM.PowerMgmt,VM.Snapshot,VM.Snapshot.Rollback,VM.Migrate,\
         VM.Config.CPU,VM.Config.Disk,VM.Config.Memory,VM.Config.Network,VM.Config.Options,Pool.Audit,Pool.Allocate",
    ),
    ("FlowStorage", "Datastore.Audit,Datastore.AllocateSpace,Datastore.AllocateTemplate"),
    ("FlowBridge", "SDN.Use"),
    ("FlowNodes", "Sys.Audit"),
];

fn text<'a>(start: &'a Value, key: &str, default: &'a str) -> &'a str {
    start[key].as_str().and_then(|t| t.split_whitespace().next()).unwrap_or(default)
}

/// Starts a node in a directory, with its clock held.
pub(crate) async fn node(story: &Story, dir: &Path) -> Running {
    let mut options = Options::new(dir);
    options.nodes = vec![text(&story.start, "node", "pve1").to_owned()];
    options.task_time = TaskTime::Held;
    serve(options).await.unwrap()
}

/// Makes storages, guest templates, pool, user, roles, rules and token; returns the token's login.
pub(crate) async fn set_up(story: &Story, client: &Client, dir: &Path) -> String {
    let start = &story.start;
    let node = text(start, "node", "pve1");
    let storages = storages(story);
    client.control(Method::POST, "/state", json!({ "storages": storages })).await;
    for volid in templates(story) {
        let Some((storage, file)) = volid.split_once(":vztmpl/") else { continue };
        let cache = dir.join("storage").join(node).join(storage).join("template/cache");
        std::fs::create_dir_all(&cache).unwrap();
        std::fs::write(cache.join(file), b"template").unwrap();
    }
    for storage in storages.keys() {
        // Looking at a storage is how it takes up what lies in its directory.
        client.as_root(Method::GET, &format!("/nodes/{node}/storage/{storage}/content"), &[]).await;
    }
    let pool = text(start, "pool", "proximity");
    if pool != "proximity" {
        client.as_root(Method::POST, "/pools", &[("poolid", pool)]).await;
    }
    let (user, token) = text(start, "token", "least@pve!app").split_once('!').unwrap();
    client.as_root(Method::POST, "/access/users", &[("userid", user)]).await;
    for (role, privileges) in ROLES {
        client.as_root(Method::POST, "/access/roles", &[("roleid", role), ("privs", privileges)]).await;
    }
    let bridge = format!("/sdn/zones/localnetwork/{}", text(start, "bridge", "vmbr0"));
    let mut rules = vec![(format!("/pool/{pool}"), 0), (bridge, 2), ("/nodes".to_owned(), 3)];
    rules.extend(storages.keys().map(|id| (format!("/storage/{id}"), 1)));
    let made = client
        .as_root(Method::POST, &format!("/access/users/{user}/token/{token}"), &[("privsep", "1")])
        .await;
    let full = format!("{user}!{token}");
    for (path, role) in rules {
        for (kind, who) in [("users", user), ("tokens", full.as_str())] {
            let form = [("path", path.as_str()), (kind, who), ("roles", ROLES[role].0)];
            client.as_root(Method::PUT, "/access/acl", &form).await;
        }
    }
    format!("PVEAPIToken={full}={}", made["data"]["value"].as_str().unwrap())
}

/// The storages that are stated, with all the content that replies show on them.
fn storages(story: &Story) -> BTreeMap<String, Value> {
    let mut shown: BTreeMap<&str, &str> = BTreeMap::new();
    for entry in entries(story) {
        if let (Some(id), Some(content)) = (entry["storage"].as_str(), entry["content"].as_str()) {
            shown.insert(id, content);
        }
    }
    let stated = story.start["storages"].as_object().into_iter().flatten();
    stated
        .map(|(id, text)| {
            let text = text.as_str().unwrap_or("dir");
            let (kind, content) = text.split_once(':').unwrap_or((text, "rootdir"));
            let content = content.split('(').next().unwrap_or_default();
            let content = shown.get(id.as_str()).copied().unwrap_or(content);
            let content: Vec<&str> = content.split(',').map(str::trim).filter(|c| !c.is_empty()).collect();
            let path = if id == "local" { "/var/lib/vz".to_owned() } else { format!("/mnt/{id}") };
            let storage = json!({
                "type": kind.trim(), "content": content, "total": 256u64 << 30, "base_used": 6u64 << 30, "path": path,
            });
            (id.clone(), storage)
        })
        .collect()
}

/// The guest templates that are stated, and those that replies show without the story having made them.
fn templates(story: &Story) -> BTreeSet<String> {
    let stated = story.start["templates"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let shown = entries(story).filter(|e| e["content"] == "vztmpl").filter_map(|e| e["volid"].as_str());
    stated.chain(shown).map(str::to_owned).collect()
}

fn entries(story: &Story) -> impl Iterator<Item = &Value> {
    story.steps.iter().filter(|s: &&Step| s.method == "GET").flat_map(|s| s.body["data"].as_array()).flatten()
}
