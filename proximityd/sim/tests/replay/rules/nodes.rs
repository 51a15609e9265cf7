//! The nodes, their network and what they can reach.

use serde_json::{Value, json};

use super::super::exchange::{Exchange, plain};
use super::super::world::{NODE, World};

pub(super) fn apply(exchange: &Exchange, world: &mut World) {
    if let Some(node) = exchange.after("nodes").filter(|_| exchange.path.starts_with("/nodes/")) {
        let unknown = exchange.complains("hostname lookup") || exchange.complains("no such cluster node");
        if !unknown && node != "localhost" {
            world.node(&node);
        }
        if matches!(exchange.status, 595 | 596) {
            world.state["offline"] = json!([node]);
        }
    }
    for entry in exchange.list() {
        let is_node = entry["type"] == "node";
        if let Some(name) = entry["node"].as_str().or(entry["name"].as_str()).filter(|_| is_node) {
            world.node(name);
            if entry["status"] == "offline" || entry["online"] == 0 {
                world.state["offline"] = json!([name]);
            }
        }
    }
    if exchange.plain_path().ends_with("/version") && exchange.status == 200 {
        world.release = exchange.data()["release"].as_str().map(str::to_owned);
    }
    network(exchange, world);
    outside(exchange, world);
}

/// Name servers, time zone and interfaces as they are told.
fn network(exchange: &Exchange, world: &mut World) {
    let path = exchange.plain_path();
    let node = exchange.after("nodes").unwrap_or_else(|| NODE.to_owned());
    // What is configured; the rest follows from it.
    let derived =
        ["iface", "priority", "active", "exists", "families", "address", "netmask", "address6", "netmask6"];
    let interface = |value: &Value| {
        let fields = value.as_object().cloned().unwrap_or_default();
        let kept =
            fields.into_iter().filter(|(k, _)| !derived.contains(&k.as_str()) && !k.starts_with("method"));
        let mut options: serde_json::Map<_, _> = kept.map(|(k, v)| (k, json!(plain(&v)))).collect();
        options.entry("type").or_insert_with(|| json!("bridge"));
        Value::Object(options)
    };
    if exchange.got(&format!("/nodes/{node}/dns")) {
        world.state["dns"][&node] = exchange.data().clone();
    } else if exchange.got(&format!("/nodes/{node}/time")) {
        world.state["timezones"][&node] = exchange.data()["timezone"].clone();
    } else if exchange.got(&format!("/nodes/{node}/network")) && exchange.param("type").is_none() {
        let all = exchange
            .list()
            .iter()
            .map(|e| (plain(&e["iface"]), interface(e)))
            .collect::<serde_json::Map<_, _>>();
        world.state["networks"][&node] = Value::Object(all);
    } else if let Some(name) = exchange.after("network").filter(|_| path.starts_with("/nodes/")) {
        let absent = exchange.complains("interface does not exist");
        if exchange.method == "GET" && exchange.status == 200 {
            world.state["networks"][&node][name] = interface(exchange.data());
        } else if !absent {
            world.state["networks"][&node][name] = json!({ "type": "bridge" });
        }
    }
}

/// What the node can reach: registries, web servers, the index of appliances.
fn outside(exchange: &Exchange, world: &mut World) {
    let path = exchange.plain_path();
    if path.ends_with("/aplinfo") {
        let listed = exchange.list();
        if exchange.method == "GET" && exchange.status == 200 {
            world.state["no_appliances"] = json!(listed.is_empty());
        }
        if let Some(template) = exchange.param("template") {
            let known = !exchange.complains("no such template");
            world.state["no_appliances"] = json!(!known);
            world.state["outside"]["appliances"] = if known { json!([template]) } else { json!([]) };
        }
    }
    if let Some(reference) = exchange.param("reference").filter(|_| path.ends_with("/query-oci-repo-tags")) {
        if exchange.status == 200 {
            world.state["outside"]["images"][reference] = exchange.data().clone();
        }
    } else if let Some(reference) = exchange.param("reference") {
        let (image, tag) = reference.rsplit_once(':').unwrap_or((&reference, "latest"));
        world.state["outside"]["images"][image] = json!([tag]);
    }
    if let Some(url) = exchange.param("url") {
        let data = exchange.data();
        world.state["outside"]["urls"][url] = if path.ends_with("/query-url-metadata")
            && exchange.status == 200
        {
            json!({ "size": data["size"], "mimetype": data["mimetype"], "filename": data["filename"], "status": "200 OK" })
        } else {
            let answer =
                super::between(&exchange.complaint(), "invalid server response: '", "'").map(str::to_owned);
            json!({ "size": 245, "mimetype": "application/json", "status": answer.unwrap_or_else(|| "200 OK".into()) })
        };
    }
}
