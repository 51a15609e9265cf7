//! The socket: one connection, one task; sizes and times are bounded, and who calls is known before anything is read.
//!
//! hyperlocal's own server handles one connection at a time, so the accept loop is ours and hyper serves each connection.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use proto_json::envelope::{Id, Response as RpcResponse};
use proto_json::{Code, MAX_REQUEST_BYTES, Problem};
use rustix::fs::{FlockOperation, flock};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio_io_timeout::TimeoutStream;

use super::peer::{Door, Peer};
use super::{dispatch, events};
use crate::apps::UseCases;
use crate::config::Limits;

/// Time that another daemon on the same socket gets to take a connection, and to be through with its own start.
const PATIENCE: Duration = Duration::from_secs(2);

/// A response's body.
pub type Body = BoxBody<Bytes, std::io::Error>;

/// A socket that is listened on, and the file that is its name.
#[derive(Debug)]
pub struct Bound {
    listener: UnixListener,
    name: Name,
}

/// A socket's name in the file system. It is taken away with this, if it is still the one that was made: meanwhile
/// somebody may have put another there.
#[derive(Debug)]
struct Name {
    path: PathBuf,
    file: (u64, u64),
}

impl Drop for Name {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// Makes the socket: mode 0660, given to the configured group. One that nobody listens on is replaced. The lock on the
/// data directory says nothing of that: a daemon with another directory may have this socket.
///
/// # Errors
/// [`ErrorKind::AddrInUse`] when somebody answers on it; else the system's own words.
pub async fn bind(path: &Path, door: &Door) -> std::io::Result<Bound> {
    if let Some(dir) = path.parent() {
        // People of the group have to get through to the socket, whatever the umask says.
        if !dir.exists() {
            fs::create_dir_all(dir)?;
            fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
        }
    }
    // From the look until the new one listens, no other daemon does the same in this directory.
    let lock = lock_beside(path).await?;
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            if is_listened_on(path).await? {
                return Err(std::io::Error::new(
                    ErrorKind::AddrInUse,
                    "another daemon answers on it; stop that one, or choose another with --socket",
                ));
            }
            fs::remove_file(path)?;
        }
        Ok(_) => return Err(std::io::Error::new(ErrorKind::AlreadyExists, "it is there and is no socket")),
        Err(_) => {}
    }
    // Nobody gets in between bind and chmod: the umask leaves the group and others nothing.
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(path);
    rustix::process::umask(before);
    let listener = bound?;
    let name = Name { path: path.into(), file: identity(path)? };
    drop(lock);
    if let Some(group) = door.group() {
        std::os::unix::fs::chown(path, None, Some(group))?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    Ok(Bound { listener, name })
}

/// Takes the directory's lock. Where it cannot be opened to be locked, the look alone has to do.
async fn lock_beside(path: &Path) -> std::io::Result<Option<File>> {
    let Some(dir) = path.parent().and_then(|dir| File::open(dir).ok()) else { return Ok(None) };
    let begun = tokio::time::Instant::now();
    while let Err(error) = flock(&dir, FlockOperation::NonBlockingLockExclusive) {
        if begun.elapsed() >= PATIENCE {
            return Err(error.into());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(Some(dir))
}

async fn is_listened_on(path: &Path) -> std::io::Result<bool> {
    match tokio::time::timeout(PATIENCE, UnixStream::connect(path)).await {
        // One that is too busy to take a connection is there all the same.
        Ok(Ok(_)) | Err(_) => Ok(true),
        Ok(Err(error)) => match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::NotFound => Ok(false),
            ErrorKind::WouldBlock => Ok(true),
            _ => Err(error),
        },
    }
}

/// Accepts until told to stop. The socket's name is gone when this returns.
pub async fn serve(
    bound: Bound,
    door: Door,
    limits: Limits,
    apps: Arc<UseCases>,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let Bound { listener, name } = bound;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => {
                // Before the listener: while that is open, no other file can have the number of ours.
                drop(name);
                return;
            }
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: what is open goes on, and a little later there may be room.
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!("all {} connections are taken; one more is turned away", limits.connections);
            continue;
        };
        let (door, apps, stop) = (door.clone(), Arc::clone(&apps), stop.clone());
        tokio::spawn(async move {
            connection(stream, &door, limits, apps, stop).await;
            drop(place);
        });
    }
}

async fn connection(
    stream: UnixStream,
    door: &Door,
    limits: Limits,
    apps: Arc<UseCases>,
    mut stop: watch::Receiver<bool>,
) {
    let peer = match stream.peer_cred() {
        Ok(credentials) => door.admit(&credentials),
        Err(error) => Err(Problem::new(Code::Refused, "the caller cannot be told").cause(error.to_string())),
    };
    let time = Duration::from_secs(limits.request_seconds);
    let listening = stop.clone();
    let service = hyper::service::service_fn(move |request| {
        let (peer, apps, stop) = (peer.clone(), Arc::clone(&apps), listening.clone());
        async move { Ok::<_, Infallible>(answer(request, peer, apps, time, stop).await) }
    });
    // A client that does not read is not waited for longer than one that does not write.
    let mut stream = Box::pin(TimeoutStream::new(stream));
    stream.as_mut().set_write_timeout_pinned(Some(time));
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(time)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(served);
    let ended = tokio::select! {
        result = served.as_mut() => Some(result),
        () = stopped(&mut stop) => None,
    };
    match ended {
        Some(result) => report(result),
        None => {
            served.as_mut().graceful_shutdown();
            report(served.await);
        }
    }
}

/// Waits until the daemon stops. A sender that is gone means the same.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn report(result: hyper::Result<()>) {
    if let Err(error) = result {
        // A client that went away, or sent what is no HTTP. It heard of it, if it still listens.
        tracing::debug!(%error, "a connection ended");
    }
}

async fn answer(
    request: Request<Incoming>,
    peer: Result<Peer, Problem>,
    apps: Arc<UseCases>,
    time: Duration,
    stop: watch::Receiver<bool>,
) -> Response<Body> {
    let peer = match peer {
        Ok(peer) => peer,
        Err(problem) => return refuse(StatusCode::FORBIDDEN, problem),
    };
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/rpc") => {
            let read = Limited::new(request.into_body(), MAX_REQUEST_BYTES).collect();
            let body = match tokio::time::timeout(time, read).await {
                Ok(Ok(body)) => body.to_bytes(),
                Ok(Err(error)) if error.is::<LengthLimitError>() => {
                    let most = MAX_REQUEST_BYTES / 1024 / 1024;
                    let problem =
                        Problem::new(Code::InvalidRequest, format!("the request is larger than {most} MiB"));
                    return refuse(StatusCode::PAYLOAD_TOO_LARGE, problem);
                }
                Ok(Err(error)) => {
                    let problem =
                        Problem::new(Code::InvalidRequest, "the request broke off").cause(error.to_string());
                    return refuse(StatusCode::BAD_REQUEST, problem);
                }
                Err(_) => {
                    let problem = Problem::new(Code::InvalidRequest, "the request did not arrive in time")
                        .hint(format!("a request has to arrive within {} s", time.as_secs()));
                    return refuse(StatusCode::REQUEST_TIMEOUT, problem);
                }
            };
            match dispatch::handle(&apps, &peer, &body).await {
                Some(text) => json_body(StatusCode::OK, Pieces::from(text).boxed()),
                None => empty(StatusCode::NO_CONTENT),
            }
        }
        (&Method::GET, "/events") => events::stream(request.uri().query().unwrap_or_default(), &apps, stop),
        (&Method::GET, "/health") => json(StatusCode::OK, Bytes::from_static(b"{\"status\":\"ok\"}")),
        (_, "/rpc" | "/events" | "/health") => refuse(
            StatusCode::METHOD_NOT_ALLOWED,
            Problem::new(Code::InvalidRequest, "POST /rpc, GET /events and GET /health are what there is"),
        ),
        (_, path) => refuse(
            StatusCode::NOT_FOUND,
            Problem::new(Code::NotFound, format!("there is nothing at {}", path.escape_default()))
                .hint("JSON-RPC is at POST /rpc, events are at GET /events"),
        ),
    }
}

/// An error outside any call, in the same form as one inside.
pub(super) fn refuse(status: StatusCode, problem: Problem) -> Response<Body> {
    let body = serde_json::to_vec(&RpcResponse::new(Id::NULL, Err(problem)))
        .expect("a problem is plain text, representable as JSON");
    json(status, body.into())
}

fn json(status: StatusCode, body: Bytes) -> Response<Body> {
    json_body(status, whole(body))
}

fn json_body(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A body of several pieces, whose length is known.
struct Pieces {
    rest: std::vec::IntoIter<Bytes>,
    left: u64,
}

impl From<Vec<Bytes>> for Pieces {
    fn from(pieces: Vec<Bytes>) -> Pieces {
        let left = pieces.iter().map(|piece| piece.len() as u64).sum();
        Pieces { rest: pieces.into_iter(), left }
    }
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let next = self.rest.next();
        self.left -= next.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(next.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

fn whole(body: Bytes) -> Body {
    Full::new(body).map_err(|never| match never {}).boxed()
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(whole(Bytes::new()));
    *response.status_mut() = status;
    response
}
