//! What a client is built from: endpoints, credentials, trust and patience.
//!
//! Where these settings are kept is left to the caller.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

use crate::tls::Tls;

/// The port of Proxmox VE's API (pveproxy).
const DEFAULT_PORT: u16 = 8006;

/// One address at which a cluster's API answers. Always HTTPS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    host: String,
    port: u16,
}

/// A text that is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Plain HTTP was asked for; credentials never travel unencrypted.
    #[error("{0:?} is not an HTTPS address; Proxmox VE answers on https://HOST:8006")]
    NotHttps(String),
    /// Not `host`, `host:port` or `https://host:port`.
    #[error("{0:?} is not an endpoint; write HOST, HOST:PORT or https://HOST:PORT")]
    Malformed(String),
}

impl Endpoint {
    /// The host name or IP address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port, 8006 unless given.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let malformed = || EndpointError::Malformed(text.to_owned());
        let rest = match text.trim().split_once("://") {
            Some(("https", rest)) => rest,
            Some(_) => return Err(EndpointError::NotHttps(text.to_owned())),
            None => text.trim(),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = if let Some(inner) = rest.strip_prefix('[') {
            let (host, after) = inner.split_once(']').ok_or_else(malformed)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| malformed())?;
            (host, after.strip_prefix(':'))
        } else if rest.parse::<std::net::Ipv6Addr>().is_ok() {
            (rest, None)
        } else {
            match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            }
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
        if host.is_empty() || !host.chars().all(legal) {
            return Err(malformed());
        }
        let port = match port {
            Some(port) => port.parse().ok().filter(|p| *p != 0).ok_or_else(malformed)?,
            None => DEFAULT_PORT,
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

/// Who the client is.
#[derive(Debug, Clone)]
pub enum Auth {
    /// An API token.
    Token {
        /// `user@realm!name`.
        id: String,
        /// The token's secret, a UUID.
        secret: SecretString,
    },
    /// A person's or a service's password, exchanged for a ticket of two hours.
    Ticket {
        /// `user@realm`.
        user: String,
        /// The password.
        password: SecretString,
        /// A one-time code, for accounts with a second factor; usable for the first login only.
        otp: Option<SecretString>,
    },
}

impl Auth {
    /// Token credentials.
    pub fn token(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self::Token { id: id.into(), secret: SecretString::from(secret.into()) }
    }

    /// Password credentials without a second factor.
    pub fn password(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self::Ticket { user: user.into(), password: SecretString::from(password.into()), otp: None }
    }
}

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For TCP and TLS to one endpoint.
    pub connect: Duration,
    /// For one whole request. Longer than the 10 s for which Proxmox VE waits on lock files and
    /// the 30 s of its own proxying between nodes.
    pub request: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), request: Duration::from_secs(60) }
    }
}

/// Everything a [`crate::Client`] needs.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Addresses of one and the same cluster, the preferred first.
    pub endpoints: Vec<Endpoint>,
    /// The credentials.
    pub auth: Auth,
    /// Which certificates to accept.
    pub tls: Tls,
    /// How long to wait.
    pub timeouts: Timeouts,
}

impl ClientConfig {
    /// With the system's trust and the default timeouts.
    pub fn new(endpoints: Vec<Endpoint>, auth: Auth) -> Self {
        Self { endpoints, auth, tls: Tls::System, timeouts: Timeouts::default() }
    }

    /// With another trust.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// With other timeouts.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_as_people_write_them() {
        for (text, shown) in [
            ("pve1", "pve1:8006"),
            ("pve1.example.org:443", "pve1.example.org:443"),
            ("https://192.0.2.1:8006/", "192.0.2.1:8006"),
            ("https://[2001:db8::1]", "[2001:db8::1]:8006"),
            ("2001:db8::1", "[2001:db8::1]:8006"),
            ("[::1]:9000", "[::1]:9000"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn endpoints_that_are_none_are_refused() {
        assert!(matches!("http://pve1".parse::<Endpoint>(), Err(EndpointError::NotHttps(_))));
        for text in ["", "pve1:", "pve1:0", "pve1:70000", "pve1/x", "a b", "user@pve1", "[::1"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn debug_of_credentials_shows_no_secret() {
        let token = Auth::token("a@pve!b", "hunter2");
        let password = Auth::password("a@pve", "hunter2");
        assert!(!format!("{token:?}{password:?}").contains("hunter2"));
    }
}
