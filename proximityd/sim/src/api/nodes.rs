//! Nodes: what they are and how they are.

use serde_json::{Value, json};

use super::lxc::figures::{NODE_CORES, look};
use crate::call::Call;
use crate::node::now;
use crate::reply::{ApiError, Outcome};
use crate::state::defaults::BRIDGE;

const MEMORY: u64 = 32 << 30;
const ROOT: u64 = 100 << 30;

/// Whether a node has a bridge.
pub(super) fn has_bridge(name: &str) -> bool {
    name == BRIDGE || name.is_empty()
}

/// `GET /version` and `GET /nodes/{node}/version`.
pub(super) fn version(call: &Call) -> Outcome {
    let version = call.node.version();
    Ok(json!({ "version": version.full(), "release": version.release(), "repoid": version.repoid() }).into())
}

struct Load {
    memory: u64,
    cpu: f64,
    root: u64,
    uptime: u64,
}

async fn load(call: &Call, name: &str) -> Load {
    let seen = look(&call.node, |_, g| g.node == name && g.running).await;
    #[allow(clippy::cast_precision_loss)]
    let cpu = seen.iter().map(|s| s.usage.cpu).sum::<f64>() / NODE_CORES as f64;
    Load {
        memory: (1600 << 20) + seen.iter().map(|s| s.usage.mem).sum::<u64>(),
        cpu: (cpu + 0.01).min(1.0),
        root: call.node.store.view().used(name, "local").min(ROOT),
        uptime: 3600 + call.node.started.elapsed().as_secs(),
    }
}

async fn entry(call: &Call, name: &str) -> Value {
    let online = !call.node.store.view().offline.contains(name);
    let status = if online { "online" } else { "offline" };
    let mut entry =
        json!({ "id": format!("node/{name}"), "node": name, "type": "node", "status": status, "level": "" });
    if online && call.may(&format!("/nodes/{name}"), "Sys.Audit") {
        let load = load(call, name).await;
        for (key, value) in [("mem", load.memory), ("maxmem", MEMORY), ("disk", load.root), ("maxdisk", ROOT)]
        {
            entry[key] = json!(value);
        }
        entry["cpu"] = json!(load.cpu);
        entry["maxcpu"] = json!(NODE_CORES);
        entry["uptime"] = json!(load.uptime);
    }
    entry
}

/// `GET /nodes`: all of them, whoever asks; the figures need Sys.Audit.
pub(super) async fn list(call: &Call) -> Outcome {
    let names = call.node.store.view().nodes.clone();
    let mut listed = Vec::new();
    for name in names {
        let mut entry = entry(call, &name).await;
        entry["ssl_fingerprint"] = json!(call.node.fingerprint);
        listed.push(entry);
    }
    Ok(json!(listed).into())
}

/// The nodes among the cluster's resources.
pub(super) async fn in_resources(call: &Call) -> Vec<Value> {
    let names = call.node.store.view().nodes.clone();
    let mut listed = Vec::new();
    for name in names {
        let mut entry = entry(call, &name).await;
        entry["cgroup-mode"] = json!(2);
        listed.push(entry);
    }
    listed
}

/// `GET /nodes/{node}/status`.
pub(super) async fn status(call: &Call) -> Outcome {
    let load = load(call, &call.host).await;
    let version = call.node.version();
    Ok(json!({
        "cpu": load.cpu, "wait": 0, "idle": 0, "uptime": load.uptime,
        "loadavg": ["0.12", "0.10", "0.09"],
        "memory": { "total": MEMORY, "used": load.memory, "free": MEMORY - load.memory, "available": MEMORY - load.memory },
        "swap": { "total": 8u64 << 30, "used": 0, "free": 8u64 << 30 },
        "rootfs": { "total": ROOT, "used": load.root, "free": ROOT - load.root, "avail": ROOT - load.root },
        "ksm": { "shared": 0 },
        "cpuinfo": {
            "cpus": NODE_CORES, "cores": NODE_CORES, "sockets": 1, "model": "AMD EPYC", "mhz": "2445.402", "hvm": "1",
            "user_hz": 100, "flags": "fpu sse sse2 ht syscall nx lm svm aes avx avx2",
        },
        "pveversion": format!("pve-manager/{}/{}", version.full(), version.repoid()),
        "kversion": "Linux 6.17.4-1-pve #1 SMP PREEMPT_DYNAMIC",
        "current-kernel": { "sysname": "Linux", "release": "6.17.4-1-pve", "version": "#1 SMP PREEMPT_DYNAMIC", "machine": "x86_64" },
        "boot-info": { "mode": "efi", "secureboot": 0 },
    })
    .into())
}

/// `GET /nodes/{node}/time`.
pub(super) fn time() -> Outcome {
    Ok(json!({ "time": now(), "localtime": now(), "timezone": "Etc/UTC" }).into())
}

/// `GET /nodes/{node}/dns`.
pub(super) fn dns() -> Outcome {
    Ok(json!({ "dns1": "10.99.0.1", "search": "home.arpa" }).into())
}

fn bridge() -> Value {
    json!({
        "type": "bridge", "active": 1, "autostart": 1, "priority": 3, "method": "static", "method6": "manual",
        "families": ["inet"], "address": "10.99.0.1", "netmask": "24", "cidr": "10.99.0.1/24", "bridge_ports": "",
        "bridge_stp": "off", "bridge_fd": "0",
    })
}

fn ethernet() -> Value {
    json!({ "type": "eth", "active": 1, "exists": 1, "method": "manual", "method6": "manual", "families": ["inet"] })
}

/// `GET /nodes/{node}/network`.
pub(super) fn network(call: &Call) -> Outcome {
    let wanted = |kind: &str| match call.params.get("type") {
        None => true,
        Some("any_bridge" | "any_local_bridge") => kind == "bridge",
        Some(asked) => asked == kind,
    };
    let mut listed = Vec::new();
    for (name, kind, mut entry) in [("eth0", "eth", ethernet()), (BRIDGE, "bridge", bridge())] {
        let seen = kind != "bridge"
            || call.check_any(&format!("/sdn/zones/localnetwork/{name}"), &["SDN.Audit", "SDN.Use"]).is_ok();
        if wanted(kind) && seen {
            entry["iface"] = json!(name);
            listed.push(entry);
        }
    }
    Ok(json!(listed).into())
}

/// `GET /nodes/{node}/network/{iface}`.
pub(super) fn interface(call: &Call) -> Outcome {
    match call.params.need("iface") {
        BRIDGE => Ok(bridge().into()),
        "eth0" => Ok(ethernet().into()),
        _ => Err(ApiError::parameter("iface", "interface does not exist")),
    }
}

/// `GET /nodes/{node}/rrddata`: the last point is now; before that nothing was measured.
pub(super) async fn history(call: &Call) -> Outcome {
    let load = load(call, &call.host).await;
    let last = now() / 60 * 60;
    let mut series: Vec<Value> = (0..60).rev().map(|i| json!({ "time": last - i * 60 })).collect();
    if let Some(point) = series.last_mut() {
        *point = json!({
            "time": last, "cpu": load.cpu, "maxcpu": NODE_CORES, "memused": load.memory, "memtotal": MEMORY,
            "rootused": load.root, "roottotal": ROOT, "loadavg": 0.1, "iowait": 0, "netin": 0, "netout": 0,
            "swapused": 0, "swaptotal": 8u64 << 30,
        });
    }
    Ok(json!(series).into())
}
