//! Docker as a guest has it: images by reference, containers with a state, Compose v2.
//!
//! # What is modelled, and how
//!
//! - A service "runs" by having a state; nothing of its image is executed. While it runs, every published TCP port
//!   answers HTTP with a page that says that it is a stand-in ([`stand_in`]); UDP ports swallow what they get.
//! - What its main process does is read off the Compose file ([`behaviour`]): `sleep` and `tail` run and listen
//!   nowhere, `true`, `false` and `exit N` end with their status, everything else serves.
//! - A health check whose test is `false` or `exit N` (N > 0) makes the service unhealthy at once; any other is
//!   healthy as soon as the service serves.
//! - Labels only this stand-in understands: `proximity.sim.status` (HTTP status), `proximity.sim.body`,
//!   `proximity.sim.start-delay` (`3s`), `proximity.sim.exit` (the main process ends with it).
//! - Every well-formed image exists, except those whose name says that they do not ([`reference`]).

pub(crate) mod behaviour;
pub(crate) mod cli;
pub(crate) mod compose;
mod exec;
mod images;
mod inspect;
pub(crate) mod lifecycle;
mod reference;
mod show;
pub(crate) mod stand_in;
pub(crate) mod state;
mod template;
