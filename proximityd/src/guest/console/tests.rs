//! The console protocol against a real bash on a real pty, as `lxc-attach` gives one: what a person would find there.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use tokio::sync::mpsc;

use super::*;

/// bash on a pty of its own.
pub(crate) struct Bash {
    child: Child,
    master: File,
    shown: mpsc::UnboundedReceiver<Bytes>,
}

impl Drop for Bash {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Bash {
    pub(crate) fn start() -> Bash {
        let master =
            rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY).unwrap();
        rustix::pty::grantpt(&master).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let name = rustix::pty::ptsname(&master, Vec::new()).unwrap();
        let slave = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let child = Command::new("setsid")
            .args(["--ctty", "--wait", "bash", "--norc", "--noprofile", "-i"])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("TERM", "xterm-256color")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let master = File::from(master);
        let mut reader = master.try_clone().unwrap();
        let (shows, shown) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 65536];
            while let Ok(count) = reader.read(&mut buffer) {
                if count == 0 || shows.send(Bytes::copy_from_slice(&buffer[..count])).is_err() {
                    return;
                }
            }
        });
        Bash { child, master, shown }
    }
}

#[async_trait::async_trait]
impl Terminal for Bash {
    async fn send(&mut self, bytes: Bytes) -> Result<(), GuestError> {
        let mut master = self.master.try_clone().unwrap();
        tokio::task::spawn_blocking(move || master.write_all(&bytes)).await.unwrap().unwrap();
        Ok(())
    }

    async fn receive(&mut self) -> Result<Option<Bytes>, GuestError> {
        Ok(self.shown.recv().await)
    }
}

fn nonces() -> Box<dyn FnMut() -> String + Send> {
    let mut number = 0x1000_0000_u64;
    Box::new(move || {
        number += 1;
        format!("{number:016x}")
    })
}

async fn session(dir: &tempfile::TempDir) -> Session<Bash> {
    Session::open(Bash::start(), 100, dir.path().to_str().unwrap(), nonces()).await.unwrap()
}

fn job(id: &str, argv: &[&str]) -> Job {
    Job::new(id, argv, Duration::from_secs(20))
}

#[tokio::test]
async fn output_errors_and_status_arrive_apart_and_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut session = session(&dir).await;
    for status in 0..=255 {
        let script = format!("printf 'out\\n'; printf 'err' >&2; exit {status}");
        let output = session.run(&job(&format!("j{status}"), &["sh", "-c", &script])).await.unwrap();
        assert_eq!(output, Output { status, stdout: b"out\n".to_vec(), stderr: b"err".to_vec() });
    }
    // Clearing away is typed last; once the shell answers again, it is done.
    session.look("/nowhere").await.unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "a job that ended leaves nothing");
}

#[tokio::test]
async fn any_bytes_go_in_and_come_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut session = session(&dir).await;
    let bytes: Vec<u8> = (0..300_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let output = session.run(&job("cat", &["cat"]).stdin(bytes.clone())).await.unwrap();
    assert_eq!(output.status, 0);
    assert!(output.stdout == bytes, "{} bytes came back", output.stdout.len());
    let word = "a'b\"c$HOME `id` \\ \n\t* ; | & é \u{1b}[31m";
    let output = session.run(&job("word", &["printf", "%s", word])).await.unwrap();
    assert_eq!(output.text(), word);
}

#[tokio::test]
async fn a_megabyte_arrives_as_it_was_sent_by_its_checksum_in_the_guest() {
    let dir = tempfile::tempdir().unwrap();
    let mut session = session(&dir).await;
    let bytes: Vec<u8> = (0..1_u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let sum: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let output = session.run(&job("sum", &["sha256sum"]).stdin(bytes)).await.unwrap();
    assert_eq!(output.text().split(' ').next(), Some(sum.as_str()));
}

#[tokio::test]
async fn what_is_fed_to_a_job_is_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let mut session = session(&dir).await;
    let secret = "canary-5d41402abc4b2a76";
    let read = job("read", &["sh", "-c", "cat >/dev/null"]).stdin(secret);
    session.run(&read).await.unwrap();
    let echo = job("echo", &["echo", "done"]);
    session.run(&echo).await.unwrap();
    let encoded = BASE64.encode(secret);
    let shown = String::from_utf8_lossy(&session.seen).into_owned();
    assert!(!shown.contains(secret) && !shown.contains(&encoded), "{shown}");
}

#[tokio::test]
async fn a_job_that_hangs_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let mut session = session(&dir).await;
    let hang = Job::new("hang", &["sh", "-c", "echo before; exec sleep 600"], Duration::from_secs(1));
    match session.run(&hang).await {
        Err(GuestError::Timeout { tail, .. }) => assert_eq!(tail, ["before"]),
        other => panic!("{other:?}"),
    }
    assert_eq!(session.run(&job("after", &["true"])).await.unwrap().status, 0);
}

#[tokio::test]
async fn what_a_person_left_half_typed_is_not_run() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("ran");
    let mut bash = Bash::start();
    bash.send(Bytes::from(format!("touch {} ", mark.display()))).await.unwrap();
    let mut session = Session::open(bash, 100, dir.path().to_str().unwrap(), nonces()).await.unwrap();
    assert_eq!(session.run(&job("t", &["true"])).await.unwrap().status, 0);
    assert!(!mark.exists());
}

#[tokio::test]
async fn a_program_that_was_left_running_makes_the_console_busy() {
    let dir = tempfile::tempdir().unwrap();
    let mut bash = Bash::start();
    bash.send(Bytes::from_static(b"exec sleep 300\n")).await.unwrap();
    let opened = Session::open(bash, 100, dir.path().to_str().unwrap(), nonces()).await;
    assert!(matches!(opened, Err(GuestError::Busy { vmid: 100, .. })), "{:?}", opened.err());
}

#[tokio::test]
async fn a_job_that_was_started_before_is_found_and_not_started_twice() {
    let dir = tempfile::tempdir().unwrap();
    let count = dir.path().join("count");
    let script = format!("echo x >>{}; sleep 1; echo done", count.display());
    let again = job("once", &["sh", "-c", &script]);
    let mut first = session(&dir).await;
    let place = format!("{}/once", dir.path().display());
    first.start(&place, &again).await.unwrap();
    let mut second = session(&dir).await;
    while second.look(&place).await.unwrap() == Found::Nothing {}
    let output = second.run(&again).await.unwrap();
    assert_eq!(output.text(), "done\n");
    assert_eq!(std::fs::read_to_string(&count).unwrap(), "x\n");
}

#[tokio::test]
async fn a_missing_program_is_status_127() {
    let dir = tempfile::tempdir().unwrap();
    let mut session = session(&dir).await;
    let output = session.run(&job("none", &["no-such-program-here"])).await.unwrap();
    assert_eq!(output.status, 127);
}
