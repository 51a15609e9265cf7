//! Accepts connections, speaks TLS and HTTP/1.1 on them, and ends with the node.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::Server;

/// A server that accepts connections.
#[derive(Debug)]
pub(crate) struct Listening {
    /// The address taken.
    pub(crate) address: SocketAddr,
    /// The task that accepts.
    pub(crate) task: JoinHandle<()>,
}

/// Listens; with port 0 the port of the last run is tried first.
pub(crate) async fn bind(address: SocketAddr, last_port: Option<u16>) -> io::Result<TcpListener> {
    if let (0, Some(port)) = (address.port(), last_port)
        && let Ok(listener) = TcpListener::bind(SocketAddr::new(address.ip(), port)).await
    {
        return Ok(listener);
    }
    TcpListener::bind(address).await
}

/// Starts to accept connections, until `stop` turns true.
pub(crate) async fn listen(
    address: SocketAddr,
    last_port: Option<u16>,
    tls: Arc<ServerConfig>,
    server: Arc<Server>,
    stop: watch::Receiver<bool>,
) -> io::Result<Listening> {
    let listener = bind(address, last_port).await?;
    let address = listener.local_addr()?;
    let task = tokio::spawn(accept(listener, TlsAcceptor::from(tls), server, stop));
    Ok(Listening { address, task })
}

async fn accept(
    listener: TcpListener,
    tls: TlsAcceptor,
    server: Arc<Server>,
    mut stop: watch::Receiver<bool>,
) {
    // Dropping the set ends the connections with it: a stopped node answers nobody.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = asked_to_stop(&mut stop) => return,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, tls.clone(), Arc::clone(&server)));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            },
        }
    }
}

async fn asked_to_stop(stop: &mut watch::Receiver<bool>) {
    // An error means that the node itself is gone.
    let _ = stop.wait_for(|asked| *asked).await;
}

async fn connection(stream: TcpStream, tls: TlsAcceptor, server: Arc<Server>) {
    let _ = stream.set_nodelay(true);
    let handshake = tokio::time::timeout(Duration::from_secs(10), tls.accept(stream)).await;
    let Ok(Ok(stream)) = handshake else { return };
    let service = service_fn(move |request| {
        let server = Arc::clone(&server);
        async move { server.answer(request).await }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(60))
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}
