//! What sagas work with. The composition root makes it; nothing here decides anything.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::guest::sessions::Guests;
use crate::hosts::Hosts;
use crate::model::clock::Clock;
use crate::model::ids::Ids;
use crate::registry::Registry;
use crate::store::Store;
use crate::vault::Vault;

/// What sagas work with.
#[derive(Debug)]
pub struct Services {
    /// The daemon's memory.
    pub store: Store,
    /// Secrets.
    pub vault: Vault,
    /// The configured Proxmox VE hosts.
    pub hosts: Hosts,
    /// The insides of containers.
    pub guests: Guests,
    /// Image registries.
    pub registry: Registry,
    /// The time.
    pub clock: Clock,
    /// Ids and randomness.
    pub ids: Ids,
    /// Who waits for whom.
    pub queues: Queues,
    /// HTTP for health probes: no proxy, no redirects, certificates not checked (an app's own is self-made).
    pub probe_client: reqwest::Client,
    /// The time zone that apps get.
    pub time_zone: String,
}

/// Queues by name: one at a time, or a number at a time.
#[derive(Debug)]
pub struct Queues {
    per_node: usize,
    single: Mutex<HashMap<String, Arc<AsyncMutex<()>>>>,
    nodes: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Queues {
    /// Queues that let `per_node` operations work on one node at a time.
    pub fn new(per_node: usize) -> Queues {
        Queues { per_node, single: Mutex::default(), nodes: Mutex::default() }
    }

    /// Waits for a turn; it lasts until the guard is dropped.
    pub async fn turn(&self, name: String) -> OwnedMutexGuard<()> {
        let queue = {
            let mut queues = self.single.lock().unwrap_or_else(PoisonError::into_inner);
            // Queues that nobody stands in are forgotten.
            if queues.len() > 256 {
                queues.retain(|_, queue| Arc::strong_count(queue) > 1);
            }
            Arc::clone(queues.entry(name).or_default())
        };
        queue.lock_owned().await
    }

    /// Waits for a place on a node.
    pub async fn place(&self, host: &str, node: &str) -> OwnedSemaphorePermit {
        let places = {
            let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(
                nodes
                    .entry(format!("{host}/{node}"))
                    .or_insert_with(|| Arc::new(Semaphore::new(self.per_node))),
            )
        };
        places.acquire_owned().await.expect("these semaphores are never closed")
    }
}
