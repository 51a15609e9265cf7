//! What Docker remembers: images, containers, volumes. Part of a guest's saved state.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::behaviour::Behaviour;

/// Everything.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct DockerState {
    /// By familiar reference (`nginx:1.27`, `ghcr.io/a/b:c`).
    pub images: BTreeMap<String, Image>,
    /// By container id.
    pub containers: BTreeMap<String, Container>,
    /// Names.
    pub volumes: BTreeSet<String>,
    /// Names.
    pub networks: BTreeSet<String>,
}

/// An image that was pulled.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs)]
pub(crate) struct Image {
    pub id: String,
    pub repository: String,
    pub tag: String,
    pub digest: String,
    pub size: u64,
    /// Seconds since 1970.
    pub pulled: i64,
}

/// What a container does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub(crate) enum RunState {
    Created,
    Running,
    Restarting,
    Exited,
}

impl RunState {
    /// Docker's word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Exited => "exited",
        }
    }
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub(crate) struct Port {
    pub host_ip: String,
    /// As the Compose file has it; zero for any.
    pub published: u16,
    /// Where it is really published; differs when the process may not bind the port. Zero until it started.
    pub actual: u16,
    pub target: u16,
    pub protocol: String,
}

/// A directory or file from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub(crate) struct Mount {
    /// The volume's name; none for a bind mount.
    pub volume: Option<String>,
    /// Path in the guest.
    pub source: String,
    pub target: String,
    pub read_only: bool,
}

/// A container.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs)]
pub(crate) struct Container {
    pub id: String,
    pub name: String,
    pub project: String,
    pub service: String,
    pub number: u32,
    pub image: String,
    pub image_id: String,
    pub command: Vec<String>,
    pub environment: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    pub ports: Vec<Port>,
    pub mounts: Vec<Mount>,
    pub networks: Vec<String>,
    pub working_dir: String,
    /// `no`, `always`, `unless-stopped`, `on-failure`.
    pub restart: String,
    /// None without a health check.
    pub healthy: Option<bool>,
    pub behaviour: Behaviour,
    pub config_hash: String,
    pub state: RunState,
    pub exit_code: i32,
    /// Milliseconds since 1970.
    pub created: i64,
    pub started: i64,
    pub finished: i64,
    /// A person or Compose stopped it.
    pub stopped: bool,
    pub log: Vec<LogLine>,
}

/// One line of a container's log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs)]
pub(crate) struct LogLine {
    /// Milliseconds since 1970.
    pub at: i64,
    pub text: String,
}

const LOG_LIMIT: usize = 500;

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

impl Container {
    /// Adds to its log.
    pub(crate) fn say(&mut self, text: impl Into<String>) {
        self.log.push(LogLine { at: now(), text: text.into() });
        if self.log.len() > LOG_LIMIT {
            self.log.remove(0);
        }
    }

    /// Docker's word for its health; empty without a check or when it does not run.
    pub(crate) fn health(&self) -> &'static str {
        match (self.healthy, self.state) {
            (Some(_), RunState::Running) if !self.ready() => "starting",
            (Some(true), RunState::Running) => "healthy",
            (Some(false), RunState::Running) => "unhealthy",
            _ => "",
        }
    }

    /// Milliseconds from its start until it serves.
    pub(crate) fn delay(&self) -> i64 {
        i64::try_from(self.behaviour.delay_ms).unwrap_or(i64::MAX)
    }

    /// Whether it serves by now.
    pub(crate) fn ready(&self) -> bool {
        now() >= self.started.saturating_add(self.delay())
    }

    /// `Up 3 minutes (healthy)` and its like.
    pub(crate) fn status(&self) -> String {
        match self.state {
            RunState::Created => "Created".to_owned(),
            RunState::Running => {
                let health = match self.health() {
                    "" => String::new(),
                    "starting" => " (health: starting)".to_owned(),
                    word => format!(" ({word})"),
                };
                format!("Up {}{health}", ago(now() - self.started))
            }
            RunState::Restarting => {
                format!("Restarting ({}) {} ago", self.exit_code, ago(now() - self.finished))
            }
            RunState::Exited => format!("Exited ({}) {} ago", self.exit_code, ago(now() - self.finished)),
        }
    }
}

/// A span in the words of the Docker client.
pub(crate) fn ago(milliseconds: i64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        i64::MIN..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..3600 => format!("{} minutes", seconds / 60),
        3600..7200 => "About an hour".to_owned(),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
