//! Consoles: a terminal's ticket, the websocket, and the line protocol of `termproxy` on it.
//!
//! `POST termproxy` starts a worker that waits for its websocket; the websocket hands the worker its stream;
//! the worker checks the first line and joins the stream with the engine's console.

mod protocol;
mod session;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::call::Call;
use crate::node::now;
use crate::reply::{ApiError, Body, Outcome, response};
use crate::tasks::Start;
use session::{Session, Stream};

/// The ports consoles listen on.
const FIRST_PORT: u16 = 5900;

/// Workers that wait for their websocket, by port.
#[derive(Debug, Default)]
pub(crate) struct Consoles(Mutex<BTreeMap<u16, Option<oneshot::Sender<Stream>>>>);

impl Consoles {
    /// Takes the lowest free port.
    fn reserve(&self) -> (u16, oneshot::Receiver<Stream>) {
        let mut waiting = self.0.lock().expect("no panic holds the consoles");
        let port =
            (FIRST_PORT..).find(|p| !waiting.contains_key(p)).expect("there are more ports than consoles");
        let (sender, receiver) = oneshot::channel();
        waiting.insert(port, Some(sender));
        (port, receiver)
    }

    fn take(&self, port: u16) -> Option<oneshot::Sender<Stream>> {
        self.0.lock().expect("no panic holds the consoles").get_mut(&port).and_then(Option::take)
    }

    fn release(&self, port: u16) {
        self.0.lock().expect("no panic holds the consoles").remove(&port);
    }
}

/// Whether a path is a websocket's.
pub(crate) fn is_websocket(template: &str) -> bool {
    template == "/nodes/{node}/lxc/{vmid}/vncwebsocket"
}

/// Starts a console's worker.
pub(crate) async fn termproxy(call: Call) -> Outcome {
    let vmid = call.vmid();
    {
        let state = call.node.store.view();
        if state.guests.get(&vmid).is_none_or(|g| g.node != call.host) {
            return Err(ApiError::died(format!(
                "Configuration file 'nodes/{}/lxc/{vmid}.conf' does not exist",
                call.host
            )));
        }
    }
    let (port, stream) = call.node.consoles.reserve();
    let path = format!("/vms/{vmid}");
    let ticket = call.node.key.console_ticket(&call.who.id(), &path, port, now());
    let start = Start { node: &call.host, kind: "vncproxy", id: vmid.to_string(), who: &call.who };
    let session = Session {
        node: Arc::clone(&call.node),
        vmid,
        port,
        first_line: format!("{}:{ticket}", call.who.id()),
        // Before 9.2 the terminal logs in by a call that no token may make.
        token_refused: call.who.token.is_some() && call.node.version() < crate::Version::V9_2,
    };
    let node = Arc::clone(&call.node);
    let started = call.node.tasks.start(&call.node, &start, move |task| async move {
        let result = session.run(&task, stream).await;
        node.consoles.release(port);
        result
    });
    let task = match started {
        Ok(task) => task,
        Err(error) => {
            call.node.consoles.release(port);
            return Err(error);
        }
    };
    Ok(json!({
        "user": call.who.id(), "ticket": ticket, "port": port.to_string(), "upid": task.upid.to_string(),
    })
    .into())
}

/// `POST …/vncproxy`: a worker waits as a real one does, but what it has to show is no picture.
pub(crate) fn vncproxy(call: &Call) -> Outcome {
    let vmid = call.vmid();
    if call.node.store.view().guests.get(&vmid).is_none_or(|g| g.node != call.host) {
        let file = format!("nodes/{}/lxc/{vmid}.conf", call.host);
        return Err(ApiError::died(format!("Configuration file '{file}' does not exist")));
    }
    let (port, stream) = call.node.consoles.reserve();
    let ticket = call.node.key.console_ticket(&call.who.id(), &format!("/vms/{vmid}"), port, now());
    let start = Start { node: &call.host, kind: "vncproxy", id: vmid.to_string(), who: &call.who };
    let (node, wait) = (Arc::clone(&call.node), call.node.options.console_wait);
    let started = call.node.tasks.start(&call.node, &start, move |task| async move {
        let connected = tokio::time::timeout(wait, stream).await;
        node.consoles.release(port);
        task.log(format!("starting lxc console (vmid {vmid}) on port {port}"));
        match connected {
            Ok(Ok(_)) => Err(ApiError::died("the embedded node has a console of text only: termproxy")),
            _ => Err(ApiError::died("connection timed out")),
        }
    });
    let task = started.inspect_err(|_| call.node.consoles.release(port))?;
    Ok(json!({
        "user": call.who.id(), "ticket": ticket, "port": port.to_string(), "upid": task.upid.to_string(),
        "cert": call.node.certificate,
    })
    .into())
}

/// Connects a websocket to the worker that waits for it.
///
/// None if nobody waits on the port any more: then a real proxy hangs up without a word.
pub(crate) async fn connect(call: Call, mut parts: Parts) -> Option<Response<Body>> {
    let port = call.params.number("port").and_then(|p| u16::try_from(p).ok()).unwrap_or(0);
    let ticket = call.params.need("vncticket");
    let path = format!("/vms/{}", call.vmid());
    if !call.node.key.console_ticket_holds(ticket, &call.who.id(), &path, port, now()) {
        return Some(response(&Err(ApiError::Status(
            401,
            "permission denied - invalid PVEVNC ticket".into(),
        ))));
    }
    let header = |name| parts.headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    let Some(key) = header(SEC_WEBSOCKET_KEY).map(str::to_owned) else {
        return Some(response(&Err(ApiError::Status(400, "no websocket key".into()))));
    };
    let protocol = header(SEC_WEBSOCKET_PROTOCOL)
        .and_then(|p| p.split(',').map(str::trim).find(|p| *p == "binary").map(str::to_owned));
    let worker = call.node.consoles.take(port)?;
    let Some(upgrade) = parts.extensions.remove::<hyper::upgrade::OnUpgrade>() else {
        return Some(response(&Err(ApiError::Status(400, "not a websocket".into()))));
    };
    tokio::spawn(async move {
        let Ok(Ok(upgraded)) = tokio::time::timeout(Duration::from_secs(10), upgrade).await else { return };
        let stream = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        // The worker may have given up in the meantime; then the stream is dropped, which closes it.
        let _ = worker.send(stream);
    });
    Some(switching(&key, protocol.as_deref()))
}

fn switching(key: &str, protocol: Option<&str>) -> Response<Body> {
    let mut reply = Response::new(Body::Left(http_body_util::Full::default()));
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = reply.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    if protocol.is_some() {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("binary"));
    }
    reply
}
