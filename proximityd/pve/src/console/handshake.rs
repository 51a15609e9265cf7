//! Opening a console: the ticket, the websocket with the client's own trust and credentials, the
//! login line.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, COOKIE};
use secrecy::ExposeSecret;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};

use super::{ConsoleError, ConsoleStream, Socket, TermProxy};
use crate::auth::Credentials;
use crate::client::{Client, decode};
use crate::config::Endpoint;
use crate::error::{ApiError, Error};
use crate::ids::{NodeName, Vmid};
use crate::params::{Params, path};
use crate::transport::{Request, open_tls};

/// The proxy waits 10 s for the connection and 10 s for the login line.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(10);

/// The answer to a login that is right.
const OK: &[u8] = b"OK";

impl Client {
    /// Opens a container's console. Needs VM.Console, and with an API token a late 9.1 or newer
    /// ([`crate::Capabilities::console`]). A stopped container's console opens and ends at once.
    ///
    /// # Errors
    /// [`Error::Console`] when the proxy refuses the login, or any other [`Error`].
    pub async fn console(&self, node: &NodeName, vmid: Vmid) -> Result<ConsoleStream, Error> {
        let termproxy_path = path(&[&"nodes", node, &"lxc", &vmid, &"termproxy"]);
        let request = Request { method: Method::POST, path: &termproxy_path, params: &Params::new() };
        let reply = self.send(request).await?;
        let (proxy, _): (TermProxy, _) = decode(&termproxy_path, &reply)?;
        // Another endpoint would have to proxy to this one's port.
        let endpoint = &self.inner.endpoints[reply.endpoint];
        let opened = tokio::time::timeout(LOGIN_TIMEOUT, self.open(endpoint, node, vmid, &proxy));
        let mut socket = opened.await.map_err(|_| ConsoleError::Timeout)??;
        let early = tokio::time::timeout(LOGIN_TIMEOUT, log_in(&mut socket, &proxy))
            .await
            .map_err(|_| ConsoleError::Timeout)??;
        Ok(ConsoleStream::new(socket, early, proxy.upid))
    }

    async fn open(
        &self,
        endpoint: &Endpoint,
        node: &NodeName,
        vmid: Vmid,
        proxy: &TermProxy,
    ) -> Result<Socket, Error> {
        let params = Params::new().with("port", proxy.port).with("vncticket", &proxy.ticket);
        let path = path(&[&"nodes", node, &"lxc", &vmid, &"vncwebsocket"]);
        let url = format!("wss://{endpoint}/api2/json{path}?{}", params.encode());
        let broken = |e: tungstenite::Error| ConsoleError::Broken(e.to_string());
        let mut request = url.into_client_request().map_err(broken)?;
        let (name, value) = match self.credentials().await? {
            Credentials::Token(value) => (AUTHORIZATION, value),
            Credentials::Ticket(session) => (COOKIE, session.cookie()?),
        };
        request.headers_mut().insert(name, value);
        self.record("GET", &path, &params);
        let tls = open_tls(endpoint, self.inner.tls.clone(), self.inner.timeouts.connect)
            .await
            .map_err(|failure| failure.into_error(endpoint))?;
        match tokio_tungstenite::client_async(request, tls).await {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::Error::Http(response)) => {
                let status = response.status();
                let reason = status.canonical_reason().unwrap_or_default().to_owned();
                let body = response.body().as_deref().unwrap_or_default();
                let error = ApiError::new("GET", &path, status.as_u16(), reason, body);
                Err(Error::Api(Box::new(error)))
            }
            Err(error) => Err(broken(error).into()),
        }
    }
}

/// Sends user and ticket exactly as they came and waits for `OK`. Returns what came along with it.
async fn log_in(socket: &mut Socket, proxy: &TermProxy) -> Result<Bytes, ConsoleError> {
    let broken = |e: tungstenite::Error| ConsoleError::Broken(e.to_string());
    let line = format!("{}:{}\n", proxy.user, proxy.ticket.expose_secret());
    socket.send(Message::Binary(line.into_bytes().into())).await.map_err(broken)?;
    let mut answer = BytesMut::new();
    while answer.len() < OK.len() {
        match socket.next().await {
            Some(Ok(Message::Binary(data))) => answer.extend_from_slice(&data),
            Some(Ok(Message::Text(text))) => answer.extend_from_slice(text.as_bytes()),
            Some(Ok(Message::Close(_))) | None => {
                return Err(ConsoleError::Refused("it closed the connection".to_owned()));
            }
            Some(Ok(_)) => {}
            Some(Err(error)) if super::is_end(&error) => {
                return Err(ConsoleError::Refused("it closed the connection".to_owned()));
            }
            Some(Err(error)) => return Err(broken(error)),
        }
    }
    if !answer.starts_with(OK) {
        let said = String::from_utf8_lossy(&answer).trim().to_owned();
        return Err(ConsoleError::Refused(said));
    }
    Ok(answer.split_off(OK.len()).freeze())
}
