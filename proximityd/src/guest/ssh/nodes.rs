//! Which node is where: a container's node has a name in Proxmox VE, and SSH needs an address.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use proximity_pve as pve;

use super::{NODE, Node};
use crate::guest::GuestError;
use crate::hosts::Host;

/// The nodes that were reached, and what is kept of each.
#[derive(Debug)]
pub struct Nodes {
    dir: PathBuf,
    known: Mutex<HashMap<(String, pve::NodeName), Known>>,
}

/// A node, for as long as its host is configured as it was.
#[derive(Debug)]
struct Known {
    host: Weak<Host>,
    node: Arc<Node>,
}

impl Nodes {
    /// None is known yet. What `ssh` needs on the disk is written below `dir`.
    pub fn new(dir: PathBuf) -> Nodes {
        Nodes { dir, known: Mutex::default() }
    }

    /// A node of a host.
    ///
    /// # Errors
    /// [`GuestError::Refused`] when SSH is not set up for the host, or its keys cannot be used.
    pub async fn get(&self, host: &Arc<Host>, name: &pve::NodeName) -> Result<Arc<Node>, GuestError> {
        let key = (host.config.name.clone(), name.clone());
        if let Some(known) = self.locked().get(&key)
            && std::ptr::eq(known.host.as_ptr(), Arc::as_ptr(host))
        {
            return Ok(Arc::clone(&known.node));
        }
        let Some(settings) = &host.config.ssh else {
            let why = format!("SSH is not set up for the host {}", host.config.name);
            let hint = "give --ssh-user and --ssh-host-key to `proximityctl host add`";
            return Err(GuestError::Refused { address: name.to_string(), why, hint });
        };
        let address = address(host, name).await;
        let node = Arc::new(Node::new(&address, &NODE, settings, &self.dir)?);
        self.locked().insert(key, Known { host: Arc::downgrade(host), node: Arc::clone(&node) });
        Ok(node)
    }

    /// Forgets where a node is: it may have another address.
    pub fn forget(&self, host: &Host, name: &pve::NodeName) {
        self.locked().remove(&(host.config.name.clone(), name.clone()));
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<(String, pve::NodeName), Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a node is. The cluster knows; a node by itself is where it is asked. A token that may not ask the cluster (Sys.Audit
/// on `/`) leaves the endpoint that has the node's name, else the first one.
async fn address(host: &Host, name: &pve::NodeName) -> String {
    let endpoints: Vec<pve::Endpoint> =
        host.config.endpoints.iter().filter_map(|text| text.parse().ok()).collect();
    let named = |endpoint: &&pve::Endpoint| endpoint.host().split('.').next() == Some(name.as_str());
    let status = host.client.cluster_status().await.ok();
    let member = status.as_ref().filter(|status| status.cluster_name().is_some()).and_then(|status| {
        let ip = status.nodes().find(|node| node.name == name.as_str())?.ip.as_deref()?;
        ip.parse::<std::net::IpAddr>().ok().map(|ip| ip.to_string())
    });
    member
        .or_else(|| endpoints.iter().find(named).map(|endpoint| endpoint.host().to_string()))
        .or_else(|| endpoints.first().map(|endpoint| endpoint.host().to_string()))
        .unwrap_or_else(|| name.to_string())
}
