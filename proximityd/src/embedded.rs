//! The embedded Proxmox VE node: a process of its own, started detached, found again when it already runs.
//!
//! To everything else it is a host like any other, reached by the same client over the same wire.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal};
use secrecy::SecretString;
use serde::Deserialize;

use crate::model::host::{HostConfig, Identity, Trust};

/// The node's own name as a host.
pub const NAME: &str = "embedded";
/// The node's program.
const PROGRAM: &str = "proximity-sim";
/// Time for it to answer, and to end.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(5);
/// Between two looks at whether it lives.
const SELDOM: Duration = Duration::from_secs(1);

/// What can go wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Its program is not there.
    #[error(
        "the embedded node's program `{PROGRAM}` is neither beside proximityd nor in PATH; build it with `cargo build --workspace`"
    )]
    NoProgram,
    /// It cannot be started.
    #[error("the embedded node cannot be started: {0}")]
    Start(std::io::Error),
    /// It ended, or did not get ready.
    #[error("the embedded node did not get ready; its log is {}: {last}", log.display())]
    NotReady {
        /// Its log.
        log: PathBuf,
        /// The log's last line.
        last: String,
    },
}

/// What a running node says of itself, in `node.json`.
#[derive(Debug, Clone, Deserialize)]
struct NodeFile {
    listen: String,
    pid: i32,
    fingerprint: String,
    token_id: String,
    token_secret: SecretString,
    pool: String,
}

/// An embedded node.
#[derive(Debug)]
pub struct Embedded {
    /// How to reach it.
    pub config: HostConfig,
    /// Its token's secret.
    pub secret: SecretString,
    pid: i32,
    dir: PathBuf,
}

/// Finds the node that runs in the data directory, or starts one.
///
/// # Errors
/// [`EmbeddedError`].
pub async fn start(data_dir: &Path, fault_plan: Option<&Path>) -> Result<Embedded, EmbeddedError> {
    let dir = data_dir.join("node");
    if let Some(node) = read(&dir)
        && alive(node.pid)
        && answers(&node.listen).await
    {
        return Ok(embedded(node, dir));
    }
    let program = program().ok_or(EmbeddedError::NoProgram)?;
    let log = log_of(&dir);
    std::fs::create_dir_all(&dir).map_err(EmbeddedError::Start)?;
    let begun = Instant::now();
    let mut child: Option<Child> = None;
    while begun.elapsed() < PATIENCE {
        if let Some(node) = read(&dir)
            && alive(node.pid)
            && answers(&node.listen).await
        {
            // When it ends, somebody has to take its exit status.
            if let Some(mut child) = child {
                tokio::task::spawn_blocking(move || child.wait());
            }
            return Ok(embedded(node, dir));
        }
        // One that another daemon started a moment before it was killed has the directory, and will answer.
        match &mut child {
            None if !in_use(&dir) => child = Some(spawn(&program, &dir, fault_plan, &log)?),
            None => {}
            Some(started) => match started.try_wait() {
                Ok(None) => {}
                _ if in_use(&dir) => child = None,
                _ => break,
            },
        }
        tokio::time::sleep(LOOK).await;
    }
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    let last = text.lines().last().unwrap_or("it wrote nothing").to_string();
    Err(EmbeddedError::NotReady { log, last })
}

fn spawn(program: &Path, dir: &Path, fault_plan: Option<&Path>, log: &Path) -> Result<Child, EmbeddedError> {
    let output = std::fs::OpenOptions::new().create(true).append(true).open(log);
    let output = output.map_err(EmbeddedError::Start)?;
    let errors = output.try_clone().map_err(EmbeddedError::Start)?;
    let mut command = Command::new(program);
    command.arg("--state-dir").arg(dir).stdin(Stdio::null()).stdout(output).stderr(errors);
    // A process group of its own: what ends the daemon does not end the node.
    command.process_group(0);
    if let Some(plan) = fault_plan {
        command.arg("--fault-plan").arg(plan);
    }
    command.spawn().map_err(EmbeddedError::Start)
}

/// Whether a node holds the lock on its directory.
fn in_use(dir: &Path) -> bool {
    let lock = std::fs::File::open(dir.join("lock"));
    lock.is_ok_and(|lock| flock(&lock, FlockOperation::NonBlockingLockShared).is_err())
}

fn log_of(dir: &Path) -> PathBuf {
    dir.join("proximity-sim.log")
}

impl Embedded {
    /// Its log.
    pub fn log(&self) -> PathBuf {
        log_of(&self.dir)
    }

    /// Waits until its process has ended. It may be no child of ours, so nobody tells us: we look.
    pub async fn ended(&self) {
        while alive(self.pid) {
            tokio::time::sleep(SELDOM).await;
        }
    }

    /// Ends the node, as a clean stop of the daemon does. Its state stays on the disk.
    pub async fn stop(&self) {
        let Some(pid) = Pid::from_raw(self.pid) else { return };
        // Only the process that our own file names, and only while it still does.
        if read(&self.dir).is_none_or(|node| node.pid != self.pid) {
            return;
        }
        if rustix::process::kill_process(pid, Signal::TERM).is_err() {
            return;
        }
        let begun = Instant::now();
        while alive(self.pid) && begun.elapsed() < PATIENCE {
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn embedded(node: NodeFile, dir: PathBuf) -> Embedded {
    let config = HostConfig {
        name: NAME.into(),
        endpoints: vec![node.listen],
        identity: Identity::Token(node.token_id),
        trust: Trust::Fingerprint(node.fingerprint),
        pool: node.pool,
        storage: None,
        bridge: None,
        ssh: None,
        embedded: true,
    };
    Embedded { config, secret: node.token_secret, pid: node.pid, dir }
}

fn read(dir: &Path) -> Option<NodeFile> {
    serde_json::from_str(&std::fs::read_to_string(dir.join("node.json")).ok()?).ok()
}

fn alive(pid: i32) -> bool {
    // A process that has ended and is not waited for yet is a zombie, and alive to kill(2).
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next());
    !matches!(state, None | Some("Z"))
}

async fn answers(listen: &str) -> bool {
    matches!(
        tokio::time::timeout(Duration::from_secs(2), tokio::net::TcpStream::connect(listen)).await,
        Ok(Ok(_))
    )
}

fn program() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok()?.parent()?.join(PROGRAM);
    if beside.is_file() {
        return Some(beside);
    }
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(PROGRAM)).find(|path| path.is_file())
}
