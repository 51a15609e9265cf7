//! SSH straight into containers: which are let in to, whether that works now, and the console (or `pct exec`) where it does
//! not. How the key came there and the host key here is left to `admission`.
//!
//! A job is in the same files whichever way it is started. So when a container cannot be reached, or refuses us, the other way
//! takes the job; when a connection ends in the middle, the caller is told, and the next try, which goes the other way, finds
//! the job by its id.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proximity_pve as pve;
use tokio::sync::Mutex as AsyncMutex;

use super::admission::{self, PORT};
use super::ssh::own_key::OwnKey;
use super::ssh::remote::Remote;
use super::ssh::{Kind, Node};
use super::{Exec, GuestError, Job, Output};
use crate::model::app::GuestSsh;
use crate::model::host::Ssh;
use crate::model::ids::Ids;

/// How long one that did not let us in is left alone.
const RETRY: Duration = Duration::from_secs(300);
/// What `ssh` says when there was no connection (OpenSSH, `ssh_connect_direct`).
const UNCONNECTED: &str = "ssh: connect to host ";

static GUEST: Kind = Kind {
    connect_seconds: 3,
    host_key: "its key is another one than the one that was read over its console; if it was restored, or its keys were made \
               anew, `proximityctl restart APP` reads the key again; else another machine answers at its address",
    key: "the container no longer has the daemon's key, or sees another address of the daemon (address translation); \
          `proximityctl restart APP` puts the key there again",
};

/// The ways into containers by SSH.
#[derive(Debug)]
pub struct Inside {
    key: OwnKey,
    dir: PathBuf,
    user: String,
    port: u16,
    jobs: Option<String>,
    known: Mutex<HashMap<Place, Arc<Way>>>,
}

/// A host's name and a container's id.
type Place = (String, pve::Vmid);

/// A container that has our key.
#[derive(Debug)]
struct Way {
    address: String,
    ssh: GuestSsh,
    node: Arc<Node>,
    jobs: Option<String>,
    state: AsyncMutex<State>,
}

#[derive(Debug)]
enum State {
    Unknown,
    Works,
    Fails { refused: bool, at: Instant },
}

/// An app's container with what is known of SSH into it.
#[derive(Debug, Clone, Copy)]
pub struct Door<'a> {
    /// The host's name.
    pub host: &'a str,
    /// The container.
    pub vmid: pve::Vmid,
    /// Its address.
    pub address: &'a str,
    /// What was written and learnt there.
    pub ssh: &'a GuestSsh,
}

impl Inside {
    /// Nobody is known yet. What `ssh` needs on the disk is written below `dir`; what an earlier daemon left there is removed.
    pub fn new(key: OwnKey, dir: PathBuf) -> Inside {
        // The names in it are of no use to another process.
        let _ = std::fs::remove_dir_all(&dir);
        Inside { key, dir, user: "root".into(), port: PORT, jobs: None, known: Mutex::default() }
    }

    /// The line that lets us into a container at an address; None when there is no route to it.
    pub fn line(&self, address: &str) -> Option<String> {
        admission::line(self.key.public(), address)
    }

    /// A container by SSH where that works, else by the other way. None when SSH cannot work: no server, or another container.
    pub(super) fn exec(&self, door: Door<'_>, ids: &Ids, otherwise: Arc<dyn Exec>) -> Arc<dyn Exec> {
        match self.way(door) {
            Some(Ok(way)) => Arc::new(Direct { way, ids: ids.clone(), otherwise }),
            _ => otherwise,
        }
    }

    /// Whether a container lets us in, asked now. None when it has no SSH server, or none that we know the key of.
    pub async fn test(&self, door: Door<'_>, ids: &Ids) -> Option<Result<(), GuestError>> {
        let way = match self.way(door)? {
            Ok(way) => way,
            Err(error) => return Some(Err(error)),
        };
        let mut state = way.state.lock().await;
        Some(way.ask(&mut state, ids).await)
    }

    /// Whether a container refused us, or showed another key, when it was last asked.
    pub fn refused(&self, host: &str, vmid: pve::Vmid) -> bool {
        let known = self.locked().get(&(host.to_string(), vmid)).cloned();
        known.is_some_and(|way| {
            way.state.try_lock().is_ok_and(|state| matches!(*state, State::Fails { refused: true, .. }))
        })
    }

    /// Forgets what was found out of a container: it was started, or is gone.
    pub fn forget(&self, host: &str, vmid: pve::Vmid) {
        self.locked().remove(&(host.to_string(), vmid));
    }

    fn way(&self, door: Door<'_>) -> Option<Result<Arc<Way>, GuestError>> {
        let host_key = door.ssh.host_key.clone()?;
        if door.ssh.vmid != door.vmid.get() || !door.ssh.line.contains(self.key.public()) {
            return None;
        }
        let place = (door.host.to_string(), door.vmid);
        let mut known = self.locked();
        if let Some(way) = known.get(&place)
            && way.address == door.address
            && way.ssh == *door.ssh
        {
            return Some(Ok(Arc::clone(way)));
        }
        let settings =
            Ssh { user: self.user.clone(), port: self.port, key_file: Some(self.key.path()), host_key };
        let node = match Node::new(door.address, &GUEST, &settings, &self.dir) {
            Ok(node) => Arc::new(node),
            Err(error) => return Some(Err(error)),
        };
        let way = Arc::new(Way {
            address: door.address.into(),
            ssh: door.ssh.clone(),
            node,
            jobs: self.jobs.clone(),
            state: AsyncMutex::new(State::Unknown),
        });
        known.insert(place, Arc::clone(&way));
        Some(Ok(way))
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<Place, Arc<Way>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Way {
    /// Whether it lets us in, as far as is known; asked once when nothing is.
    async fn works(&self, ids: &Ids) -> bool {
        let mut state = self.state.lock().await;
        match &*state {
            State::Works => true,
            State::Fails { at, .. } if at.elapsed() < RETRY => false,
            _ => self.ask(&mut state, ids).await.is_ok(),
        }
    }

    async fn ask(&self, state: &mut State, ids: &Ids) -> Result<(), GuestError> {
        let result = self.node.test(ids.nonce()).await;
        *state = match &result {
            Ok(()) => State::Works,
            Err(error) => self.fails(error),
        };
        result
    }

    fn fails(&self, error: &GuestError) -> State {
        let refused = matches!(error, GuestError::Refused { .. });
        if refused {
            tracing::warn!(container = self.ssh.vmid, %error, "SSH into a container is refused; another way is taken");
        } else {
            tracing::debug!(container = self.ssh.vmid, %error, "SSH into a container does not work; another way is taken");
        }
        State::Fails { refused, at: Instant::now() }
    }
}

/// A container that lets us in, perhaps.
struct Direct {
    way: Arc<Way>,
    ids: Ids,
    otherwise: Arc<dyn Exec>,
}

#[async_trait::async_trait]
impl Exec for Direct {
    async fn run(&self, job: &Job) -> Result<Output, GuestError> {
        if !self.way.works(&self.ids).await {
            return self.otherwise.run(job).await;
        }
        let remote = Remote::direct(Arc::clone(&self.way.node), self.ids.clone());
        let remote = match &self.way.jobs {
            Some(dir) => remote.in_dir(dir),
            None => remote,
        };
        let result = remote.run(job).await;
        let Err(error @ (GuestError::Ssh(_) | GuestError::Refused { .. })) = result else { return result };
        *self.way.state.lock().await = self.way.fails(&error);
        match &error {
            // Nothing was begun by this call, and what an earlier one began is found.
            GuestError::Refused { .. } => self.otherwise.run(job).await,
            GuestError::Ssh(why) if why.contains(UNCONNECTED) => self.otherwise.run(job).await,
            _ => Err(error),
        }
    }
}

#[cfg(test)]
impl Inside {
    /// With a server of a test's own.
    pub(crate) fn at(self, user: String, port: u16, jobs: String) -> Inside {
        Inside { user, port, jobs: Some(jobs), ..self }
    }
}

#[cfg(test)]
mod tests;
