//! The client: its construction, and the verbs on which every typed call rests.
//!
//! Sending is left to `transport`, each call to the module of its noun.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::auth::Authenticator;
use crate::config::{Auth, ClientConfig, Endpoint, Timeouts};
use crate::error::Error;
use crate::params::Params;
use crate::poller::TaskPoller;
use crate::tls::Tls;
use crate::transport::{Reply, Request};
use crate::upid::Upid;

/// Keep-alive connections idle for longer are not used again: a write that meets a connection that
/// the server is just closing has an unknown fate, and a new connection costs milliseconds.
const POOL_IDLE: Duration = Duration::from_secs(3);

/// A connection to one Proxmox VE cluster. Cheap to clone; clones share connections, ticket and
/// task poller.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) http: reqwest::Client,
    pub(crate) tls: Arc<rustls::ClientConfig>,
    pub(crate) endpoints: Vec<Endpoint>,
    /// The endpoint that worked last.
    pub(crate) preferred: AtomicUsize,
    pub(crate) auth: Authenticator,
    pub(crate) timeouts: Timeouts,
    pub(crate) requests: AtomicU64,
    pub(crate) recorder: Option<Recorder>,
    pub(crate) poller: crate::poller::Shared,
}

/// Sees each request before it is sent, secrets and all: for tests.
pub type Recorder = Arc<dyn Fn(&RecordedRequest<'_>) + Send + Sync>;

/// A request about to be sent.
#[derive(Debug)]
pub struct RecordedRequest<'a> {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'a str,
    /// The path below `/api2/json`, percent-encoded.
    pub path: &'a str,
    /// The parameters, as yet unencoded.
    pub params: &'a Params,
}

#[derive(Deserialize)]
pub(crate) struct Envelope<T> {
    #[serde(default = "Option::default")]
    pub(crate) data: Option<T>,
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub(crate) total: Option<u64>,
}

impl Client {
    /// Builds a client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Config`] for a configuration that cannot work: no endpoint, a malformed token id,
    /// an unreadable CA file.
    pub fn new(config: ClientConfig) -> Result<Self, Error> {
        Self::build(config, None)
    }

    /// Builds a client that shows each request to `recorder` before it is sent.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn with_recorder(config: ClientConfig, recorder: Recorder) -> Result<Self, Error> {
        Self::build(config, Some(recorder))
    }

    fn build(config: ClientConfig, recorder: Option<Recorder>) -> Result<Self, Error> {
        if config.endpoints.is_empty() {
            return Err(Error::Config("no endpoint is given".to_owned()));
        }
        let tls = Tls::client_config(&config.tls)?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .http1_only()
            // A proxy of the environment has no business between the daemon and its cluster.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(config.timeouts.connect)
            .timeout(config.timeouts.request)
            .pool_idle_timeout(POOL_IDLE)
            .tcp_nodelay(true)
            .build()
            .map_err(|e| Error::Config(format!("the HTTP client cannot be set up: {e}")))?;
        let inner = Inner {
            http,
            tls: Arc::new(tls),
            endpoints: config.endpoints,
            preferred: AtomicUsize::new(0),
            auth: Authenticator::new(config.auth)?,
            timeouts: config.timeouts,
            requests: AtomicU64::new(0),
            recorder,
            poller: crate::poller::Shared::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// How many HTTP requests were sent so far, retries and logins included.
    pub fn requests(&self) -> u64 {
        self.inner.requests.load(Ordering::Relaxed)
    }

    /// The configured endpoints.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.inner.endpoints
    }

    /// The token's id (`user@realm!name`) or the user's name.
    pub fn identity(&self) -> &str {
        match &self.inner.auth.auth {
            Auth::Token { id, .. } => id,
            Auth::Ticket { user, .. } => user,
        }
    }

    /// Whether the client uses an API token, which cannot do all that a ticket can.
    pub fn uses_token(&self) -> bool {
        matches!(self.inner.auth.auth, Auth::Token { .. })
    }

    /// The one task poller of this client and its clones.
    pub fn tasks(&self) -> TaskPoller {
        TaskPoller::new(self.clone())
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: String, params: Params) -> Result<T, Error> {
        self.envelope(path, params).await.map(|(data, _)| data)
    }

    /// A list; `null` is an empty one.
    pub(crate) async fn get_list<T: DeserializeOwned>(
        &self,
        path: String,
        params: Params,
    ) -> Result<Vec<T>, Error> {
        Ok(self.get::<Option<Vec<T>>>(path, params).await?.unwrap_or_default())
    }

    /// The data, and the total that paged lists give beside it.
    pub(crate) async fn envelope<T: DeserializeOwned>(
        &self,
        path: String,
        params: Params,
    ) -> Result<(T, Option<u64>), Error> {
        let reply = self.send(Request { method: Method::GET, path: &path, params: &params }).await?;
        decode(&path, &reply)
    }

    pub(crate) async fn write<T: DeserializeOwned>(
        &self,
        method: Method,
        path: String,
        params: Params,
    ) -> Result<T, Error> {
        let reply = self.send(Request { method, path: &path, params: &params }).await?;
        decode(&path, &reply).map(|(data, _)| data)
    }

    /// A write whose answer says nothing.
    pub(crate) async fn write_unit(&self, method: Method, path: String, params: Params) -> Result<(), Error> {
        self.send(Request { method, path: &path, params: &params }).await.map(drop)
    }

    /// A write that starts a task.
    pub(crate) async fn task(&self, method: Method, path: String, params: Params) -> Result<Upid, Error> {
        self.write(method, path, params).await
    }

    /// A write that starts a task or does its work at once, by release and storage.
    pub(crate) async fn maybe_task(
        &self,
        method: Method,
        path: String,
        params: Params,
    ) -> Result<Option<Upid>, Error> {
        let answer: Option<serde_json::Value> = self.write(method, path, params).await?;
        Ok(answer.and_then(|v| v.as_str().and_then(|text| text.parse().ok())))
    }
}

pub(crate) fn decode<T: DeserializeOwned>(path: &str, reply: &Reply) -> Result<(T, Option<u64>), Error> {
    let fail = |e: serde_json::Error| Error::Decode { path: path.to_owned(), source: Arc::new(e) };
    let envelope: Envelope<T> = serde_json::from_slice(&reply.body).map_err(fail)?;
    let total = envelope.total;
    match envelope.data {
        Some(data) => Ok((data, total)),
        // `null` may be a value of T, such as an absent list.
        None => serde_json::from_str("null").map(|data| (data, total)).map_err(fail),
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoints", &self.inner.endpoints)
            .field("identity", &self.identity())
            .finish_non_exhaustive()
    }
}
