//! What answers on a service's published ports: a small page that says what it is.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener, UdpSocket as StdUdp};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

use super::state::{Container, Port, RunState};
use crate::engine::memory::guest::Guest;
use crate::engine::memory::shell::Place;

/// Connections one service holds at a time; more wait.
const CONNECTIONS: usize = 128;
/// Ports below this need privilege.
const UNPRIVILEGED: u16 = 1024;
/// The content type of a TLS handshake record.
const HANDSHAKE: u8 = 22;
const ATTEMPTS: u16 = 64;

/// An HTTP answer.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub(crate) struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    pub body: String,
}

impl Answer {
    /// The reason phrase.
    pub(crate) fn reason(&self) -> &'static str {
        StatusCode::from_u16(self.status).ok().and_then(|s| s.canonical_reason()).unwrap_or("Unknown")
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// What a container answers.
fn answer(container: &Container, hostname: &str, path: &str, wants_json: bool) -> Answer {
    let status = container.behaviour.status;
    if let Some(body) = &container.behaviour.body {
        return Answer { status, content_type: "text/html; charset=utf-8", body: body.clone() };
    }
    if wants_json {
        let body = json!({
            "stand_in": true,
            "message": "stand-in of the embedded node",
            "service": container.service,
            "image": container.image,
            "project": container.project,
            "host": hostname,
            "path": path,
            "status": status,
        });
        return Answer { status, content_type: "application/json", body: body.to_string() };
    }
    let (service, image) = (escape(&container.service), escape(&container.image));
    let host = escape(hostname);
    let body = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{service} on {host} (stand-in)</title></head>\n<body><h1>{host}</h1>\n<p>This is a stand-in of the embedded node for service <b>{service}</b>, image <code>{image}</code>, app host name <b>{host}</b>.</p>\n<p>Nothing of the image runs here. On a real Proxmox VE host, the app itself answers at this place.</p>\n</body></html>\n"
    );
    Answer { status, content_type: "text/html; charset=utf-8", body }
}

/// Ports of running services, as the guest sees them.
pub(crate) fn listening(guest: &Guest) -> Vec<u16> {
    let state = guest.lock();
    let running = state.meta.docker.containers.values().filter(|c| c.state == RunState::Running);
    let mut ports: Vec<u16> =
        running.flat_map(|c| &c.ports).filter(|p| p.protocol == "tcp").map(|p| p.actual).collect();
    ports.sort_unstable();
    ports
}

/// What a program inside the guest gets from one of the guest's own ports: the published port and the one it was
/// moved to both answer. A service reaches its neighbours at any port by their names, and itself.
pub(crate) fn answer_locally(
    guest: &Guest,
    place: &Place,
    host: &str,
    port: u16,
    path: &str,
    wants_json: bool,
) -> Option<Answer> {
    let hostname = guest.hostname();
    let state = guest.lock();
    let docker = &state.meta.docker;
    let serves = |c: &&Container| {
        c.state == RunState::Running && c.ready() && !c.behaviour.idle && c.behaviour.exits.is_none()
    };
    let found = match place {
        Place::Guest => docker.containers.values().filter(serves).find(|c| {
            c.ports.iter().any(|p| p.protocol == "tcp" && (p.actual == port || p.published == port))
        }),
        Place::Service(id) => {
            let own = docker.containers.get(id)?;
            let local = matches!(host, "localhost" | "127.0.0.1" | "::1");
            docker.containers.values().filter(serves).find(|c| {
                if local {
                    c.id == own.id
                } else {
                    c.project == own.project && (c.service == host || c.name == host)
                }
            })
        }
    };
    found.map(|container| answer(container, &hostname, path, wants_json))
}

enum Socket {
    Tcp(StdListener),
    Udp(StdUdp),
}

/// The ports to try for one that was asked for: itself, or where it is moved without privilege.
fn moved(port: u16) -> u16 {
    match port {
        80 => 8080,
        443 => 8443,
        low => low + 10_000,
    }
}

fn bind_at(address: Ipv4Addr, port: u16, tcp: bool) -> std::io::Result<Socket> {
    let at = SocketAddr::from((address, port));
    Ok(if tcp {
        let listener = StdListener::bind(at)?;
        listener.set_nonblocking(true)?;
        Socket::Tcp(listener)
    } else {
        let socket = StdUdp::bind(at)?;
        socket.set_nonblocking(true)?;
        Socket::Udp(socket)
    })
}

/// Binds a published port, moved when it has to be; sets where it is.
fn bind(address: Ipv4Addr, port: &mut Port, privileged: Option<bool>) -> Result<Socket, String> {
    let tcp = port.protocol == "tcp";
    let allocated = |n: u16| format!("Bind for 0.0.0.0:{n} failed: port is already allocated");
    let wanted = port.published;
    if wanted >= UNPRIVILEGED || wanted == 0 || privileged != Some(false) {
        match bind_at(address, wanted, tcp) {
            Ok(socket) => {
                port.actual = match &socket {
                    Socket::Tcp(listener) => listener.local_addr().map(|a| a.port()).unwrap_or(wanted),
                    Socket::Udp(socket) => socket.local_addr().map(|a| a.port()).unwrap_or(wanted),
                };
                return Ok(socket);
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied && privileged != Some(true) => {}
            Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(allocated(wanted)),
            Err(error) => return Err(format!("listen {} {address}:{wanted}: {error}", port.protocol)),
        }
    }
    let first = if port.actual >= UNPRIVILEGED { port.actual } else { moved(wanted) };
    for candidate in (0..ATTEMPTS).filter_map(|step| first.checked_add(step)) {
        if let Ok(socket) = bind_at(address, candidate, tcp) {
            port.actual = candidate;
            return Ok(socket);
        }
    }
    Err(allocated(wanted))
}

/// Binds a container's ports and serves them until the returned tasks are ended, one for each port.
pub(crate) fn serve(guest: &Arc<Guest>, id: &str) -> Result<Option<JoinSet<()>>, String> {
    let (mut ports, idle, delay) = {
        let state = guest.lock();
        let Some(container) = state.meta.docker.containers.get(id) else { return Ok(None) };
        (container.ports.clone(), container.behaviour.idle, container.behaviour.delay_ms)
    };
    let mut sockets = Vec::new();
    for port in &mut ports {
        let outside = !matches!(port.host_ip.as_str(), "127.0.0.1" | "localhost" | "::1");
        match guest.address().filter(|_| outside && !idle) {
            Some(address) => sockets.push(bind(address, port, guest.network.privileged_ports())?),
            None => port.actual = port.published,
        }
    }
    if let Some(container) = guest.lock().meta.docker.containers.get_mut(id) {
        container.ports = ports;
    }
    if sockets.is_empty() {
        return Ok(None);
    }
    let ready = tokio::time::Instant::now() + Duration::from_millis(delay);
    let mut tasks = JoinSet::new();
    for socket in sockets {
        match socket {
            Socket::Tcp(listener) => {
                let listener = TcpListener::from_std(listener).map_err(|e| e.to_string())?;
                tasks.spawn(accept(guest.clone(), id.to_owned(), listener, ready));
            }
            Socket::Udp(socket) => {
                let socket = UdpSocket::from_std(socket).map_err(|e| e.to_string())?;
                tasks.spawn(async move {
                    let mut datagram = [0; 2048];
                    while socket.recv(&mut datagram).await.is_ok() {}
                });
            }
        }
    }
    Ok(Some(tasks))
}

async fn accept(guest: Arc<Guest>, id: String, listener: TcpListener, ready: tokio::time::Instant) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS {
            connections.join_next().await;
        }
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: wait for some to be closed.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        if tokio::time::Instant::now() < ready {
            continue; // The proxy in front accepts, nobody is behind it yet.
        }
        let (guest, id) = (guest.clone(), id.clone());
        connections.spawn(async move {
            // A client that begins with a TLS handshake gets one: which it is, is in its first byte (RFC 8446, 5.1).
            let mut first = [0];
            let secure = matches!(stream.peek(&mut first).await, Ok(1)) && first[0] == HANDSHAKE;
            match (secure, certificate()) {
                (true, Some(certificate)) => {
                    let acceptor = tokio_rustls::TlsAcceptor::from(certificate);
                    if let Ok(stream) = acceptor.accept(stream).await {
                        converse(guest, id, stream).await;
                    }
                }
                (true, None) => {}
                (false, _) => converse(guest, id, stream).await,
            }
        });
    }
}

async fn converse(
    guest: Arc<Guest>,
    id: String,
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let response = respond(&guest, &id, &request);
        async move { Ok::<_, Infallible>(response) }
    });
    // A client that goes away is no error.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// One self-made certificate for all stand-ins of this process, made when the first one needs it.
fn certificate() -> Option<Arc<rustls::ServerConfig>> {
    static CONFIG: std::sync::OnceLock<Option<Arc<rustls::ServerConfig>>> = std::sync::OnceLock::new();
    CONFIG
        .get_or_init(|| {
            let made = rcgen::generate_simple_self_signed(vec!["stand-in.invalid".to_owned()]).ok()?;
            let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).ok()?;
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = rustls::ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .ok()?
                .with_no_client_auth()
                .with_single_cert(vec![made.cert.der().clone()], key)
                .ok()?;
            Some(Arc::new(config))
        })
        .clone()
}

fn respond(guest: &Guest, id: &str, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let accepts = request.headers().get(ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let wants_json = accepts.contains("application/json");
    let hostname = guest.hostname();
    let answer = match guest.lock().meta.docker.containers.get(id) {
        Some(container) => answer(container, &hostname, request.uri().path(), wants_json),
        None => Answer { status: 502, content_type: "text/plain", body: String::new() },
    };
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(answer.content_type));
    headers.insert(CACHE_CONTROL, hyper::header::HeaderValue::from_static("no-store"));
    headers.insert("x-embedded-node", hyper::header::HeaderValue::from_static("stand-in"));
    response
}
