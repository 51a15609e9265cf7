//! The cluster as a whole: its resources, its members, its next free number.
//!
//! A number that is free now is reserved by nothing: creating under it can still fail with
//! [`crate::ErrorKind::AlreadyExists`]. Trying the next one is left to the caller.

use serde::Deserialize;

use crate::client::Client;
use crate::error::Error;
use crate::ids::{NodeName, PoolId, StorageId, Vmid};
use crate::open_enum::open_enum;
use crate::params::{Params, path};
use crate::tags::Tags;

open_enum!(
    /// What a resource is.
    ResourceType {
        /// A container.
        Lxc = "lxc",
        /// A virtual machine.
        Qemu = "qemu",
        /// A node.
        Node = "node",
        /// A storage on one node.
        Storage = "storage",
        /// A pool.
        Pool = "pool",
        /// An SDN zone (before 9.1).
        Sdn = "sdn",
        /// A network (9.1 and later).
        Network = "network",
    }
);

/// Which resources to list. There is no filter for containers alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceFilter {
    /// Containers and virtual machines.
    Guests,
    /// Storages.
    Storages,
    /// Nodes.
    Nodes,
}

impl ResourceFilter {
    fn word(self) -> &'static str {
        match self {
            Self::Guests => "vm",
            Self::Storages => "storage",
            Self::Nodes => "node",
        }
    }
}

/// One line of `GET /cluster/resources`. Which fields are there depends on the type and on what
/// the credentials may see; sizes are in bytes, `cpu` is a share of `maxcpu` (0 to 1).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Resource {
    /// Such as `lxc/100`, `node/pve1`, `storage/pve1/local`.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub id: String,
    /// What it is.
    #[serde(rename = "type", deserialize_with = "kind")]
    pub kind: ResourceType,
    /// The guest's number.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub vmid: Option<Vmid>,
    /// The node it is on.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub node: Option<NodeName>,
    /// The guest's name.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub name: Option<String>,
    /// `running`, `stopped`; `online`, `offline`; `available`; `unknown`.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub status: Option<String>,
    /// The guest's pool.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub pool: Option<PoolId>,
    /// The guest's tags.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub tags: Tags,
    /// Whether the guest is a template.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub template: bool,
    /// The guest's lock.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub lock: Option<String>,
    /// The guest's state under HA.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub hastate: Option<String>,
    /// Used CPU.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub cpu: Option<f64>,
    /// CPUs.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub maxcpu: Option<f64>,
    /// Used memory.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub mem: Option<u64>,
    /// Memory.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub maxmem: Option<u64>,
    /// Used disk.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub disk: Option<u64>,
    /// Disk.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub maxdisk: Option<u64>,
    /// Bytes received since the start.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub netin: Option<u64>,
    /// Bytes sent since the start.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub netout: Option<u64>,
    /// Bytes read since the start.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub diskread: Option<u64>,
    /// Bytes written since the start.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub diskwrite: Option<u64>,
    /// Seconds since the start.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub uptime: Option<u64>,
    /// The storage's name.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub storage: Option<StorageId>,
    /// What the storage holds, such as `rootdir,vztmpl`.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub content: Option<String>,
    /// The storage's type.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub plugintype: Option<String>,
    /// Whether all nodes share the storage.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub shared: Option<bool>,
}

fn kind<'de, D: serde::Deserializer<'de>>(d: D) -> Result<ResourceType, D::Error> {
    Ok(crate::lenient::opt(d)?.unwrap_or_else(|| ResourceType::Other(String::new())))
}

/// One line of `GET /cluster/status`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ClusterStatusEntry {
    /// `cluster` or `node`.
    #[serde(rename = "type", default, deserialize_with = "crate::lenient::or_default")]
    pub kind: String,
    /// The cluster's or the node's name.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub name: String,
    /// The node's address in the cluster network.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub ip: Option<String>,
    /// Whether the node is online.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub online: Option<bool>,
    /// Whether it is the node that answers.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub local: Option<bool>,
    /// How many nodes the cluster has.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub nodes: Option<u32>,
    /// Whether the cluster has quorum.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub quorate: Option<bool>,
}

/// `GET /cluster/status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterStatus(pub Vec<ClusterStatusEntry>);

impl ClusterStatus {
    /// The cluster's name; a node by itself has none.
    pub fn cluster_name(&self) -> Option<&str> {
        self.0.iter().find(|e| e.kind == "cluster").map(|e| e.name.as_str())
    }

    /// Whether writes are possible. A node by itself always has quorum.
    pub fn is_quorate(&self) -> bool {
        self.0.iter().find(|e| e.kind == "cluster").is_none_or(|e| e.quorate == Some(true))
    }

    /// The nodes.
    pub fn nodes(&self) -> impl Iterator<Item = &ClusterStatusEntry> {
        self.0.iter().filter(|e| e.kind == "node")
    }

    /// The node that answered.
    pub fn local_node(&self) -> Option<&ClusterStatusEntry> {
        self.nodes().find(|e| e.local == Some(true))
    }
}

impl Client {
    /// What the cluster holds, as far as the credentials may see it; others are silently left out.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn resources(&self, filter: Option<ResourceFilter>) -> Result<Vec<Resource>, Error> {
        let params = Params::new().opt("type", filter.map(ResourceFilter::word));
        self.get_list(path(&[&"cluster", &"resources"]), params).await
    }

    /// The cluster's members and quorum. Needs Sys.Audit on `/`.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn cluster_status(&self) -> Result<ClusterStatus, Error> {
        self.get_list(path(&[&"cluster", &"status"]), Params::new()).await.map(ClusterStatus)
    }

    /// The lowest free guest number. It is not reserved.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn next_id(&self) -> Result<Vmid, Error> {
        self.get(path(&[&"cluster", &"nextid"]), Params::new()).await
    }

    /// Whether a guest number is free at this moment, also among guests that the credentials
    /// cannot see.
    ///
    /// # Errors
    /// Any [`Error`] but the one that says that it is taken.
    pub async fn is_id_free(&self, vmid: Vmid) -> Result<bool, Error> {
        let params = Params::new().with("vmid", vmid);
        match self.get::<Vmid>(path(&[&"cluster", &"nextid"]), params).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_already_exists() => Ok(false),
            Err(error) => Err(error),
        }
    }
}
