//! The server: TLS with a certificate of its own, HTTP/1.1, scripted answers.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use proximity_pve::{Auth, Client, ClientConfig, Endpoint, Fingerprint, Tls};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Below `/api2/json`, still encoded.
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: String,
    pub(crate) headers: BTreeMap<String, String>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

pub(crate) type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;
type Talk = Box<dyn FnOnce(Socket) -> futures_util::future::BoxFuture<'static, ()> + Send>;

/// What the server does with a request.
pub(crate) enum Answer {
    Reply {
        status: u16,
        reason: String,
        body: String,
    },
    /// The connection is closed after the request was read.
    Cut,
    /// No answer ever comes.
    Silence,
    /// A websocket.
    Talk(Talk),
}

impl Answer {
    pub(crate) fn data(data: Value) -> Self {
        Self::Reply { status: 200, reason: "OK".into(), body: json!({ "data": data }).to_string() }
    }

    pub(crate) fn error(status: u16, reason: &str) -> Self {
        let body = json!({ "data": null, "message": format!("{reason}\n") }).to_string();
        Self::Reply { status, reason: reason.into(), body }
    }

    pub(crate) fn bare(status: u16, reason: &str) -> Self {
        Self::Reply { status, reason: reason.into(), body: String::new() }
    }
}

type Script = Arc<dyn Fn(&Seen) -> Answer + Send + Sync>;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) certificate_pem: String,
    pub(crate) fingerprint: Fingerprint,
    seen: Arc<Mutex<Vec<Seen>>>,
    accept: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

impl Server {
    pub(crate) async fn start(script: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script: Script = Arc::new(script);
        let accept = tokio::spawn(serve(listener, acceptor, script, seen.clone()));
        Self {
            address,
            certificate_pem: made.cert.pem(),
            fingerprint: Fingerprint::of(&certificate),
            seen,
            accept,
        }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        self.address.to_string().parse().unwrap()
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, method: &str, path_end: &str) -> usize {
        self.seen().iter().filter(|s| s.method == method && s.path.ends_with(path_end)).count()
    }

    /// A client with a token and this server's pin.
    pub(crate) fn client(&self) -> Client {
        client(&[self], token())
    }
}

pub(crate) fn token() -> Auth {
    Auth::token("proximity@pve!tests", "00000000-0000-0000-0000-000000000000")
}

/// A client of several servers, whose requests are checked against the schema.
pub(crate) fn client(servers: &[&Server], auth: Auth) -> Client {
    let endpoints = servers.iter().map(|s| s.endpoint()).collect();
    let pins = servers.iter().map(|s| s.fingerprint).collect();
    checked(ClientConfig::new(endpoints, auth).tls(Tls::Pinned(pins)))
}

pub(crate) fn checked(config: ClientConfig) -> Client {
    Client::with_recorder(config, Arc::new(super::schema::check)).unwrap()
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, script: Script, seen: Arc<Mutex<Vec<Seen>>>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((tcp, _)) = listener.accept().await else { return };
        let (acceptor, script, seen) = (acceptor.clone(), script.clone(), seen.clone());
        connections.spawn(async move {
            let Ok(tls) = acceptor.accept(tcp).await else { return };
            let service = service_fn(move |request| answer(request, script.clone(), seen.clone()));
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(tls), service)
                .with_upgrades();
            // A cut is an error of the service, which closes the connection.
            let _ = connection.await;
        });
    }
}

#[derive(Debug)]
struct CutHere;

impl std::fmt::Display for CutHere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut")
    }
}

impl std::error::Error for CutHere {}

async fn answer(
    mut request: Request<Incoming>,
    script: Script,
    seen: Arc<Mutex<Vec<Seen>>>,
) -> Result<Response<Full<Bytes>>, CutHere> {
    let upgrade = request.headers().contains_key("upgrade").then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| CutHere)?.to_bytes();
    let path = parts.uri.path();
    let headers = parts.headers.iter();
    let this = Seen {
        method: parts.method.to_string(),
        path: path.strip_prefix("/api2/json").unwrap_or(path).to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        body: String::from_utf8_lossy(&body).into_owned(),
        headers: headers.map(|(n, v)| (n.to_string(), v.to_str().unwrap_or("").to_owned())).collect(),
    };
    seen.lock().unwrap().push(this.clone());
    match script(&this) {
        Answer::Cut => Err(CutHere),
        Answer::Silence => std::future::pending().await,
        Answer::Reply { status, reason, body } => {
            let mut response = Response::new(Full::new(Bytes::from(body)));
            *response.status_mut() = status.try_into().unwrap();
            response.extensions_mut().insert(ReasonPhrase::try_from(reason).unwrap());
            Ok(response)
        }
        Answer::Talk(talk) => {
            let key = this.header("sec-websocket-key").unwrap_or_default();
            let response = Response::builder()
                .status(101)
                .header("connection", "upgrade")
                .header("upgrade", "websocket")
                .header("sec-websocket-accept", derive_accept_key(key.as_bytes()))
                .body(Full::default())
                .unwrap();
            let upgrade = upgrade.expect("a websocket was asked for");
            tokio::spawn(async move {
                let upgraded = TokioIo::new(upgrade.await.unwrap());
                talk(WebSocketStream::from_raw_socket(upgraded, Role::Server, None).await).await;
            });
            Ok::<_, Infallible>(response).map_err(|e| match e {})
        }
    }
}
