//! A look at a server's certificate, for a person to decide about.
//!
//! The handshake is made with whatever the server shows, and the connection closed again: no
//! request and no credentials are sent. To trust what was seen is left to the person and to
//! [`crate::Tls::Pinned`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::config::Endpoint;
use crate::error::Error;
use crate::tls::{self, Fingerprint};
use crate::transport::open_tls;
use crate::x509::CertificateFacts;

/// What a server shows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The certificate's fingerprint, to compare with what the node's console shows.
    pub fingerprint: Fingerprint,
    /// What the certificate says about itself, as far as it can be read.
    pub certificate: Option<CertificateFacts>,
}

/// Looks at an endpoint's certificate, waiting at most `timeout`. Sends no credentials.
///
/// # Errors
/// [`Error::Unreachable`] when there is no TLS server.
pub async fn probe_fingerprint(endpoint: &Endpoint, timeout: Duration) -> Result<Probe, Error> {
    let seen = Arc::new(Onlooker { certificate: Mutex::default(), provider: tls::provider() });
    let config =
        tls::base_builder()?.dangerous().with_custom_certificate_verifier(seen.clone()).with_no_client_auth();
    let opened = open_tls(endpoint, Arc::new(config), timeout).await;
    let certificate = seen.certificate.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (opened, certificate) {
        (Ok(_), Some(der)) => {
            Ok(Probe { fingerprint: Fingerprint::of(&der), certificate: CertificateFacts::of(&der) })
        }
        (Ok(_), None) => Err(Error::Config(format!("{endpoint} showed no certificate"))),
        (Err(failure), _) => Err(failure.into_error(endpoint)),
    }
}

/// Notes the certificate and judges nothing; the handshake's signature is checked all the same, so
/// that what is shown belongs to the server.
#[derive(Debug)]
struct Onlooker {
    certificate: Mutex<Option<Vec<u8>>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Onlooker {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mut certificate = self.certificate.lock().unwrap_or_else(PoisonError::into_inner);
        *certificate = Some(end_entity.to_vec());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
