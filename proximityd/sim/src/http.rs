//! HTTP: the listener, the way of a request to its method, and what Proxmox VE does to it on the way.

mod dispatch;
pub(crate) mod form;
mod listener;
mod tls;

pub(crate) use dispatch::Server;
pub(crate) use listener::listen;
pub(crate) use tls::certificate;
