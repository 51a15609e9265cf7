//! The daemon's own key for containers: one Ed25519 pair, made once, whose seed the store keeps sealed.
//!
//! `ssh` wants the private half as a file that nobody else can read. It gets one that has no name and is on no disk: a memory
//! file of this process (memfd_create(2), mode 0600), which `ssh` opens as `/proc/PID/fd/N` (proc(5)); it is gone with the
//! process. An agent would be one more process to guard, a file on a tmpfs would stay when the daemon is killed, and neither
//! the arguments nor the environment of `ssh` ever hold more than that path.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rustix::fs::{MemfdFlags, Mode, fchmod, memfd_create};
use secrecy::{ExposeSecret as _, SecretString};

/// The key's type (RFC 8709).
const TYPE: &[u8] = b"ssh-ed25519";
/// Bytes of a seed (RFC 8032, 5.1.5).
const SEED: usize = 32;
/// The private part of an unencrypted key is a multiple of this (OpenSSH, PROTOCOL.key).
const BLOCK: usize = 8;

/// Why the key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OwnKeyError {
    /// What is kept is no seed.
    #[error("the kept SSH key is damaged")]
    Damaged,
    /// The system gives no random bytes.
    #[error("no random bytes are to be had for an SSH key")]
    Random,
    /// The memory file cannot be made.
    #[error("the SSH key's memory file: {0}")]
    File(#[from] std::io::Error),
}

/// The daemon's key, ready to be used by `ssh`.
#[derive(Debug)]
pub struct OwnKey {
    public: String,
    file: File,
}

impl OwnKey {
    /// Makes up a key: its seed, in Base64, to be kept and to be given to [`OwnKey::open`].
    ///
    /// # Errors
    /// [`OwnKeyError::Random`].
    pub fn make() -> Result<SecretString, OwnKeyError> {
        let mut seed = [0; SEED];
        SystemRandom::new().fill(&mut seed).map_err(|_| OwnKeyError::Random)?;
        Ok(SecretString::from(BASE64.encode(seed)))
    }

    /// Makes the key usable, from its seed.
    ///
    /// # Errors
    /// [`OwnKeyError`].
    pub fn open(seed: &SecretString) -> Result<OwnKey, OwnKeyError> {
        let seed = BASE64.decode(seed.expose_secret()).map_err(|_| OwnKeyError::Damaged)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| OwnKeyError::Damaged)?;
        let point = pair.public_key().as_ref();
        let mut blob = Vec::new();
        field(&mut blob, TYPE);
        field(&mut blob, point);
        let mut file =
            File::from(memfd_create("proximity-ssh", MemfdFlags::CLOEXEC).map_err(std::io::Error::from)?);
        fchmod(&file, Mode::RUSR | Mode::WUSR).map_err(std::io::Error::from)?;
        file.write_all(private_file(&seed, point, &blob).expose_secret().as_bytes())?;
        Ok(OwnKey { public: format!("ssh-ed25519 {}", BASE64.encode(blob)), file })
    }

    /// The public half, `TYPE BASE64`.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// Where `ssh` finds the private half, while this process lives.
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd()).into()
    }
}

/// A key file as `ssh` reads it (OpenSSH, PROTOCOL.key), not encrypted.
fn private_file(seed: &[u8], point: &[u8], public: &[u8]) -> SecretString {
    let mut private = Vec::new();
    // Two equal numbers: with a passphrase, they tell whether it was the right one.
    private.extend([0; 8]);
    field(&mut private, TYPE);
    field(&mut private, point);
    field(&mut private, &[seed, point].concat());
    field(&mut private, b"proximityd");
    for byte in (1..).take((BLOCK - private.len() % BLOCK) % BLOCK) {
        private.push(byte);
    }
    let mut whole = b"openssh-key-v1\0".to_vec();
    // No cipher, no key derivation with no options, one key.
    for word in [&b"none"[..], b"none", b""] {
        field(&mut whole, word);
    }
    whole.extend(1_u32.to_be_bytes());
    field(&mut whole, public);
    field(&mut whole, &private);
    let text = BASE64.encode(whole);
    let mut file = String::from("-----BEGIN OPENSSH PRIVATE KEY-----\n");
    for line in text.as_bytes().chunks(70) {
        file.push_str(&String::from_utf8_lossy(line));
        file.push('\n');
    }
    file.push_str("-----END OPENSSH PRIVATE KEY-----\n");
    SecretString::from(file)
}

/// A field with its length in front (RFC 4251, 5).
fn field(into: &mut Vec<u8>, bytes: &[u8]) {
    into.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    into.extend(bytes);
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::guest::ssh::keys;

    #[test]
    fn openssh_reads_the_private_half_and_finds_the_public_one_that_we_give() {
        let seed = OwnKey::make().unwrap();
        let key = OwnKey::open(&seed).unwrap();
        let output = Command::new("ssh-keygen").args(["-y", "-f"]).arg(key.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let found = String::from_utf8(output.stdout).unwrap();
        assert_eq!(found.trim(), format!("{} proximityd", key.public()));
        assert_eq!(keys::check_file(&key.path()), Ok(()), "it is a file for nobody else");
        assert_eq!(keys::host_keys(key.public()).unwrap(), key.public());
        assert_eq!(OwnKey::open(&seed).unwrap().public(), key.public(), "the same seed is the same key");
        assert_ne!(OwnKey::open(&OwnKey::make().unwrap()).unwrap().public(), key.public());
    }

    #[test]
    fn what_is_no_seed_is_refused_and_nothing_shows_the_secret() {
        for wrong in ["", "AAAA", "no base64!"] {
            let error = OwnKey::open(&SecretString::from(wrong)).unwrap_err();
            assert!(matches!(error, OwnKeyError::Damaged), "{error}");
        }
        let seed = OwnKey::make().unwrap();
        let shown = format!("{:?} {seed:?}", OwnKey::open(&seed).unwrap());
        assert!(!shown.contains(seed.expose_secret()), "{shown}");
    }
}
