//! Failures on the way to Proxmox VE and back.
//!
//! Whether a failed request was sent decides everything; the classes here follow that line. The
//! choice between endpoints is left to `crate::transport`.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use super::Error;
use crate::tls::{Fingerprint, PinMismatch};

/// How a request failed on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportKind {
    /// No connection: nothing was sent.
    Connect,
    /// The connection broke, or the answer stopped, after the request was sent in part or whole.
    Cut,
    /// The answer did not come in time.
    Timeout,
}

/// A request that failed on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportError {
    /// The endpoint that was tried.
    pub endpoint: String,
    /// How it failed.
    pub kind: TransportKind,
    /// The innermost reason, such as `Connection refused`.
    pub reason: String,
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.endpoint, self.reason)
    }
}

impl StdError for TransportError {}

/// A failed attempt at one endpoint.
#[derive(Debug)]
pub(crate) enum Failure {
    Transport(TransportError),
    Untrusted { reason: String, presented: Option<Fingerprint> },
}

impl Failure {
    pub(crate) fn of(endpoint: &impl fmt::Display, error: &reqwest::Error) -> Self {
        if let Some(refused) = Self::untrusted(error) {
            return refused;
        }
        let kind = if error.is_connect() {
            TransportKind::Connect
        } else if error.is_timeout() {
            TransportKind::Timeout
        } else {
            TransportKind::Cut
        };
        let reason = match kind {
            TransportKind::Timeout => "no answer in time".to_owned(),
            _ => innermost(error),
        };
        Self::Transport(TransportError { endpoint: endpoint.to_string(), kind, reason })
    }

    pub(crate) fn into_error(self, endpoint: &impl fmt::Display) -> Error {
        match self {
            Self::Transport(failure) => Error::Unreachable(vec![failure]),
            Self::Untrusted { reason, presented } => {
                Error::Untrusted { endpoint: endpoint.to_string(), reason, presented }
            }
        }
    }

    /// A refused certificate somewhere in an error's chain.
    pub(crate) fn untrusted(error: &(dyn StdError + 'static)) -> Option<Self> {
        let tls = find_tls(error)?;
        let rustls::Error::InvalidCertificate(why) = tls else { return None };
        let presented = match why {
            rustls::CertificateError::Other(other) => {
                other.0.downcast_ref::<PinMismatch>().map(|m| m.presented)
            }
            _ => None,
        };
        let reason = match (why, presented) {
            (_, Some(presented)) => PinMismatch { presented }.to_string(),
            (rustls::CertificateError::UnknownIssuer, None) => {
                "it is signed by an unknown authority".to_owned()
            }
            (why, None) => why.to_string(),
        };
        Some(Self::Untrusted { reason, presented })
    }
}

/// rustls's error hides inside `io::Error`, whose `source` skips it.
fn find_tls<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(tls) = find_tls(inner)
        {
            return Some(tls);
        }
        current = error.source();
    }
    None
}

/// The last reason of an error's chain, which says most.
pub(crate) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}
