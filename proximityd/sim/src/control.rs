//! The control calls below `/sim/`, for tests: faults, requests seen, and knobs a real node does not have.
//!
//! They are opened by the control token of `node.json`, sent as `Authorization: Bearer …`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::{Method, Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fault::FaultPlan;
use crate::node::Node;
use crate::reply::{Body, plain};
use crate::state::storage::Storage;

/// Knobs: only what is given is changed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Knobs {
    /// Sets a storage's free bytes by filling it up (or emptying it) with bytes that are no volume's.
    storage_free: Option<StorageFree>,
    /// Removes every guest template from the storages.
    remove_templates: bool,
    /// Empties (or refills) the list of appliances to download.
    no_appliances: Option<bool>,
    /// Makes a node unreachable.
    node_offline: Option<String>,
    /// Makes it reachable again.
    node_online: Option<String>,
    /// Storages to add, or to define anew, by id.
    storages: BTreeMap<String, Storage>,
    /// Puts a lock on a container (`{"vmid": 100, "lock": "backup"}`), or takes it off with `null`.
    guest_lock: Option<GuestLock>,
}

/// Lets a held clock go on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_ms: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StorageFree {
    storage: String,
    bytes: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GuestLock {
    vmid: u32,
    lock: Option<String>,
}

/// Answers a control call.
pub(crate) async fn answer(node: &Arc<Node>, token: &str, request: Request<Incoming>) -> Response<Body> {
    let given = request.headers().get(AUTHORIZATION).and_then(|v| v.to_str().ok());
    let given = given.map(|v| v.trim_start_matches("Bearer ").to_owned());
    if given.as_deref() != Some(token) {
        return reply(401, &json!({ "error": "the control token is missing or wrong" }));
    }
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let query = request.uri().query().unwrap_or_default().to_owned();
    let Ok(body) = request.into_body().collect().await else {
        return reply(400, &json!({ "error": "the body cannot be read" }));
    };
    let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    match (&method, path.as_str()) {
        (&Method::GET, "/sim/faults") => reply(200, &json!(node.faults.plan())),
        (&Method::DELETE, "/sim/faults") => {
            node.faults.set(FaultPlan::default());
            reply(200, &json!({}))
        }
        (&Method::PUT, "/sim/faults") => match read_plan(&text) {
            Ok(plan) => {
                node.faults.set(plan);
                reply(200, &json!({}))
            }
            Err(error) => reply(400, &json!({ "error": error })),
        },
        (&Method::GET, "/sim/requests") => {
            let limit = query.strip_prefix("limit=").and_then(|n| n.parse().ok()).unwrap_or(100);
            reply(200, &node.requests.report(limit))
        }
        (&Method::DELETE, "/sim/requests") => {
            node.requests.reset();
            reply(200, &json!({}))
        }
        (&Method::GET, "/sim/tasks") => reply(200, &tasks(node)),
        (&Method::GET, "/sim/state") => reply(200, &overview(node)),
        (&Method::POST, "/sim/state") => match serde_json::from_str::<Knobs>(&text) {
            Ok(knobs) => turn(node, knobs),
            Err(error) => reply(400, &json!({ "error": error.to_string() })),
        },
        (&Method::GET, "/sim/clock") => reply(200, &time(node)),
        (&Method::POST, "/sim/clock") => match serde_json::from_str::<Advance>(&text) {
            Ok(advance) => {
                node.clock.advance(Duration::from_millis(advance.advance_ms));
                reply(200, &time(node))
            }
            Err(error) => reply(400, &json!({ "error": error.to_string() })),
        },
        _ => reply(404, &json!({ "error": format!("there is no {method} {path}") })),
    }
}

fn reply(status: u16, value: &Value) -> Response<Body> {
    let reason = if status == 200 { "OK" } else { "refused" };
    plain(status, reason, Some(value.to_string().into_bytes()), true)
}

/// JSON, or TOML as in a file.
fn read_plan(text: &str) -> Result<FaultPlan, String> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|e| e.to_string());
    }
    toml::from_str(text).map_err(|e| e.to_string())
}

/// The clock, and how long until the first task that waits for it goes on.
fn time(node: &Node) -> Value {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    json!({ "elapsed_ms": millis(node.clock.elapsed()), "next_ms": node.clock.next().map(millis) })
}

fn overview(node: &Node) -> Value {
    let state = node.store.view();
    let guests: Vec<Value> = state
        .guests
        .iter()
        .map(|(vmid, g)| json!({ "vmid": vmid, "node": g.node, "running": g.running, "lock": g.lock(), "config": g.config }))
        .collect();
    let volumes: Vec<Value> =
        state.volumes.values().map(|v| json!({ "node": v.node, "volid": v.volid, "size": v.size })).collect();
    json!({ "guests": guests, "volumes": volumes, "offline": state.offline })
}

/// The tasks of this run that have ended, newest first, each with how long it ran: a UPID knows only the second.
fn tasks(node: &Node) -> Value {
    let tasks = node.tasks.list();
    let ended = tasks.iter().filter_map(|task| Some((task, task.took()?)));
    ended
        .map(|(task, took)| json!({ "upid": task.upid.to_string(), "type": task.upid.kind, "id": task.upid.id, "ms": took.as_secs_f64() * 1000.0 }))
        .collect()
}

fn turn(node: &Node, knobs: Knobs) -> Response<Body> {
    let changed = node.store.change(|state| {
        if let Some(StorageFree { storage, bytes }) = knobs.storage_free {
            let volumes: u64 = state.volumes.values().filter(|v| v.storage == storage).map(|v| v.size).sum();
            match state.storages.get_mut(&storage) {
                Some(s) => s.base_used = s.total.saturating_sub(bytes).saturating_sub(volumes),
                None => return Err(format!("there is no storage {storage}")),
            }
        }
        state.storages.extend(knobs.storages);
        if knobs.remove_templates {
            state.volumes.retain(|_, v| v.content != "vztmpl");
        }
        if let Some(empty) = knobs.no_appliances {
            state.no_appliances = empty;
        }
        state.offline.extend(knobs.node_offline);
        if let Some(name) = knobs.node_online {
            state.offline.remove(&name);
        }
        if let Some(GuestLock { vmid, lock }) = knobs.guest_lock {
            let Some(guest) = state.guests.get_mut(&vmid) else {
                return Err(format!("there is no container {vmid}"));
            };
            match lock {
                Some(lock) => guest.config.insert("lock".into(), lock),
                None => guest.config.remove("lock"),
            };
        }
        Ok(())
    });
    match changed {
        Ok(Ok(())) => reply(200, &json!({})),
        Ok(Err(text)) => reply(400, &json!({ "error": text })),
        Err(error) => reply(500, &json!({ "error": error.to_string() })),
    }
}
