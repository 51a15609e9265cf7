//! The way into a container, which tells a container that ended from a connection that broke: the one fails what needs it,
//! the other is tried again.

use std::sync::Arc;

use async_trait::async_trait;

use super::container::Container;
use crate::guest::{Exec, GuestError, Job, Output};

/// A container's inside, by whichever transport.
pub(super) struct Alive {
    pub(super) container: Container,
    pub(super) transport: Arc<dyn Exec>,
}

#[async_trait]
impl Exec for Alive {
    async fn run(&self, job: &Job) -> Result<Output, GuestError> {
        let error = match self.transport.run(job).await {
            Err(error @ (GuestError::Cut(_) | GuestError::Garbled(_) | GuestError::Ssh(_))) => error,
            other => return other,
        };
        let Container { host, node, vmid } = &self.container;
        match host.client.lxc_status(node, *vmid).await {
            Ok(status) if status.is_running() => Err(error),
            Ok(_) => Err(GuestError::Stopped { vmid: vmid.get() }),
            Err(gone) if gone.is_not_found() || gone.is_forbidden() => Err(gone.into()),
            // Nothing is known of it now: what broke the connection may have broken this too.
            Err(_) => Err(error),
        }
    }
}
