//! Sending: credentials, failover between endpoints, and what may be sent twice.
//!
//! - A request that was never sent goes to the next endpoint.
//! - A read that was cut off goes to the next endpoint; with one endpoint, there once more.
//! - A write that was cut off is never sent again.
//! - A request refused with 401 did nothing; with a ticket it is sent once more after a new login.
//!
//! What requests mean is left to the other modules.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use hyper::ext::ReasonPhrase;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, COOKIE};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use crate::auth::{Credentials, Login, Session};
use crate::client::{Client, Envelope, RecordedRequest};
use crate::config::{Auth, Endpoint};
use crate::error::{ApiError, Error, ErrorKind, Failure, TransportError, TransportKind, innermost};
use crate::params::{Params, path};

/// A request: GET and DELETE carry their parameters in the query string (Proxmox VE answers 501
/// to a body), POST and PUT as a form.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) params: &'a Params,
}

impl Request<'_> {
    fn is_read(&self) -> bool {
        self.method == Method::GET
    }
}

/// An answer.
pub(crate) struct Reply {
    /// Which endpoint answered.
    pub(crate) endpoint: usize,
    status: u16,
    reason: String,
    pub(crate) body: Bytes,
}

impl Client {
    /// Sends with credentials; an error answer is an error.
    pub(crate) async fn send(&self, request: Request<'_>) -> Result<Reply, Error> {
        if let Some(reason) = request.params.invalid() {
            return Err(Error::InvalidParameter(reason.to_owned()));
        }
        let credentials = self.credentials().await?;
        match self.over_endpoints(&request, Some(&credentials)).await {
            Err(error) if error.is_unauthorized() => {
                let Credentials::Ticket(session) = credentials else { return Err(error) };
                self.forget_session(session.generation).await;
                let credentials = self.credentials().await?;
                self.over_endpoints(&request, Some(&credentials)).await
            }
            other => other,
        }
    }

    /// The endpoints, the one that worked last first.
    fn order(&self) -> impl Iterator<Item = (usize, &Endpoint)> {
        let endpoints = &self.inner.endpoints;
        let first = self.inner.preferred.load(Ordering::Relaxed) % endpoints.len();
        (first..endpoints.len()).chain(0..first).map(|i| (i, &endpoints[i]))
    }

    async fn over_endpoints(
        &self,
        request: &Request<'_>,
        credentials: Option<&Credentials>,
    ) -> Result<Reply, Error> {
        let mut failures: Vec<TransportError> = Vec::new();
        let mut untrusted = None;
        let mut proxy_failure = None;
        let mut attempts: Vec<_> = self.order().collect();
        if attempts.len() == 1 && request.is_read() {
            attempts.push(attempts[0]);
        }
        for (attempt, (index, endpoint)) in attempts.iter().enumerate() {
            match self.attempt(endpoint, request, credentials).await {
                Ok(mut reply) => {
                    reply.endpoint = *index;
                    self.inner.preferred.store(*index, Ordering::Relaxed);
                    let Some(error) = reply.error(request) else { return Ok(reply) };
                    let elsewhere = attempts[attempt + 1..].iter().any(|(i, _)| i != index);
                    if request.is_read() && error.kind == ErrorKind::ProxyFailed && elsewhere {
                        // Another node may still reach the one that this node cannot.
                        proxy_failure = Some(error);
                        continue;
                    }
                    return Err(Error::Api(Box::new(error)));
                }
                Err(Failure::Transport(failure)) => {
                    let sent = failure.kind != TransportKind::Connect;
                    if sent && !request.is_read() {
                        return Err(Error::FateUnknown {
                            method: request.method.to_string(),
                            path: request.path.to_owned(),
                            source: failure,
                        });
                    }
                    tracing::debug!(%endpoint, reason = failure.reason, "Proxmox VE not reached");
                    let again_here = failure.kind == TransportKind::Cut;
                    failures.push(failure);
                    if self.inner.endpoints.len() == 1 && !again_here {
                        break;
                    }
                }
                Err(Failure::Untrusted { reason, presented }) => {
                    let endpoint = endpoint.to_string();
                    untrusted = Some(Error::Untrusted { endpoint, reason, presented });
                    if self.inner.endpoints.len() == 1 {
                        break;
                    }
                }
            }
        }
        Err(proxy_failure
            .map(|e| Error::Api(Box::new(e)))
            .or(untrusted)
            .unwrap_or(Error::Unreachable(failures)))
    }

    async fn attempt(
        &self,
        endpoint: &Endpoint,
        request: &Request<'_>,
        credentials: Option<&Credentials>,
    ) -> Result<Reply, Failure> {
        let in_query = matches!(request.method, Method::GET | Method::DELETE);
        let mut url = format!("https://{endpoint}/api2/json{}", request.path);
        if in_query && !request.params.is_empty() {
            url.push('?');
            url.push_str(&request.params.encode());
        }
        let mut builder = self.inner.http.request(request.method.clone(), url);
        if !in_query {
            builder = builder
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(request.params.encode());
        }
        let unusable = |error: Error| {
            Failure::Transport(TransportError {
                endpoint: endpoint.to_string(),
                kind: TransportKind::Connect,
                reason: error.to_string(),
            })
        };
        match credentials {
            Some(Credentials::Token(value)) => {
                builder = builder.header(reqwest::header::AUTHORIZATION, value.clone());
            }
            Some(Credentials::Ticket(session)) => {
                builder = builder.header(COOKIE, session.cookie().map_err(unusable)?);
                if !request.is_read() {
                    let csrf = session.csrf().map_err(unusable)?;
                    builder = builder.header("CSRFPreventionToken", csrf);
                }
            }
            None => {}
        }
        self.record(request.method.as_str(), request.path, request.params);
        let response = builder.send().await.map_err(|e| Failure::of(endpoint, &e))?;
        let status = response.status();
        let reason = match response.extensions().get::<ReasonPhrase>() {
            Some(phrase) => String::from_utf8_lossy(phrase.as_bytes()).trim().to_owned(),
            None => status.canonical_reason().unwrap_or_default().to_owned(),
        };
        let body = match response.bytes().await {
            Ok(body) => body,
            // The status line carries the message, so an error answer without its body is whole.
            Err(_) if !status.is_success() => Bytes::new(),
            Err(error) => return Err(Failure::of(endpoint, &error)),
        };
        Ok(Reply { endpoint: 0, status: status.as_u16(), reason, body })
    }

    /// Counts a request and shows it to the recorder.
    pub(crate) fn record(&self, method: &str, path: &str, params: &Params) {
        self.inner.requests.fetch_add(1, Ordering::Relaxed);
        if let Some(recorder) = &self.inner.recorder {
            recorder(&RecordedRequest { method, path, params });
        }
    }

    /// What to identify with; logs in or renews the ticket when it is time, one caller at a time.
    pub(crate) async fn credentials(&self) -> Result<Credentials, Error> {
        if let Some(token) = self.inner.auth.token() {
            return Ok(token);
        }
        let mut slot = self.inner.auth.session.lock().await;
        let generation = match &*slot {
            Some(session) if !session.needs_renewal() => {
                return Ok(Credentials::Ticket(session.clone()));
            }
            Some(session) => session.generation + 1,
            None => 1,
        };
        let login = match &*slot {
            Some(old) if !old.is_expired() => match self.renew(old).await {
                Ok(login) => login,
                // The old ticket serves until it ends: an outage is no reason to fail now.
                Err(error) if error.is_unreachable() || error.fate_unknown() => {
                    return Ok(Credentials::Ticket(old.clone()));
                }
                Err(_) => self.log_in().await?,
            },
            _ => self.log_in().await?,
        };
        let session = Session { ticket: login.ticket, csrf: login.csrf, since: Instant::now(), generation };
        *slot = Some(session.clone());
        Ok(Credentials::Ticket(session))
    }

    async fn forget_session(&self, generation: u64) {
        let mut slot = self.inner.auth.session.lock().await;
        if slot.as_ref().is_some_and(|s| s.generation == generation) {
            *slot = None;
        }
    }

    /// A ticket is as good as the password for getting the next one.
    async fn renew(&self, old: &Session) -> Result<Login, Error> {
        let params = self.login_params(&old.ticket);
        self.ticket_call(params).await?.complete()
    }

    async fn log_in(&self) -> Result<Login, Error> {
        let Auth::Ticket { password, otp, .. } = &self.inner.auth.auth else {
            return Err(Error::Config("a token needs no login".to_owned()));
        };
        let answer = self.ticket_call(self.login_params(password)).await?;
        if !answer.need_tfa {
            return answer.complete();
        }
        // The ticket of a half-finished login is the challenge that the code answers.
        let (Some(otp), Some(challenge)) = (otp, &answer.ticket) else {
            return Err(Error::Config("the account needs a second factor and no code was given".to_owned()));
        };
        let code = SecretString::from(format!("totp:{}", otp.expose_secret()));
        let params = self.login_params(&code).with("tfa-challenge", challenge);
        self.ticket_call(params).await?.complete()
    }

    fn login_params(&self, password: &SecretString) -> Params {
        Params::new().with("username", self.identity()).with("password", password)
    }

    /// A login changes nothing at the server, so it may be sent again after a cut.
    async fn ticket_call(&self, params: Params) -> Result<TicketAnswer, Error> {
        let path = path(&[&"access", &"ticket"]);
        let request = Request { method: Method::POST, path: &path, params: &params };
        let reply = match self.over_endpoints(&request, None).await {
            Err(Error::FateUnknown { .. }) => {
                self.over_endpoints(&request, None).await.map_err(|error| match error {
                    Error::FateUnknown { source, .. } => Error::Unreachable(vec![source]),
                    other => other,
                })?
            }
            other => other?,
        };
        let decode = |e| Error::Decode { path: path.clone(), source: Arc::new(e) };
        let envelope: Envelope<TicketAnswer> = serde_json::from_slice(&reply.body).map_err(decode)?;
        Ok(envelope.data.unwrap_or_default())
    }
}

#[derive(Deserialize, Default)]
struct TicketAnswer {
    #[serde(default)]
    ticket: Option<SecretString>,
    #[serde(default, rename = "CSRFPreventionToken")]
    csrf: Option<SecretString>,
    #[serde(default, rename = "NeedTFA", deserialize_with = "crate::lenient::or_default")]
    need_tfa: bool,
}

impl TicketAnswer {
    fn complete(self) -> Result<Login, Error> {
        match (self.ticket, self.csrf) {
            (Some(ticket), Some(csrf)) if !self.need_tfa => Ok(Login { ticket, csrf }),
            _ => Err(Error::Config("the login was not completed".to_owned())),
        }
    }
}

impl Reply {
    fn error(&self, request: &Request<'_>) -> Option<ApiError> {
        if (200..300).contains(&self.status) {
            return None;
        }
        Some(ApiError::new(
            request.method.as_str(),
            request.path,
            self.status,
            self.reason.clone(),
            &self.body,
        ))
    }
}

/// A TLS connection of one's own, for what is not plain HTTP.
pub(crate) async fn open_tls(
    endpoint: &Endpoint,
    config: Arc<rustls::ClientConfig>,
    timeout: Duration,
) -> Result<TlsStream<TcpStream>, Failure> {
    let failed = |reason: String| {
        Failure::Transport(TransportError {
            endpoint: endpoint.to_string(),
            kind: TransportKind::Connect,
            reason,
        })
    };
    let name = rustls_pki_types::ServerName::try_from(endpoint.host().to_owned())
        .map_err(|e| failed(e.to_string()))?;
    let connect = async {
        let tcp = TcpStream::connect((endpoint.host(), endpoint.port())).await?;
        tcp.set_nodelay(true)?;
        tokio_rustls::TlsConnector::from(config).connect(name, tcp).await
    };
    match tokio::time::timeout(timeout, connect).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(Failure::untrusted(&error).unwrap_or_else(|| failed(innermost(&error)))),
        Err(_) => Err(failed("no connection in time".to_owned())),
    }
}
