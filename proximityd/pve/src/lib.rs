//! A typed, asynchronous client of the Proxmox VE API.
//!
//! The crate speaks the wire and nothing else: it knows what Proxmox VE calls things, how it
//! encodes them, how it fails, and how a task ends. What to *do* about any of that (which host,
//! which container, when to try again) is left to the caller.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use proximity_pve::{Auth, Client, ClientConfig, CreateLxc, NodeName, Tls, Vmid};
//!
//! let config = ClientConfig::new(
//!     vec!["pve1.example.org".parse()?],
//!     Auth::token("proximity@pve!daemon", "secret"),
//! )
//! .tls(Tls::System);
//! let client = Client::new(config)?;
//! let node = NodeName::new("pve1")?;
//! let create = CreateLxc::new(Vmid::new(200)?, "local:vztmpl/debian-13.tar.zst");
//! let upid = client.create_lxc(&node, &create).await?;
//! let outcome = client.tasks().wait(&upid).await?;
//! assert!(outcome.status.is_success());
//! # Ok(()) }
//! ```
//!
//! # Invariants
//!
//! - A write whose fate is unknown is reported as such ([`Error::fate_unknown`]) and never resent.
//! - Proxmox VE's own words are kept in every error ([`ApiError::message`]).
//! - No certificate is accepted that was not asked for ([`Tls`]); [`probe_fingerprint`] sends no
//!   credentials.
//! - `Debug` of no type prints a secret.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod access;
mod auth;
mod backup;
mod client;
mod cluster;
mod config;
mod console;
mod error;
mod firewall;
mod ids;
mod lenient;
mod lxc;
mod node;
mod open_enum;
mod params;
mod poller;
mod pools;
mod probe;
mod property;
mod rrd;
mod storage;
mod tags;
mod task;
mod templates;
mod tls;
mod transport;
mod upid;
mod version;
mod x509;

pub use access::Permissions;
pub use backup::{BackupCompress, BackupMode, Vzdump};
pub use client::{Client, RecordedRequest, Recorder};
pub use cluster::{ClusterStatus, ClusterStatusEntry, Resource, ResourceFilter, ResourceType};
pub use config::{Auth, ClientConfig, Endpoint, EndpointError, Timeouts};
pub use console::{ConsoleError, ConsoleReader, ConsoleStream, ConsoleWriter, TermProxy};
pub use error::{ApiError, Error, ErrorKind, TransportError, TransportKind};
pub use firewall::{FirewallOptions, FirewallRule, IpSet, IpSetEntry, NewFirewallRule, SetFirewallOptions};
pub use ids::{Digest, InvalidId, NodeName, PoolId, SnapshotName, StorageId, Vmid, Volid};
pub use lxc::{
    CloneLxc, ClonedFrom, ConfigView, CreateLxc, DestroyLxc, Env, GuestStatus, HaState, Interface,
    InterfaceAddress, LxcConfig, LxcListEntry, LxcOptions, LxcStatus, MigrateLxc, Migration, MoveVolume,
    PendingValue, Shutdown, Snapshot, UpdateLxc,
};
pub use node::{CpuInfo, Dns, NetworkFilter, NetworkInterface, NodeListEntry, NodeStatus, NodeTime, Usage};
pub use params::Params;
pub use poller::{Link, TaskEvent, TaskFollow, TaskOutcome, TaskPoller, TaskProgress};
pub use pools::{Pool, PoolMember, PoolUpdate};
pub use probe::{Probe, probe_fingerprint};
pub use property::{DiskSize, Features, IpConfig, MountPoint, Net, PropertyError, Resize, RootFs, Volume};
pub use rrd::{RrdPoint, Timeframe};
pub use storage::{
    ContentType, DownloadUrl, NodeStorage, StorageFilter, StorageUsage, StoredVolume, VolumeAttributes,
};
pub use tags::Tags;
pub use task::{LogLine, TaskFilter, TaskListEntry, TaskLog, TaskSource, TaskState, TaskStatus};
pub use templates::Appliance;
pub use tls::{Fingerprint, FingerprintError, Tls};
pub use upid::{Upid, UpidError};
pub use version::{Capabilities, Version};
pub use x509::CertificateFacts;
