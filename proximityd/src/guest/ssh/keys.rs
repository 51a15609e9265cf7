//! The two keys of SSH: the one that lets us in, and the one that tells the node from another machine.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// The types of host keys that are taken (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
const TYPES: [&str; 5] =
    ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// The daemon's directory is another one than that of whoever gave the path.
    #[error("the path of the SSH key file `{}` is not absolute", .0.display())]
    Relative(PathBuf),
    /// It cannot be read.
    #[error("the SSH key file {} cannot be read: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Others can read it, or it is no file.
    #[error("the SSH key file {} is open to others (mode {mode:04o}); run `chmod 600 {}`", path.display(), path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// There is neither a key file nor an agent.
    #[error("there is no SSH key: no key file is given, and the daemon has no agent (SSH_AUTH_SOCK)")]
    None,
    /// No public key.
    #[error("`{0}` is no public host key")]
    NoHostKey(String),
}

/// Makes sure that a private key is there, and ours alone.
///
/// # Errors
/// [`KeyFault`].
pub fn check_file(path: &Path) -> Result<(), KeyFault> {
    if !path.is_absolute() {
        return Err(KeyFault::Relative(path.into()));
    }
    let unreadable =
        |error: std::io::Error| KeyFault::Unreadable { path: path.into(), why: error.to_string() };
    let metadata = File::open(path).and_then(|file| file.metadata()).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(KeyFault::Unreadable { path: path.into(), why: "it is no file".into() });
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFault::Open { path: path.into(), mode });
    }
    Ok(())
}

/// Reads public host keys, one a line: as `/etc/ssh/ssh_host_ed25519_key.pub` holds one, or as `ssh-keyscan` prints them with
/// a name in front. Gives `TYPE BASE64`, one a line.
///
/// # Errors
/// [`KeyFault::NoHostKey`] with the line that is none.
pub fn host_keys(text: &str) -> Result<String, KeyFault> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys = lines.map(host_key).collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err(KeyFault::NoHostKey(String::new()));
    }
    Ok(keys.join("\n"))
}

fn host_key(line: &str) -> Result<String, KeyFault> {
    let fault = || KeyFault::NoHostKey(crate::guest::printable(line).chars().take(80).collect());
    let mut words = line.split_whitespace();
    // A name before it is allowed; a marker such as `@cert-authority` is not.
    let kind = words.by_ref().take(2).find(|word| TYPES.contains(word)).ok_or_else(fault)?;
    let encoded = words.next().ok_or_else(fault)?;
    let blob = BASE64.decode(encoded).map_err(|_| fault())?;
    let fields = fields(&blob).ok_or_else(fault)?;
    // An Ed25519 key has one number after its type, the others have two (RFC 8709, RFC 5656, RFC 4253).
    let wanted = if kind == "ssh-ed25519" { 2 } else { 3 };
    if fields.first() != Some(&kind.as_bytes()) || fields.len() != wanted || line.starts_with('@') {
        return Err(fault());
    }
    Ok(format!("{kind} {encoded}"))
}

/// The fields of a key, each with its length in front (RFC 4251, 5); None when it is cut.
fn fields(mut blob: &[u8]) -> Option<Vec<&[u8]>> {
    let mut fields = Vec::new();
    while !blob.is_empty() {
        let (length, rest) = blob.split_first_chunk::<4>()?;
        let (field, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        fields.push(field);
        blob = rest;
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBERERERERERERERERERERERERERERERERERERERERER";

    #[test]
    fn host_keys_are_taken_from_a_key_file_and_from_keyscan() {
        let both = format!("# pve1:22 SSH-2.0\n192.0.2.1 {KEY}\n\n{KEY} root@pve2\n");
        assert_eq!(host_keys(&both).unwrap(), format!("{KEY}\n{KEY}"));
        let cut = &KEY[..40];
        let marker = format!("@cert-authority {KEY}");
        for wrong in ["", "# nothing", "ssh-ed25519", "ssh-ed25519 !!", "SHA256:abcdef", cut, &marker] {
            assert!(host_keys(wrong).is_err(), "{wrong}");
        }
        let other = KEY.replace("ssh-ed25519", "ssh-rsa");
        assert!(host_keys(&other).is_err(), "the type in front is not the key's own");
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        assert!(matches!(check_file(&path), Err(KeyFault::Unreadable { .. })));
        std::fs::write(&path, "k").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let text = check_file(&path).unwrap_err().to_string();
        assert!(text.ends_with(&format!("(mode 0640); run `chmod 600 {}`", path.display())), "{text}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(check_file(&path), Ok(()));
        assert!(matches!(check_file("key".as_ref()), Err(KeyFault::Relative(_))));
    }
}
