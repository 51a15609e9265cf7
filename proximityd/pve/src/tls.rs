//! Trust: which server certificates a client accepts.
//!
//! Proxmox VE's own certificates are signed by a cluster CA that no system knows, so besides the
//! system's roots there are a CA file and pins of exact certificates. There is no way to accept
//! just any certificate; looking at one is left to `probe`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};

use crate::error::Error;

/// The SHA-256 hash of a certificate in DER, as Proxmox VE shows it: 32 pairs of upper-case
/// hexadecimal digits with colons.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

/// A text that is no SHA-256 fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a SHA-256 fingerprint; it has 64 hexadecimal digits, with or without colons")]
pub struct FingerprintError(pub String);

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let error = || FingerprintError(text.to_owned());
        let digits: String = text.trim().chars().filter(|c| *c != ':').collect();
        if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(error());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| error())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| error())?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(":")?;
            }
            write!(f, "{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which server certificates to accept.
#[derive(Debug, Clone)]
pub enum Tls {
    /// Those that the system's roots vouch for.
    System,
    /// Those that these CA certificates (PEM) vouch for, and no others. A cluster's own CA is
    /// `/etc/pve/pve-root-ca.pem`.
    CaFile(Vec<u8>),
    /// Exactly these certificates, whatever name or date they bear. Each node of a cluster has its
    /// own.
    Pinned(Vec<Fingerprint>),
}

impl Tls {
    /// Exactly one certificate.
    pub fn pinned(fingerprint: Fingerprint) -> Self {
        Self::Pinned(vec![fingerprint])
    }

    /// The rustls configuration: ring, TLS 1.2 and 1.3, HTTP/1.1 (Proxmox VE speaks nothing
    /// newer, and HTTP/2 has no reason phrases).
    pub(crate) fn client_config(&self) -> Result<rustls::ClientConfig, Error> {
        let builder = base_builder()?;
        let mut config = match self {
            Self::System => {
                let found = rustls_native_certs::load_native_certs();
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(found.certs);
                if roots.is_empty() {
                    return Err(Error::Config("the system has no root certificates".to_owned()));
                }
                builder.with_root_certificates(roots).with_no_client_auth()
            }
            Self::CaFile(pem) => {
                let mut roots = RootCertStore::empty();
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    let certificate =
                        certificate.map_err(|e| Error::Config(format!("the CA file is not PEM: {e}")))?;
                    roots.add(certificate).map_err(|e| {
                        Error::Config(format!("a certificate of the CA file is unusable: {e}"))
                    })?;
                }
                if roots.is_empty() {
                    return Err(Error::Config("the CA file holds no certificate".to_owned()));
                }
                builder.with_root_certificates(roots).with_no_client_auth()
            }
            Self::Pinned(pins) => {
                if pins.is_empty() {
                    return Err(Error::Config("no certificate fingerprint is given".to_owned()));
                }
                let verifier = PinVerifier { pins: pins.clone(), provider: provider() };
                builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

pub(crate) type Builder = rustls::ConfigBuilder<rustls::ClientConfig, rustls::WantsVerifier>;

pub(crate) fn base_builder() -> Result<Builder, Error> {
    rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::Config(format!("TLS cannot be set up: {e}")))
}

/// Accepts the pinned certificates only. The handshake's signature is still checked, which proves
/// that the server holds the certificate's key and is not just showing a copy.
#[derive(Debug)]
struct PinVerifier {
    pins: Vec<Fingerprint>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let presented = Fingerprint::of(end_entity);
        if self.pins.contains(&presented) {
            return Ok(ServerCertVerified::assertion());
        }
        let mismatch = PinMismatch { presented };
        Err(rustls::Error::InvalidCertificate(CertificateError::Other(rustls::OtherError(Arc::new(
            mismatch,
        )))))
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

/// The server showed another certificate than the pinned one.
#[derive(Debug, thiserror::Error)]
#[error("the server's certificate is not the pinned one; its fingerprint is {presented}")]
pub(crate) struct PinMismatch {
    pub(crate) presented: Fingerprint,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_with_and_without_colons_in_any_case() {
        let shown =
            "13:0E:6C:B0:A2:2D:26:AE:E2:C5:C6:03:30:58:61:36:75:E3:48:10:95:D7:94:34:23:B4:BE:2C:F6:A9:16:F0";
        let fingerprint: Fingerprint = shown.parse().unwrap();
        assert_eq!(fingerprint.to_string(), shown);
        let plain = shown.replace(':', "").to_lowercase();
        assert_eq!(plain.parse::<Fingerprint>().unwrap(), fingerprint);
        assert!("13:0E".parse::<Fingerprint>().is_err());
        assert!("ü".repeat(32).parse::<Fingerprint>().is_err());
    }

    #[test]
    fn a_ca_file_without_certificates_is_refused() {
        assert!(Tls::CaFile(b"nothing".to_vec()).client_config().is_err());
        assert!(Tls::Pinned(Vec::new()).client_config().is_err());
    }
}
