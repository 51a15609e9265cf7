//! Starting, stopping, growing, moving and destroying containers.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::Deserialize;

use crate::client::Client;
use crate::error::Error;
use crate::ids::{Digest, NodeName, StorageId, Vmid};
use crate::lxc::ct;
use crate::params::Params;
use crate::property::Resize;
use crate::upid::Upid;

/// How to shut down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown {
    /// Seconds to wait for a clean end; 60 when absent (API schema).
    pub timeout: Option<u32>,
    /// Stop it hard when it does not end in time. OCI images' first process may ignore SIGTERM.
    pub force_stop: bool,
}

/// How to destroy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DestroyLxc {
    /// Also from backup jobs, replication, HA and firewall.
    pub purge: bool,
    /// Also when it runs.
    pub force: bool,
    /// Also disks of its number that its configuration does not name; Proxmox VE decides when
    /// absent.
    pub destroy_unreferenced_disks: Option<bool>,
}

/// A move to another node. Containers cannot move while they run: they restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrateLxc {
    /// The node.
    pub target: NodeName,
    /// Restart a running container there.
    pub restart: bool,
    /// Seconds to wait for the shutdown.
    pub timeout: Option<u32>,
    /// The storage there; the same as here when absent.
    pub target_storage: Option<StorageId>,
}

/// Whereto a container can move (9.0 and later).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Migration {
    /// Whether it runs.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub running: bool,
    /// Nodes it can go to.
    #[serde(default, rename = "allowed-nodes", deserialize_with = "crate::lenient::list")]
    pub allowed_nodes: Vec<NodeName>,
    /// Nodes it cannot go to, and why, as Proxmox VE tells it.
    #[serde(default, rename = "not-allowed-nodes")]
    pub not_allowed_nodes: Option<BTreeMap<String, serde_json::Value>>,
}

/// A volume's move to another storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveVolume {
    /// `rootfs`, `mp0`, …
    pub volume: String,
    /// Where to.
    pub storage: StorageId,
    /// Remove the original instead of keeping it as unused.
    pub delete: bool,
    /// Refuse when the configuration changed since.
    pub digest: Option<Digest>,
}

impl Client {
    /// Starts a container. A locked or missing one is accepted and fails in the task.
    ///
    /// # Errors
    /// [`crate::ErrorKind::AlreadyRunning`], or any other [`Error`].
    pub async fn start_lxc(&self, node: &NodeName, vmid: Vmid) -> Result<Upid, Error> {
        self.task(Method::POST, ct(node, vmid, &[&"status", &"start"]), Params::new()).await
    }

    /// Shuts a container down.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotRunning`], or any other [`Error`].
    pub async fn shutdown_lxc(&self, node: &NodeName, vmid: Vmid, shutdown: Shutdown) -> Result<Upid, Error> {
        let params = Params::new().opt("timeout", shutdown.timeout).flag("forceStop", shutdown.force_stop);
        self.task(Method::POST, ct(node, vmid, &[&"status", &"shutdown"]), params).await
    }

    /// Stops a container hard.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotRunning`], also when there is no such container; or any other
    /// [`Error`].
    pub async fn stop_lxc(&self, node: &NodeName, vmid: Vmid) -> Result<Upid, Error> {
        self.task(Method::POST, ct(node, vmid, &[&"status", &"stop"]), Params::new()).await
    }

    /// Shuts a container down and starts it again, with pending changes.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotRunning`], or any other [`Error`].
    pub async fn reboot_lxc(&self, node: &NodeName, vmid: Vmid, timeout: Option<u32>) -> Result<Upid, Error> {
        let params = Params::new().opt("timeout", timeout);
        self.task(Method::POST, ct(node, vmid, &[&"status", &"reboot"]), params).await
    }

    /// Grows a volume (`rootfs`, `mp0`, …). Needs VM.Config.Disk, VM.Config.Options and
    /// Datastore.AllocateSpace.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Locked`], or any other [`Error`].
    pub async fn resize_lxc(
        &self,
        node: &NodeName,
        vmid: Vmid,
        disk: &str,
        size: Resize,
    ) -> Result<Option<Upid>, Error> {
        let params = Params::new().with("disk", disk).with("size", size);
        self.maybe_task(Method::PUT, ct(node, vmid, &[&"resize"]), params).await
    }

    /// Moves a stopped container's volume to another storage.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn move_volume(&self, node: &NodeName, vmid: Vmid, volume: &MoveVolume) -> Result<Upid, Error> {
        let params = Params::new()
            .with("volume", &volume.volume)
            .with("storage", &volume.storage)
            .flag("delete", volume.delete)
            .opt("digest", volume.digest.as_ref());
        self.task(Method::POST, ct(node, vmid, &[&"move_volume"]), params).await
    }

    /// Destroys a container and its disks.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Locked`], [`crate::ErrorKind::AlreadyRunning`] when it runs and `force`
    /// is not set, or any other [`Error`].
    pub async fn destroy_lxc(&self, node: &NodeName, vmid: Vmid, destroy: DestroyLxc) -> Result<Upid, Error> {
        let params = Params::new()
            .flag("purge", destroy.purge)
            .flag("force", destroy.force)
            .opt("destroy-unreferenced-disks", destroy.destroy_unreferenced_disks);
        self.task(Method::DELETE, ct(node, vmid, &[]), params).await
    }

    /// Whereto a container can move. 9.0 and later.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotImplemented`] before 9.0, or any other [`Error`].
    pub async fn migration(&self, node: &NodeName, vmid: Vmid) -> Result<Migration, Error> {
        self.get(ct(node, vmid, &[&"migrate"]), Params::new()).await
    }

    /// Moves a container to another node.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn migrate_lxc(
        &self,
        node: &NodeName,
        vmid: Vmid,
        migrate: &MigrateLxc,
    ) -> Result<Upid, Error> {
        let params = Params::new()
            .with("target", &migrate.target)
            .flag("restart", migrate.restart)
            .opt("timeout", migrate.timeout)
            .opt("target-storage", migrate.target_storage.as_ref());
        self.task(Method::POST, ct(node, vmid, &[&"migrate"]), params).await
    }
}
