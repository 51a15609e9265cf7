//! The Proximity daemon: what it is made of. `main.rs` only reads the command line.

pub mod apps;
pub mod config;
pub mod daemon;
pub mod embedded;
pub mod guest;
pub mod hosts;
pub mod model;
pub mod ops;
pub mod registry;
pub mod rpc;
pub mod store;
pub mod vault;
pub mod watch;
