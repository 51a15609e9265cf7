//! The daemon's socket: calls, and the event stream.
//!
//! A call is one `POST /rpc`; its result can be taken as the text that came (for JSON that is only handed on) or as
//! the method's type. Nothing is connected before the first call.

use std::cell::OnceCell;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyperlocal::{UnixConnector, Uri};
use proto_json::error::ErrorObject;
use proto_json::event::StreamLine;
use proto_json::{Code, Method, Problem, envelope};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::Error;

/// When the command's time is over, as `--timeout` says.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    /// The moment.
    pub at: Instant,
    /// The time that was given.
    pub given: std::time::Duration,
}

impl Deadline {
    /// The error that ends a command when it has passed: what it is that took too long, and what goes on.
    pub fn passed(self, what: &str, operations: Vec<String>) -> Error {
        let given = crate::duration::show(self.given);
        Error::Timeout { message: format!("{what} after {given}"), operations }
    }
}

/// A connection to the daemon, made when it is first used.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    http: legacy::Client<UnixConnector, Full<Bytes>>,
    deadline: Option<Deadline>,
    trace: bool,
}

/// How a successful response to request 1 begins and ends, as `proto_json::envelope::Response` is written.
const HEAD: &[u8] = br#"{"jsonrpc":"2.0","result":"#;
const TAIL: &[u8] = br#","id":1}"#;

/// A response whose result is still text.
#[derive(Deserialize)]
struct RawResponse<'a> {
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<ErrorObject>,
}

/// The answer to a call, its result still as it came: in pieces, which are put together only when somebody reads them.
#[derive(Debug)]
pub struct Answer {
    pieces: Vec<Bytes>,
    whole: OnceCell<Bytes>,
}

impl Answer {
    fn new(method: &str, mut body: Vec<Bytes>) -> Result<Answer, Error> {
        // The end may have come in two pieces.
        while body.len() > 1 && body.last().is_some_and(|last| last.len() < TAIL.len()) {
            let end = body.split_off(body.len() - 2).concat();
            body.push(end.into());
        }
        // What a daemon of ours writes is cut out without being read: a list may have megabytes, and whoever takes it
        // reads it anyway, or hands it on.
        let size: usize = body.iter().map(Bytes::len).sum();
        if size > HEAD.len() + TAIL.len()
            && body.first().is_some_and(|first| first.starts_with(HEAD))
            && body.last().is_some_and(|last| last.ends_with(TAIL))
        {
            if let Some(first) = body.first_mut() {
                let _ = first.split_to(HEAD.len());
            }
            if let Some(last) = body.last_mut() {
                last.truncate(last.len() - TAIL.len());
            }
            return Ok(Answer { pieces: body, whole: OnceCell::new() });
        }
        let body = Bytes::from(body.concat());
        let response: RawResponse<'_> =
            serde_json::from_slice(&body).map_err(|error| garbled(method, &error))?;
        if let Some(error) = response.error {
            return Err(Error::Daemon(error.into()));
        }
        // The result is borrowed from the body, so it is a range of it.
        let null = Bytes::from_static(b"null");
        let result = response.result.map_or(null, |raw| body.slice_ref(raw.get().as_bytes()));
        Ok(Answer { pieces: vec![result], whole: OnceCell::new() })
    }

    /// The result's JSON text as it came, to be handed on.
    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// The result's JSON text.
    pub fn text(&self) -> &str {
        let whole = match &self.pieces[..] {
            [one] => one,
            pieces => self.whole.get_or_init(|| pieces.concat().into()),
        };
        match std::str::from_utf8(whole) {
            Ok("") | Err(_) => "null",
            Ok(text) => text,
        }
    }

    /// The result as a type, which may borrow from it.
    ///
    /// # Errors
    /// When it does not fit: daemon and command line are of different versions.
    pub fn read<'a, T: Deserialize<'a>>(&'a self, method: &str) -> Result<T, Error> {
        serde_json::from_str(self.text()).map_err(|error| garbled(method, &error))
    }
}

fn garbled(method: &str, error: &serde_json::Error) -> Error {
    let problem =
        Problem::new(Code::Internal, format!("the daemon's answer to `{method}` cannot be understood"));
    Error::Daemon(
        problem
            .cause(error.to_string())
            .hint("proximityctl and proximityd should be of the same version: compare `proximityctl status` with `proximityctl --version`"),
    )
}

impl Client {
    /// A client for the daemon at a socket.
    pub fn new(socket: PathBuf, deadline: Option<Deadline>, trace: bool) -> Client {
        // hyper takes a relative name for a host name.
        let socket = std::path::absolute(&socket).unwrap_or(socket);
        // The daemon ends connections that were idle for half a minute: one that is near that is not used again.
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(std::time::Duration::from_secs(10))
            .build(UnixConnector);
        Client { socket, http, deadline, trace }
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// When the command's time is over.
    pub fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    /// Calls a method.
    ///
    /// # Errors
    /// The daemon's own error, or [`Error::Unreachable`].
    pub async fn call<M: Method>(&self, params: &M::Params) -> Result<M::Output, Error> {
        self.call_text::<M>(params).await?.read(M::NAME)
    }

    /// Calls a method and leaves its result as the text it came as.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_text<M: Method>(&self, params: &M::Params) -> Result<Answer, Error> {
        let began = Instant::now();
        let body = envelope::call(1, M::NAME, params).expect("parameters are plain data");
        let request = Request::post(Uri::new(&self.socket, "/rpc"))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .expect("the request is well formed");
        let exchange = async {
            let response = self.http.request(request).await.map_err(|error| self.unreachable(&error))?;
            pieces(response).await.map_err(|error| self.broken(error.to_string()))
        };
        let (status, body) = match self.deadline {
            None => exchange.await?,
            Some(deadline) => tokio::time::timeout_at(deadline.at.into(), exchange)
                .await
                .map_err(|_| deadline.passed("no answer from the daemon", Vec::new()))??,
        };
        if self.trace {
            let took = began.elapsed().as_micros();
            let size: usize = body.iter().map(Bytes::len).sum();
            crate::ui::trace(&format!("{} answered {size} bytes in {took} µs", M::NAME));
        }
        if status != StatusCode::OK && !body.first().is_some_and(|first| first.starts_with(b"{")) {
            let words = String::from_utf8_lossy(&body.concat()).trim().to_string();
            return Err(Error::Daemon(
                Problem::new(Code::Internal, format!("the daemon answered {status}")).cause(words),
            ));
        }
        Answer::new(M::NAME, body)
    }

    /// Whether the daemon answers.
    pub async fn is_up(&self) -> bool {
        let request = Request::get(Uri::new(&self.socket, "/health")).body(Full::new(Bytes::new()));
        match self.http.request(request.expect("the request is well formed")).await {
            Ok(response) => response.status().is_success(),
            Err(_) => false,
        }
    }

    /// Opens the event stream.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn events(&self, query: &EventQuery) -> Result<EventStream, Error> {
        let request = Request::get(Uri::new(&self.socket, &query.path()))
            .body(Full::new(Bytes::new()))
            .expect("the query is percent-encoded");
        let response = self.http.request(request).await.map_err(|error| self.unreachable(&error))?;
        if response.status() != StatusCode::OK {
            let (status, body) = pieces(response).await.map_err(|error| self.broken(error.to_string()))?;
            return Err(match serde_json::from_slice::<RawResponse<'_>>(&body.concat()) {
                Ok(RawResponse { error: Some(error), .. }) => Error::Daemon(error.into()),
                _ => Error::Daemon(Problem::new(
                    Code::Internal,
                    format!("the event stream was answered with {status}"),
                )),
            });
        }
        Ok(EventStream { body: response.into_body(), buffer: Vec::new() })
    }

    fn unreachable(&self, error: &legacy::Error) -> Error {
        let mut source = std::error::Error::source(error);
        let mut cause = error.to_string();
        let mut denied = false;
        while let Some(inner) = source {
            cause = inner.to_string();
            denied |= inner
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
            source = inner.source();
        }
        Error::Unreachable { socket: self.socket.clone(), cause, denied, operations: Vec::new() }
    }

    fn broken(&self, cause: String) -> Error {
        Error::Unreachable { socket: self.socket.clone(), cause, denied: false, operations: Vec::new() }
    }
}

/// A response's body, in the pieces that it came in.
async fn pieces(response: Response<Incoming>) -> Result<(StatusCode, Vec<Bytes>), hyper::Error> {
    let status = response.status();
    let (mut body, mut pieces) = (response.into_body(), Vec::new());
    while let Some(frame) = body.frame().await {
        if let Ok(piece) = frame?.into_data() {
            pieces.push(piece);
        }
    }
    Ok((status, pieces))
}

/// Which events are wanted.
#[derive(Debug, Clone, Default)]
pub struct EventQuery {
    /// The number of the last event seen.
    pub since: u64,
    /// The epoch that the number is of, when it is known.
    pub epoch: Option<String>,
    /// Only those of this operation.
    pub operation: Option<String>,
    /// Only those about this app.
    pub app: Option<String>,
    /// Stay connected for those to come.
    pub follow: bool,
}

impl EventQuery {
    fn path(&self) -> String {
        let mut path = format!("/events?since={}&follow={}", self.since, self.follow);
        for (key, value) in [("epoch", &self.epoch), ("operation", &self.operation), ("app", &self.app)] {
            if let Some(value) = value {
                path.push_str(&format!("&{key}="));
                for byte in value.bytes() {
                    // RFC 3986's unreserved characters stand for themselves.
                    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                        path.push(char::from(byte));
                    } else {
                        path.push_str(&format!("%{byte:02X}"));
                    }
                }
            }
        }
        path
    }
}

/// An open event stream.
#[derive(Debug)]
pub struct EventStream {
    body: Incoming,
    buffer: Vec<u8>,
}

impl EventStream {
    /// The lines that came together; none when the stream has ended. A line of a kind that is not known is left
    /// out: a newer daemon may have more of them.
    ///
    /// # Errors
    /// When the connection broke.
    pub async fn next(&mut self) -> Result<Option<Vec<StreamLine>>, hyper::Error> {
        loop {
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let Ok(data) = frame?.into_data() else { continue };
            self.buffer.extend_from_slice(&data);
            let Some(end) = self.buffer.iter().rposition(|byte| *byte == b'\n') else { continue };
            let rest = self.buffer.split_off(end + 1);
            let whole = std::mem::replace(&mut self.buffer, rest);
            let lines: Vec<StreamLine> = whole
                .split(|byte| *byte == b'\n')
                .filter_map(|line| serde_json::from_slice(line).ok())
                .collect();
            if !lines.is_empty() {
                return Ok(Some(lines));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_handed_on_as_the_text_it_came_as() {
        let body = Bytes::from_static(br#"{"jsonrpc":"2.0","result":[{"b":1, "a":2}],"id":1}"#);
        assert_eq!(Answer::new("x", vec![body]).unwrap().text(), r#"[{"b":1, "a":2}]"#);
    }

    #[test]
    fn the_short_way_and_the_long_way_give_the_same_result() {
        let outcome = Ok(serde_json::json!({"a": ",\"id\":1}", "b": [1, null]}));
        let response = envelope::Response::new(envelope::Id(1.into()), outcome);
        let short = serde_json::to_string(&response).unwrap();
        assert!(short.as_bytes().starts_with(HEAD) && short.as_bytes().ends_with(TAIL), "{short}");
        let long = format!("{short} ");
        let text = |body: String| Answer::new("x", vec![Bytes::from(body)]).unwrap().text().to_string();
        assert_eq!(text(short), text(long));
    }

    #[test]
    fn a_result_that_came_in_pieces_is_the_same_wherever_it_was_cut() {
        let whole = br#"{"jsonrpc":"2.0","result":[{"name":"a"},{"name":"b"}],"id":1}"#;
        for first in 1..whole.len() {
            for second in first..whole.len() {
                let cut = [&whole[..first], &whole[first..second], &whole[second..]];
                let pieces = cut.into_iter().filter(|piece| !piece.is_empty()).map(Bytes::from_static);
                let answer = Answer::new("x", pieces.collect()).unwrap();
                assert_eq!(answer.text(), r#"[{"name":"a"},{"name":"b"}]"#, "{first} {second}");
                assert_eq!(answer.pieces().concat(), answer.text().as_bytes(), "{first} {second}");
            }
        }
    }

    #[test]
    fn a_null_result_is_null_and_an_error_is_an_error() {
        let body = Bytes::from_static(br#"{"jsonrpc":"2.0","result":null,"id":1}"#);
        assert_eq!(Answer::new("x", vec![body]).unwrap().text(), "null");
        let body = Bytes::from_static(br#"{"jsonrpc":"2.0","error":{"code":-32001,"message":"no"},"id":1}"#);
        assert_eq!(Answer::new("x", vec![body]).unwrap_err().exit_status(), 3);
    }

    #[test]
    fn what_a_person_typed_cannot_change_the_event_query() {
        let query = EventQuery { app: Some("a&follow=true b".into()), ..EventQuery::default() };
        assert_eq!(query.path(), "/events?since=0&follow=false&app=a%26follow%3Dtrue%20b");
    }
}
