//! What a call can answer: the errors Proxmox VE knows, in its words, and how they become HTTP.
//!
//! The reason phrase of the status line is the trimmed message; a parameter error carries `errors{}`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::Frame;
use hyper::ext::ReasonPhrase;
use hyper::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, PRAGMA, SERVER};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

/// The body every reply has.
pub(crate) type Body = Either<Full<Bytes>, UnsyncBoxBody<Bytes, Infallible>>;

/// Why a call was refused. The text is Proxmox VE's own, without the final newline.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ApiError {
    /// 400: parameters that the schema or the method refuses, by name.
    #[error("Parameter verification failed.")]
    Parameters(BTreeMap<String, String>),
    /// 403 with the detail in brackets; an empty detail is the bare sentence.
    #[error("{}", permission_message(.0))]
    Permission(String),
    /// 500: whatever a method died of.
    #[error("{0}")]
    Died(String),
    /// 500 that carries `errors{}` (a property string that could not be read outside of the schema).
    #[error("format error")]
    Format(BTreeMap<String, String>),
    /// Any other status with its message.
    #[error("{1}")]
    Status(u16, String),
    /// 401: a reply without a body.
    #[error("{0}")]
    Unauthorized(String),
    /// A status whose body is the bare text (`Unexpected content for method …`).
    #[error("{1}")]
    Text(u16, String),
}

fn permission_message(detail: &str) -> String {
    match detail {
        "" => "Permission check failed".to_owned(),
        d => format!("Permission check failed ({d})"),
    }
}

impl ApiError {
    /// One refused parameter.
    pub(crate) fn parameter(name: &str, text: impl Into<String>) -> Self {
        Self::Parameters(BTreeMap::from([(name.to_owned(), text.into())]))
    }

    /// A 500 with this message.
    pub(crate) fn died(text: impl Into<String>) -> Self {
        Self::Died(text.into())
    }

    /// The text as a task shows it: a permission error in a task starts with its status.
    pub(crate) fn in_task(&self) -> String {
        match self {
            Self::Permission(_) => format!("403 {self}"),
            _ => self.to_string(),
        }
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Parameters(_) => 400,
            Self::Permission(_) => 403,
            Self::Died(_) | Self::Format(_) => 500,
            Self::Status(code, _) | Self::Text(code, _) => *code,
            Self::Unauthorized(_) => 401,
        }
    }

    fn body(&self) -> Option<Vec<u8>> {
        let value = match self {
            Self::Unauthorized(_) => return None,
            Self::Text(_, text) => return Some(text.clone().into_bytes()),
            Self::Parameters(errors) | Self::Format(errors) => {
                json!({ "data": null, "message": format!("{self}\n"), "errors": errors })
            }
            // An unknown method is the one message without a final newline.
            Self::Status(501, text) => json!({ "data": null, "message": text }),
            _ => json!({ "data": null, "message": format!("{self}\n") }),
        };
        Some(value.to_string().into_bytes())
    }
}

/// A result with more than `data` beside it (`total` in task logs).
#[derive(Debug)]
pub(crate) struct Answer {
    /// The `data`.
    pub data: Value,
    /// `total`, where a list is paged.
    pub total: Option<usize>,
}

impl From<Value> for Answer {
    fn from(data: Value) -> Self {
        Self { data, total: None }
    }
}

/// The outcome of a call.
pub(crate) type Outcome = Result<Answer, ApiError>;

/// Makes the HTTP reply of an outcome.
pub(crate) fn response(outcome: &Outcome) -> Response<Body> {
    match outcome {
        Ok(answer) => {
            let mut body = json!({ "data": answer.data });
            if let Some(total) = answer.total {
                body["total"] = json!(total);
            }
            plain(200, "OK", Some(body.to_string().into_bytes()), true)
        }
        Err(error) => {
            let json = !matches!(error, ApiError::Text(..));
            plain(error.status(), error.to_string().trim(), error.body(), json)
        }
    }
}

/// A reply with Proxmox VE's usual headers. No body leaves `Content-Type` out as well.
pub(crate) fn plain(status: u16, reason: &str, body: Option<Vec<u8>>, json: bool) -> Response<Body> {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let with_type = body.is_some() && json;
    let mut response = Response::new(Either::Left(Full::new(Bytes::from(body.unwrap_or_default()))));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=0"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(SERVER, HeaderValue::from_static("pve-api-daemon/3.0"));
    if with_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json;charset=UTF-8"));
    }
    if status >= 400 {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    // Only the first line fits into a status line.
    let reason = reason.lines().next().unwrap_or_default();
    let phrase: Vec<u8> = reason.bytes().map(|b| if b.is_ascii_control() { b' ' } else { b }).collect();
    if let Ok(phrase) = ReasonPhrase::try_from(phrase) {
        response.extensions_mut().insert(phrase);
    }
    response
}

/// The same reply, whose body comes a few bytes at a time, with a pause before each.
pub(crate) fn dripping(response: Response<Body>, pause: Duration) -> Response<Body> {
    const DROP: usize = 16;
    response.map(|body| {
        let Either::Left(mut whole) = body else { return body };
        let bytes = whole.frame().now_or_never().flatten().and_then(|frame| frame.ok()?.into_data().ok());
        let drops = futures_util::stream::unfold(bytes.unwrap_or_default(), move |mut left| async move {
            if left.is_empty() {
                return None;
            }
            tokio::time::sleep(pause).await;
            let drop = left.split_to(left.len().min(DROP));
            Some((Ok(Frame::data(drop)), left))
        });
        Either::Right(BodyExt::boxed_unsync(StreamBody::new(drops)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_phrase_is_the_trimmed_message() {
        let reply = response(&Err(ApiError::died("CT 200 already exists on node 'pve1'")));
        assert_eq!(reply.status(), 500);
        let phrase = reply.extensions().get::<ReasonPhrase>().expect("a phrase is set");
        assert_eq!(phrase.as_bytes(), b"CT 200 already exists on node 'pve1'");
    }

    #[test]
    fn an_unauthorized_reply_has_neither_body_nor_content_type() {
        let reply = response(&Err(ApiError::Unauthorized("No ticket".into())));
        assert_eq!(reply.status(), 401);
        assert!(reply.headers().get(CONTENT_TYPE).is_none());
    }

    #[test]
    fn a_bare_permission_error_has_no_brackets() {
        assert_eq!(ApiError::Permission(String::new()).to_string(), "Permission check failed");
        assert_eq!(
            ApiError::Permission("/vms/1, VM.Audit".into()).to_string(),
            "Permission check failed (/vms/1, VM.Audit)"
        );
    }
}
