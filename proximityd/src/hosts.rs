//! The configured Proxmox VE hosts, each with its one client.
//!
//! A host that cannot be reached stays here: its apps are unknown, not gone. What to do on a host is left to the sagas.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use proximity_pve as pve;
use secrecy::{ExposeSecret, SecretString};

use crate::model::host::{HostConfig, HostSeen, Identity, Trust};

/// A host that is configured.
#[derive(Debug)]
pub struct Host {
    /// How it is configured.
    pub config: HostConfig,
    /// The way to it. Every call to this host goes through it.
    pub client: pve::Client,
    state: RwLock<HostState>,
}

/// What is known of a host from the last look at it.
#[derive(Debug, Clone, Default)]
pub struct HostState {
    /// It answered when last asked.
    pub reachable: bool,
    /// Why it cannot be used.
    pub problem: Option<String>,
    /// When it last answered, and what it said of itself.
    pub seen: HostSeen,
    /// The nodes that are online.
    pub online: Vec<String>,
}

/// Time-outs of a host's client: one that hangs must not hold a step for minutes.
const CONNECT: Duration = Duration::from_secs(5);
const REQUEST: Duration = Duration::from_secs(45);

impl Host {
    /// Makes the client. Nothing is sent yet.
    ///
    /// # Errors
    /// When the configuration cannot work: an endpoint that is none, an unreadable CA.
    pub fn new(config: HostConfig, secret: &SecretString, seen: HostSeen) -> Result<Host, pve::Error> {
        let endpoints = config
            .endpoints
            .iter()
            .map(|text| text.parse::<pve::Endpoint>().map_err(|error| pve::Error::Config(error.to_string())))
            .collect::<Result<Vec<_>, _>>()?;
        let secret = secret.expose_secret();
        let auth = match &config.identity {
            Identity::Token(id) => pve::Auth::token(id, secret),
            Identity::User(user) => pve::Auth::password(user, secret),
        };
        let tls = match &config.trust {
            Trust::System => pve::Tls::System,
            Trust::Ca(pem) => pve::Tls::CaFile(pem.clone().into_bytes()),
            Trust::Fingerprint(text) => {
                let pin = text
                    .parse()
                    .map_err(|error: pve::FingerprintError| pve::Error::Config(error.to_string()))?;
                pve::Tls::pinned(pin)
            }
        };
        let timeouts = pve::Timeouts { connect: CONNECT, request: REQUEST };
        let client = pve::Client::new(pve::ClientConfig::new(endpoints, auth).tls(tls).timeouts(timeouts))?;
        let state = HostState { seen, ..HostState::default() };
        Ok(Host { config, client, state: RwLock::new(state) })
    }

    /// What was last seen of it.
    pub fn state(&self) -> HostState {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When it last answered, while it does.
    pub fn last_look(&self) -> Option<String> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if state.reachable { state.seen.at.clone() } else { None }
    }

    /// Notes what was seen of it. Gives what was known before.
    pub fn note(&self, change: impl FnOnce(&mut HostState)) -> HostState {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let before = state.clone();
        change(&mut state);
        before
    }

    /// What the host can do with our credentials, by the version that was last seen; it is asked only when none was.
    ///
    /// # Errors
    /// The client's.
    pub async fn capabilities(&self) -> Result<pve::Capabilities, pve::Error> {
        match self.state().seen.version {
            Some(version) => {
                let version = pve::Version { version, release: String::new(), repoid: String::new() };
                Ok(pve::Capabilities::of(version, self.client.uses_token()))
            }
            None => self.client.capabilities().await,
        }
    }

    /// The tasks of a type that are about `id`, newest first.
    ///
    /// # Errors
    /// The client's.
    pub async fn tasks_of(
        &self,
        node: &pve::NodeName,
        id: &str,
        kind: &str,
        active: bool,
    ) -> Result<Vec<pve::Upid>, pve::Error> {
        let filter = pve::TaskFilter {
            vmid: id.parse().ok(),
            kind: Some(kind.into()),
            source: Some(if active { pve::TaskSource::Active } else { pve::TaskSource::All }),
            limit: Some(100),
            ..pve::TaskFilter::default()
        };
        let tasks = self.client.task_list(node, &filter).await?;
        Ok(tasks
            .into_iter()
            .map(|task| task.upid)
            .filter(|upid| upid.id() == id && upid.kind() == kind)
            .collect())
    }
}

/// All hosts, by name.
#[derive(Debug, Default)]
pub struct Hosts {
    hosts: RwLock<BTreeMap<String, Arc<Host>>>,
}

impl Hosts {
    /// A host by its name.
    pub fn get(&self, name: &str) -> Option<Arc<Host>> {
        self.hosts.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Every host, by name.
    pub fn all(&self) -> Vec<Arc<Host>> {
        self.hosts.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Adds a host, or takes over its new configuration.
    pub fn put(&self, host: Arc<Host>) {
        self.hosts.write().unwrap_or_else(PoisonError::into_inner).insert(host.config.name.clone(), host);
    }

    /// Forgets a host.
    pub fn remove(&self, name: &str) {
        self.hosts.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}
