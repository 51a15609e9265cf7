//! The engine that needs nothing installed: containers that exist in memory and on a few files only.
//!
//! A guest is a virtual file system (`world`), a shell and a table of programs written for it (`shell`,
//! `commands`), a Docker that keeps books (`docker`), one console (`console`), and an address of its own
//! (`net`) on which its published ports answer. Everything a guest does is interpreted: no program of the machine
//! underneath is run, none of its files is read, and the only things of it that a guest can cause to exist are
//! sockets on the guest's own loopback address and files below the guest's own directory.
//!
//! # Limits
//!
//! - Files of one guest hold 256 MiB together; a variable 32 MiB; calls nest 48 deep; endless loops are slowed.
//! - When the node's process ends and starts again, guests that ran run again with their services, and their
//!   uptime goes on; programs that were running in them are gone, and so is what was on a tmpfs (`/run`, `/tmp`).

mod commands;
mod console;
mod docker;
mod guest;
mod net;
mod node;
mod shell;
mod usage;
mod world;

pub use node::{MemoryEngine, MemoryOptions};
