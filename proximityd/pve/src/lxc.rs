//! Containers.
//!
//! Several calls are accepted and fail in their task (start, snapshot, rollback, create from a
//! missing template); others are refused at once. Which does what is told at each call.

mod config;
mod create;
mod env;
mod lifecycle;
mod options;
mod snapshot;
mod state;

use crate::ids::{NodeName, Vmid};
use crate::params::{Segment, path};

pub use config::{ConfigView, LxcConfig, PendingValue, UpdateLxc};
pub use create::{CloneLxc, ClonedFrom, CreateLxc};
pub use env::Env;
pub use lifecycle::{DestroyLxc, MigrateLxc, Migration, MoveVolume, Shutdown};
pub use options::LxcOptions;
pub use snapshot::Snapshot;
pub use state::{GuestStatus, HaState, Interface, InterfaceAddress, LxcListEntry, LxcStatus};

/// A path below a container.
fn ct(node: &NodeName, vmid: Vmid, rest: &[Segment<'_>]) -> String {
    let head: [Segment<'_>; 4] = [&"nodes", node, &"lxc", &vmid];
    path(&[&head, rest].concat())
}
