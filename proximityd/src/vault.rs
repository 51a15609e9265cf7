//! Secrets at rest: sealed with age (X25519, ChaCha20-Poly1305 with 256-bit keys) to an identity of this daemon.
//!
//! The identity's home is a systemd credential, else a 0600 key file; or the Secret Service where it is asked for. Kernel
//! keyutils would lose it at a reboot, so they are not used. What is sealed, and when it is opened, is the callers' matter.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use age::x25519;
use secrecy::{ExposeSecret, SecretString};

use crate::config::IdentityHome;

/// Name of the systemd credential and of the Secret Service entry.
const NAME: &str = "proximity-identity";

/// What can go wrong with secrets.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The key file cannot be used.
    #[error("the key file {}: {reason}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The systemd credential cannot be used.
    #[error("the systemd credential `{NAME}`: {0}")]
    Credential(String),
    /// The Secret Service cannot be used.
    #[error("the Secret Service: {0}")]
    SecretService(String),
    /// A sealed secret cannot be opened: it was sealed to another identity, or is damaged.
    #[error("a secret cannot be decrypted with the identity from {home}: {reason}")]
    Open {
        /// The identity's home.
        home: String,
        /// Why.
        reason: String,
    },
}

/// Seals and opens secrets.
#[derive(Clone)]
pub struct Vault {
    identity: Arc<x25519::Identity>,
    home: String,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("home", &self.home).finish_non_exhaustive()
    }
}

impl Vault {
    /// Finds the identity, or makes one on the first start.
    ///
    /// # Errors
    /// [`VaultError`]: it is there and cannot be used. A new one is never made over one that is there.
    pub fn open(
        wanted: IdentityHome,
        data_dir: &Path,
        credentials: Option<&Path>,
        database_exists: bool,
    ) -> Result<Vault, VaultError> {
        let credential = credentials.map(|dir| dir.join(NAME)).filter(|path| path.exists());
        match (wanted, credential) {
            (IdentityHome::Auto, Some(path)) => {
                let text =
                    fs::read_to_string(&path).map_err(|error| VaultError::Credential(error.to_string()))?;
                let identity = parse(&text).map_err(VaultError::Credential)?;
                Ok(Vault { identity: identity.into(), home: "systemd credential".into() })
            }
            (IdentityHome::SecretService, _) => from_secret_service(database_exists),
            (IdentityHome::Auto | IdentityHome::File, _) => {
                from_file(data_dir.join("identity.key"), database_exists)
            }
        }
    }

    /// Where the identity is, for `doctor`.
    pub fn home(&self) -> &str {
        &self.home
    }

    /// Seals a secret.
    pub fn seal(&self, secret: &SecretString) -> Vec<u8> {
        let recipient = self.identity.to_public();
        age::encrypt(&recipient, secret.expose_secret().as_bytes())
            .expect("writing to memory for a recipient of our own cannot fail")
    }

    /// Opens a sealed secret.
    ///
    /// # Errors
    /// [`VaultError::Open`].
    pub fn open_secret(&self, sealed: &[u8]) -> Result<SecretString, VaultError> {
        let fault = |reason: String| VaultError::Open { home: self.home.clone(), reason };
        let bytes = age::decrypt(&*self.identity, sealed).map_err(|error| fault(error.to_string()))?;
        String::from_utf8(bytes).map(SecretString::from).map_err(|_| fault("it is no text".into()))
    }
}

fn parse(text: &str) -> Result<x25519::Identity, String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let line = line.ok_or("it holds no key")?;
    x25519::Identity::from_str(line).map_err(str::to_string)
}

fn from_file(path: PathBuf, database_exists: bool) -> Result<Vault, VaultError> {
    let fault = |reason: String| VaultError::KeyFile { path: path.clone(), reason };
    let home = format!("key file {}", path.display());
    match fs::File::open(&path) {
        Ok(mut file) => {
            let mode = file.metadata().map_err(|error| fault(error.to_string()))?.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(fault(format!(
                    "others can read it (mode {mode:04o}); run `chmod 600 {}`",
                    path.display()
                )));
            }
            let mut text = String::new();
            file.read_to_string(&mut text).map_err(|error| fault(error.to_string()))?;
            Ok(Vault { identity: parse(&text).map_err(fault)?.into(), home })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && database_exists => Err(fault(
            "it is not there, but a database is, whose secrets were sealed with it; bring it back from a copy, or move \
             the database away"
                .into(),
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let identity = x25519::Identity::generate();
            write_new(&path, identity.to_string().expose_secret()).map_err(|error| fault(error.to_string()))?;
            Ok(Vault { identity: identity.into(), home })
        }
        Err(error) => Err(fault(error.to_string())),
    }
}

fn write_new(path: &Path, key: &str) -> std::io::Result<()> {
    let partial = path.with_extension("new");
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    writeln!(
        file,
        "# Proximity's identity: the secrets in the database are sealed to it. Keep a copy.\n{key}"
    )?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    if let Some(dir) = path.parent() {
        fs::File::open(dir)?.sync_all()?;
    }
    Ok(())
}

fn from_secret_service(database_exists: bool) -> Result<Vault, VaultError> {
    let fault = |error: keyring::Error| VaultError::SecretService(error.to_string());
    let entry = keyring::Entry::new("proximity", NAME).map_err(fault)?;
    let home = "Secret Service".to_string();
    match entry.get_password() {
        Ok(text) => Ok(Vault { identity: parse(&text).map_err(VaultError::SecretService)?.into(), home }),
        Err(keyring::Error::NoEntry) if database_exists => Err(VaultError::SecretService(
            "it holds no identity, but a database is there, whose secrets were sealed with one; unlock the keyring that has \
             it, set `identity` to where it was, or move the database away"
                .into(),
        )),
        Err(keyring::Error::NoEntry) => {
            let identity = x25519::Identity::generate();
            entry.set_password(identity.to_string().expose_secret()).map_err(fault)?;
            let back = entry.get_password().map_err(fault)?;
            if back != *identity.to_string().expose_secret() {
                return Err(VaultError::SecretService("what was stored does not come back".into()));
            }
            Ok(Vault { identity: identity.into(), home })
        }
        Err(error) => Err(fault(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_again_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(IdentityHome::Auto, dir.path(), None, false).unwrap();
        let sealed = vault.seal(&SecretString::from("s3cret"));
        assert!(!sealed.windows(6).any(|window| window == b"s3cret"));
        let again = Vault::open(IdentityHome::Auto, dir.path(), None, true).unwrap();
        assert_eq!(again.open_secret(&sealed).unwrap().expose_secret(), "s3cret");
        let mode = fs::metadata(dir.path().join("identity.key")).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
    }

    #[test]
    fn a_keyring_without_the_identity_of_a_database_is_refused_and_gets_no_new_one() {
        keyring::set_default_credential_builder(keyring::mock::default_credential_builder());
        let refused = from_secret_service(true).unwrap_err().to_string();
        assert!(refused.contains("holds no identity"), "{refused}");
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        Vault::open(IdentityHome::File, dir.path(), None, false).unwrap();
        let path = dir.path().join("identity.key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = Vault::open(IdentityHome::File, dir.path(), None, false).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn no_new_identity_is_made_where_a_database_needs_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let error = Vault::open(IdentityHome::Auto, dir.path(), None, true).unwrap_err();
        assert!(error.to_string().contains("bring it back"), "{error}");
        assert!(!dir.path().join("identity.key").exists());
    }

    #[test]
    fn a_systemd_credential_comes_first() {
        let (dir, credentials) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let identity = x25519::Identity::generate();
        fs::write(credentials.path().join(NAME), identity.to_string().expose_secret()).unwrap();
        let vault = Vault::open(IdentityHome::Auto, dir.path(), Some(credentials.path()), true).unwrap();
        assert_eq!(vault.home(), "systemd credential");
        assert!(!dir.path().join("identity.key").exists());
    }

    #[test]
    fn a_secret_of_another_identity_does_not_open() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let one = Vault::open(IdentityHome::File, one.path(), None, false).unwrap();
        let other = Vault::open(IdentityHome::File, other.path(), None, false).unwrap();
        assert!(other.open_secret(&one.seal(&SecretString::from("x"))).is_err());
    }
}
