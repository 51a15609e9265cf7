//! What a node knows and keeps: guests, volumes, storages, users, and the file they live in.

pub(crate) mod access;
pub(crate) mod defaults;
pub(crate) mod guest;
pub(crate) mod sections;
pub(crate) mod storage;
pub(crate) mod store;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use access::Access;
use guest::Guest;
use sections::{Firewall, HighAvailability, Networks, Outside, Section, Sections};
use storage::{Storage, Volume};

/// Everything that survives the process.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    /// The cluster's nodes.
    pub nodes: Vec<String>,
    /// Nodes that cannot be reached.
    pub offline: BTreeSet<String>,
    /// Containers by id.
    pub guests: BTreeMap<u32, Guest>,
    /// Storage definitions by id, the same on every node.
    pub storages: BTreeMap<String, Storage>,
    /// Volumes by node and volume id.
    pub volumes: BTreeMap<String, Volume>,
    /// Users, tokens, roles, rules and pools.
    pub access: Access,
    /// Whether the appliance index is empty.
    pub no_appliances: bool,
    /// The datacenter options set by a call.
    pub options: BTreeMap<String, String>,
    /// When the node was set up, seconds since 1970.
    pub installed: i64,
    /// Firewalls by what they guard: `cluster`, `node/pve1`, `lxc/100`, `group/web`.
    pub firewall: BTreeMap<String, Firewall>,
    /// High availability.
    pub ha: HighAvailability,
    /// Backup jobs by id.
    pub jobs: Sections,
    /// Software-defined networks.
    pub sdn: Networks,
    /// Interfaces by node and name, as configured; a node without an entry has the usual ones.
    pub networks: BTreeMap<String, Sections>,
    /// Name servers by node; a node without an entry has the usual ones.
    pub dns: BTreeMap<String, Section>,
    /// Time zones by node.
    pub timezones: BTreeMap<String, String>,
    /// What can be reached outside.
    pub outside: Outside,
}

impl State {
    /// The pool a container is in.
    pub(crate) fn pool_of(&self, vmid: u32) -> Option<&str> {
        self.access.pools.iter().find(|(_, p)| p.vms.contains(&vmid)).map(|(name, _)| name.as_str())
    }

    /// The lowest id that is free.
    pub(crate) fn next_free(&self) -> u32 {
        (100..=999_999_999).find(|id| !self.guests.contains_key(id)).unwrap_or(100)
    }
}
