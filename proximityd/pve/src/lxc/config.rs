//! A container's configuration: reading it in its three views, and changing it.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::client::Client;
use crate::error::Error;
use crate::ids::{Digest, NodeName, SnapshotName, Vmid, Volid};
use crate::lenient::Lenient;
use crate::lxc::ct;
use crate::lxc::env::Env;
use crate::lxc::options::LxcOptions;
use crate::params::Params;
use crate::property::{Features, MountPoint, Net, RootFs};
use crate::tags::Tags;

/// Which state of a configuration to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ConfigView {
    /// With changes that wait for the next start.
    #[default]
    Pending,
    /// As it runs.
    Current,
    /// As it was at a snapshot.
    Snapshot(SnapshotName),
}

/// A container's configuration. Entries that are of another shape than expected are in `rest`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(from = "Map<String, Value>")]
pub struct LxcConfig {
    /// The host name.
    pub hostname: Option<String>,
    /// The architecture.
    pub arch: Option<String>,
    /// The operating system's kind.
    pub ostype: Option<String>,
    /// CPUs that are seen; all of the node's when absent.
    pub cores: Option<u32>,
    /// CPU time at most, in CPUs.
    pub cpulimit: Option<f64>,
    /// The share of CPU time.
    pub cpuunits: Option<u32>,
    /// Memory in MiB; 512 when absent (API schema).
    pub memory: Option<u64>,
    /// Swap in MiB; 512 when absent (API schema).
    pub swap: Option<u64>,
    /// The root file system.
    pub rootfs: Option<RootFs>,
    /// Mount points by number.
    pub mounts: BTreeMap<u8, MountPoint>,
    /// Network interfaces by number.
    pub nets: BTreeMap<u8, Net>,
    /// Volumes that are no longer mounted, by number.
    pub unused: BTreeMap<u8, Volid>,
    /// Features.
    pub features: Option<Features>,
    /// Whether root inside is not root outside.
    pub unprivileged: bool,
    /// Starts with the node.
    pub onboot: bool,
    /// Whether it is a template.
    pub template: bool,
    /// Refuses removal.
    pub protection: bool,
    /// Notes, without the newline that Proxmox VE appends.
    pub description: Option<String>,
    /// Tags.
    pub tags: Tags,
    /// The lock, such as `backup`, `create`, `snapshot`.
    pub lock: Option<String>,
    /// DNS servers.
    pub nameserver: Option<String>,
    /// DNS search domains.
    pub searchdomain: Option<String>,
    /// The time zone.
    pub timezone: Option<String>,
    /// What the console shows.
    pub cmode: Option<String>,
    /// The first process.
    pub entrypoint: Option<String>,
    /// Its environment; absent without VM.Config.Options.
    pub env: Option<Env>,
    /// The hash, for [`UpdateLxc::digest`].
    pub digest: Option<Digest>,
    /// Raw `lxc.*` settings, which the API shows and does not set.
    pub raw: Vec<(String, String)>,
    /// Everything else.
    pub rest: BTreeMap<String, String>,
}

/// The number in an entry's name, such as 0 in `net0`.
fn numbered(key: &str, prefix: &str) -> Option<u8> {
    key.strip_prefix(prefix)?.parse().ok()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl From<Map<String, Value>> for LxcConfig {
    fn from(map: Map<String, Value>) -> Self {
        let mut config = Self::default();
        for (key, value) in map {
            config.take(key, &value);
        }
        config
    }
}

/// Reads a value into a field and tells whether that worked.
fn put<T: Lenient>(slot: &mut Option<T>, text: &str) -> bool {
    *slot = T::from_text(text);
    slot.is_some()
}

fn put_flag(slot: &mut bool, text: &str) -> bool {
    bool::from_text(text).map(|flag| *slot = flag).is_some()
}

fn put_numbered<T: std::str::FromStr>(slot: &mut BTreeMap<u8, T>, number: Option<u8>, text: &str) -> bool {
    let Some((number, value)) = number.zip(text.parse().ok()) else { return false };
    slot.insert(number, value);
    true
}

impl LxcConfig {
    fn take(&mut self, key: String, value: &Value) {
        if value.is_null() {
            return;
        }
        if key == "lxc"
            && let Value::Array(pairs) = value
        {
            self.raw = pairs.iter().filter_map(|p| Some((text(p.get(0)?), text(p.get(1)?)))).collect();
            return;
        }
        let text = text(value);
        let known = match key.as_str() {
            "hostname" => put(&mut self.hostname, &text),
            "arch" => put(&mut self.arch, &text),
            "ostype" => put(&mut self.ostype, &text),
            "cores" => put(&mut self.cores, &text),
            "cpulimit" => put(&mut self.cpulimit, &text),
            "cpuunits" => put(&mut self.cpuunits, &text),
            "memory" => put(&mut self.memory, &text),
            "swap" => put(&mut self.swap, &text),
            "rootfs" => text.parse().map(|r| self.rootfs = Some(r)).is_ok(),
            "features" => text.parse().map(|f| self.features = Some(f)).is_ok(),
            "unprivileged" => put_flag(&mut self.unprivileged, &text),
            "onboot" => put_flag(&mut self.onboot, &text),
            "template" => put_flag(&mut self.template, &text),
            "protection" => put_flag(&mut self.protection, &text),
            "description" => put(&mut self.description, text.strip_suffix('\n').unwrap_or(&text)),
            "tags" => {
                self.tags = Tags::from(text.as_str());
                true
            }
            "lock" => put(&mut self.lock, &text),
            "nameserver" => put(&mut self.nameserver, &text),
            "searchdomain" => put(&mut self.searchdomain, &text),
            "timezone" => put(&mut self.timezone, &text),
            "cmode" => put(&mut self.cmode, &text),
            "entrypoint" => put(&mut self.entrypoint, &text),
            "env" => put(&mut self.env, &text),
            "digest" => put(&mut self.digest, &text),
            key => {
                put_numbered(&mut self.nets, numbered(key, "net"), &text)
                    || put_numbered(&mut self.mounts, numbered(key, "mp"), &text)
                    || put_numbered(&mut self.unused, numbered(key, "unused"), &text)
            }
        };
        if !known {
            self.rest.insert(key, text);
        }
    }

    /// The volumes that the container owns: root file system, mount points and unused ones.
    pub fn volumes(&self) -> impl Iterator<Item = &Volid> {
        use crate::property::Volume;
        let disks = self.rootfs.iter().chain(self.mounts.values().map(|m| &m.disk));
        let existing = disks.filter_map(|d| match &d.volume {
            Volume::Existing(volid) => Some(volid),
            _ => None,
        });
        existing.chain(self.unused.values())
    }
}

/// An entry of `GET …/pending`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct PendingValue {
    /// The entry's name.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub key: String,
    /// The value as it runs.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub value: Option<String>,
    /// The value from the next start on.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub pending: Option<String>,
    /// The entry goes with the next start.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub delete: bool,
}

impl PendingValue {
    /// Whether the next start changes something.
    pub fn is_pending(&self) -> bool {
        self.pending.is_some() || self.delete
    }
}

impl std::fmt::Debug for PendingValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The environment can hold secrets.
        let shown = |v: &Option<String>| match v {
            Some(_) if self.key == "env" => Some("[redacted]".to_owned()),
            other => other.clone(),
        };
        f.debug_struct("PendingValue")
            .field("key", &self.key)
            .field("value", &shown(&self.value))
            .field("pending", &shown(&self.pending))
            .field("delete", &self.delete)
            .finish()
    }
}

/// A change of a configuration.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UpdateLxc {
    /// What to set.
    pub options: LxcOptions,
    /// Entries to remove, such as `net1`. The same entry cannot be set and removed.
    pub delete: Vec<String>,
    /// Entries whose pending change is dropped.
    pub revert: Vec<String>,
    /// Refuse when the configuration changed since.
    pub digest: Option<Digest>,
}

impl UpdateLxc {
    /// Nothing to change, which is not sent.
    pub fn is_empty(&self) -> bool {
        self.options == LxcOptions::default() && self.delete.is_empty() && self.revert.is_empty()
    }
}

impl Client {
    /// A container's configuration. Needs VM.Audit.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`], or with a token that is limited to a pool
    /// [`crate::ErrorKind::Forbidden`], when there is no such container; or any other [`Error`].
    pub async fn lxc_config(
        &self,
        node: &NodeName,
        vmid: Vmid,
        view: &ConfigView,
    ) -> Result<LxcConfig, Error> {
        let params = match view {
            ConfigView::Pending => Params::new(),
            ConfigView::Current => Params::new().with("current", true),
            ConfigView::Snapshot(name) => Params::new().with("snapshot", name),
        };
        self.get(ct(node, vmid, &[&"config"]), params).await
    }

    /// The entries with what runs and what waits for the next start.
    ///
    /// # Errors
    /// As [`Client::lxc_config`].
    pub async fn lxc_pending(&self, node: &NodeName, vmid: Vmid) -> Result<Vec<PendingValue>, Error> {
        self.get_list(ct(node, vmid, &[&"pending"]), Params::new()).await
    }

    /// Changes a configuration; what cannot be changed on the run waits for the next start. An
    /// empty change, which Proxmox VE refuses, is not sent.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Locked`], [`crate::ErrorKind::ConfigModified`], or any other [`Error`].
    pub async fn update_lxc(&self, node: &NodeName, vmid: Vmid, update: &UpdateLxc) -> Result<(), Error> {
        if update.is_empty() {
            return Ok(());
        }
        let params = update
            .options
            .fill(Params::new())
            .joined("delete", &update.delete)
            .joined("revert", &update.revert)
            .opt("digest", update.digest.as_ref());
        self.write_unit(Method::PUT, ct(node, vmid, &[&"config"]), params).await
    }
}
