//! What can be read of containers: lists, status, interfaces, features, history.

use serde_json::{Value, json};

use super::figures::look;
use super::{guest, missing};
use crate::call::Call;
use crate::node::now;
use crate::reply::{ApiError, Outcome};
use crate::state::guest::mount_points;

/// `GET /nodes/{node}/lxc`.
pub(in crate::api) async fn list(call: &Call) -> Outcome {
    let seen =
        look(&call.node, |vmid, g| g.node == call.host && call.may(&format!("/vms/{vmid}"), "VM.Audit"));
    Ok(json!(seen.await.iter().map(|s| s.in_list()).collect::<Vec<_>>()).into())
}

/// `GET …/status/current`.
pub(in crate::api) async fn current(call: &Call) -> Outcome {
    let vmid = call.vmid();
    let seen = look(&call.node, |id, g| id == vmid && g.node == call.host).await;
    let seen = seen.first().ok_or_else(|| missing(&call.host, vmid))?;
    Ok(seen.in_status().into())
}

/// `GET /nodes/{node}/lxc/{vmid}`.
pub(in crate::api) fn index(call: &Call) -> Outcome {
    guest(&call.node.store.view(), &call.host, call.vmid())?;
    let names = [
        "config",
        "pending",
        "status",
        "vncproxy",
        "termproxy",
        "vncwebsocket",
        "spiceproxy",
        "migrate",
        "clone",
        "rrd",
        "rrddata",
        "firewall",
        "snapshot",
        "resize",
        "interfaces",
    ];
    Ok(json!(names.map(|n| json!({ "subdir": n }))).into())
}

/// `GET …/status`.
pub(in crate::api) fn status_index(call: &Call) -> Outcome {
    guest(&call.node.store.view(), &call.host, call.vmid())?;
    Ok(json!(["current", "start", "stop", "shutdown", "reboot", "migrate"].map(|n| json!({ "subdir": n })))
        .into())
}

/// `GET …/interfaces`: nothing for a container that does not run, or is not there.
pub(in crate::api) async fn interfaces(call: &Call) -> Outcome {
    let vmid = call.vmid();
    let seen = look(&call.node, |id, g| id == vmid && g.node == call.host && g.running).await;
    let Some(seen) = seen.first().filter(|s| s.guest.running) else { return Ok(Value::Null.into()) };
    let found = call.node.engine.interfaces(&call.node.spec(vmid, &seen.guest)).await;
    let coming = seen.guest.joining || call.node.network_is_coming(vmid);
    let listed: Vec<Value> = found
        .iter()
        .map(|interface| {
            let hwaddr = interface.hwaddr.to_lowercase();
            let mut entry = json!({ "name": interface.name, "hwaddr": hwaddr, "hardware-address": hwaddr });
            let mut addresses = Vec::new();
            for (kind, address) in [("inet", &interface.inet), ("inet6", &interface.inet6)] {
                let Some(address) = address.as_ref().filter(|_| !coming || interface.name == "lo") else {
                    continue;
                };
                entry[kind] = json!(address);
                let (ip, prefix) = address.split_once('/').unwrap_or((address, "32"));
                addresses.push(json!({ "ip-address": ip, "ip-address-type": kind, "prefix": prefix }));
            }
            entry["ip-addresses"] = json!(addresses);
            entry
        })
        .collect();
    Ok(json!(listed).into())
}

/// `GET …/feature`.
pub(in crate::api) fn feature(call: &Call) -> Outcome {
    let state = call.node.store.view();
    let found = guest(&state, &call.host, call.vmid())?;
    let all = mount_points(&found.config).iter().filter(|m| m.kind() == "volume").all(|mount| {
        let storage = mount.volume().split_once(':').and_then(|(s, _)| state.storages.get(s));
        match call.params.need("feature") {
            "copy" => true,
            "clone" => {
                let snapshot = call.params.get("snapname").is_some();
                storage.is_some_and(|s| s.can_link(found.is_template(), snapshot))
            }
            _ => storage.is_some_and(|s| s.has_snapshots()),
        }
    });
    Ok(json!({ "hasFeature": u8::from(all) }).into())
}

/// `GET …/rrddata`: the last point is now; before that nothing was measured.
pub(in crate::api) async fn history(call: &Call) -> Outcome {
    let vmid = call.vmid();
    let (step, points) = match call.params.need("timeframe") {
        "hour" => (60, 60),
        "day" => (60, 1440),
        "week" => (1800, 336),
        "month" => (1800, 1488),
        _ => (21_600, 1460),
    };
    let seen = look(&call.node, |id, g| id == vmid && g.node == call.host).await;
    let last = now() / step * step;
    let mut series: Vec<Value> = (0..points).rev().map(|i| json!({ "time": last - i * step })).collect();
    if let Some(seen) = seen.first() {
        // The collector's first look at a new container is still to come.
        if call.node.too_young(&seen.guest) {
            return Err(ApiError::died(format!(
                "RRD error: opening '/var/lib/rrdcached/db/pve-vm-9.0/{vmid}': No such file or directory"
            )));
        }
        let figures = seen.in_resources();
        if let Some(point) = series.last_mut() {
            let names = [
                "cpu",
                "mem",
                "maxmem",
                "disk",
                "maxdisk",
                "maxcpu",
                "netin",
                "netout",
                "diskread",
                "diskwrite",
            ];
            for name in names {
                point[name] = figures[name].clone();
            }
        }
    }
    Ok(json!(series).into())
}
