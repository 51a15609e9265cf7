//! SSH to a Proxmox VE node or into a container, by the system's `ssh` (OpenSSH): one command at a time, its streams and its
//! end.
//!
//! Nothing of a person's SSH is used: no configuration, no known hosts, no password, no forwarding. The other side is known by
//! its pinned key alone. What is run there is left to `remote`, which node and which address to `nodes`, the keys to `keys`
//! and `own_key`.
//!
//! `ssh` ends with 255 both when it cannot connect and when the command does so: see `marks`.

pub mod keys;
pub mod marks;
pub mod nodes;
pub mod own_key;
pub mod remote;

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::Semaphore;

use super::joblines::MOST_OUTPUT;
use super::{GuestError, printable, shell};
use crate::model::host::Ssh;
use keys::KeyFault;
use marks::{Marks, Raw};

/// What shells say where there is no `pct`.
const NO_PCT: [&str; 3] = ["pct: command not found", "pct: not found", "command not found: pct"];
/// What the other side is called to `ssh`, whatever its address: its key is pinned under this name.
const ALIAS: &str = "proximity-node";
/// Sessions at a time on one connection; sshd's own limit is 10 (`MaxSessions`, sshd_config(5)).
const SESSIONS: usize = 8;
/// Bytes that a socket's path may have (unix(7): 107), less what `ssh` puts after it while it makes the socket.
const SOCKET_PATH: usize = 107 - 18;
/// Time for what is still in the pipes when `ssh` has ended.
const REST: Duration = Duration::from_secs(2);
/// Most that is read of a stream: a job's, and what the node's shell or `pct` say beside it.
const MOST: usize = MOST_OUTPUT + 64 * 1024;

/// What differs between a node and a container: how long connecting may take, and what a person can do about a refusal.
#[derive(Debug)]
pub struct Kind {
    /// Seconds for connecting.
    pub connect_seconds: u32,
    /// When its key is not the pinned one.
    pub host_key: &'static str,
    /// When it does not let us in.
    pub key: &'static str,
}

/// A Proxmox VE node.
pub static NODE: Kind = Kind {
    connect_seconds: 10,
    host_key: "the node's key is another one than the one that is pinned; if that is right, give the new one with \
               --ssh-host-key (on the node: cat /etc/ssh/ssh_host_ed25519_key.pub)",
    key: "put the key's public half into ~/.ssh/authorized_keys of that user on the node; a key with a passphrase works \
          through an agent only",
};

/// A machine that is reached by SSH: a node, or a container.
#[derive(Debug)]
pub struct Node {
    address: String,
    kind: &'static Kind,
    settings: Ssh,
    known_hosts: PathBuf,
    socket: Option<PathBuf>,
    turns: Semaphore,
}

impl Node {
    /// A machine at an address. Writes its known keys below `dir`, for nobody else to change; nothing is connected yet.
    ///
    /// # Errors
    /// [`GuestError::Refused`] when a key cannot be used; [`GuestError::Ssh`] when the directory cannot be written.
    pub fn new(address: &str, kind: &'static Kind, settings: &Ssh, dir: &Path) -> Result<Node, GuestError> {
        let refused = |fault: KeyFault| refused(address, fault.to_string(), kind.host_key);
        let keys = keys::host_keys(&settings.host_key).map_err(refused)?;
        let lines: String = keys.lines().map(|key| format!("{ALIAS} {key}\n")).collect();
        // A connection is kept for as long as it is the same one: any other setting has another name.
        let mut name = Sha256::new();
        for part in
            [address, &settings.user, &settings.port.to_string(), &format!("{:?}", settings.key_file), &lines]
        {
            name.update(part);
            name.update([0]);
        }
        let name: String = name.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let known_hosts = dir.join(format!("{name}.keys"));
        write_private(dir, &known_hosts, &lines).map_err(|error| {
            GuestError::Ssh(format!("{} cannot be written: {error}", known_hosts.display()))
        })?;
        let socket = dir.join(name);
        let socket = (socket.as_os_str().len() <= SOCKET_PATH).then_some(socket);
        Ok(Node {
            address: address.into(),
            kind,
            settings: settings.clone(),
            known_hosts,
            socket,
            turns: Semaphore::new(SESSIONS),
        })
    }

    /// Its address, for a person.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How a command becomes root's on the node.
    pub fn as_root(&self) -> &'static str {
        if self.settings.user == "root" { "" } else { "sudo -n " }
    }

    /// Whether it lets us in: runs `true` there.
    ///
    /// # Errors
    /// As [`Node::run`].
    pub async fn test(&self, nonce: String) -> Result<(), GuestError> {
        let marks = Marks::new(nonce);
        let patience = Duration::from_secs(u64::from(2 * self.kind.connect_seconds));
        let raw = self.run(&marks.around("true; A=$?"), &[], patience).await?;
        match marks.read(&raw) {
            Some((.., word)) if word == "0" => Ok(()),
            _ => Err(self.fault(&raw)),
        }
    }

    /// Runs a command line there, by the user's shell. Its own end is not looked at; when `patience` is over, `ssh` is killed.
    ///
    /// # Errors
    /// [`GuestError::Ssh`] and [`GuestError::Refused`], when nothing can be said of the command.
    pub async fn run(&self, line: &str, stdin: &[&[u8]], patience: Duration) -> Result<Raw, GuestError> {
        let _turn = self.turns.acquire().await.map_err(|error| GuestError::Ssh(error.to_string()))?;
        let mut child = self
            .command()?
            .arg("--")
            .arg(&self.address)
            .arg(line)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => refused(
                    &self.address,
                    "there is no program `ssh` here".into(),
                    "install OpenSSH's client where the daemon runs (apt install openssh-client)",
                ),
                _ => GuestError::Ssh(format!("`ssh` cannot be started: {error}")),
            })?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut input), Some(output), Some(errors)) = pipes else {
            return Err(GuestError::Ssh("`ssh` has no pipes".into()));
        };
        let mut raw = Raw { stdout: Vec::new(), stderr: Vec::new() };
        let work = async {
            // One that found its job running reads no input: a pipe that is closed is no error.
            let feed = async {
                for part in stdin {
                    let _ = input.write_all(part).await;
                }
                drop(input);
            };
            let reading =
                async { tokio::try_join!(drain(output, &mut raw.stdout), drain(errors, &mut raw.stderr)) };
            let both = async { tokio::join!(feed, reading).1 };
            tokio::pin!(both);
            // The connection that is kept for the next command may hold a pipe open: the end of `ssh` is the end.
            tokio::select! {
                ended = &mut both => ended.map(drop),
                ended = child.wait() => {
                    ended.map_err(|error| GuestError::Ssh(error.to_string()))?;
                    tokio::time::timeout(REST, both).await.map_or(Ok(()), |read| read.map(drop))
                }
            }
        };
        match tokio::time::timeout(patience, work).await {
            Ok(done) => done.map(|()| raw),
            Err(_) => {
                let _ = child.kill().await;
                let seconds = patience.as_secs();
                Err(GuestError::Ssh(format!("{} gave no answer within {seconds} s", self.address)))
            }
        }
    }

    /// What a command that did not begin, or did not end, means.
    pub fn fault(&self, raw: &Raw) -> GuestError {
        let text = String::from_utf8_lossy(&raw.stderr).into_owned();
        let last: Vec<String> = text.lines().map(printable).filter(|line| !line.trim().is_empty()).collect();
        let last = last[last.len().saturating_sub(3)..].join("; ");
        let refuse = |hint| refused(&self.address, last.clone(), hint);
        if text.contains("Host key verification failed") || text.contains("no matching host key type") {
            refuse(self.kind.host_key)
        } else if text.contains("Permission denied (") || text.contains("Too many authentication failures") {
            refuse(self.kind.key)
        } else if NO_PCT.iter().any(|words| text.contains(words)) {
            refuse("is this a Proxmox VE node, and is /usr/sbin in the user's PATH?")
        } else if text.contains("sudo:") {
            refuse(
                "let the user run pct without a password: `USER ALL=(root) NOPASSWD: /usr/sbin/pct` in /etc/sudoers.d",
            )
        } else if text.contains(".conf' does not exist") {
            refuse("the container is gone, or on another node than the one that was asked")
        } else if last.is_empty() {
            GuestError::Ssh(format!("the connection to {} ended", self.address))
        } else {
            GuestError::Ssh(format!("{}: {last}", self.address))
        }
    }

    fn command(&self) -> Result<Command, GuestError> {
        let mut command = Command::new("ssh");
        command.args(["-F", "none", "-T", "-x", "-a", "-l", &self.settings.user]);
        command.args(["-p", &self.settings.port.to_string()]);
        for option in [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            "GlobalKnownHostsFile=/dev/null",
            "UpdateHostKeys=no",
            "CheckHostIP=no",
            "PreferredAuthentications=publickey",
            "ClearAllForwardings=yes",
            "PermitLocalCommand=no",
            "ServerAliveInterval=10",
            "ServerAliveCountMax=3",
            "LogLevel=ERROR",
        ] {
            command.args(["-o", option]);
        }
        command.args([
            "-o",
            &format!("HostKeyAlias={ALIAS}"),
            "-o",
            &format!("ConnectTimeout={}", self.kind.connect_seconds),
        ]);
        command.arg("-o").arg(option("UserKnownHostsFile", &self.known_hosts));
        match &self.settings.key_file {
            Some(path) => {
                let hint = "`proximityctl host add` takes another one with --ssh-key-file";
                keys::check_file(path).map_err(|fault| refused(&self.address, fault.to_string(), hint))?;
                command.args(["-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"]);
                command.arg("-o").arg(option("IdentityFile", path));
            }
            None if std::env::var_os("SSH_AUTH_SOCK").is_none_or(|socket| socket.is_empty()) => {
                let hint = "give a key file with --ssh-key-file, or start the daemon with an agent";
                return Err(refused(&self.address, KeyFault::None.to_string(), hint));
            }
            None => {
                command.args(["-o", "IdentityFile=none"]);
            }
        }
        match &self.socket {
            Some(socket) => {
                command.args(["-o", "ControlMaster=auto", "-o", "ControlPersist=60"]);
                command.arg("-o").arg(option("ControlPath", socket))
            }
            None => command.args(["-o", "ControlMaster=no", "-o", "ControlPath=none"]),
        };
        Ok(command)
    }
}

fn refused(address: &str, why: String, hint: &'static str) -> GuestError {
    GuestError::Refused { address: address.into(), why, hint }
}

/// `NAME="PATH"` as `ssh` reads it back: it splits at spaces, and replaces what stands after a per cent sign.
fn option(name: &str, path: &Path) -> OsString {
    let mut value = format!("{name}=\"").into_bytes();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'%' => value.extend(b"%%"),
            b'"' | b'\\' => value.extend([b'\\', *byte]),
            other => value.push(*other),
        }
    }
    value.push(b'"');
    std::os::unix::ffi::OsStringExt::from_vec(value)
}

/// A command line for the node's shell, of words that reach a program unchanged.
pub fn line(words: &[&str]) -> String {
    let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    String::from_utf8_lossy(&shell::command(&words)).into_owned()
}

/// Writes a file whole, in a directory that is ours alone.
fn write_private(dir: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    if fs::read_to_string(path).is_ok_and(|known| known == text) {
        return Ok(());
    }
    let new = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    fs::rename(new, path)
}

async fn drain(mut from: impl AsyncRead + Unpin, into: &mut Vec<u8>) -> Result<(), GuestError> {
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match from.read(&mut chunk).await {
            Ok(0) | Err(_) => return Ok(()),
            Ok(count) if into.len() + count > MOST => {
                return Err(GuestError::Garbled("it writes without end".into()));
            }
            Ok(count) => into.extend_from_slice(&chunk[..count]),
        }
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
