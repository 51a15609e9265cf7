//! A host: a configured Proxmox VE endpoint, one node or one cluster.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How a host's certificate is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// By the system's certificate authorities.
    System,
    /// By an authority of one's own (PEM).
    Ca(String),
    /// By its SHA-256 fingerprint, which a person confirmed.
    Fingerprint(String),
}

impl Trust {
    /// As it is shown to a person.
    pub fn label(&self) -> String {
        match self {
            Trust::System => "system".into(),
            Trust::Ca(_) => "ca-file".into(),
            Trust::Fingerprint(fingerprint) => fingerprint.clone(),
        }
    }
}

/// What authenticates us. The secret itself is kept sealed, apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    /// An API token, `user@realm!name`.
    Token(String),
    /// A user with a password, `user@realm`.
    User(String),
}

impl Identity {
    /// `token` or `password`.
    pub fn kind(&self) -> &'static str {
        match self {
            Identity::Token(_) => "token",
            Identity::User(_) => "password",
        }
    }

    /// The token's id or the user.
    pub fn name(&self) -> &str {
        match self {
            Identity::Token(name) | Identity::User(name) => name,
        }
    }
}

/// How its nodes are reached by SSH. A password is none of the ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ssh {
    /// The account on the nodes; one that is not `root` runs `pct` by `sudo -n`.
    pub user: String,
    /// The port.
    pub port: u16,
    /// The private key's file on the daemon's machine; without one, the agent of the daemon's user.
    pub key_file: Option<PathBuf>,
    /// The nodes' public host keys, `TYPE BASE64`, one a line. Each is accepted for every node of the host.
    pub host_key: String,
}

/// A host's configuration, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostConfig {
    /// Its name.
    pub name: String,
    /// `host:port`, tried in order.
    pub endpoints: Vec<String>,
    /// Who we are to it.
    pub identity: Identity,
    /// How its certificate is trusted.
    pub trust: Trust,
    /// The pool for our containers.
    pub pool: String,
    /// The storage for containers, when one is set.
    pub storage: Option<String>,
    /// The bridge, when one is set.
    pub bridge: Option<String>,
    /// SSH to its nodes, when it is set up: for versions that give no container console.
    #[serde(default)]
    pub ssh: Option<Ssh>,
    /// It is an embedded node that this daemon started.
    #[serde(default)]
    pub embedded: bool,
}

/// What we know of a host from the last time it answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSeen {
    /// Proxmox VE's version.
    pub version: Option<String>,
    /// When it last answered.
    pub at: Option<String>,
}
