//! End-to-end tests: the real programs, from the outside. One file for each subject.

#![allow(clippy::unwrap_used)] // a test that cannot go on ends

mod access;
mod address;
mod clusters;
mod concurrency;
mod crash;
mod daemon;
mod deploy;
mod events;
mod faults;
mod host;
mod operations;
mod privileges;
mod refusals;
mod rpc;
mod secrets;
mod r#try;
mod versions;
