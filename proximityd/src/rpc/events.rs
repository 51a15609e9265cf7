//! `GET /events`: numbered events as lines of JSON, from the store first, then live.
//!
//! The listener is registered before the store is read, so that nothing falls between; what both have is sent once. One
//! that cannot keep up is told so and cut off: it comes back with its cursor and misses nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use proto_json::event::{Event, StreamLine};
use proto_json::{Code, Problem};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::socket::{Body, refuse};
use crate::apps::UseCases;
use crate::store::{Store, StoreError};

/// Lines that may wait for the network before the listener counts as slow.
const LINES: usize = 64;
/// Events read from the store at a time.
const PAGE: usize = 500;
/// Seconds of silence after which a ping shows that the connection lives.
const PING: Duration = Duration::from_secs(15);
/// Seconds that one line may wait for a listener that does not read.
const STALLED: Duration = Duration::from_secs(30);

/// What a listener asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Query {
    since: u64,
    epoch: Option<String>,
    operation: Option<String>,
    app: Option<String>,
    follow: bool,
}

impl Query {
    fn parse(text: &str) -> Result<Query, Problem> {
        let mut query = Query { follow: true, ..Query::default() };
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let wrong = || {
                Problem::new(
                    Code::InvalidParams,
                    format!("`{}` is no value for `{key}`", value.escape_default()),
                )
                .hint("GET /events?since=N&epoch=E&operation=ID&app=NAME&follow=true|false")
            };
            match key {
                "since" => query.since = value.parse().map_err(|_| wrong())?,
                "epoch" => query.epoch = Some(value.into()),
                "operation" => query.operation = Some(value.into()),
                "app" => query.app = Some(value.into()),
                "follow" => query.follow = value.parse().map_err(|_| wrong())?,
                other => {
                    let names = ["since", "epoch", "operation", "app", "follow"];
                    let near = proto_json::params::nearest(other, names.into_iter());
                    let problem = Problem::new(
                        Code::InvalidParams,
                        format!("unknown parameter `{}`", other.escape_default()),
                    );
                    return Err(match near {
                        Some(near) => problem.hint(format!("did you mean `{near}`?")),
                        None => problem.hint("it takes: since, epoch, operation, app, follow"),
                    });
                }
            }
        }
        Ok(query)
    }

    fn wants(&self, event: &Event) -> bool {
        self.operation.as_ref().is_none_or(|id| event.operation.as_ref() == Some(id))
            && self.app.as_ref().is_none_or(|app| event.app.as_ref() == Some(app))
    }
}

/// Begins the stream.
pub(super) fn stream(query: &str, apps: &Arc<UseCases>, stop: watch::Receiver<bool>) -> Response<Body> {
    let query = match Query::parse(query) {
        Ok(query) => query,
        Err(problem) => return refuse(StatusCode::BAD_REQUEST, problem),
    };
    let (lines, receiver) = mpsc::channel(LINES);
    let store = apps.store().clone();
    let told = Arc::new(AtomicBool::new(false));
    let tell = Arc::clone(&told);
    tokio::spawn(async move {
        let mut listener = Listener { query, store, lines, last: 0 };
        if let Some(reason) = listener.run(stop).await {
            let end = StreamLine::End { reason, since: listener.last };
            tell.store(listener.send(&end).await.is_ok(), Ordering::SeqCst);
        }
    });
    let lines = ReceiverStream::new(receiver).map(|line: Bytes| Ok(Frame::data(line)));
    // A stream that could not be ended in words is broken off, so that nobody takes it for a whole one.
    let cut = tokio_stream::once(()).filter_map(move |()| {
        let error = std::io::Error::new(std::io::ErrorKind::TimedOut, "the listener did not read");
        if told.load(Ordering::SeqCst) { None } else { Some(Err(error)) }
    });
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(lines.chain(cut))));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

struct Listener {
    query: Query,
    store: Store,
    lines: mpsc::Sender<Bytes>,
    /// Number of the last event that was considered.
    last: u64,
}

/// The listener has gone, or reads nothing any more.
struct Gone;

impl Listener {
    /// Runs to the end; gives the reason to tell the listener, if it is to be told one.
    async fn run(&mut self, mut stop: watch::Receiver<bool>) -> Option<String> {
        let mut live = self.store.subscribe();
        let replayed = self.replay().await;
        match replayed {
            Ok(()) if !self.query.follow => return Some("that is all there is".into()),
            Ok(()) => {}
            Err(Some(error)) => return Some(error.to_string()),
            Err(None) => return None,
        }
        loop {
            let received = tokio::select! {
                received = tokio::time::timeout(PING, live.recv()) => received,
                _ = stop.wait_for(|stop| *stop) => return Some("the daemon stops".into()),
                () = self.lines.closed() => return None,
            };
            let sent = match received {
                Ok(Ok(event)) if event.seq <= self.last => Ok(()),
                Ok(Ok(event)) => self.event(&event).await,
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => {
                    return Some("the listener was too slow; go on from `since`".into());
                }
                Ok(Err(broadcast::error::RecvError::Closed)) => return Some("the daemon stops".into()),
                Err(_) => self.send(&StreamLine::Ping).await,
            };
            if sent.is_err() {
                return None;
            }
        }
    }

    async fn replay(&mut self) -> Result<(), Option<StoreError>> {
        let (oldest, next) = self.store.read(|reader| reader.event_range()).await.map_err(Some)?;
        let epoch = self.store.epoch().to_string();
        let reset = match &self.query.epoch {
            Some(asked) if *asked != epoch => Some("the cursor is of another database".to_string()),
            _ if self.query.since >= next => Some("the cursor is of the future".into()),
            _ if self.query.since > 0 && self.query.since + 1 < oldest => {
                Some("the cursor is too old".into())
            }
            _ => None,
        };
        self.last = if reset.is_some() { oldest.saturating_sub(1) } else { self.query.since };
        self.send(&StreamLine::Hello { epoch, oldest, next, reset }).await.map_err(|Gone| None)?;
        loop {
            let since = self.last;
            let events = self.store.read(move |reader| reader.events(since, PAGE)).await.map_err(Some)?;
            let full = events.len() == PAGE;
            for event in events {
                self.event(&event).await.map_err(|Gone| None)?;
            }
            if !full {
                return Ok(());
            }
        }
    }

    async fn event(&mut self, event: &Event) -> Result<(), Gone> {
        self.last = event.seq;
        if self.query.wants(event) { self.send(&StreamLine::Event(event.clone())).await } else { Ok(()) }
    }

    async fn send(&self, line: &StreamLine) -> Result<(), Gone> {
        let mut bytes = serde_json::to_vec(line).expect("a stream line is representable as JSON");
        bytes.push(b'\n');
        match self.lines.send_timeout(bytes.into(), STALLED).await {
            Ok(()) => Ok(()),
            Err(_) => Err(Gone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_whole_or_refused() {
        let query = Query::parse("since=7&follow=false&app=a").unwrap();
        assert_eq!((query.since, query.follow, query.app.as_deref()), (7, false, Some("a")));
        assert!(Query::parse("").unwrap().follow);
        assert!(Query::parse("since=x").is_err());
        let problem = Query::parse("sinse=1").unwrap_err();
        assert_eq!(problem.hints, ["did you mean `since`?"]);
    }
}
