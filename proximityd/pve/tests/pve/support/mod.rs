//! A small HTTPS server for the tests, which answers as each test says, and a client for it whose
//! every request is checked against the API's schema.
//!
//! What Proxmox VE answers is left to the tests and their recordings.

pub(crate) mod schema;
pub(crate) mod server;
