//! The daemon itself: its status, its doctor, its own description.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::method::{NoParams, method};

/// The daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StatusOutput {
    /// Its version.
    pub version: String,
    /// The version of this contract.
    pub api_version: String,
    /// Its process id.
    pub pid: u32,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Its data directory.
    pub data_dir: String,
    /// Where the identity is that the secrets are encrypted to.
    pub identity: String,
    /// Number of apps.
    pub apps: u32,
    /// Number of operations at work.
    pub active_operations: u32,
    /// Calls made to Proxmox VE since it started, over all hosts.
    pub pve_requests: u64,
    /// Resident memory, in bytes.
    pub memory: u64,
    /// Who the caller is to the daemon.
    pub caller: String,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckStatus {
    /// As it should be.
    Ok,
    /// It works, and something should be done.
    Warning,
    /// It does not work.
    Failed,
    /// It could not be checked.
    Skipped,
}

/// One thing checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// A stable name, such as `privileges`.
    pub id: String,
    /// The host it is about, when it is about one.
    pub host: Option<String>,
    /// How it came out.
    pub status: CheckStatus,
    /// What was found.
    pub message: String,
    /// What to do.
    pub hints: Vec<String>,
}

/// Everything checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DoctorOutput {
    /// No check failed.
    pub healthy: bool,
    /// Each check.
    pub checks: Vec<Check>,
}

method!(Status = "daemon.status", "Says what the daemon is and how it is.", Viewer, Essential, Read, NoParams => StatusOutput);
method!(Doctor = "daemon.doctor", "Checks everything that a deployment depends on.", Operator, Essential, Read, NoParams => DoctorOutput);
method!(Discover = "rpc.discover", "Describes every method as an OpenRPC document.", Viewer, Essential, Read, NoParams => serde_json::Value);
