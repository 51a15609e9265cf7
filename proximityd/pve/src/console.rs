//! A container's console: termproxy, its websocket, and what is said over it.
//!
//! The shell behind it outlives the connection and is shared: the next attach joins it with
//! whatever is half typed there, and shows nothing until something is sent. There are no exit
//! codes. Making sense of the bytes is left to the caller.

mod handshake;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use secrecy::SecretString;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::upid::Upid;

/// Keeps what lies between from ending a silent connection; common limits are 60 s and more.
const KEEPALIVE: Duration = Duration::from_secs(25);

/// Data of one frame. A whole frame may have 128 KiB; half of that leaves room for its header.
const CHUNK: usize = 64 * 1024 - 16;

type Socket = WebSocketStream<TlsStream<TcpStream>>;
type Sink = Arc<Mutex<SplitSink<Socket, Message>>>;

/// How a console can break.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConsoleError {
    /// The terminal's proxy did not answer `OK`. With an API token this is what releases before
    /// 9.2 do.
    #[error("the console refused the login ({0})")]
    Refused(String),
    /// The proxy did not answer in time.
    #[error("the console did not answer in time")]
    Timeout,
    /// The connection is gone.
    #[error("the console's connection broke ({0})")]
    Broken(String),
}

/// What `POST …/termproxy` answers. The ticket lives for less than 40 s, and the proxy waits 10 s
/// for the connection.
#[derive(Debug, Clone, Deserialize)]
pub struct TermProxy {
    /// Who the ticket is for.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub user: String,
    /// The ticket.
    pub ticket: SecretString,
    /// The port on the node.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub port: u16,
    /// The proxy's task, whose end says nothing about the console.
    pub upid: Upid,
}

/// An open console.
#[derive(Debug)]
pub struct ConsoleStream {
    reader: ConsoleReader,
    writer: ConsoleWriter,
}

/// The half that receives.
#[derive(Debug)]
pub struct ConsoleReader {
    stream: SplitStream<Socket>,
    /// What came along with the answer to the login.
    early: Option<Bytes>,
    over: bool,
}

/// The half that sends. Its clones send to the same console; with the last the keepalive ends.
#[derive(Debug, Clone)]
pub struct ConsoleWriter {
    sink: Sink,
    _keepalive: Arc<Keepalive>,
    upid: Upid,
}

#[derive(Debug)]
struct Keepalive(JoinHandle<()>);

impl Drop for Keepalive {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl ConsoleStream {
    /// From a connection whose login was answered with `OK`; must be called within a runtime.
    fn new(socket: Socket, early: Bytes, upid: Upid) -> Self {
        let (sink, stream) = socket.split();
        let sink: Sink = Arc::new(Mutex::new(sink));
        let keepalive = tokio::spawn(keep_alive(sink.clone()));
        let early = Some(early).filter(|e| !e.is_empty());
        Self {
            reader: ConsoleReader { stream, early, over: false },
            writer: ConsoleWriter { sink, _keepalive: Arc::new(Keepalive(keepalive)), upid },
        }
    }

    /// The proxy's task.
    pub fn upid(&self) -> &Upid {
        &self.writer.upid
    }

    /// As [`ConsoleWriter::send`].
    ///
    /// # Errors
    /// [`ConsoleError::Broken`].
    pub async fn send(&self, data: &[u8]) -> Result<(), ConsoleError> {
        self.writer.send(data).await
    }

    /// As [`ConsoleWriter::resize`].
    ///
    /// # Errors
    /// [`ConsoleError::Broken`].
    pub async fn resize(&self, cols: u16, rows: u16) -> Result<(), ConsoleError> {
        self.writer.resize(cols, rows).await
    }

    /// As [`ConsoleReader::recv`].
    ///
    /// # Errors
    /// [`ConsoleError::Broken`].
    pub async fn recv(&mut self) -> Result<Option<Bytes>, ConsoleError> {
        self.reader.recv().await
    }

    /// As [`ConsoleWriter::close`].
    pub async fn close(self) {
        self.writer.close().await;
    }

    /// The two halves, to be used in different tasks.
    pub fn split(self) -> (ConsoleReader, ConsoleWriter) {
        (self.reader, self.writer)
    }
}

impl ConsoleReader {
    /// Raw bytes of the terminal; `None` when the console ended. Can be dropped while it waits and
    /// called again.
    ///
    /// # Errors
    /// [`ConsoleError::Broken`].
    pub async fn recv(&mut self) -> Result<Option<Bytes>, ConsoleError> {
        if let Some(early) = self.early.take() {
            return Ok(Some(early));
        }
        while !self.over {
            match self.stream.next().await {
                Some(Ok(Message::Binary(data))) if !data.is_empty() => return Ok(Some(data)),
                Some(Ok(Message::Text(text))) if !text.is_empty() => {
                    return Ok(Some(Bytes::from(text)));
                }
                Some(Ok(Message::Close(_))) | None => self.over = true,
                Some(Ok(_)) => {}
                Some(Err(error)) if is_end(&error) => self.over = true,
                Some(Err(error)) => {
                    self.over = true;
                    return Err(ConsoleError::Broken(error.to_string()));
                }
            }
        }
        Ok(None)
    }
}

/// Ends that are no accident: the proxy closes without ceremony when the shell ends.
fn is_end(error: &tungstenite::Error) -> bool {
    use tungstenite::error::ProtocolError;
    match error {
        tungstenite::Error::ConnectionClosed
        | tungstenite::Error::AlreadyClosed
        | tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => true,
        tungstenite::Error::Io(error) => error.kind() == std::io::ErrorKind::UnexpectedEof,
        _ => false,
    }
}

impl ConsoleWriter {
    /// The proxy's task.
    pub fn upid(&self) -> &Upid {
        &self.upid
    }

    /// Types into the terminal.
    ///
    /// # Errors
    /// [`ConsoleError::Broken`].
    pub async fn send(&self, data: &[u8]) -> Result<(), ConsoleError> {
        for chunk in data.chunks(CHUNK) {
            let mut frame = format!("0:{}:", chunk.len()).into_bytes();
            frame.extend_from_slice(chunk);
            send(&self.sink, frame).await?;
        }
        Ok(())
    }

    /// Tells the terminal's size.
    ///
    /// # Errors
    /// [`ConsoleError::Broken`].
    pub async fn resize(&self, cols: u16, rows: u16) -> Result<(), ConsoleError> {
        send(&self.sink, format!("1:{cols}:{rows}:").into_bytes()).await
    }

    /// Closes the connection; the shell goes on.
    pub async fn close(self) {
        // A connection that is gone already is closed.
        let _ = self.sink.lock().await.close().await;
    }
}

async fn send(sink: &Sink, frame: Vec<u8>) -> Result<(), ConsoleError> {
    let sent = sink.lock().await.send(Message::Binary(frame.into())).await;
    sent.map_err(|e| ConsoleError::Broken(e.to_string()))
}

async fn keep_alive(sink: Sink) {
    loop {
        tokio::time::sleep(KEEPALIVE).await;
        if send(&sink, b"2".to_vec()).await.is_err() {
            return;
        }
    }
}
