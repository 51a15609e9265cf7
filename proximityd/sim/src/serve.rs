//! Starts a node: takes its directory up, listens, brings back what ran, and says so in `node.json`.

use std::net::SocketAddr;
use std::sync::Arc;

use rand::RngCore as _;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::auth::TicketKey;
use crate::clock::Clock;
use crate::engine::memory::{MemoryEngine, MemoryOptions};
use crate::engine::{Engine, EngineError};
use crate::fault::Faults;
use crate::http::{Server, certificate, listen};
use crate::node::{Node, Parts, now};
use crate::options::Options;
use crate::state::defaults::{BRIDGE, POOL, Secrets, TOKEN, USER, fresh};
use crate::state::store::{Directory, Store, StoreError};
use crate::tasks::{JournalError, Tasks};

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Its directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its certificate cannot be used.
    #[error("cannot set TLS up: {0}")]
    Tls(String),
    /// Its task journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// It cannot listen.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The error.
        source: std::io::Error,
    },
    /// Its engine cannot start.
    #[error("the engine cannot start")]
    Engine(#[from] EngineError),
}

/// What a client needs to know about a running node: the file `node.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeFile {
    /// `https://127.0.0.1:40123`.
    pub url: String,
    /// The address listened on.
    pub listen: SocketAddr,
    /// The process.
    pub pid: u32,
    /// SHA-256 of the certificate, `AA:BB:…`.
    pub fingerprint: String,
    /// What to trust.
    pub ca_pem: String,
    /// `9.2`.
    pub version: String,
    /// The node that answers.
    pub node: String,
    /// All nodes.
    pub nodes: Vec<String>,
    /// `memory`.
    pub engine: String,
    /// `proximity@pve!proximity`.
    pub token_id: String,
    /// The token's secret.
    pub token_secret: String,
    /// `root@pam`'s password.
    pub root_password: String,
    /// The pool the token works in.
    pub pool: String,
    /// The storages.
    pub storages: Vec<String>,
    /// The bridge.
    pub bridge: String,
    /// Opens the control calls below `/sim/`.
    pub control_token: String,
}

/// A node that runs.
#[derive(Debug)]
pub struct Running {
    /// Its `node.json`.
    pub file: NodeFile,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    node: Arc<Node>,
}

impl Running {
    /// Its address as a URL.
    pub fn url(&self) -> &str {
        &self.file.url
    }

    /// Stops it: no more connections, the containers' processes ended, everything on disk.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the server failed");
        }
        self.node.tasks.abort().await;
        let running: Vec<_> = {
            let state = self.node.store.view();
            let guests = state.guests.iter().filter(|(_, g)| g.running);
            guests.map(|(vmid, guest)| self.node.spec(*vmid, guest)).collect()
        };
        for spec in running {
            if let Err(error) = self.node.engine.stop(&spec).await {
                tracing::warn!(vmid = spec.vmid, %error, "a container did not stop");
            }
        }
        let _ = std::fs::remove_file(self.node.store.directory().file(NODE_FILE));
    }
}

const NODE_FILE: &str = "node.json";
const KEPT_FILE: &str = "secrets.json";

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    token: String,
    root: String,
    control: String,
    ticket_key: String,
    port: Option<u16>,
}

/// A fresh secret in the form of a UUID.
pub(crate) fn secret() -> String {
    let mut bytes = [0u8; 16];
    rand::rng().fill_bytes(&mut bytes);
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Starts a node and returns once it answers.
///
/// # Errors
/// When its directory, its address or its certificate cannot be used.
pub async fn serve(options: Options) -> Result<Running, ServeError> {
    let directory = Directory::open(&options.state_dir)?;
    let mut kept = directory.read::<Kept>(KEPT_FILE)?.unwrap_or_else(|| Kept {
        token: secret(),
        root: secret(),
        control: secret(),
        ticket_key: secret(),
        port: None,
    });
    let certificate = certificate(&directory, &options.nodes).map_err(|e| ServeError::Tls(format!("{e}")))?;
    let clock = Arc::new(Clock::new(options.task_time));
    let tasks = Tasks::open(&directory.file("tasks.jsonl"), Arc::clone(&clock))?;
    let engine = engine(&options).await?;
    let secrets = Secrets { token: kept.token.clone(), root: kept.root.clone() };
    let store = Store::open(directory, || fresh(&options.nodes, &secrets, now()))?;
    let nodes = options.nodes.clone();
    if store.view().nodes != nodes {
        store.change(|state| state.nodes = nodes)?;
    }
    let node = Node::new(Parts {
        faults: Faults::new(options.faults.clone()),
        key: TicketKey::new(kept.ticket_key.clone()),
        fingerprint: certificate.fingerprint.clone(),
        certificate: certificate.ca_pem.clone(),
        options,
        store,
        engine,
        tasks,
        clock,
    });
    bring_back(&node).await?;

    let stop = watch::Sender::new(false);
    let server = Arc::new(Server { node: Arc::clone(&node), control_token: kept.control.clone() });
    let wanted = node.options.listen;
    let listening = listen(wanted, kept.port, certificate.config, server, stop.subscribe())
        .await
        .map_err(|source| ServeError::Listen { address: wanted, source })?;
    kept.port = Some(listening.address.port());
    node.store.directory().write(KEPT_FILE, &kept)?;

    let file = NodeFile {
        url: format!("https://{}", listening.address),
        listen: listening.address,
        pid: std::process::id(),
        fingerprint: certificate.fingerprint,
        ca_pem: certificate.ca_pem,
        version: node.version().release().to_owned(),
        node: node.options.nodes[0].clone(),
        nodes: node.options.nodes.clone(),
        engine: node.engine.name().to_owned(),
        token_id: format!("{USER}!{TOKEN}"),
        token_secret: kept.token,
        root_password: kept.root,
        pool: POOL.to_owned(),
        storages: node.store.view().storages.keys().cloned().collect(),
        bridge: BRIDGE.to_owned(),
        control_token: kept.control,
    };
    node.store.directory().write(NODE_FILE, &file)?;
    Ok(Running { file, stop, task: listening.task, node })
}

async fn engine(options: &Options) -> Result<Arc<dyn Engine>, ServeError> {
    if let Some(engine) = &options.engine {
        return Ok(Arc::clone(engine));
    }
    let memory =
        MemoryOptions { state_dir: options.state_dir.clone(), privileged_ports: options.privileged_ports };
    Ok(Arc::new(MemoryEngine::new(memory).await?))
}

/// Starts what ran when the node went away.
async fn bring_back(node: &Arc<Node>) -> Result<(), StoreError> {
    let running: Vec<_> = {
        let state = node.store.view();
        state.guests.iter().filter(|(_, g)| g.running).map(|(id, g)| node.spec(*id, g)).collect()
    };
    for spec in running {
        if node.engine.running(&spec).await {
            continue;
        }
        if let Err(error) = node.engine.start(&spec).await {
            tracing::warn!(vmid = spec.vmid, %error, "a container did not start again");
            node.store.change(|state| {
                if let Some(guest) = state.guests.get_mut(&spec.vmid) {
                    guest.running = false;
                }
            })?;
        }
    }
    Ok(())
}

/// Makes sure that no node uses a state directory.
///
/// # Errors
/// When one does, or the directory cannot be used.
pub fn ensure_unused(path: &std::path::Path) -> Result<(), ServeError> {
    Directory::open(path)?;
    Ok(())
}
