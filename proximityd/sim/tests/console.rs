//! The console with an API token: ticket, first line, frames, and how it is refused.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use proximity_sim::Version;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;
use support::{Rig, urlencode};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

type Socket = WebSocketStream<TlsStream<TcpStream>>;

async fn connect(rig: &Rig, vmid: u32, opened: &Value) -> Result<Socket, Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(rustls::pki_types::CertificateDer::from_pem_slice(rig.node.file.ca_pem.as_bytes()).unwrap())
        .unwrap();
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(rig.node.file.listen).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let ticket = urlencode(opened["ticket"].as_str().unwrap());
    let port = opened["port"].as_str().unwrap();
    let url = format!(
        "wss://{}/api2/json/nodes/pve1/lxc/{vmid}/vncwebsocket?port={port}&vncticket={ticket}",
        rig.node.file.listen
    );
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("Authorization", rig.token().parse().unwrap());
    request.headers_mut().insert("Sec-WebSocket-Protocol", "binary".parse().unwrap());
    Ok(tokio_tungstenite::client_async(request, stream).await?.0)
}

fn first_line(opened: &Value) -> Message {
    let line = format!("{}:{}\n", opened["user"].as_str().unwrap(), opened["ticket"].as_str().unwrap());
    Message::Binary(line.into_bytes().into())
}

async fn running(rig: &Rig) -> Value {
    rig.template().await;
    rig.create("100").await;
    rig.start("100").await;
    rig.post("/nodes/pve1/lxc/100/termproxy", &[]).await.data().clone()
}

async fn next(socket: &mut Socket) -> Option<Vec<u8>> {
    match socket.next().await?.ok()? {
        Message::Binary(bytes) => Some(bytes.to_vec()),
        _ => None,
    }
}

#[tokio::test]
async fn what_is_typed_comes_back_and_the_task_ends_with_the_shell() {
    let rig = Rig::new().await;
    let opened = running(&rig).await;
    assert_eq!(opened["user"], rig.node.file.token_id.as_str());
    let mut socket = connect(&rig, 100, &opened).await.unwrap();
    socket.send(first_line(&opened)).await.unwrap();
    assert_eq!(next(&mut socket).await.unwrap(), b"OK");
    let upid = opened["upid"].as_str().unwrap();
    let active = rig.get("/nodes/pve1/tasks?source=active").await;
    assert_eq!(active.data()[0]["upid"], upid);
    socket.send(Message::Binary("0:5:hello".into())).await.unwrap();
    assert_eq!(next(&mut socket).await.unwrap(), b"hello");
    socket.send(Message::Binary("21:120:40:".into())).await.unwrap();
    assert_eq!(next(&mut socket).await.unwrap(), b"[120x40]");
    socket.send(Message::Binary("0:5:exit\n".into())).await.unwrap();
    assert_eq!(next(&mut socket).await, None);
    assert_eq!(rig.ended_upid(upid).await, "OK");
}

#[tokio::test]
async fn a_wrong_first_line_ends_the_connection_and_fails_the_task() {
    let rig = Rig::new().await;
    let opened = running(&rig).await;
    let mut socket = connect(&rig, 100, &opened).await.unwrap();
    socket.send(Message::Binary("proximity@pve:nonsense\n".into())).await.unwrap();
    assert_eq!(next(&mut socket).await, None);
    let status = rig.ended_upid(opened["upid"].as_str().unwrap()).await;
    assert!(
        status.starts_with("command '/usr/bin/termproxy 5900 --path /vms/100")
            && status.ends_with("failed: exit code 1"),
        "{status}"
    );
}

#[tokio::test]
async fn a_wrong_ticket_is_refused_before_the_websocket_opens() {
    let rig = Rig::new().await;
    let mut opened = running(&rig).await;
    opened["ticket"] = "PVEVNC:00000000::x".into();
    match connect(&rig, 100, &opened).await {
        Err(Error::Http(reply)) => assert_eq!(reply.status(), 401),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nobody_waits_for_a_websocket_for_ever() {
    let rig = Rig::with(|o| o.console_wait = Duration::from_millis(20)).await;
    let opened = running(&rig).await;
    let status = rig.ended_upid(opened["upid"].as_str().unwrap()).await;
    assert!(status.ends_with("failed: exit code 1"), "{status}");
}

#[tokio::test]
async fn before_9_2_a_tokens_console_opens_and_then_fails() {
    let rig = Rig::with(|o| o.version = Version::V9_1).await;
    let opened = running(&rig).await;
    let mut socket = connect(&rig, 100, &opened).await.unwrap();
    socket.send(first_line(&opened)).await.unwrap();
    assert_eq!(next(&mut socket).await, None);
}
