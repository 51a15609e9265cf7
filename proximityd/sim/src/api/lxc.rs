//! Containers: what their methods share.

pub(super) mod allocate;
pub(super) mod clone;
pub(super) mod config;
pub(super) mod create;
pub(super) mod destroy;
pub(super) mod figures;
mod image;
pub(super) mod migrate;
pub(super) mod move_volume;
pub(super) mod power;
pub(super) mod read;
pub(super) mod resize;
pub(super) mod restore;
pub(super) mod rights;
pub(super) mod snapshot;

use std::future::Future;
use std::sync::Arc;

use rand::Rng as _;
use tokio::sync::OwnedMutexGuard;

use crate::call::Call;
use crate::durations::LOCK_WAIT;
use crate::engine::{EngineError, GuestSpec};
use crate::node::Node;
use crate::reply::{ApiError, Outcome};
use crate::schema::print_property_string;
use crate::state::State;
use crate::state::guest::{Guest, keys_of, parse_option};
use crate::tasks::{Start, Task};

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        Self::Died(error.0)
    }
}

pub(super) fn missing(host: &str, vmid: u32) -> ApiError {
    ApiError::died(format!("Configuration file 'nodes/{host}/lxc/{vmid}.conf' does not exist"))
}

/// A container of a node.
pub(super) fn guest<'a>(state: &'a State, host: &str, vmid: u32) -> Result<&'a Guest, ApiError> {
    state.guests.get(&vmid).filter(|g| g.node == host).ok_or_else(|| missing(host, vmid))
}

/// A container of a node, to change it.
pub(super) fn guest_mut<'a>(state: &'a mut State, host: &str, vmid: u32) -> Result<&'a mut Guest, ApiError> {
    state.guests.get_mut(&vmid).filter(|g| g.node == host).ok_or_else(|| missing(host, vmid))
}

/// That nobody has locked it.
pub(super) fn unlocked(guest: &Guest) -> Result<(), ApiError> {
    match guest.lock() {
        Some(lock) => Err(ApiError::died(format!("CT is locked ({lock})"))),
        None => Ok(()),
    }
}

/// A container's work in a task: where, which, and its log.
#[derive(Clone)]
pub(super) struct Work {
    pub(super) node: Arc<Node>,
    pub(super) host: String,
    pub(super) vmid: u32,
    pub(super) task: Arc<Task>,
}

impl Work {
    /// Waits for the container's lock file.
    ///
    /// # Errors
    /// When another holds it for too long, or somebody stops the task meanwhile.
    pub(super) async fn lock(&self) -> Result<OwnedMutexGuard<()>, ApiError> {
        if let Ok(guard) = self.node.guest_lock(self.vmid).try_lock_owned() {
            return Ok(guard);
        }
        self.task.log("trying to acquire lock...");
        let guard = tokio::select! {
            biased;
            () = self.task.interrupted() => Err(ApiError::died("received interrupt")),
            guard = lock_file(&self.node, self.vmid) => guard,
        }?;
        self.task.log(" OK");
        Ok(guard)
    }

    /// The container as it is now.
    pub(super) fn guest(&self) -> Result<Guest, ApiError> {
        guest(&self.node.store.view(), &self.host, self.vmid).cloned()
    }

    /// The container as the engine sees it.
    pub(super) fn spec(&self) -> Result<GuestSpec, ApiError> {
        Ok(self.node.spec(self.vmid, &self.guest()?))
    }

    /// Changes the container.
    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&mut Guest) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        self.node.change(|state| change(guest_mut(state, &self.host, self.vmid)?))
    }

    /// Puts a lock on the container's configuration for the time of a step, in which its lock file is free.
    ///
    /// # Errors
    /// When it has one already, or its lock file is held for too long.
    pub(super) async fn set_lock(&self, lock: &str) -> Result<Guest, ApiError> {
        let _guard = self.lock().await?;
        self.change(|guest| {
            unlocked(guest)?;
            guest.config.insert("lock".into(), lock.into());
            Ok(guest.clone())
        })
    }

    /// Takes that lock off again.
    pub(super) fn clear_lock(&self) -> Result<(), ApiError> {
        self.change(|guest| {
            guest.config.remove("lock");
            Ok(())
        })
    }
}

/// Waits for a container's lock file.
///
/// # Errors
/// When another holds it for too long.
pub(in crate::api) async fn lock_file(node: &Node, vmid: u32) -> Result<OwnedMutexGuard<()>, ApiError> {
    tokio::select! {
        biased;
        guard = node.guest_lock(vmid).lock_owned() => Ok(guard),
        () = node.clock.limit(LOCK_WAIT) => {
            Err(ApiError::died(format!("can't lock file '/run/lock/lxc/pve-config-{vmid}.lock' - got timeout")))
        }
    }
}

/// Starts a container's task and answers with its name.
pub(super) fn start<F, W>(call: &Call, kind: &str, work: F) -> Outcome
where
    F: FnOnce(Work) -> W + Send + 'static,
    W: Future<Output = Result<(), ApiError>> + Send + 'static,
{
    let vmid = call.vmid();
    let (node, host) = (Arc::clone(&call.node), call.host.clone());
    let start = Start { node: &call.host, kind, id: vmid.to_string(), who: &call.who };
    let task =
        call.node.tasks.start(&call.node, &start, move |task| work(Work { node, host, vmid, task }))?;
    Ok(serde_json::json!(task.upid.to_string()).into())
}

/// A network as it is kept: with a MAC address, its type, and in order.
pub(super) fn complete_net(text: &str, new_address: bool) -> String {
    let mut parts = parse_option("net0", text);
    parts.entry("type".into()).or_insert_with(|| "veth".into());
    if new_address || !parts.contains_key("hwaddr") {
        let tail: [u8; 3] = rand::rng().random();
        parts.insert("hwaddr".into(), format!("BC:24:11:{:02X}:{:02X}:{:02X}", tail[0], tail[1], tail[2]));
    } else if let Some(address) = parts.get_mut("hwaddr") {
        *address = address.to_uppercase();
    }
    print_property_string(keys_of("net0"), &parts)
}

/// Tags as they are kept: each once, in order.
pub(super) fn unique_tags(text: &str) -> String {
    let mut tags: Vec<String> = crate::schema::split_list(text).iter().map(|t| t.to_lowercase()).collect();
    tags.sort();
    tags.dedup();
    tags.join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_gets_an_address_of_proxmox_and_keeps_one_it_has() {
        let made = complete_net("name=eth0,bridge=vmbr0,ip=dhcp", false);
        assert!(
            made.starts_with("name=eth0,bridge=vmbr0,hwaddr=BC:24:11:")
                && made.ends_with(",ip=dhcp,type=veth")
        );
        assert_eq!(complete_net(&made, false), made);
        assert_ne!(complete_net(&made, true), made);
    }

    #[test]
    fn tags_are_kept_once_and_in_order() {
        assert_eq!(unique_tags("web,proximity web"), "proximity;web");
    }
}
