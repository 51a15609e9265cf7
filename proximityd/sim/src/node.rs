//! The running node: its state, its engine, its tasks, and what the calls share.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::auth::TicketKey;
use crate::clock::Clock;
use crate::console::Consoles;
use crate::durations::{FIGURES, NETWORK};
use crate::engine::{Engine, GuestSpec};
use crate::fault::Faults;
use crate::options::{Options, Version};
use crate::reply::ApiError;
use crate::requests::Requests;
use crate::state::State;
use crate::state::guest::Guest;
use crate::state::store::{Store, StoreError};
use crate::tasks::Tasks;

/// One running embedded node (or several that form a cluster in one process).
pub(crate) struct Node {
    /// How it was started.
    pub options: Options,
    /// What it keeps.
    pub store: Store,
    /// What makes containers real.
    pub engine: Arc<dyn Engine>,
    /// Its tasks.
    pub tasks: Tasks,
    /// The faults it was told to show.
    pub faults: Faults,
    /// The requests it has seen.
    pub requests: Requests,
    /// Consoles that wait for their websocket.
    pub consoles: Consoles,
    /// Signs tickets.
    pub key: TicketKey,
    /// The fingerprint of its certificate.
    pub fingerprint: String,
    /// Its time.
    pub clock: Arc<Clock>,
    /// What its certificate is to be trusted by.
    pub certificate: String,
    /// When it was started.
    pub started: Instant,
    locks: Mutex<HashMap<u32, Arc<tokio::sync::Mutex<()>>>>,
    /// When containers were started, by the node's clock.
    boots: Mutex<HashMap<u32, Duration>>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The parts a node is made of.
pub(crate) struct Parts {
    pub(crate) options: Options,
    pub(crate) store: Store,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) tasks: Tasks,
    pub(crate) faults: Faults,
    pub(crate) key: TicketKey,
    pub(crate) fingerprint: String,
    pub(crate) clock: Arc<Clock>,
    pub(crate) certificate: String,
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl Node {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            options: parts.options,
            store: parts.store,
            engine: parts.engine,
            tasks: parts.tasks,
            faults: parts.faults,
            requests: Requests::default(),
            consoles: Consoles::default(),
            key: parts.key,
            fingerprint: parts.fingerprint,
            clock: parts.clock,
            certificate: parts.certificate,
            started: Instant::now(),
            locks: Mutex::default(),
            boots: Mutex::default(),
        })
    }

    /// The version it says it is.
    pub(crate) fn version(&self) -> Version {
        self.options.version
    }

    /// Changes the state; a refusal leaves it as it was.
    ///
    /// # Errors
    /// The refusal, or a 500 when the state cannot be written.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut State) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        self.store.try_change(write_failed, change)
    }

    /// Where a container's engine keeps its things.
    pub(crate) fn guest_dir(&self, vmid: u32) -> PathBuf {
        self.store.directory().file("guests").join(vmid.to_string())
    }

    /// A container as the engine sees it.
    pub(crate) fn spec(&self, vmid: u32, guest: &Guest) -> GuestSpec {
        GuestSpec {
            vmid,
            hostname: guest.name(vmid),
            dir: self.guest_dir(vmid),
            config: guest.config.clone(),
        }
    }

    /// The lock file of a container: what changes it waits here.
    pub(crate) fn guest_lock(&self, vmid: u32) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().expect("no panic holds the table of locks");
        Arc::clone(locks.entry(vmid).or_default())
    }

    /// Notes that a container has just been started.
    pub(crate) fn booted(&self, vmid: u32) {
        self.boots.lock().expect("no panic holds the boots").insert(vmid, self.clock.elapsed());
    }

    /// Whether a container's network is still coming up.
    pub(crate) fn network_is_coming(&self, vmid: u32) -> bool {
        let boots = self.boots.lock().expect("no panic holds the boots");
        let up = self.clock.lasting(NETWORK);
        boots.get(&vmid).is_some_and(|at| self.clock.elapsed() < *at + up)
    }

    /// The directory behind a `dir` storage's path.
    pub(crate) fn storage_dir(&self, node: &str, storage: &str) -> PathBuf {
        self.store.directory().file("storage").join(node).join(storage)
    }

    /// Whether the collector of figures has not seen a container yet.
    pub(crate) fn too_young(&self, guest: &Guest) -> bool {
        if guest.unmeasured {
            return true;
        }
        let cycle = i64::try_from(self.clock.lasting(FIGURES).as_secs()).unwrap_or(0);
        self.clock.now() - guest.created < cycle
    }

    /// How long a step of a task takes.
    pub(crate) fn task_time(&self, recorded: Duration) -> Duration {
        self.clock.lasting(recorded)
    }
}

pub(crate) fn write_failed(error: StoreError) -> ApiError {
    tracing::error!(error = &error as &dyn std::error::Error, "the state cannot be written");
    ApiError::died(format!("unable to write state - {error}"))
}
