//! JSON-RPC over HTTP on a Unix socket: from the wire to a use case and back, and nothing else.

pub mod dispatch;
pub mod events;
pub mod peer;
pub mod socket;
