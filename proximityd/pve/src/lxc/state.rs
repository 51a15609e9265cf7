//! How containers are: status, addresses, measurements.

use std::net::IpAddr;

use serde::Deserialize;

use crate::client::Client;
use crate::error::Error;
use crate::ids::{NodeName, Vmid};
use crate::lxc::ct;
use crate::open_enum::open_enum;
use crate::params::{Params, path};
use crate::rrd::{RrdPoint, Timeframe};
use crate::tags::Tags;

open_enum!(
    /// Whether a guest runs.
    GuestStatus {
        /// It runs.
        Running = "running",
        /// It does not.
        Stopped = "stopped",
    }
);

fn status<'de, D: serde::Deserializer<'de>>(d: D) -> Result<GuestStatus, D::Error> {
    Ok(crate::lenient::opt(d)?.unwrap_or_else(unknown))
}

fn unknown() -> GuestStatus {
    GuestStatus::Other("unknown".to_owned())
}

/// A container in a node's list; the same figures as its status.
pub type LxcListEntry = LxcStatus;

/// A container's status. Sizes in bytes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct LxcStatus {
    /// Its number.
    pub vmid: Vmid,
    /// Whether it runs.
    #[serde(default = "unknown", deserialize_with = "status")]
    pub status: GuestStatus,
    /// Its host name.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub name: Option<String>,
    /// Its lock.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub lock: Option<String>,
    /// Its tags.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub tags: Tags,
    /// Whether it is a template.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub template: bool,
    /// Seconds since the start.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub uptime: u64,
    /// Used CPU as a share of `cpus`; noise can make it slightly negative.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub cpu: f64,
    /// CPUs.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub cpus: f64,
    /// Used memory.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub mem: u64,
    /// Memory.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub maxmem: u64,
    /// Used swap.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub swap: u64,
    /// Swap.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub maxswap: u64,
    /// Used disk; 0 while it does not run.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub disk: u64,
    /// Disk.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub maxdisk: u64,
    /// Bytes received since the start.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub netin: u64,
    /// Bytes sent since the start.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub netout: u64,
    /// Bytes read since the start.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub diskread: u64,
    /// Bytes written since the start.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub diskwrite: u64,
    /// How it stands under HA; not in lists.
    #[serde(default)]
    pub ha: Option<HaState>,
}

/// How a guest stands under HA.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HaState {
    /// Whether HA manages it.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub managed: bool,
    /// The state HA has it in.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub state: Option<String>,
}

impl LxcStatus {
    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.status == GuestStatus::Running
    }
}

/// A network interface inside a running container.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "RawInterface")]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its MAC address.
    pub hwaddr: Option<String>,
    /// Its addresses.
    pub addresses: Vec<InterfaceAddress>,
}

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The address.
    pub address: IpAddr,
    /// The length of its network's prefix, in bits.
    pub prefix: u8,
}

#[derive(Deserialize)]
struct RawInterface {
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    name: String,
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    hwaddr: Option<String>,
    #[serde(default, rename = "hardware-address", deserialize_with = "crate::lenient::opt")]
    hardware_address: Option<String>,
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    inet: Option<String>,
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    inet6: Option<String>,
    #[serde(default, rename = "ip-addresses", deserialize_with = "crate::lenient::list")]
    addresses: Vec<RawAddress>,
}

#[derive(Deserialize)]
struct RawAddress {
    #[serde(default, rename = "ip-address", deserialize_with = "crate::lenient::opt")]
    address: Option<IpAddr>,
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    prefix: u8,
}

impl From<RawInterface> for Interface {
    fn from(raw: RawInterface) -> Self {
        let mut addresses: Vec<InterfaceAddress> = raw
            .addresses
            .iter()
            .filter_map(|a| Some(InterfaceAddress { address: a.address?, prefix: a.prefix }))
            .collect();
        if addresses.is_empty() {
            // Older releases have these two only, with the last address of each family.
            let old = [raw.inet, raw.inet6];
            addresses = old.iter().flatten().filter_map(|text| old_address(text)).collect();
        }
        Self { name: raw.name, hwaddr: raw.hardware_address.or(raw.hwaddr), addresses }
    }
}

fn old_address(text: &str) -> Option<InterfaceAddress> {
    let (address, prefix) = text.split_once('/')?;
    Some(InterfaceAddress { address: address.parse().ok()?, prefix: prefix.parse().ok()? })
}

impl Client {
    /// A node's containers, as far as the credentials may see them.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn lxc_list(&self, node: &NodeName) -> Result<Vec<LxcListEntry>, Error> {
        self.get_list(path(&[&"nodes", node, &"lxc"]), Params::new()).await
    }

    /// A container's status. Needs VM.Audit.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`], or with a token that is limited to a pool
    /// [`crate::ErrorKind::Forbidden`], when there is no such container; or any other [`Error`].
    pub async fn lxc_status(&self, node: &NodeName, vmid: Vmid) -> Result<LxcStatus, Error> {
        self.get(ct(node, vmid, &[&"status", &"current"]), Params::new()).await
    }

    /// The interfaces inside a running container; empty for a stopped or missing one.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn lxc_interfaces(&self, node: &NodeName, vmid: Vmid) -> Result<Vec<Interface>, Error> {
        self.get_list(ct(node, vmid, &[&"interfaces"]), Params::new()).await
    }

    /// A container's measurements over time; of a missing container empty points or an error.
    ///
    /// # Errors
    /// Any [`Error`], also for a container younger than the first measurement.
    pub async fn lxc_rrd(
        &self,
        node: &NodeName,
        vmid: Vmid,
        timeframe: Timeframe,
    ) -> Result<Vec<RrdPoint>, Error> {
        let params = Params::new().with("timeframe", timeframe.word());
        self.get_list(ct(node, vmid, &[&"rrddata"]), params).await
    }

    /// Whether a container's storage can do something: `snapshot`, `clone` (linked) or `copy`.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn lxc_feature(&self, node: &NodeName, vmid: Vmid, feature: &str) -> Result<bool, Error> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default, rename = "hasFeature", deserialize_with = "crate::lenient::or_default")]
            has_feature: bool,
        }
        let params = Params::new().with("feature", feature);
        let answer: Answer = self.get(ct(node, vmid, &[&"feature"]), params).await?;
        Ok(answer.has_feature)
    }
}
