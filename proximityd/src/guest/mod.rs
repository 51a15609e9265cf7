//! Running things inside a container: what a job is, and what comes back. How it gets there is a transport's matter.

pub mod admission;
pub mod console;
pub mod docker;
pub mod inside;
pub mod joblines;
pub mod jobs;
pub mod provision;
pub mod sessions;
pub mod shell;
pub mod ssh;

use std::time::Duration;

/// A command to run in a guest.
#[derive(Debug, Clone)]
pub struct Job {
    /// Names the job, so that one that was started before the daemon died is found again and not started twice.
    /// Letters, digits, hyphens.
    pub id: String,
    /// The program and its arguments; any bytes but NUL.
    pub argv: Vec<Vec<u8>>,
    /// What it reads. Written to a 0600 file on a tmpfs, and removed when the job has ended.
    pub stdin: Vec<u8>,
    /// How long it may take.
    pub timeout: Duration,
}

impl Job {
    /// A job from words.
    pub fn new<S: AsRef<str>>(id: impl Into<String>, argv: &[S], timeout: Duration) -> Job {
        let argv = argv.iter().map(|word| word.as_ref().as_bytes().to_vec()).collect();
        Job { id: id.into(), argv, stdin: Vec::new(), timeout }
    }

    /// A job that runs a script of ours by `sh -eu`, with arguments it sees as `$1` and on.
    pub fn script(id: impl Into<String>, script: &str, args: &[&str], timeout: Duration) -> Job {
        let argv: Vec<&str> =
            ["sh", "-euc", script, "proximity"].into_iter().chain(args.iter().copied()).collect();
        Job::new(id, &argv, timeout)
    }

    /// Gives it something to read.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Job {
        self.stdin = bytes.into();
        self
    }
}

/// What a job left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit status, 0 to 255; a signal is 128 and its number.
    pub status: u8,
    /// What it wrote.
    pub stdout: Vec<u8>,
    /// What it complained of.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Its standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The last lines that it wrote, complaints last: what a person wants to see of a failure.
    pub fn tail(&self, count: usize) -> Vec<String> {
        let text =
            format!("{}\n{}", String::from_utf8_lossy(&self.stdout), String::from_utf8_lossy(&self.stderr));
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(count)..].iter().map(|line| printable(line)).collect()
    }
}

/// A guest's words, made safe for a terminal and a log: no control characters, no endless line.
pub fn printable(line: &str) -> String {
    line.chars().filter(|c| !c.is_control() || *c == '\t').take(500).collect()
}

/// Why a job has no outcome.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// A person, or a program a person left there, has the console.
    #[error("the console of container {vmid} is in use: {why}")]
    Busy {
        /// The container.
        vmid: u32,
        /// By what.
        why: String,
    },
    /// Proxmox VE did not give us the console.
    #[error(transparent)]
    Pve(#[from] proximity_pve::Error),
    /// The connection ended in the middle. The job may still run; asking again with the same id finds it.
    #[error("the console's connection ended: {0}")]
    Cut(String),
    /// The node or the container cannot be reached by SSH now, or the connection ended. The job may still run, as above.
    #[error("SSH: {0}")]
    Ssh(String),
    /// SSH cannot work before somebody changes something. Nothing was started.
    #[error("SSH to {address} is refused: {why}")]
    Refused {
        /// The node or the container.
        address: String,
        /// Why, in the words of who refused.
        why: String,
        /// What to change.
        hint: &'static str,
    },
    /// What came back is not what was agreed on.
    #[error("the guest's shell answered what cannot be understood: {0}")]
    Garbled(String),
    /// The container does not run, so nothing can run in it.
    #[error("container {vmid} stopped while a command ran in it")]
    Stopped {
        /// The container.
        vmid: u32,
    },
    /// It took too long, and was ended.
    #[error("`{what}` did not end within {} s", after.as_secs())]
    Timeout {
        /// The program.
        what: String,
        /// The time it had.
        after: Duration,
        /// The last lines it wrote.
        tail: Vec<String>,
    },
}

/// A way to run jobs in one container.
#[async_trait::async_trait]
pub trait Exec: Send + Sync {
    /// Runs a job to its end. Calling it again with the same id while the job's results are there gives those.
    async fn run(&self, job: &Job) -> Result<Output, GuestError>;
}
