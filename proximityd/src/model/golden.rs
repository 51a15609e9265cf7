//! Golden containers: the Docker-ready templates that apps are cloned from.

use serde::{Deserialize, Serialize};

/// Where a golden container stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GoldenState {
    /// An operation builds it.
    Building,
    /// It is a PVE template that clones can be made of.
    Ready,
    /// A newer one has taken its place, or it is gone; it is never cloned again.
    Retired,
}

/// A golden container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Golden {
    /// The operation that builds or built it: also its id.
    pub operation: String,
    /// The host.
    pub host: String,
    /// The node.
    pub node: String,
    /// The storage of its root file system.
    pub storage: String,
    /// Hash of the recipe it is made by.
    pub recipe: String,
    /// Its container.
    pub vmid: Option<u32>,
    /// Where it stands.
    pub state: GoldenState,
}
