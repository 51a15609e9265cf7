//! Proximity's wire contract.
//!
//! Every call that `proximityd` answers is a type here: its name, its parameters and its result, with each field
//! documented. The JSON-RPC envelope, the error codes and the OpenRPC document are made from the same types.
//! This crate does no I/O and knows nothing of the daemon; who may call what is declared here and enforced there.

pub mod app;
pub mod catalog;
pub mod daemon;
pub mod envelope;
pub mod error;
pub mod event;
pub mod host;
pub mod method;
pub mod openrpc;
pub mod operation;
pub mod params;

pub use error::{Code, Problem};
pub use method::{Effect, Method, MethodInfo, Role, Tier};

/// Version of this contract. The major number changes when a method or field goes away or changes its meaning.
pub const API_VERSION: &str = "1.0";

/// Largest request body the daemon takes, in bytes. A Compose file and its settings are far below it.
pub const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;
