//! Snapshots. Storages of type `dir` have none; the task says so.
//!
//! After going back to a snapshot taken while the container ran, the next start takes about 45 s.

use reqwest::Method;
use serde::Deserialize;

use crate::client::Client;
use crate::error::Error;
use crate::ids::{NodeName, SnapshotName, Vmid};
use crate::lxc::ct;
use crate::params::Params;
use crate::upid::Upid;

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Snapshot {
    /// Its name.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub name: String,
    /// Its notes, without the newline that Proxmox VE appends.
    #[serde(default, deserialize_with = "note")]
    pub description: String,
    /// When it was taken, in seconds since 1970.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub snaptime: Option<u64>,
    /// The snapshot before it.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub parent: Option<String>,
}

fn note<'de, D: serde::Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    let text: String = crate::lenient::or_default(d)?;
    Ok(text.strip_suffix('\n').map(str::to_owned).unwrap_or(text))
}

/// The entry of the list that stands for the present state.
const CURRENT: &str = "current";

impl Client {
    /// A container's snapshots, without the entry for the present state.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn snapshots(&self, node: &NodeName, vmid: Vmid) -> Result<Vec<Snapshot>, Error> {
        let mut list: Vec<Snapshot> = self.get_list(ct(node, vmid, &[&"snapshot"]), Params::new()).await?;
        list.retain(|s| s.name != CURRENT);
        Ok(list)
    }

    /// Takes a snapshot. A locked or missing container, a taken name and a storage without
    /// snapshots are accepted and fail in the task.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn create_snapshot(
        &self,
        node: &NodeName,
        vmid: Vmid,
        name: &SnapshotName,
        description: Option<&str>,
    ) -> Result<Upid, Error> {
        let params = Params::new().with("snapname", name).opt("description", description);
        self.task(Method::POST, ct(node, vmid, &[&"snapshot"]), params).await
    }

    /// Removes a snapshot; `force` also from the configuration when its volume cannot be removed.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn delete_snapshot(
        &self,
        node: &NodeName,
        vmid: Vmid,
        name: &SnapshotName,
        force: bool,
    ) -> Result<Upid, Error> {
        let params = Params::new().flag("force", force);
        self.task(Method::DELETE, ct(node, vmid, &[&"snapshot", name]), params).await
    }

    /// Goes back to a snapshot; the container is stopped, and with `start` started again.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn rollback_snapshot(
        &self,
        node: &NodeName,
        vmid: Vmid,
        name: &SnapshotName,
        start: bool,
    ) -> Result<Upid, Error> {
        let params = Params::new().flag("start", start);
        let path = ct(node, vmid, &[&"snapshot", name, &"rollback"]);
        self.task(Method::POST, path, params).await
    }
}
