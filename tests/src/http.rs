//! As much of HTTP/1.1 as a test needs, over any stream: it sends what it is told, byte by byte, also what is wrong.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use serde_json::Value;

/// How long a stream may be silent.
pub(crate) const SILENCE: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: String,
}

impl Reply {
    /// Its body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("the answer is no JSON: {error}\n{}", self.body))
    }
}

/// Sends a request with these header lines, and reads the whole answer.
///
/// # Errors
/// The stream's.
pub fn request(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Reply> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    if !body.is_empty() || method != "GET" {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    // One that is refused early may be answered before it is read.
    let _ = stream.write_all(body);
    let _ = stream.flush();
    read_reply(stream)
}

/// Reads an answer to its end.
///
/// # Errors
/// The stream's.
pub(crate) fn read_reply(stream: impl Read) -> std::io::Result<Reply> {
    let mut reader = BufReader::new(stream);
    let (status, chunked, length) = read_head(&mut reader)?;
    let mut body = Vec::new();
    if chunked {
        Chunked::new(reader).read_to_end(&mut body)?;
    } else if let Some(length) = length {
        reader.take(length).read_to_end(&mut body)?;
    } else {
        let _ = reader.read_to_end(&mut body);
    }
    Ok(Reply { status, body: String::from_utf8_lossy(&body).into_owned() })
}

/// The status, whether the body is chunked, and its length.
pub(crate) fn read_head(reader: &mut impl BufRead) -> std::io::Result<(u16, bool, Option<u64>)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let Some(status) = line.split(' ').nth(1).and_then(|status| status.parse().ok()) else {
        return Err(std::io::Error::other(format!("no answer, but {line:?}")));
    };
    let (mut chunked, mut length) = (false, None);
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line.trim_end().is_empty() {
            return Ok((status, chunked, length));
        }
        let lower = line.to_ascii_lowercase();
        chunked |= lower.starts_with("transfer-encoding:") && lower.contains("chunked");
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok();
        }
    }
}

/// Takes chunks apart.
#[derive(Debug)]
pub(crate) struct Chunked<R> {
    inner: R,
    left: usize,
    ended: bool,
}

impl<R: BufRead> Chunked<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, left: 0, ended: false }
    }
}

impl<R: BufRead> Read for Chunked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.left == 0 && !self.ended {
            let mut line = String::new();
            if self.inner.read_line(&mut line)? == 0 {
                self.ended = true;
            } else if !line.trim().is_empty() {
                self.left = usize::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
                self.ended = self.left == 0;
            }
        }
        let most = buffer.len().min(self.left);
        let read = if most == 0 { 0 } else { self.inner.read(&mut buffer[..most])? };
        self.left -= read;
        Ok(read)
    }
}

/// Gets an `http://` or `https://` address.
///
/// # Errors
/// The stream's.
pub fn get_url(url: &str) -> std::io::Result<Reply> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| std::io::Error::other("no URL"))?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address = match authority.contains(':') {
        true => authority.to_string(),
        false => format!("{authority}:{}", if scheme == "https" { 443 } else { 80 }),
    };
    let tcp = connect(&address)?;
    let path = format!("/{path}");
    match scheme {
        "https" => request(tls(tcp)?, "GET", &path, &[], b""),
        _ => request(tcp, "GET", &path, &[], b""),
    }
}

pub(crate) fn connect(address: &str) -> std::io::Result<TcpStream> {
    let tcp = TcpStream::connect(address)?;
    tcp.set_read_timeout(Some(SILENCE))?;
    Ok(tcp)
}

/// TLS with whoever is there: on a test's own machine the certificates are made up.
pub(crate) fn tls(tcp: TcpStream) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks the default versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a valid name");
    let client = ClientConnection::new(Arc::new(config), name).map_err(std::io::Error::other)?;
    Ok(StreamOwned::new(client, tcp))
}

#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
