//! The embedded node for as long as the daemon runs: started with it, started again when it dies, and ended with it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proto_json::event::Level;
use tokio::sync::watch as channel;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::config::Config;
use crate::embedded::{self, Embedded};
use crate::hosts::Host;
use crate::ops::services::Services;
use crate::store::NewEvent;

/// The pause before it is started again: it doubles up to the longest while the node does not stay.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The node that the daemon uses.
#[derive(Debug)]
pub(super) struct Node {
    stop: channel::Sender<bool>,
    keeping: JoinHandle<Embedded>,
}

/// What is needed to start it.
struct Keeper {
    services: Arc<Services>,
    data_dir: PathBuf,
    fault_plan: Option<PathBuf>,
}

/// Finds or starts the node, puts it among the hosts, and looks after it from then on.
///
/// # Errors
/// What kept it from starting.
pub(super) async fn start(services: &Arc<Services>, config: &Config) -> anyhow::Result<Node> {
    let keeper = Keeper {
        services: Arc::clone(services),
        data_dir: config.data_dir.clone(),
        fault_plan: config.fault_plan.clone(),
    };
    let node = keeper.take_up().await?;
    services.hosts.get(embedded::NAME).inspect(|host| {
        host.note(|state| state.reachable = true);
    });
    tracing::info!(endpoint = node.config.endpoints.join(","), "the embedded node runs (memory engine)");
    let (stop, stopping) = channel::channel(false);
    Ok(Node { stop, keeping: tokio::spawn(keeper.keep(node, stopping)) })
}

impl Node {
    /// Ends the node, as a clean stop of the daemon does. One that is being started at this moment is waited for.
    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        if let Ok(node) = self.keeping.await {
            node.stop().await;
        }
    }
}

impl Keeper {
    /// Finds or starts the node, and puts it among the hosts unless it is there as it is.
    async fn take_up(&self) -> anyhow::Result<Embedded> {
        let node = embedded::start(&self.data_dir, self.fault_plan.as_deref()).await?;
        let known = self.services.hosts.get(embedded::NAME);
        if known.is_none_or(|host| host.config != node.config) {
            let sealed = self.services.vault.seal(&node.secret);
            let stored = node.config.clone();
            self.services.store.write(move |tx| tx.upsert_host(&stored, &sealed)).await?;
            let host = Host::new(node.config.clone(), &node.secret, Default::default())?;
            self.services.hosts.put(Arc::new(host));
        }
        Ok(node)
    }

    /// Starts the node again whenever it ends, until told to stop. Gives the last one.
    async fn keep(self, mut node: Embedded, mut stop: channel::Receiver<bool>) -> Embedded {
        let mut pause = FIRST_PAUSE;
        loop {
            let since = Instant::now();
            tokio::select! {
                () = node.ended() => {}
                _ = stop.wait_for(|stop| *stop) => return node,
            }
            if since.elapsed() > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
            }
            tracing::error!(log = %node.log().display(), "the embedded node has ended; it is started again");
            let mut told = false;
            loop {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    _ = stop.wait_for(|stop| *stop) => return node,
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
                match self.take_up().await {
                    Ok(again) => {
                        node = again;
                        break;
                    }
                    Err(error) => {
                        tracing::error!("the embedded node does not start again: {error:#}");
                        if !std::mem::replace(&mut told, true) {
                            let message =
                                format!("the embedded node has ended and does not start again: {error:#}");
                            self.tell("host.failed", Level::Error, message).await;
                        }
                    }
                }
            }
            let message = "the embedded node had ended, and was started again".to_string();
            self.tell("host.restarted", Level::Warning, message).await;
        }
    }

    async fn tell(&self, kind: &'static str, level: Level, message: String) {
        let event = NewEvent { level, ..NewEvent::info(kind, message) };
        let written = self.services.store.write(move |tx| tx.event(event).map(drop)).await;
        if let Err(error) = written {
            tracing::error!(%error, "an event cannot be written");
        }
    }
}
