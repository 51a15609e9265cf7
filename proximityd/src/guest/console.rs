//! Jobs over the PVE console: an API token alone is enough for it (Proxmox VE 9.2 and later).
//!
//! The console is one shell that everybody who attaches shares, with echo, line editing and no exit codes. So little is
//! typed into it: short lines that probe it, receive a file, start a detached job that leaves its results in files, and
//! print those between markers. A marker is never in what is typed (`printf 'P%sQ' N` prints `PNQ`), so the echo of a
//! line is not taken for its answer. Contents go to a reader with echo off, so no secret shows on a shared screen.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::joblines::{self, GRACE, LOOK, MOST_OUTPUT, TIMED_OUT};
use super::{GuestError, Job, Output};

/// How long the shell may take to answer a line.
const ANSWER: Duration = Duration::from_secs(30);
/// How long the shell may take to answer a first probe; a program that a person left running never does.
const PROBES: [Duration; 4] =
    [Duration::from_millis(700), Duration::from_millis(1500), Duration::from_secs(3), Duration::from_secs(6)];
/// Bytes sent to the terminal at a time.
const CHUNK: usize = 32 * 1024;

/// A terminal with a shell in it.
#[async_trait::async_trait]
pub trait Terminal: Send {
    /// Types.
    async fn send(&mut self, bytes: Bytes) -> Result<(), GuestError>;
    /// What it shows next; None when it has ended.
    async fn receive(&mut self) -> Result<Option<Bytes>, GuestError>;
}

/// A shell that answers, on a terminal.
pub struct Session<T> {
    terminal: T,
    vmid: u32,
    jobs: String,
    seen: Vec<u8>,
    used: Instant,
    nonce: Box<dyn FnMut() -> String + Send>,
}

impl<T: std::fmt::Debug> std::fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("terminal", &self.terminal)
            .field("vmid", &self.vmid)
            .finish_non_exhaustive()
    }
}

/// What is known of a job in the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Running,
    Ended,
}

impl<T: Terminal> Session<T> {
    /// Makes sure that a shell answers, without disturbing what a person may have left half typed: Ctrl-E and Ctrl-U
    /// clear the line in a shell and in a program that reads lines.
    ///
    /// # Errors
    /// [`GuestError::Busy`] when no shell answers.
    pub async fn open(
        terminal: T,
        vmid: u32,
        jobs: &str,
        nonce: Box<dyn FnMut() -> String + Send>,
    ) -> Result<Session<T>, GuestError> {
        let mut session =
            Session { terminal, vmid, jobs: jobs.into(), seen: Vec::new(), used: Instant::now(), nonce };
        for wait in PROBES {
            let nonce = (session.nonce)();
            session.type_line(&format!("\x05\x15 printf 'P%sQ\\n' {nonce}")).await?;
            match session.wait_for(&format!("P{nonce}Q"), wait).await {
                Ok(_) => return Ok(session),
                Err(GuestError::Garbled(_)) => {}
                Err(other) => return Err(other),
            }
        }
        Err(GuestError::Busy { vmid, why: "a program that does not answer like a shell runs in it".into() })
    }

    /// Runs a job, or finds it again.
    ///
    /// # Errors
    /// See [`GuestError`].
    pub async fn run(&mut self, job: &Job) -> Result<Output, GuestError> {
        let dir = joblines::dir(&self.jobs, job);
        let begun = Instant::now();
        if self.look(&dir).await? == Found::Nothing {
            self.start(&dir, job).await?;
        }
        // The guest ends the job itself when its time is over; a little later we stop believing in it.
        let patience = job.timeout + GRACE;
        let status = loop {
            if let Some(status) = self.ended(&dir).await? {
                break status;
            }
            if begun.elapsed() > patience {
                return Err(self.too_long(&dir, job).await);
            }
        };
        if status == TIMED_OUT && begun.elapsed() >= job.timeout {
            return Err(self.too_long(&dir, job).await);
        }
        let (stdout, stderr) = self.fetch(&dir).await?;
        self.type_line(&format!(" {}", joblines::clear(&dir))).await?;
        self.used = Instant::now();
        Ok(Output { status, stdout, stderr })
    }

    /// How long ago its last job ended.
    pub fn idle(&self) -> Duration {
        self.used.elapsed()
    }

    async fn too_long(&mut self, dir: &str, job: &Job) -> GuestError {
        let kill = format!(" {}", joblines::kill(dir));
        let tail = match (self.type_line(&kill).await, self.fetch(dir).await) {
            (Ok(()), Ok((stdout, stderr))) => Output { status: TIMED_OUT, stdout, stderr }.tail(20),
            _ => Vec::new(),
        };
        let what =
            job.argv.first().map(|word| String::from_utf8_lossy(word).into_owned()).unwrap_or_default();
        // A job that cannot even be cleared away is reported as what it is: too long.
        let _ = self.type_line(&format!(" {}", joblines::clear(dir))).await;
        GuestError::Timeout { what, after: job.timeout, tail }
    }

    async fn look(&mut self, dir: &str) -> Result<Found, GuestError> {
        let nonce = (self.nonce)();
        let look = joblines::look(dir, |word| format!("printf 'L%s:{word}.\\n' {nonce}"));
        let line = format!(" {look}");
        self.type_line(&line).await?;
        match self.between(&format!("L{nonce}:"), ".", ANSWER).await?.as_slice() {
            b"ended" => Ok(Found::Ended),
            b"running" => Ok(Found::Running),
            b"nothing" => Ok(Found::Nothing),
            other => Err(GuestError::Garbled(String::from_utf8_lossy(other).into_owned())),
        }
    }

    async fn start(&mut self, dir: &str, job: &Job) -> Result<(), GuestError> {
        self.upload(dir, "run", &joblines::script(job)).await?;
        if job.stdin.is_empty() {
            self.type_line(&format!(" : >{dir}/in")).await?;
        } else {
            self.upload(dir, "in", &job.stdin).await?;
        }
        self.type_line(&format!(" {}", joblines::start(dir, job))).await
    }

    /// Puts bytes into a file of the job, by way of a reader that has echo and line editing off.
    async fn upload(&mut self, dir: &str, file: &str, bytes: &[u8]) -> Result<(), GuestError> {
        let encoded = BASE64.encode(bytes);
        let (nonce, length) = ((self.nonce)(), encoded.len());
        // A reader whose daemon died in the middle must not keep the shell: it gives up by itself, and soon.
        let limit = 15 + length / 20_000;
        let line = format!(
            " (umask 077; mkdir -p {dir}; stty -echo -icanon min 1; printf 'R%sY\\n' {nonce}; timeout --foreground {limit} head -c {length} | base64 -d \
             >{dir}/{file}; stty sane; printf 'D%s:%s.\\n' {nonce} \"$(sha256sum <{dir}/{file} | cut -c 1-64)\")"
        );
        self.type_line(&line).await?;
        self.wait_for(&format!("R{nonce}Y"), ANSWER).await?;
        let mut rest = Bytes::from(encoded);
        while !rest.is_empty() {
            let chunk = rest.split_to(rest.len().min(CHUNK));
            self.terminal.send(chunk).await?;
        }
        // A slow console brings in some hundred kilobytes a second.
        let patience = ANSWER + Duration::from_secs(u64::try_from(length / 50_000).unwrap_or(0));
        let sum = self.between(&format!("D{nonce}:"), ".", patience).await?;
        if sum == hex(&Sha256::digest(bytes)).as_bytes() {
            Ok(())
        } else {
            Err(GuestError::Garbled(format!("{length} bytes were sent to {file}, and arrived changed")))
        }
    }

    /// Looks for a while whether the job has ended.
    async fn ended(&mut self, dir: &str) -> Result<Option<u8>, GuestError> {
        let nonce = (self.nonce)();
        let line =
            format!(" {}; printf 'W%s:%s.\\n' {nonce} \"$(cat {dir}/rc 2>/dev/null)\"", joblines::wait(dir));
        self.type_line(&line).await?;
        let patience = ANSWER + LOOK * 2;
        let status = self.between(&format!("W{nonce}:"), ".", patience).await?;
        if status.is_empty() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&status).into_owned();
        text.trim().parse().map(Some).map_err(|_| GuestError::Garbled(format!("`{text}` is no exit status")))
    }

    async fn fetch(&mut self, dir: &str) -> Result<(Vec<u8>, Vec<u8>), GuestError> {
        let nonce = (self.nonce)();
        let line = format!(
            " printf 'O%s:' {nonce}; {} | base64 -w 0; printf ':'; {} | base64 -w 0; printf ':E%s.\\n' {nonce}",
            joblines::print(dir, "out"),
            joblines::print(dir, "err")
        );
        self.type_line(&line).await?;
        let patience = ANSWER + Duration::from_secs(120);
        let both = self.between(&format!("O{nonce}:"), &format!(":E{nonce}."), patience).await?;
        let clean: Vec<u8> = both.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let mut parts = clean.split(|byte| *byte == b':');
        let mut part = || {
            let encoded = parts.next().unwrap_or_default();
            BASE64
                .decode(encoded)
                .map_err(|error| GuestError::Garbled(format!("the output is no base64: {error}")))
        };
        Ok((part()?, part()?))
    }

    async fn type_line(&mut self, line: &str) -> Result<(), GuestError> {
        self.terminal.send(Bytes::from(format!("{line}\n"))).await
    }

    /// Waits for a marker; forgets what was shown before it.
    async fn wait_for(&mut self, marker: &str, patience: Duration) -> Result<(), GuestError> {
        self.between(marker, "", patience).await.map(|_| ())
    }

    /// What stands between two markers.
    async fn between(&mut self, open: &str, close: &str, patience: Duration) -> Result<Vec<u8>, GuestError> {
        let deadline = tokio::time::Instant::now() + patience;
        let mut start = None;
        let mut searched = 0;
        loop {
            if start.is_none()
                && let Some(at) = find(&self.seen[searched..], open.as_bytes())
            {
                start = Some(searched + at + open.len());
                searched = searched + at + open.len();
            }
            if let Some(from) = start
                && let Some(at) = find(&self.seen[searched.max(from)..], close.as_bytes())
            {
                let to = searched.max(from) + at;
                let found = self.seen[from..to].to_vec();
                self.seen.drain(..to + close.len());
                return Ok(found);
            }
            // A marker may be cut in two by a packet: what could be its beginning is looked at again.
            let longest = open.len().max(close.len());
            searched = self.seen.len().saturating_sub(longest).max(start.unwrap_or(0));
            if self.seen.len() > 4 * MOST_OUTPUT {
                return Err(GuestError::Garbled("it shows without end".into()));
            }
            match tokio::time::timeout_at(deadline, self.terminal.receive()).await {
                Ok(Ok(Some(bytes))) => self.seen.extend_from_slice(&bytes),
                Ok(Ok(None)) => return Err(GuestError::Cut("the shell ended".into())),
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    let tail = self.seen.len().saturating_sub(120);
                    let shown = super::printable(&String::from_utf8_lossy(&self.seen[tail..]));
                    self.seen.clear();
                    return Err(GuestError::Garbled(format!(
                        "no answer within {} s; it last showed: {shown}",
                        patience.as_secs()
                    )));
                }
            }
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
pub(crate) mod tests;
