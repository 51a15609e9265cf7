//! The lines of shell that jobs are made of in a guest, the same for every transport: so a job that one transport began is
//! found by the other, and none is started twice. Bringing the lines there, and the answers back, is the transport's.
//!
//! A job is a directory with the files `run`, `in`, `out`, `err`, `pid`, and `rc`, which appears whole when it has ended.

use std::time::Duration;

use super::{Job, shell};

/// Where jobs live in the guest: a tmpfs, for root alone.
pub const JOBS: &str = "/run/proximity";
/// Most that is brought back of each stream, in bytes.
pub const MOST_OUTPUT: usize = 8 * 1024 * 1024;
/// The longest look at a running job inside the guest, as [`wait`] does it.
pub const LOOK: Duration = Duration::from_secs(10);
/// How long a job is believed in after its time, for its own end to be seen.
pub const GRACE: Duration = Duration::from_secs(30);
/// What `timeout` ends with when it ended the job (coreutils, timeout(1)).
pub const TIMED_OUT: u8 = 124;
/// Pauses of one look at a running job: the first are of 20 ms, for most jobs are short, those after of 100 ms.
const SHORT_PAUSES: u32 = 10;
const PAUSES: u32 = SHORT_PAUSES + 98;
/// What every job finds in its environment, whoever's shell started it. `lxc-attach --clear-env` leaves little of one, and
/// Docker wants a home.
const ENVIRONMENT: &str = "export HOME=/root LC_ALL=C.UTF-8 \
                           PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\ncd /\n";

/// A job's directory.
pub fn dir(jobs: &str, job: &Job) -> String {
    format!("{jobs}/{}", job.id)
}

/// What stands in the job's file `run`.
pub fn script(job: &Job) -> Vec<u8> {
    let mut script = ENVIRONMENT.as_bytes().to_vec();
    script.extend(b"exec ");
    script.extend(shell::command(&job.argv));
    script.push(b'\n');
    script
}

/// Looks whether the job has `ended`, is `running`, or there is `nothing` of it; `then` gives the command for each word.
/// One that ends between the first two looks has left its `rc` by then, so that is looked for once more.
pub fn look(dir: &str, then: impl Fn(&str) -> String) -> String {
    let ended = then("ended");
    format!(
        "if [ -e {dir}/rc ]; then {ended}; elif [ -e {dir}/pid ] && kill -0 $(cat {dir}/pid); then {}; \
         elif [ -e {dir}/rc ]; then {ended}; else {}; fi 2>/dev/null",
        then("running"),
        then("nothing")
    )
}

/// Starts the job, detached from everything. `rc` appears whole, by a rename, when it has ended: that is the sign everything
/// else is read by.
pub fn start(dir: &str, job: &Job) -> String {
    let seconds = job.timeout.as_secs().max(1);
    format!(
        "D={dir}; setsid sh -c 'echo $$ >$0/pid; timeout -k 10 {seconds} sh $0/run <$0/in >$0/out 2>$0/err; \
         echo $? >$0/rc.new; mv $0/rc.new $0/rc' $D </dev/null >/dev/null 2>&1 &"
    )
}

/// Waits a while for the job's end.
pub fn wait(dir: &str) -> String {
    format!(
        "i=0; while [ ! -e {dir}/rc ] && [ $i -lt {PAUSES} ]; do \
         if [ $i -lt {SHORT_PAUSES} ]; then sleep 0.02; else sleep 0.1; fi; i=$((i+1)); done"
    )
}

/// Prints what the job wrote to `out` or `err`, the end of it when it is long.
pub fn print(dir: &str, file: &str) -> String {
    format!("tail -c {MOST_OUTPUT} {dir}/{file}")
}

/// Ends the job hard.
pub fn kill(dir: &str) -> String {
    format!("kill -KILL -- -$(cat {dir}/pid) 2>/dev/null")
}

/// Clears the job away.
pub fn clear(dir: &str) -> String {
    format!("rm -rf {dir}")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    /// A stand-in for `kill` at which the job ends: it was there, and is not any more.
    const ENDS: &str = "kill() { echo 0 >$DIR/rc; return 1; }\n";

    #[test]
    fn a_job_that_ends_while_it_is_looked_at_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_str().unwrap();
        let look = |before: &str| {
            let script = format!("{before}{}", super::look(path, |word| format!("echo {word}")));
            let output = Command::new("sh").args(["-c", &script]).env("DIR", path).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_string()
        };
        assert_eq!(look(""), "nothing");
        std::fs::write(dir.path().join("pid"), std::process::id().to_string()).unwrap();
        assert_eq!(look(""), "running");
        assert_eq!(look("kill() { return 1; }\n"), "nothing", "it was ended hard");
        assert_eq!(look(ENDS), "ended");
        assert_eq!(look(""), "ended");
    }
}
