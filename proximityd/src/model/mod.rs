//! Domain types, ids and time. Everything else in the daemon may use this; it uses nothing of it.

pub mod app;
pub mod clock;
pub mod golden;
pub mod host;
pub mod ids;
pub mod notes;
pub mod operation;
