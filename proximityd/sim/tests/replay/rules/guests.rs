//! Containers: which there are, how they are configured, whether they run.

use serde_json::{Value, json};

use super::super::exchange::{Exchange, plain};
use super::super::world::World;
use super::told::{addresses, configured, pending, shown, snapshots};
use super::{between, list};

fn number(text: &str) -> Option<u32> {
    text.trim_start_matches("ct:").trim_start_matches("vm:").parse().ok()
}

pub(super) fn apply(exchange: &Exchange, world: &mut World) {
    for vmid in mentioned(exchange) {
        if absent(exchange, vmid) {
            world.no_guest(vmid);
        } else {
            world.guest(vmid);
        }
    }
    if let Some(vmid) = exchange.after("lxc").and_then(|v| number(&v)) {
        one(exchange, world, vmid);
    }
    complaints(exchange, world);
    listed(exchange, world);
    ids(exchange, world);
    backed_up(exchange, world);
}

/// The guests a request speaks of, those it makes included.
fn mentioned(exchange: &Exchange) -> Vec<u32> {
    let mut found = Vec::new();
    found.extend(exchange.after("lxc").and_then(|v| number(&v)));
    found.extend(exchange.after("resources").and_then(|v| number(&v)));
    found.extend(exchange.param("sid").and_then(|v| number(&v)));
    let vmids = exchange.plain_path() != "/cluster/nextid" && exchange.method != "GET";
    for key in ["vmid", "vms", "newid"] {
        let text = exchange.param(key).filter(|_| vmids).unwrap_or_default();
        found.extend(list(&text).iter().filter_map(|v| number(v)));
    }
    found
}

fn absent(exchange: &Exchange, vmid: u32) -> bool {
    let complaint = exchange.complaint();
    let of = |before: &str| complaint.contains(&format!("{before}{vmid}"));
    if of("lxc/") && complaint.contains("does not exist") || of("resource 'ct:") {
        return true;
    }
    let exists =
        complaint.contains(&format!("{vmid} already exists")) || complaint.contains("overwrite running");
    let path = exchange.plain_path();
    let creates = exchange.method == "POST"
        && (path.ends_with("/lxc") || exchange.param("newid") == Some(vmid.to_string()));
    if creates && exchange.param("force").is_none_or(|f| f == "0") {
        return !exists;
    }
    // A history without a single figure is what a guest that is not there has.
    let nothing_measured = path.ends_with("/rrddata")
        && exchange.status == 200
        && exchange.list().iter().all(|p| p.as_object().is_some_and(|p| p.len() == 1));
    // What was measured of a guest is kept when the guest is gone; here it is still there.
    let silent = exchange.status == 200 && !path.ends_with("/rrddata");
    nothing_measured || silent && (exchange.says("missing-ct") || exchange.says("missing-vm"))
}

/// The guest that the path names.
fn one(exchange: &Exchange, world: &mut World, vmid: u32) {
    if world.state["guests"].get(vmid.to_string()).is_none() {
        return;
    }
    let path = exchange.plain_path();
    let rest = path.split_once(&format!("/lxc/{vmid}")).map_or("", |(_, rest)| rest).to_owned();
    let answered = exchange.status == 200;
    let data = exchange.data().clone();
    match (exchange.method.as_str(), rest.as_str()) {
        ("GET", "/config") if answered => configured(exchange, world, vmid, &data),
        ("GET", "/pending") if answered => pending(world, vmid, &data),
        ("GET", "/status/current") if answered => shown(world, vmid, &data),
        ("GET", "/interfaces") if data.is_array() => {
            world.running(vmid);
            addresses(world, vmid, &data);
        }
        ("GET", "/rrddata") if answered => world.running(vmid),
        ("GET", "/rrddata") if exchange.complains("RRD error") => {
            world.guest(vmid)["unmeasured"] = json!(true)
        }
        ("GET", "/feature") if answered && data["hasFeature"] == 0 => on_directory(world, vmid),
        (
            "POST",
            "/status/stop" | "/status/shutdown" | "/status/reboot" | "/status/suspend" | "/termproxy"
            | "/vncproxy",
        ) if answered && !exchange.says("stopped-ct") => {
            world.running(vmid);
        }
        ("PUT", "/config") => {
            let delete = exchange.param("delete").unwrap_or_default();
            for key in list(&delete).iter().filter(|k| **k != "rootfs" && **k != "memory") {
                world.guest(vmid)["config"].as_object_mut().map(|c| c.entry(*key).or_insert(json!("1")));
            }
            for key in list(&exchange.param("revert").unwrap_or_default()) {
                world.guest(vmid)["pending"][key] = json!("nesting=0");
            }
            if exchange.says("hotplug") || exchange.complains("unable to hotplug") || exchange.says("running")
            {
                world.running(vmid);
            }
            world.fresh_digest = answered && exchange.param("digest").is_some();
        }
        _ => {}
    }
    if let Some(at) = rest.strip_prefix("/snapshot") {
        snapshots(exchange, world, vmid, at);
    }
    let snapshot = exchange.param("snapname").filter(|_| rest == "/clone");
    if let Some(name) =
        snapshot.filter(|name| !exchange.complains(&format!("snapshot '{name}' does not exist")))
    {
        world.snapshot(vmid, &name);
    }
    if rest == "/resize"
        && let Some(disk) = exchange.param("disk").filter(|d| d != "rootfs")
        && exchange.status == 200
    {
        world.option(vmid, &disk, &format!("pvebtrfs:{vmid}/vm-{vmid}-disk-1.raw,mp=/data,size=1G"));
        world.volume(&format!("pvebtrfs:{vmid}/vm-{vmid}-disk-1.raw"));
    }
}

fn on_directory(world: &mut World, vmid: u32) {
    world.option(vmid, "rootfs", &format!("local:{vmid}/vm-{vmid}-disk-0.raw,size=1G"));
    world.volume(&format!("local:{vmid}/vm-{vmid}-disk-0.raw"));
}

/// What a refusal says about the guest it is about.
fn complaints(exchange: &Exchange, world: &mut World) {
    let text = exchange.complaint();
    let vmid = exchange
        .after("lxc")
        .and_then(|v| number(&v))
        .or_else(|| exchange.param("vmid").and_then(|v| number(&v)));
    let Some(vmid) = vmid.filter(|v| world.state["guests"].get(v.to_string()).is_some()) else { return };
    if let Some(lock) = between(&text, "CT is locked (", ")") {
        world.option(vmid, "lock", lock);
    }
    let runs =
        ["already running", "container is running", "running container", "is running", "CT is running"];
    if runs.iter().any(|r| text.contains(r)) && !text.contains("not running") {
        world.running(vmid);
    }
    if text.contains("protection mode enabled") {
        world.option(vmid, "protection", "1");
    }
    if text.contains("if it's a template")
        || text.contains("template to a template")
        || text.contains("on template")
    {
        world.option(vmid, "template", "1");
    }
    if text.contains("contains snapshots") {
        world.snapshot(vmid, "s1");
    }
    if text.contains("shrink disk")
        && let Some(size) = exchange.param("size")
    {
        let gib: u32 = size.trim_end_matches('G').parse().unwrap_or(1);
        let rootfs = format!("pvebtrfs:{vmid}/vm-{vmid}-disk-0.raw,size={}G", gib + 1);
        world.option(vmid, "rootfs", &rootfs);
    }
    if let Some(name) = between(&text, "snapshot name '", "' already used") {
        world.snapshot(vmid, name);
    }
    if text.contains("snapshot feature is not available") || text.contains("Linked clone feature for") {
        on_directory(world, vmid);
    }
}

/// Lists of guests.
fn listed(exchange: &Exchange, world: &mut World) {
    if exchange.method != "GET" || exchange.status != 200 {
        return;
    }
    let node = exchange.after("nodes").unwrap_or_default();
    if exchange.got(&format!("/nodes/{node}/lxc")) || exchange.got("/cluster/resources") {
        world.map(&["guests"]).clear();
    }
    if exchange.got("/cluster/backup-info/not-backed-up") {
        world.map(&["guests"]).clear();
        for entry in exchange.list() {
            let Some(vmid) = entry["vmid"].as_u64().and_then(|v| u32::try_from(v).ok()) else { continue };
            world.option(vmid, "hostname", &plain(&entry["name"]));
        }
        return;
    }
    let entries = exchange.list();
    let pools = entries.iter().chain([exchange.data()]);
    let members: Vec<Value> = pools.filter_map(|p| p["members"].as_array()).flatten().cloned().collect();
    for entry in entries.iter().chain(&members).filter(|e| e["type"] == "lxc") {
        if let Some(vmid) = entry["vmid"].as_u64().and_then(|v| u32::try_from(v).ok()) {
            shown(world, vmid, entry);
        }
    }
}

/// A backup of everything, or of a pool, that was begun: there is something to back up.
fn backed_up(exchange: &Exchange, world: &mut World) {
    let Some(upid) = exchange.data().as_str().filter(|d| d.contains(":vzdump:")) else { return };
    let id = upid.split(':').nth(6).and_then(number);
    let vmids = id.map_or_else(|| vec![100, 101], |id| vec![id]);
    if exchange.param("vmid").is_none() {
        for vmid in vmids {
            world.guest(vmid);
            if let Some(pool) = exchange.param("pool") {
                world.member(&pool, vmid);
            }
        }
    }
}

/// Ids that are free or taken.
fn ids(exchange: &Exchange, world: &mut World) {
    if exchange.plain_path() == "/cluster/nextid" {
        let asked = exchange.param("vmid").and_then(|v| number(&v));
        let taken = match (asked, exchange.data().as_str().and_then(number)) {
            (None, Some(free)) => 100..free,
            (Some(vmid), None) if exchange.complains("already exists") => vmid..vmid + 1,
            _ => 0..0,
        };
        for vmid in taken {
            world.guest(vmid);
        }
    }
    let text = exchange.complaint();
    for word in text.split(|c: char| !c.is_ascii_digit()).filter_map(number).filter(|v| *v >= 100) {
        if text.contains(&format!("{word} already exists")) {
            world.guest(word);
        }
    }
}
