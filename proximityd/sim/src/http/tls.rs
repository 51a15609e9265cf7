//! The node's own certificate, made once and kept.

use std::fmt::Write as _;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::state::store::{Directory, StoreError};

/// The certificate cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// Making it failed.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// The kept one is no certificate.
    #[error("the kept certificate is damaged")]
    Pem(#[from] rustls_pki_types::pem::Error),
    /// TLS does not take it.
    #[error("TLS refuses the certificate")]
    Tls(#[from] rustls::Error),
    /// It cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    ca_pem: String,
    certificate_pem: String,
    key_pem: String,
}

/// The node's certificate, ready for TLS.
pub(crate) struct Certificate {
    /// What to trust to trust the node.
    pub(crate) ca_pem: String,
    /// SHA-256 of the node's certificate, as Proxmox VE prints it.
    pub(crate) fingerprint: String,
    /// The TLS configuration.
    pub(crate) config: Arc<ServerConfig>,
}

const FILE: &str = "certificate.json";

/// Takes the kept certificate, or makes one for these names.
pub(crate) fn certificate(directory: &Directory, nodes: &[String]) -> Result<Certificate, TlsError> {
    let kept: Kept = match directory.read(FILE)? {
        Some(kept) => kept,
        None => {
            let made = make(nodes)?;
            directory.write(FILE, &made)?;
            made
        }
    };
    let certificate = CertificateDer::from_pem_slice(kept.certificate_pem.as_bytes())?;
    let ca = CertificateDer::from_pem_slice(kept.ca_pem.as_bytes())?;
    let key = PrivateKeyDer::from_pem_slice(kept.key_pem.as_bytes())?;
    let fingerprint = Sha256::digest(&certificate).iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{}{byte:02X}", if out.is_empty() { "" } else { ":" });
        out
    });
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate, ca], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Certificate { ca_pem: kept.ca_pem, fingerprint, config: Arc::new(config) })
}

fn make(nodes: &[String]) -> Result<Kept, TlsError> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.distinguished_name.push(DnType::CommonName, "Proxmox Virtual Environment");
    ca.distinguished_name.push(DnType::OrganizationName, "PVE Cluster Manager CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_certificate = ca.self_signed(&ca_key)?;
    let issuer = rcgen::Issuer::new(ca, ca_key);

    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    names.extend(nodes.iter().cloned());
    let mut leaf = CertificateParams::new(names)?;
    let first = nodes.first().map_or("pve1", String::as_str);
    leaf.distinguished_name.push(DnType::CommonName, first);
    let key = KeyPair::generate()?;
    let certificate = leaf.signed_by(&key, &issuer)?;
    Ok(Kept {
        ca_pem: ca_certificate.pem(),
        certificate_pem: certificate.pem(),
        key_pem: key.serialize_pem(),
    })
}
