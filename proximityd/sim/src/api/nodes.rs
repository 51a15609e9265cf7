//! Nodes: what they are and how they are.

use serde_json::{Value, json};

use super::lxc::figures::{NODE_CORES, look};
use crate::Version;
use crate::call::Call;
use crate::node::now;
use crate::reply::{ApiError, Outcome};
use crate::schema::split_list;
use crate::state::defaults::BRIDGE;
use crate::tasks::Start;

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
            "user_hz": 100, "flags": "fpu sse sse2 ht syscall nx lm svm aes avx avx2", "family": "25",
            "vendor": "AuthenticAMD",
        },
        "pveversion": format!("pve-manager/{}/{}", version.full(), version.repoid()),
        "kversion": "Linux 6.17.4-1-pve #1 SMP PREEMPT_DYNAMIC",
        "current-kernel": { "sysname": "Linux", "release": "6.17.4-1-pve", "version": "#1 SMP PREEMPT_DYNAMIC", "machine": "x86_64" },
        "boot-info": { "mode": "legacy-bios" },
    })
    .into())
}

/// `GET /nodes/{node}`.
pub(super) fn index(call: &Call) -> Outcome {
    let mut names = vec![
        "aplinfo",
        "apt",
        "capabilities",
        "ceph",
        "certificates",
        "config",
        "disks",
        "dns",
        "firewall",
        "hardware",
        "hosts",
        "journal",
        "lxc",
        "migrateall",
        "netstat",
        "network",
        "qemu",
        "query-url-metadata",
        "replication",
        "report",
        "rrd",
        "rrddata",
        "scan",
        "sdn",
        "services",
        "spiceshell",
        "startall",
        "status",
        "stopall",
        "storage",
        "subscription",
        "suspendall",
        "syslog",
        "tasks",
        "termproxy",
        "time",
        "version",
        "vncshell",
        "vzdump",
        "wakeonlan",
    ];
    if call.node.version() >= Version::V9_1 {
        names.push("query-oci-repo-tags");
    }
    super::index("name", &names)
}

/// The zones whose networks a caller may see or use: the node's own bridges, and those configured.
fn zones(call: &Call) -> Vec<String> {
    let mut all = vec!["localnetwork".to_owned()];
    all.extend(call.node.store.view().sdn.applied.get("zone").into_iter().flat_map(|z| z.keys().cloned()));
    let needed = ["SDN.Audit", "SDN.Use", "SDN.Allocate"];
    all.retain(|zone| call.check_any(&format!("/sdn/zones/{zone}"), &needed).is_ok());
    all
}

/// `GET /nodes/{node}/sdn/zones`.
pub(super) fn sdn_zones(call: &Call) -> Outcome {
    let all: Vec<Value> = zones(call).iter().map(|z| json!({ "zone": z, "status": "available" })).collect();
    Ok(Value::Array(all).into())
}

/// The networks among the cluster's resources: listed as `network` since 9.1, and asked for as `sdn` before.
pub(super) fn networks_in_resources(call: &Call, all: bool) -> Vec<Value> {
    let networks = call.node.version() >= Version::V9_1;
    if networks && !all {
        return Vec::new();
    }
    let zones = zones(call);
    let nodes = call.node.store.view().nodes.clone();
    let pairs = nodes.iter().flat_map(|node| zones.iter().map(move |zone| (node, zone)));
    let entry = |(node, zone): (&String, &String)| {
        if networks {
            json!({
                "id": format!("network/{node}/zone/{zone}"), "type": "network", "network": zone, "network-type": "zone",
                "node": node, "status": "ok",
            })
        } else {
            json!({ "id": format!("sdn/{node}/{zone}"), "type": "sdn", "sdn": zone, "node": node, "status": "ok" })
        }
    };
    pairs.map(entry).collect()
}

/// `GET /nodes/{node}/rrddata`: the last point is now; before that nothing was measured.
pub(super) async fn history(call: &Call) -> Outcome {
    let load = load(call, &call.host).await;
    let (step, points) = super::datastore::resolution(call.params.need("timeframe"));
    let last = now() / step * step;
    let mut series: Vec<Value> = (0..points).rev().map(|i| json!({ "time": last - i * step })).collect();
    if let Some(point) = series.last_mut() {
        *point = json!({
            "time": last, "cpu": load.cpu, "maxcpu": NODE_CORES, "memused": load.memory, "memtotal": MEMORY,
            "rootused": load.root, "roottotal": ROOT, "loadavg": 0.1, "iowait": 0, "netin": 0, "netout": 0,
            "swapused": 0, "swaptotal": 8u64 << 30,
        });
        if call.node.version() >= Version::V9_0 {
            point["arcsize"] = json!(0);
            point["memavailable"] = json!(MEMORY - load.memory);
            for what in ["cpusome", "iosome", "iofull", "memorysome", "memoryfull"] {
                point[format!("pressure{what}")] = json!(0);
            }
        }
    }
    Ok(json!(series).into())
}

/// This node has containers only.
pub(super) fn no_machine(call: &Call) -> ApiError {
    let (host, vmid) = (&call.host, call.vmid());
    ApiError::died(format!("Configuration file 'nodes/{host}/qemu-server/{vmid}.conf' does not exist"))
}

/// `POST /nodes/{node}/startall` and `stopall`: one task, with one more for each container it is about.
pub(super) fn all_guests(call: &Call, up: bool) -> Outcome {
    let listed =
        call.params.get("vms").map(|ids| split_list(ids).iter().filter_map(|v| v.parse().ok()).collect());
    let force = call.params.is_set("force");
    let vmids: Vec<u32> = {
        let state = call.node.store.view();
        let picked = state.guests.iter().filter(|(vmid, guest)| {
            let wanted = listed.as_ref().is_none_or(|ids: &Vec<u32>| ids.contains(*vmid));
            let on_boot = guest.config.get("onboot").is_some_and(|o| o == "1");
            let fits =
                if up { !guest.running && (on_boot || force || listed.is_some()) } else { guest.running };
            guest.node == call.host && wanted && fits && !guest.is_template()
        });
        picked.map(|(vmid, _)| *vmid).collect()
    };
    for vmid in &vmids {
        call.check(&format!("/vms/{vmid}"), &["VM.PowerMgmt"])?;
    }
    let kind = if up { "startall" } else { "stopall" };
    let start = Start { node: &call.host, kind, id: String::new(), who: &call.who };
    let caller = call.clone();
    let task = call.node.tasks.start(&call.node, &start, move |task| async move {
        for vmid in vmids {
            task.log(format!("{} CT {vmid}", if up { "Starting" } else { "Stopping" }));
            if let Err(error) = super::lxc::power::one_of_all(&caller, vmid, up) {
                task.warn(&error.in_task());
            }
        }
        Ok(())
    })?;
    Ok(json!(task.upid.to_string()).into())
}
