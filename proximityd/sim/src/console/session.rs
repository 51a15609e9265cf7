//! One console: from the worker's wait for its websocket to the end of the terminal or the connection.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::protocol::Decoder;
use crate::node::Node;
use crate::reply::ApiError;
use crate::tasks::Task;

/// A console's websocket.
pub(super) type Stream = WebSocketStream<TokioIo<Upgraded>>;

/// What a console's worker knows.
pub(super) struct Session {
    pub(super) node: Arc<Node>,
    pub(super) vmid: u32,
    pub(super) port: u16,
    pub(super) first_line: String,
    pub(super) token_refused: bool,
}

impl Session {
    /// Serves the console to its end.
    pub(super) async fn run(&self, task: &Task, stream: oneshot::Receiver<Stream>) -> Result<(), ApiError> {
        tokio::select! {
            () = task.interrupted() => Err(ApiError::died("received interrupt")),
            served = self.serve(stream) => if served { Ok(()) } else { Err(self.failure()) },
        }
    }

    /// The text a failed terminal leaves in the task list.
    fn failure(&self) -> ApiError {
        let Self { vmid, port, .. } = self;
        ApiError::died(format!(
            "command '/usr/bin/termproxy {port} --path /vms/{vmid} --perm VM.Console --vncticket-endpoint \
             --verify-port --ticket-fd 6 -- /usr/bin/dtach -A /var/run/dtach/vzctlconsole{vmid} -r winch -z \
             lxc-attach --clear-env -n {vmid}' failed: exit code 1"
        ))
    }

    async fn serve(&self, stream: oneshot::Receiver<Stream>) -> bool {
        let wait = self.node.options.console_wait;
        let Ok(Ok(mut stream)) = timeout(wait, stream).await else { return false };
        let Ok(Some(rest)) = timeout(wait, self.first_line(&mut stream)).await else {
            let _ = stream.close(None).await;
            return false;
        };
        if stream.send(Message::Binary(Bytes::from_static(b"OK"))).await.is_err() {
            return false;
        }
        let served = self.relay(&mut stream, &rest).await;
        let _ = stream.close(None).await;
        served
    }

    /// Reads up to the first newline and checks it; returns what came behind it.
    async fn first_line(&self, stream: &mut Stream) -> Option<Vec<u8>> {
        let mut read = Vec::new();
        loop {
            read.extend_from_slice(&next(stream).await?);
            if let Some(end) = read.iter().position(|b| *b == b'\n') {
                let good = !self.token_refused && &read[..end] == self.first_line.as_bytes();
                return good.then(|| read.split_off(end + 1));
            }
        }
    }

    /// Joins the stream with the engine's console; true when the terminal or the client ended it.
    async fn relay(&self, stream: &mut Stream, early: &[u8]) -> bool {
        let spec = {
            let state = self.node.store.view();
            let Some(guest) = state.guests.get(&self.vmid) else { return false };
            self.node.spec(self.vmid, guest)
        };
        let Ok(mut console) = self.node.engine.console(&spec).await else { return false };
        let mut decoder = Decoder::default();
        let mut pending = early.to_vec();
        loop {
            let Ok(inputs) = decoder.feed(&pending) else { return false };
            for input in inputs {
                // A full terminal holds the client up, as a pty does; its output must flow meanwhile.
                let mut sending = std::pin::pin!(console.input.send(input));
                loop {
                    tokio::select! {
                        sent = &mut sending => {
                            if sent.is_err() {
                                return true;
                            }
                            break;
                        }
                        output = console.output.recv() => match output {
                            Some(bytes) => if stream.send(Message::Binary(bytes)).await.is_err() { return true },
                            None => return true,
                        },
                    }
                }
            }
            tokio::select! {
                output = console.output.recv() => {
                    pending.clear();
                    match output {
                        Some(bytes) => if stream.send(Message::Binary(bytes)).await.is_err() { return true },
                        None => return true,
                    }
                }
                received = next(stream) => match received {
                    Some(bytes) => pending = bytes.to_vec(),
                    None => return true,
                },
            }
        }
    }
}

/// The next piece a client sends; none at the end of the connection.
async fn next(stream: &mut Stream) -> Option<Bytes> {
    loop {
        match stream.next().await?.ok()? {
            Message::Binary(bytes) => return Some(bytes),
            Message::Text(text) => return Some(Bytes::copy_from_slice(text.as_bytes())),
            Message::Close(_) => return None,
            _ => {}
        }
    }
}
