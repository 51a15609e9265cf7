//! Errors: what Proxmox VE said, in its own words, and what that means; and what went wrong on
//! the way there.
//!
//! What to do about an error is left to the caller; this module says what is safe to do.

mod kind;
mod transport;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::ids::InvalidId;
use crate::tls::Fingerprint;

pub use kind::ErrorKind;
pub(crate) use transport::{Failure, innermost};
pub use transport::{TransportError, TransportKind};

/// Everything that can go wrong with a call.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Proxmox VE answered, with an error.
    #[error("{0}")]
    Api(Box<ApiError>),
    /// No endpoint could be reached, or a read was cut off at each: nothing was changed, trying
    /// again is safe.
    #[error("Proxmox VE cannot be reached ({})", tried(.0))]
    Unreachable(Vec<TransportError>),
    /// A write was cut off after it was sent: it may have happened or not. Never resend it
    /// blindly; look at what is there.
    #[error("the answer to {method} {path} was lost; whether it took effect is unknown ({source})")]
    FateUnknown {
        /// The HTTP method.
        method: String,
        /// The API path.
        path: String,
        /// How the connection broke.
        source: TransportError,
    },
    /// The server's certificate is not acceptable. Nothing was sent.
    #[error("the certificate of {endpoint} is not trusted: {reason}")]
    Untrusted {
        /// The endpoint.
        endpoint: String,
        /// Why.
        reason: String,
        /// What the server showed, when a pin did not match.
        presented: Option<Fingerprint>,
    },
    /// The answer is not what this call answers with.
    #[error("the answer to {path} cannot be read")]
    Decode {
        /// The API path.
        path: String,
        /// What is wrong with it.
        #[source]
        source: Arc<serde_json::Error>,
    },
    /// The request was refused before it was sent, because a parameter cannot be written.
    #[error("invalid parameter: {0}")]
    InvalidParameter(String),
    /// The client cannot be set up.
    #[error("{0}")]
    Config(String),
    /// The console's websocket broke.
    #[error(transparent)]
    Console(#[from] crate::console::ConsoleError),
}

fn tried(failures: &[TransportError]) -> String {
    let list: Vec<String> = failures.iter().map(ToString::to_string).collect();
    list.join("; ")
}

impl From<InvalidId> for Error {
    fn from(error: InvalidId) -> Self {
        Self::InvalidParameter(error.to_string())
    }
}

impl Error {
    /// The error that Proxmox VE answered with.
    pub fn api(&self) -> Option<&ApiError> {
        match self {
            Self::Api(error) => Some(error),
            _ => None,
        }
    }

    /// What the answer means, when there was one.
    pub fn kind(&self) -> Option<&ErrorKind> {
        self.api().map(|error| &error.kind)
    }

    /// Proxmox VE could not be reached and nothing was changed.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }

    /// Whether the call took effect cannot be known: a write whose answer was lost, or one that
    /// was lost between two nodes.
    pub fn fate_unknown(&self) -> bool {
        match self {
            Self::FateUnknown { .. } => true,
            Self::Api(error) => error.fate_unknown(),
            _ => false,
        }
    }

    /// The same call may succeed later and did nothing so far. For [`ErrorKind::ConfigModified`]
    /// read again first.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Api(error) => !error.fate_unknown() && error.kind.is_transient(),
            _ => false,
        }
    }

    /// The guest does not exist. With a token that is limited to a pool a guest that is gone answers
    /// [`ErrorKind::Forbidden`] instead.
    pub fn is_not_found(&self) -> bool {
        matches!(self.kind(), Some(ErrorKind::NotFound))
    }

    /// The id, pool or file is taken.
    pub fn is_already_exists(&self) -> bool {
        matches!(self.kind(), Some(ErrorKind::AlreadyExists))
    }

    /// Permission was refused.
    pub fn is_forbidden(&self) -> bool {
        matches!(self.kind(), Some(ErrorKind::Forbidden { .. }))
    }

    /// The credentials were refused.
    pub fn is_unauthorized(&self) -> bool {
        matches!(self.kind(), Some(ErrorKind::Unauthorized))
    }
}

/// An error answer of Proxmox VE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP method of the call.
    pub method: String,
    /// The API path of the call.
    pub path: String,
    /// The HTTP status.
    pub status: u16,
    /// The status line's reason phrase, which carries the message.
    pub reason: String,
    /// Proxmox VE's own words: the body's message, or the reason phrase where there is no body.
    pub message: String,
    /// For wrong parameters: parameter name to complaint.
    pub errors: BTreeMap<String, String>,
    /// What it means.
    pub kind: ErrorKind,
}

/// A status of AnyEvent::HTTP and pveproxy at which the request was certainly not sent on to the
/// other node: the connection could not be made (AnyEvent::HTTP manual).
const PROXY_NOT_CONNECTED: u16 = 595;

impl ApiError {
    /// From the pieces of an answer. `body` is the raw body, which may be empty or plain text.
    pub(crate) fn new(method: &str, path: &str, status: u16, reason: String, body: &[u8]) -> Self {
        #[derive(serde::Deserialize, Default)]
        struct Body {
            #[serde(default, deserialize_with = "crate::lenient::opt")]
            message: Option<String>,
            #[serde(default)]
            errors: Option<serde_json::Value>,
        }
        let (message, errors) = match serde_json::from_slice::<Body>(body) {
            Ok(body) => (body.message, body.errors),
            // A body of plain text, or a JSON string, is the message itself.
            Err(_) => {
                let text = serde_json::from_slice::<String>(body)
                    .unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned());
                // An HTML page of a proxy in between is no message.
                (Some(text).filter(|t| !t.trim_start().starts_with('<')), None)
            }
        };
        let errors = match errors {
            Some(serde_json::Value::Object(map)) => map
                .into_iter()
                .map(|(name, text)| {
                    let text = text.as_str().map_or_else(|| text.to_string(), str::to_owned);
                    (name, text.trim().to_owned())
                })
                .collect(),
            _ => BTreeMap::new(),
        };
        let message =
            message.map(|m| m.trim().to_owned()).filter(|m| !m.is_empty()).unwrap_or_else(|| reason.clone());
        let kind = ErrorKind::of(status, &message, &errors);
        Self { method: method.to_owned(), path: path.to_owned(), status, reason, message, errors, kind }
    }

    fn fate_unknown(&self) -> bool {
        self.method != "GET" && self.kind == ErrorKind::ProxyFailed && self.status != PROXY_NOT_CONNECTED
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            write!(f, "Proxmox VE answered status {}", self.status)?;
        } else {
            f.write_str(&self.message)?;
        }
        for (i, (name, text)) in self.errors.iter().enumerate() {
            // Complaints about property strings span lines.
            let text: Vec<&str> = text.split_whitespace().collect();
            let separator = if i == 0 { " " } else { "; " };
            write!(f, "{separator}{name}: {}", text.join(" "))?;
        }
        Ok(())
    }
}

impl std::error::Error for ApiError {}
