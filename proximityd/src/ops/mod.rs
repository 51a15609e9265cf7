//! Durable operations: sagas of steps, each with an undo, driven from a journal that is written before what it announces.
//!
//! Operations use Proxmox VE, guests and the store; they know nothing of the wire or of who asked.

mod alive;
pub mod container;
pub mod context;
pub mod engine;
pub mod failure;
pub mod health;
pub mod inside;
pub mod network;
pub mod project;
pub mod recovery;
pub mod saga;
pub mod sagas;
pub mod services;
mod settle;
pub mod task;
