//! The ways into containers, and which one serves. A console session is one per container at a time, kept open a little while,
//! never broken into while a person is there; SSH to the node serves where there is no console. SSH into the container is
//! taken before both where it was set up and works; what sets it up never goes by it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use proximity_pve as pve;
use tokio::sync::Mutex as AsyncMutex;

use super::console::{Session, Terminal};
use super::inside::{Door, Inside};
use super::joblines::JOBS;
use super::ssh::nodes::Nodes;
use super::ssh::remote::Remote;
use super::{Exec, GuestError, Job, Output};
use crate::hosts::Host;
use crate::model::ids::Ids;

/// How long a session that nobody uses is kept: the steps of an operation follow each other within it.
const IDLE: Duration = Duration::from_secs(5);
/// The terminal's size. Wide, so that a shell does not fold the lines that are typed.
const SIZE: (u16, u16) = (250, 50);

/// The type of a console's task (pve-container, `termproxy`).
const CONSOLE_TASK: &str = "vncproxy";

/// The insides of all containers.
#[derive(Debug)]
pub struct Guests {
    ids: Ids,
    consoles: Mutex<HashMap<(String, pve::Vmid), Arc<Console>>>,
    nodes: Arc<Nodes>,
    inside: Option<Inside>,
}

impl Guests {
    /// Nobody is attached yet. What SSH needs on the disk is written below `ssh_dir`.
    pub fn new(ids: Ids, ssh_dir: PathBuf) -> Guests {
        Guests { ids, consoles: Mutex::default(), nodes: Arc::new(Nodes::new(ssh_dir)), inside: None }
    }

    /// With SSH into containers.
    #[must_use]
    pub fn with_inside(self, inside: Inside) -> Guests {
        Guests { inside: Some(inside), ..self }
    }

    /// SSH into containers; None when it is turned off.
    pub fn inside(&self) -> Option<&Inside> {
        self.inside.as_ref()
    }

    /// The inside of a container: by the console where there is one, else by SSH where that is set up, else by the console
    /// all the same, which then says what is wrong.
    pub fn of(&self, host: &Arc<Host>, node: &pve::NodeName, vmid: pve::Vmid) -> Arc<dyn Exec> {
        let console = self.console(host, node, vmid);
        match &host.config.ssh {
            None => console,
            Some(_) => Arc::new(Either { console, nodes: Arc::clone(&self.nodes) }),
        }
    }

    /// The inside of a container with an SSH server that has our key: by SSH where the daemon has a route and is let in, else
    /// as [`Guests::of`].
    pub fn best(&self, host: &Arc<Host>, node: &pve::NodeName, door: Door<'_>) -> Arc<dyn Exec> {
        let otherwise = self.of(host, node, door.vmid);
        match &self.inside {
            Some(inside) => inside.exec(door, &self.ids, otherwise),
            None => otherwise,
        }
    }

    /// Whether a container lets us in by SSH, asked now; None when that is turned off, or cannot be.
    pub async fn test_inside(&self, door: Door<'_>) -> Option<Result<(), GuestError>> {
        self.inside.as_ref()?.test(door, &self.ids).await
    }

    /// Whether a node lets us in by SSH.
    ///
    /// # Errors
    /// [`GuestError::Ssh`] and [`GuestError::Refused`].
    pub async fn test_ssh(&self, host: &Arc<Host>, node: &pve::NodeName) -> Result<(), GuestError> {
        // It may have another address by now, and a test is to find that out.
        self.nodes.forget(host, node);
        self.nodes.get(host, node).await?.test(self.ids.nonce()).await
    }

    fn console(&self, host: &Arc<Host>, node: &pve::NodeName, vmid: pve::Vmid) -> Arc<Console> {
        let mut consoles = self.consoles.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody holds and that have no session are forgotten; one that is locked is in use.
        let unused = |console: &Console| console.session.try_lock().is_ok_and(|slot| slot.is_none());
        consoles.retain(|_, console| Arc::strong_count(console) > 1 || !unused(console));
        let key = (host.config.name.clone(), vmid);
        let known =
            consoles.get(&key).filter(|console| Arc::ptr_eq(&console.host, host) && console.node == *node);
        match known {
            Some(console) => Arc::clone(console),
            None => {
                let console = Arc::new(Console {
                    host: Arc::clone(host),
                    node: node.clone(),
                    vmid,
                    ids: self.ids.clone(),
                    session: Arc::default(),
                });
                consoles.insert(key, Arc::clone(&console));
                console
            }
        }
    }
}

/// A container of a host that has SSH as well: which of the two serves is known when a job comes.
struct Either {
    console: Arc<Console>,
    nodes: Arc<Nodes>,
}

#[async_trait::async_trait]
impl Exec for Either {
    async fn run(&self, job: &Job) -> Result<Output, GuestError> {
        let Console { host, node, vmid, ids, .. } = &*self.console;
        if host.capabilities().await?.console {
            return self.console.run(job).await;
        }
        let way = self.nodes.get(host, node).await?;
        let result = Remote::pct(way, vmid.get(), ids.clone()).run(job).await;
        if matches!(result, Err(GuestError::Ssh(_))) {
            self.nodes.forget(host, node);
        }
        result
    }
}

type Slot = Arc<AsyncMutex<Option<Session<PveTerminal>>>>;

struct Console {
    host: Arc<Host>,
    node: pve::NodeName,
    vmid: pve::Vmid,
    ids: Ids,
    session: Slot,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").field("vmid", &self.vmid).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl Exec for Console {
    async fn run(&self, job: &Job) -> Result<Output, GuestError> {
        let mut slot = Arc::clone(&self.session).lock_owned().await;
        let kept = slot.take();
        let fresh = kept.is_none();
        let mut session = match kept {
            Some(session) => session,
            None => self.attach().await?,
        };
        let mut result = session.run(job).await;
        if !fresh && matches!(result, Err(GuestError::Cut(_))) {
            // A session that was kept may have ended meanwhile; the job's id keeps it from being started twice.
            session = self.attach().await?;
            result = session.run(job).await;
        }
        if !matches!(result, Err(GuestError::Cut(_) | GuestError::Garbled(_))) {
            *slot = Some(session);
            drop(slot);
            let slot = Arc::clone(&self.session);
            tokio::spawn(async move {
                tokio::time::sleep(IDLE).await;
                if let Ok(mut slot) = slot.try_lock()
                    && slot.as_ref().is_some_and(|session| session.idle() >= IDLE)
                {
                    slot.take();
                }
            });
        }
        result
    }
}

impl Console {
    async fn attach(&self) -> Result<Session<PveTerminal>, GuestError> {
        let vmid = self.vmid.to_string();
        let others = self.host.tasks_of(&self.node, &vmid, CONSOLE_TASK, true).await?;
        if let Some(other) = others.first() {
            let why = format!("{} is attached to it", other.user());
            return Err(GuestError::Busy { vmid: self.vmid.get(), why });
        }
        // A connection that breaks while it is opened is as good as one that breaks a moment later: it is tried again.
        let stream = self.host.client.console(&self.node, self.vmid).await.map_err(|error| match error {
            pve::Error::Console(pve::ConsoleError::Broken(_) | pve::ConsoleError::Timeout) => cut(error),
            other => other.into(),
        })?;
        let terminal = PveTerminal { stream };
        terminal.stream.resize(SIZE.0, SIZE.1).await.map_err(cut)?;
        let ids = self.ids.clone();
        Session::open(terminal, self.vmid.get(), JOBS, Box::new(move || ids.nonce())).await
    }
}

fn cut(error: impl std::fmt::Display) -> GuestError {
    GuestError::Cut(error.to_string())
}

/// The PVE console's websocket as a terminal.
struct PveTerminal {
    stream: pve::ConsoleStream,
}

#[async_trait::async_trait]
impl Terminal for PveTerminal {
    async fn send(&mut self, bytes: Bytes) -> Result<(), GuestError> {
        self.stream.send(&bytes).await.map_err(cut)
    }

    async fn receive(&mut self) -> Result<Option<Bytes>, GuestError> {
        self.stream.recv().await.map_err(cut)
    }
}
