//! How a node is started.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::Engine;
use crate::fault::FaultPlan;

/// A release of Proxmox VE that the node can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Version {
    V8_4,
    V9_0,
    V9_1,
    V9_2,
}

impl Version {
    /// `9.2`.
    pub fn release(self) -> &'static str {
        match self {
            Self::V8_4 => "8.4",
            Self::V9_0 => "9.0",
            Self::V9_1 => "9.1",
            Self::V9_2 => "9.2",
        }
    }

    /// The version of pve-manager in that release.
    pub fn full(self) -> &'static str {
        match self {
            Self::V8_4 => "8.4.0",
            Self::V9_0 => "9.0.3",
            Self::V9_1 => "9.1.1",
            Self::V9_2 => "9.2.11",
        }
    }

    /// The repository id of that build.
    pub fn repoid(self) -> &'static str {
        match self {
            Self::V8_4 => "ec58e45e1bcdf2ac",
            Self::V9_0 => "025864202ebb6109",
            Self::V9_1 => "f4d3f12e2d9e9ba4",
            Self::V9_2 => "14a22df35955d97d",
        }
    }
}

/// A release this node cannot be.
#[derive(Debug, Clone, thiserror::Error)]
#[error("unknown Proxmox VE version {0:?}; known are 8.4, 9.0, 9.1, 9.2")]
pub struct UnknownVersion(String);

impl FromStr for Version {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::V8_4, Self::V9_0, Self::V9_1, Self::V9_2]
            .into_iter()
            .find(|v| v.release() == text)
            .ok_or_else(|| UnknownVersion(text.to_owned()))
    }
}

/// How long the node's work takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TaskTime {
    /// No time.
    #[default]
    Instant,
    /// What it took on a real node.
    Recorded,
    /// What it took on a real node, by a clock that stands still until `/sim/clock` lets it go on.
    Held,
}

/// Everything that can be chosen at start.
#[derive(Clone)]
pub struct Options {
    /// Where everything is kept.
    pub state_dir: PathBuf,
    /// Address to listen on; port 0 takes the port of the last run if it is free.
    pub listen: SocketAddr,
    /// The names of the cluster's nodes; the first is the one that answers.
    pub nodes: Vec<String>,
    /// The release to be.
    pub version: Version,
    /// How long tasks take.
    pub task_time: TaskTime,
    /// How long a 401 is held back (3 s on a real node).
    pub refusal_delay: Duration,
    /// How long a console waits for its websocket, and for its first line.
    pub console_wait: Duration,
    /// Faults to show from the start.
    pub faults: FaultPlan,
    /// Whether the memory engine can bind ports below 1024; none finds out by trying.
    pub privileged_ports: Option<bool>,
    /// The engine; none is the built-in memory engine.
    pub engine: Option<Arc<dyn Engine>>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("state_dir", &self.state_dir)
            .field("listen", &self.listen)
            .field("nodes", &self.nodes)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// The defaults for a state directory.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            nodes: vec!["pve1".to_owned()],
            version: Version::V9_2,
            task_time: TaskTime::Instant,
            refusal_delay: Duration::from_millis(50),
            console_wait: Duration::from_secs(10),
            faults: FaultPlan::default(),
            privileged_ports: None,
            engine: None,
        }
    }
}
