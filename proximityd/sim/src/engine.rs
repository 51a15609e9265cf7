//! What the API layer asks of an engine: the part of a node that makes containers real.
//!
//! The API layer owns configuration, tasks, locks, permissions and the numbers PVE reports; an engine
//! owns file systems, processes, addresses and the console. It deliberately knows nothing of HTTP.

pub mod memory;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

/// One container, as the engine needs to see it.
#[derive(Debug, Clone)]
pub struct GuestSpec {
    /// The container's id on its node.
    pub vmid: u32,
    /// Its host name.
    pub hostname: String,
    /// A directory of its own below the node's state directory; the engine may keep anything there.
    pub dir: PathBuf,
    /// Its configuration by PVE's own keys (`net0`, `memory`, `cores`, `features`, …). At creation only it also
    /// holds `ssh-public-keys`, for root's `authorized_keys`, one a line, when the call gave any.
    pub config: BTreeMap<String, String>,
}

/// A network interface as the container sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestInterface {
    /// `lo`, `eth0`, …
    pub name: String,
    /// The MAC address.
    pub hwaddr: String,
    /// IPv4 address in CIDR notation.
    pub inet: Option<String>,
    /// IPv6 address in CIDR notation.
    pub inet6: Option<String>,
}

/// What a container uses now. Bytes, seconds, and a share of one core for `cpu`.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct GuestUsage {
    pub pid: u32,
    pub uptime: u64,
    pub cpu: f64,
    pub mem: u64,
    pub disk: u64,
    pub diskread: u64,
    pub diskwrite: u64,
    pub netin: u64,
    pub netout: u64,
}

/// Why an engine could not do as asked: the text that ends up in the task log and its exit status.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct EngineError(pub String);

/// What a console client sends.
#[derive(Debug, Clone)]
pub enum ConsoleInput {
    /// Bytes for the terminal's input.
    Data(Bytes),
    /// The client's window size.
    Resize {
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
    },
}

/// One attachment to a container's console. All attachments of one container share one terminal, which
/// outlives them (Proxmox VE runs it inside `dtach -A`). Dropping it detaches.
#[derive(Debug)]
pub struct Console {
    /// To the terminal.
    pub input: mpsc::Sender<ConsoleInput>,
    /// From the terminal; it ends when the shell or the container does.
    pub output: mpsc::Receiver<Bytes>,
}

/// An engine. Every method may be called at any time for any container; the API layer serialises calls that
/// change one container.
#[async_trait::async_trait]
pub trait Engine: Send + Sync + 'static {
    /// `memory` or `lxc`.
    fn name(&self) -> &'static str;
    /// Makes the root file system from a guest template archive. Returns lines for the task log.
    async fn create(&self, guest: &GuestSpec, archive: &Path) -> Result<Vec<String>, EngineError>;
    /// Copies a container's file system; `snapshot` names the state to copy, else the current one.
    async fn copy(
        &self,
        from: &GuestSpec,
        to: &GuestSpec,
        snapshot: Option<&str>,
        linked: bool,
    ) -> Result<(), EngineError>;
    /// Takes over a changed configuration of a running container where that can be done live.
    async fn reconfigure(&self, guest: &GuestSpec) -> Result<(), EngineError>;
    /// Starts it; returns when its init runs.
    async fn start(&self, guest: &GuestSpec) -> Result<(), EngineError>;
    /// Asks its init to end; true when it did within the time.
    async fn shutdown(&self, guest: &GuestSpec, timeout: Duration) -> Result<bool, EngineError>;
    /// Ends it at once.
    async fn stop(&self, guest: &GuestSpec) -> Result<(), EngineError>;
    /// Removes everything of it.
    async fn destroy(&self, guest: &GuestSpec) -> Result<(), EngineError>;
    /// Keeps the current state of its file system under a name.
    async fn snapshot(&self, guest: &GuestSpec, name: &str) -> Result<(), EngineError>;
    /// Goes back to a kept state.
    async fn rollback(&self, guest: &GuestSpec, name: &str) -> Result<(), EngineError>;
    /// Forgets a kept state.
    async fn delete_snapshot(&self, guest: &GuestSpec, name: &str) -> Result<(), EngineError>;
    /// Writes its file system as a vzdump archive with `pct_conf` as `./etc/vzdump/pct.conf`.
    async fn archive(&self, guest: &GuestSpec, pct_conf: &str, out: &Path) -> Result<(), EngineError>;
    /// Makes the root file system from a vzdump archive.
    async fn restore(&self, guest: &GuestSpec, archive: &Path) -> Result<(), EngineError>;
    /// Whether its init runs.
    async fn running(&self, guest: &GuestSpec) -> bool;
    /// Its interfaces; empty when it does not run.
    async fn interfaces(&self, guest: &GuestSpec) -> Vec<GuestInterface>;
    /// What it uses.
    async fn usage(&self, guest: &GuestSpec) -> GuestUsage;
    /// Attaches to its console (`cmode=shell`: a root shell without login).
    async fn console(&self, guest: &GuestSpec) -> Result<Console, EngineError>;
}
