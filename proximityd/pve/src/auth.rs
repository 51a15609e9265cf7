//! Credentials on the wire: the token header, and tickets with their renewal.
//!
//! A ticket lives for two hours and is renewed after one, by one caller while the others wait.
//! Sending requests is left to `transport`.

use std::fmt;
use std::time::Duration;

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::config::Auth;
use crate::error::Error;

/// A ticket lives for two hours (Proxmox VE administration guide, "User Management"); half of that
/// leaves time for an hour's outage.
pub(crate) const RENEW_AFTER: Duration = Duration::from_secs(60 * 60);

/// When a ticket must no longer be used even to renew itself.
pub(crate) const EXPIRES_AFTER: Duration = Duration::from_secs(2 * 60 * 60 - 60);

/// The credentials of one request.
#[derive(Clone)]
pub(crate) enum Credentials {
    Token(HeaderValue),
    Ticket(Session),
}

/// A ticket and what belongs to it.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) ticket: SecretString,
    pub(crate) csrf: SecretString,
    pub(crate) since: Instant,
    /// Counts logins, so that a request that was refused does not throw away a newer ticket.
    pub(crate) generation: u64,
}

/// What the ticket call answers.
pub(crate) struct Login {
    pub(crate) ticket: SecretString,
    pub(crate) csrf: SecretString,
}

/// The client's identity, with the ticket that is in use.
pub(crate) struct Authenticator {
    pub(crate) auth: Auth,
    token: Option<HeaderValue>,
    pub(crate) session: Mutex<Option<Session>>,
}

impl Authenticator {
    pub(crate) fn new(auth: Auth) -> Result<Self, Error> {
        let token = match &auth {
            Auth::Token { id, secret } => {
                let (user, name) = id.split_once('!').unwrap_or((id, ""));
                if !user.contains('@') || name.is_empty() {
                    return Err(Error::Config(format!(
                        "{id:?} is not a token id; it is written user@realm!name"
                    )));
                }
                let text = format!("PVEAPIToken={id}={}", secret.expose_secret().trim());
                let mut value = HeaderValue::from_str(&text)
                    .map_err(|_| Error::Config("the token holds characters that no token has".to_owned()))?;
                value.set_sensitive(true);
                Some(value)
            }
            Auth::Ticket { .. } => None,
        };
        Ok(Self { auth, token, session: Mutex::new(None) })
    }

    pub(crate) fn token(&self) -> Option<Credentials> {
        self.token.clone().map(Credentials::Token)
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").field("auth", &self.auth).finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn needs_renewal(&self) -> bool {
        self.since.elapsed() >= RENEW_AFTER
    }

    pub(crate) fn is_expired(&self) -> bool {
        self.since.elapsed() >= EXPIRES_AFTER
    }

    /// The cookie that carries the ticket.
    pub(crate) fn cookie(&self) -> Result<HeaderValue, Error> {
        sensitive(&format!("PVEAuthCookie={}", self.ticket.expose_secret()))
    }

    /// The header that writes need beside the cookie.
    pub(crate) fn csrf(&self) -> Result<HeaderValue, Error> {
        sensitive(self.csrf.expose_secret())
    }
}

fn sensitive(text: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Error::Config("the ticket holds characters that no ticket has".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
