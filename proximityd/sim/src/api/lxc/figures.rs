//! The numbers shown of a container: in lists, in its status, in the cluster's resources.

use serde_json::{Map, Value, json};

use crate::engine::GuestUsage;
use crate::node::Node;
use crate::state::guest::{Guest, mount_points};

/// A container with what it uses now.
#[derive(Debug, Clone)]
pub(in crate::api) struct Seen {
    pub(in crate::api) vmid: u32,
    pub(in crate::api) guest: Guest,
    pub(in crate::api) pool: Option<String>,
    pub(in crate::api) usage: GuestUsage,
    /// The collector of figures has not seen it yet.
    too_young: bool,
    /// Whether high availability has it in its care.
    pub(in crate::api) managed: bool,
}

/// How many cores a node has.
pub(in crate::api) const NODE_CORES: u64 = 8;

/// Looks at containers that a filter picks.
pub(in crate::api) async fn look(node: &Node, pick: impl Fn(u32, &Guest) -> bool) -> Vec<Seen> {
    // The filter may look at the state itself, so it is asked without holding it.
    let managed = node.store.view().ha.resources.clone();
    let mut picked: Vec<(u32, Guest, Option<String>)> = {
        let state = node.store.view();
        let guests = state.guests.iter();
        guests.map(|(vmid, g)| (*vmid, g.clone(), state.pool_of(*vmid).map(str::to_owned))).collect()
    };
    picked.retain(|(vmid, guest, _)| pick(*vmid, guest));
    let mut seen = Vec::with_capacity(picked.len());
    for (vmid, mut guest, pool) in picked {
        let spec = node.spec(vmid, &guest);
        // A container that ended by itself is stopped, whatever was asked for last.
        guest.running = guest.running && node.engine.running(&spec).await;
        let usage = if guest.running { node.engine.usage(&spec).await } else { GuestUsage::default() };
        let too_young = node.too_young(&guest);
        let managed = managed.contains_key(&format!("ct:{vmid}"));
        seen.push(Seen { vmid, guest, pool, usage, too_young, managed });
    }
    seen
}

impl Seen {
    fn config_number(&self, key: &str) -> Option<u64> {
        self.guest.config.get(key).and_then(|v| v.parse().ok())
    }

    fn cores(&self) -> u64 {
        self.config_number("cores").filter(|c| *c > 0).unwrap_or(NODE_CORES)
    }

    fn memory(&self) -> u64 {
        self.config_number("memory").unwrap_or(512) << 20
    }

    fn disk_size(&self) -> u64 {
        let mounts = mount_points(&self.guest.config);
        mounts.iter().find(|m| m.key == "rootfs").and_then(|m| m.size()).unwrap_or(4 << 30)
    }

    fn status(&self) -> &'static str {
        if self.guest.running { "running" } else { "stopped" }
    }

    fn common(&self) -> Map<String, Value> {
        let usage = &self.usage;
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| {
            map.insert(key.to_owned(), value);
        };
        put("type", json!("lxc"));
        put("vmid", json!(self.vmid));
        put("name", json!(self.guest.name(self.vmid)));
        put("status", json!(self.status()));
        put("maxmem", json!(self.memory()));
        put("maxdisk", json!(self.disk_size()));
        put("mem", json!(usage.mem));
        put("disk", json!(usage.disk));
        put("cpu", json!(usage.cpu));
        put("uptime", json!(usage.uptime));
        put("diskread", json!(usage.diskread));
        put("diskwrite", json!(usage.diskwrite));
        put("netin", json!(usage.netin));
        put("netout", json!(usage.netout));
        if let Some(tags) = self.guest.config.get("tags") {
            put("tags", json!(tags));
        }
        if let Some(lock) = self.guest.lock() {
            put("lock", json!(lock));
        }
        map
    }

    /// As in the node's list of containers.
    pub(in crate::api) fn in_list(&self) -> Value {
        let mut map = self.common();
        map.insert("cpus".into(), json!(self.cores()));
        map.insert("swap".into(), json!(0));
        map.insert("maxswap".into(), json!(self.config_number("swap").unwrap_or(0) << 20));
        if self.guest.is_template() {
            map.insert("template".into(), json!(1));
        }
        if self.guest.running {
            map.insert("pid".into(), json!(self.usage.pid));
            for what in ["cpusome", "cpufull", "iosome", "iofull", "memorysome", "memoryfull"] {
                map.insert(format!("pressure{what}"), json!(0));
            }
        }
        Value::Object(map)
    }

    /// As in its status.
    pub(in crate::api) fn in_status(&self) -> Value {
        let mut value = self.in_list();
        // Nothing manages it here, so that its state is not known.
        value["ha"] =
            if self.managed { json!({ "managed": 1, "state": null }) } else { json!({ "managed": 0 }) };
        value
    }

    /// As in the cluster's resources.
    pub(in crate::api) fn in_resources(&self) -> Value {
        let mut map = self.common();
        if self.too_young {
            map.retain(|key, _| ["type", "vmid", "tags", "lock"].contains(&key.as_str()));
            map.insert("status".into(), json!("unknown"));
        } else {
            map.insert("maxcpu".into(), json!(self.cores()));
            map.insert("memhost".into(), json!(0));
            map.insert("template".into(), json!(u8::from(self.guest.is_template())));
        }
        map.insert("id".into(), json!(format!("lxc/{}", self.vmid)));
        map.insert("node".into(), json!(self.guest.node));
        if let Some(pool) = &self.pool {
            map.insert("pool".into(), json!(pool));
        }
        Value::Object(map)
    }
}
