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

use crate::engine::{EngineError, GuestSpec};
use crate::fault::FaultPlan;
use crate::node::Node;
use crate::reply::{Body, plain};
use crate::state::State;
use crate::state::storage::{Storage, Volume};
use crate::tasks::{End, Upid};

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

/// Everything the node keeps, and tasks to be found on it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    state: State,
    #[serde(default)]
    tasks: Vec<GivenTask>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenTask {
    upid: String,
    log: Vec<String>,
    /// How and when it ended; none while it runs.
    end: Option<GivenEnd>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenEnd {
    status: String,
    at: i64,
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
        (&Method::GET, "/sim/state/whole") => reply(200, &json!({ "state": &*node.store.view() })),
        (&Method::PUT, "/sim/state/whole") => match serde_json::from_str::<Whole>(&text) {
            Ok(whole) => replace(node, whole).await,
            Err(error) => reply(400, &json!({ "error": error.to_string() })),
        },
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

/// Puts another state in place, with guests that are there and run as it says.
async fn replace(node: &Arc<Node>, whole: Whole) -> Response<Body> {
    let mut ends = Vec::new();
    for GivenTask { upid, log, end } in whole.tasks {
        let Some(upid) = Upid::parse(&upid) else {
            return reply(400, &json!({ "error": format!("{upid} names no task") }));
        };
        ends.push((upid, log, end.map(|e| End { at: e.at, status: e.status })));
    }
    if let Err(error) = node.store.change(|state| *state = whole.state) {
        return reply(500, &json!({ "error": error.to_string() }));
    }
    ends.into_iter().for_each(|(upid, log, end)| node.tasks.put(upid, log, end));
    if let Err(error) = place_files(node).await {
        return reply(500, &json!({ "error": error.to_string() }));
    }
    let guests: Vec<_> = {
        let state = node.store.view();
        state.guests.iter().map(|(id, g)| (node.spec(*id, g), g.running)).collect()
    };
    for (spec, running) in guests {
        if let Err(error) = settle(node, &spec, running).await {
            return reply(500, &json!({ "error": error.to_string() }));
        }
    }
    reply(200, &json!({}))
}

/// Puts the files of volumes in place that stand for something: templates, and backups of what was given.
async fn place_files(node: &Arc<Node>) -> Result<(), EngineError> {
    let failed = |e: std::io::Error| EngineError(e.to_string());
    let volumes: Vec<Volume> = node.store.view().volumes.values().cloned().collect();
    for volume in volumes {
        let Some((kind, file)) = volume.volid.split_once(':').and_then(|(_, name)| name.split_once('/'))
        else {
            continue;
        };
        let folder = match kind {
            "vztmpl" => "template/cache",
            "iso" => "template/iso",
            "backup" => "dump",
            _ => continue,
        };
        let dir = node.storage_dir(&volume.node, &volume.storage).join(folder);
        let path = dir.join(file);
        if path.exists() {
            continue;
        }
        std::fs::create_dir_all(&dir).map_err(failed)?;
        match &volume.config {
            Some(config) if kind == "backup" => {
                let dir = node.store.directory().file("given");
                let config_lines = crate::state::guest::read_section(config);
                let hostname = config_lines.get("hostname").cloned().unwrap_or_default();
                let spec = GuestSpec { vmid: 0, hostname, dir, config: config_lines };
                settle(node, &spec, false).await?;
                node.engine.archive(&spec, config, &path).await?;
                let _ = std::fs::remove_dir_all(&spec.dir);
            }
            _ => std::fs::write(&path, format!("{file} of the embedded node\n")).map_err(failed)?,
        }
    }
    Ok(())
}

/// Makes a guest that the engine does not have yet, and lets it run or not.
async fn settle(node: &Arc<Node>, spec: &GuestSpec, running: bool) -> Result<(), EngineError> {
    if !spec.dir.exists() {
        let template = node.store.directory().file("given.tar");
        std::fs::write(&template, b"a guest given by a control call\n")
            .map_err(|e| EngineError(e.to_string()))?;
        node.engine.create(spec, &template).await?;
    }
    match (running, node.engine.running(spec).await) {
        (true, false) => node.engine.start(spec).await,
        (false, true) => node.engine.stop(spec).await,
        _ => Ok(()),
    }
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
