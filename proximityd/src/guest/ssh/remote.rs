//! Jobs in a container by SSH: by `pct exec` on its node, or straight into it. The job is the same as the console's, files and
//! all: see `joblines`.
//!
//! Only short lines of ours stand in arguments. The job's own words and input go through standard input, so that neither a
//! shell on the way nor `pct` has to carry bytes of any kind. One call looks, starts what is not there, and waits a little for the
//! end; most jobs need no second one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Node;
use super::marks::{Marks, Raw};
use crate::guest::joblines::{self, GRACE, JOBS, LOOK, TIMED_OUT};
use crate::guest::{Exec, GuestError, Job, Output};
use crate::model::ids::Ids;

/// How long a call may take beyond what it does: connecting, `pct`'s own start, the output's way back.
const ANSWER: Duration = Duration::from_secs(90);
/// Input that even a slow line brings in within a second, in bytes.
const SLOW: usize = 200_000;

/// The inside of a container, by SSH.
#[derive(Debug)]
pub struct Remote {
    node: Arc<Node>,
    /// The container to enter by `pct`; None when `node` is the container itself.
    vmid: Option<u32>,
    ids: Ids,
    jobs: String,
    answer: Duration,
}

/// What a call found.
enum Seen {
    Running,
    Ended(Output),
}

impl Remote {
    /// A container on a node. Nothing is connected yet.
    pub fn pct(node: Arc<Node>, vmid: u32, ids: Ids) -> Remote {
        Remote { node, vmid: Some(vmid), ids, jobs: JOBS.into(), answer: ANSWER }
    }

    /// A container that is reached itself. Nothing is connected yet.
    pub fn direct(guest: Arc<Node>, ids: Ids) -> Remote {
        Remote { node: guest, vmid: None, ids, jobs: JOBS.into(), answer: ANSWER }
    }

    /// With jobs in another directory.
    pub fn in_dir(self, jobs: &str) -> Remote {
        Remote { jobs: jobs.into(), ..self }
    }

    /// Starts the job unless it is there, and waits a little for its end.
    async fn begin(&self, dir: &str, job: &Job) -> Result<Seen, GuestError> {
        let run = joblines::script(job);
        let (length, total) = (run.len(), run.len() + job.stdin.len());
        // Two that arrive at once (one from a connection that was cut) have files of their own, and look again last.
        let new = format!("{dir}/{}", self.ids.nonce());
        let look = joblines::look(dir, |word| format!("A={word}"));
        let start = joblines::start(dir, job);
        let receive = format!(
            "umask 077; mkdir -p {dir}; head -c {length} >{new}.run; cat >{new}.in; \
             if [ $(cat {new}.run {new}.in | wc -c) -eq {total} ]; then {look}; \
             if [ $A = nothing ]; then mv {new}.run {dir}/run; mv {new}.in {dir}/in; {start}\nfi; A=; else A=cut; fi; \
             rm -f {new}.run {new}.in"
        );
        let script = format!(
            "{look}; if [ $A = nothing ]; then {receive}; fi\n[ \"$A\" = cut ] || {{ {}; }}",
            result(dir)
        );
        let sending = Duration::from_secs(u64::try_from(total / SLOW).unwrap_or(u64::MAX));
        self.seen(&script, &[&run, &job.stdin], sending).await
    }

    async fn seen(&self, script: &str, stdin: &[&[u8]], sending: Duration) -> Result<Seen, GuestError> {
        let (word, stdout, stderr) = self.call(script, stdin, LOOK * 2 + sending).await?;
        match word.as_str() {
            "running" => Ok(Seen::Running),
            "cut" => {
                let why = Output { status: 0, stdout, stderr }.tail(1).join("");
                Err(GuestError::Garbled(format!("the job did not arrive whole: {why}")))
            }
            status => match status.parse() {
                Ok(status) => Ok(Seen::Ended(Output { status, stdout, stderr })),
                Err(_) => Err(GuestError::Garbled(format!("`{status}` is no exit status"))),
            },
        }
    }

    async fn too_long(&self, dir: &str, job: &Job) -> GuestError {
        let script = format!("{}; {}; A=0", joblines::kill(dir), streams(dir));
        let tail = match self.call(&script, &[], Duration::ZERO).await {
            Ok((_, stdout, stderr)) => Output { status: TIMED_OUT, stdout, stderr }.tail(20),
            Err(_) => Vec::new(),
        };
        self.clear(dir).await;
        let what =
            job.argv.first().map(|word| String::from_utf8_lossy(word).into_owned()).unwrap_or_default();
        GuestError::Timeout { what, after: job.timeout, tail }
    }

    /// Clears the job away. What cannot be cleared goes with the guest's next start: it is on a tmpfs.
    async fn clear(&self, dir: &str) {
        let _ = self.call(&format!("{}; A=0", joblines::clear(dir)), &[], Duration::ZERO).await;
    }

    /// Runs a script in the container: the word it leaves in `$A`, and its streams.
    async fn call(
        &self,
        script: &str,
        stdin: &[&[u8]],
        more: Duration,
    ) -> Result<(String, Vec<u8>, Vec<u8>), GuestError> {
        let marks = Marks::new(self.ids.nonce());
        let script = marks.around(script);
        let words = match self.vmid {
            Some(vmid) => super::line(&["pct", "exec", &vmid.to_string(), "--", "sh", "-c", &script]),
            None => super::line(&["sh", "-c", &script]),
        };
        let line = format!("exec {}{words}", self.node.as_root());
        let raw = self.node.run(&line, stdin, self.answer + more).await?;
        match marks.read(&raw) {
            Some((stdout, stderr, word)) => Ok((word, stdout.to_vec(), stderr.to_vec())),
            // What a job wrote is no word of ssh's.
            None if marks.begun(&raw) => Err(self.node.fault(&Raw { stdout: vec![], stderr: vec![] })),
            None => Err(self.node.fault(&raw)),
        }
    }
}

fn streams(dir: &str) -> String {
    format!("{}; {} >&2", joblines::print(dir, "out"), joblines::print(dir, "err"))
}

/// Waits a little; then the streams of a job that has ended, and `$A` is its status or `running`.
fn result(dir: &str) -> String {
    format!(
        "{}; A=running; if [ -e {dir}/rc ]; then {}; A=$(cat {dir}/rc); fi",
        joblines::wait(dir),
        streams(dir)
    )
}

#[async_trait::async_trait]
impl Exec for Remote {
    async fn run(&self, job: &Job) -> Result<Output, GuestError> {
        let dir = joblines::dir(&self.jobs, job);
        let begun = Instant::now();
        let mut seen = self.begin(&dir, job).await?;
        // The guest ends the job itself when its time is over; a little later we stop believing in it.
        let output = loop {
            match seen {
                Seen::Ended(output) => break output,
                Seen::Running if begun.elapsed() > job.timeout + GRACE => {
                    return Err(self.too_long(&dir, job).await);
                }
                Seen::Running => seen = self.seen(&result(&dir), &[], Duration::ZERO).await?,
            }
        };
        if output.status == TIMED_OUT && begun.elapsed() >= job.timeout {
            return Err(self.too_long(&dir, job).await);
        }
        self.clear(&dir).await;
        Ok(output)
    }
}

#[cfg(test)]
impl Remote {
    /// With less patience.
    pub(crate) fn answering_within(self, answer: Duration) -> Remote {
        Remote { answer, ..self }
    }
}
