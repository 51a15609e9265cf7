//! The real binary against a scripted daemon.

#![allow(clippy::unwrap_used)]

mod fake;
mod fresh;
mod lists;
mod operations;
mod pty;
mod refusals;
mod surroundings;
