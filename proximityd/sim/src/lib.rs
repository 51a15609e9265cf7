//! The embedded Proxmox VE node: an HTTPS server that speaks the Proxmox VE API.
//!
//! It looks to a client like a small cluster with two storages and one bridge, and keeps its state in a
//! directory of its own. What makes containers real is an [`engine::Engine`]. It deliberately shares no code
//! with the client that Proximity uses to speak to Proxmox VE.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod engine;
pub mod fault;
pub mod options;

mod api;
mod auth;
mod call;
mod clock;
mod console;
mod control;
mod durations;
mod http;
mod node;
mod params;
mod reply;
mod requests;
mod schema;
mod serve;
mod state;
mod tasks;

pub use http::form::decode_form;
pub use options::{Options, TaskTime, Version};
pub use serve::{NodeFile, Running, ServeError, ensure_unused, serve};
