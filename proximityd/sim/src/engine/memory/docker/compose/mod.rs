//! Docker Compose v2: reading projects, and what its commands do with them.

pub(crate) mod cli;
mod control;
mod dotenv;
mod interpolate;
mod merge;
mod project;
mod service;
mod show;
mod up;

pub(crate) use show::{LogOptions, logs};
