//! Nodes: the list, and a node's state, networks, DNS and time.

use serde::Deserialize;

use crate::client::Client;
use crate::error::Error;
use crate::ids::NodeName;
use crate::params::{Params, path};
use crate::rrd::{RrdPoint, Timeframe};

/// One line of `GET /nodes`, which lists nodes to anybody. Sizes in bytes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct NodeListEntry {
    /// The node's name.
    pub node: NodeName,
    /// `online`, `offline` or `unknown`.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub status: String,
    /// The SHA-256 fingerprint of the node's certificate.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub ssl_fingerprint: Option<String>,
    /// Used CPU, 0 to 1; like the rest absent without Sys.Audit.
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
    /// Used disk of the node's root file system.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub disk: Option<u64>,
    /// Size of the node's root file system.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub maxdisk: Option<u64>,
    /// Seconds since the start.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub uptime: Option<u64>,
}

/// How much of something is used, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Usage {
    /// All of it.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub total: u64,
    /// What is used.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub used: u64,
    /// What is free.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub free: u64,
    /// What can be had: of a file system less than free, of memory more.
    #[serde(default, alias = "avail", deserialize_with = "crate::lenient::opt")]
    pub available: Option<u64>,
}

/// `GET /nodes/{node}/status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct NodeStatus {
    /// Memory.
    #[serde(default)]
    pub memory: Usage,
    /// Swap.
    #[serde(default)]
    pub swap: Usage,
    /// The root file system.
    #[serde(default)]
    pub rootfs: Usage,
    /// Used CPU, 0 to 1.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub cpu: f64,
    /// Share of time spent waiting for I/O, 0 to 1.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub wait: f64,
    /// Seconds since the start.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub uptime: u64,
    /// Such as `pve-manager/9.2.11/14a22df35955d97d`.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub pveversion: String,
    /// The kernel's version.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub kversion: String,
    /// The load over 1, 5 and 15 minutes.
    #[serde(default, deserialize_with = "loads")]
    pub loadavg: Vec<f64>,
    /// The processor.
    #[serde(default)]
    pub cpuinfo: CpuInfo,
}

/// A node's processor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct CpuInfo {
    /// Logical CPUs.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub cpus: u32,
    /// Cores.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub cores: u32,
    /// The model's name.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub model: String,
}

fn loads<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<f64>, D::Error> {
    #[derive(Deserialize)]
    struct Load(#[serde(deserialize_with = "crate::lenient::or_default")] f64);
    Ok(crate::lenient::list::<Load, D>(d)?.into_iter().map(|l| l.0).collect())
}

/// A network interface of a node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NetworkInterface {
    /// Its name, such as `vmbr0`.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub iface: String,
    /// `bridge`, `eth`, `bond`, `vlan`, `OVSBridge`, `vnet`, …
    #[serde(rename = "type", default, deserialize_with = "crate::lenient::or_default")]
    pub kind: String,
    /// Whether it is up.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub active: bool,
    /// Whether it comes up with the node.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub autostart: bool,
    /// The IPv4 address with its prefix.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub cidr: Option<String>,
    /// The IPv6 address with its prefix.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub cidr6: Option<String>,
    /// The IPv4 gateway.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub gateway: Option<String>,
    /// The IPv6 gateway.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub gateway6: Option<String>,
    /// The bridge's ports, separated by spaces.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub bridge_ports: Option<String>,
    /// Whether the bridge knows VLANs.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub bridge_vlan_aware: Option<bool>,
    /// What a person wrote about it.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub comments: Option<String>,
}

/// Which interfaces to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkFilter {
    /// Everything to which a container can be attached, SDN's networks included.
    AnyBridge,
    /// The same without SDN's networks.
    AnyLocalBridge,
}

impl NetworkFilter {
    fn word(self) -> &'static str {
        match self {
            Self::AnyBridge => "any_bridge",
            Self::AnyLocalBridge => "any_local_bridge",
        }
    }
}

/// A node's resolver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Dns {
    /// The search domain.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub search: Option<String>,
    /// The first server.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub dns1: Option<String>,
    /// The second server.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub dns2: Option<String>,
    /// The third server.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub dns3: Option<String>,
}

/// A node's clock.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NodeTime {
    /// Seconds since 1970, UTC.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub time: u64,
    /// The same shifted by the zone's offset.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub localtime: u64,
    /// The zone's name.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub timezone: String,
}

impl Client {
    /// The cluster's nodes. Answers anybody, so it proves no privilege.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn nodes(&self) -> Result<Vec<NodeListEntry>, Error> {
        self.get_list(path(&[&"nodes"]), Params::new()).await
    }

    /// A node's state. Needs Sys.Audit on the node.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn node_status(&self, node: &NodeName) -> Result<NodeStatus, Error> {
        self.get(path(&[&"nodes", node, &"status"]), Params::new()).await
    }

    /// A node's network interfaces.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn node_network(
        &self,
        node: &NodeName,
        filter: Option<NetworkFilter>,
    ) -> Result<Vec<NetworkInterface>, Error> {
        let params = Params::new().opt("type", filter.map(NetworkFilter::word));
        self.get_list(path(&[&"nodes", node, &"network"]), params).await
    }

    /// A node's resolver. Needs Sys.Audit on the node.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn node_dns(&self, node: &NodeName) -> Result<Dns, Error> {
        self.get(path(&[&"nodes", node, &"dns"]), Params::new()).await
    }

    /// A node's clock. Needs Sys.Audit on the node.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn node_time(&self, node: &NodeName) -> Result<NodeTime, Error> {
        self.get(path(&[&"nodes", node, &"time"]), Params::new()).await
    }

    /// A node's measurements over time. Needs Sys.Audit on the node.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn node_rrd(&self, node: &NodeName, timeframe: Timeframe) -> Result<Vec<RrdPoint>, Error> {
        let params = Params::new().with("timeframe", timeframe.word());
        self.get_list(path(&[&"nodes", node, &"rrddata"]), params).await
    }
}
