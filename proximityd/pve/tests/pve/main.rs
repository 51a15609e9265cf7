//! The client against a scripted HTTPS server and against recorded answers.
//!
//! How the daemon uses the client is left to the daemon's tests.

#![allow(clippy::unwrap_used)]

mod console;
mod contract;
mod poller;
mod recordings;
mod support;
mod transport;
