//! SSH into a container, against a real OpenSSH server that stands for the container's, with a real console beside it.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest, Sha256};

use super::*;
use crate::guest::console::Session;
use crate::guest::console::tests::Bash;
use crate::guest::ssh::testing::{Server, me, read, signal};
use crate::model::clock::Clock;

const VMID: u32 = 100;

/// The container's console, with its jobs counted.
struct Console {
    session: AsyncMutex<Session<Bash>>,
    count: AtomicUsize,
}

#[async_trait::async_trait]
impl Exec for Console {
    async fn run(&self, job: &Job) -> Result<Output, GuestError> {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.session.lock().await.run(job).await
    }
}

/// A container that has let us in.
struct Guest {
    server: Server,
    inside: Inside,
    console: Arc<Console>,
    ids: Ids,
}

impl Guest {
    async fn new() -> Guest {
        let server = Server::start().await;
        let ids = Ids::random(Clock::system());
        let jobs = server.path("jobs");
        let nonces = ids.clone();
        let session =
            Session::open(Bash::start(), VMID, &jobs, Box::new(move || nonces.nonce())).await.unwrap();
        let console = Arc::new(Console { session: AsyncMutex::new(session), count: AtomicUsize::new(0) });
        let key = OwnKey::open(&OwnKey::make().unwrap()).unwrap();
        let inside = Inside::new(key, server.dir.path().join("s/g")).at(me(), server.port, jobs);
        let guest = Guest { server, inside, console, ids };
        guest.admit(&guest.line());
        guest
    }

    fn line(&self) -> String {
        self.inside.line("127.0.0.1").unwrap()
    }

    fn admit(&self, line: &str) {
        fs::write(self.server.path("authorized"), format!("{line}\n")).unwrap();
    }

    fn learnt(&self) -> GuestSsh {
        let key = fs::read_to_string(self.server.path("host.pub")).unwrap();
        admission::read(&format!("ssh-host-key: {key}"), VMID, &self.line())
    }

    fn exec(&self, ssh: &GuestSsh) -> Arc<dyn Exec> {
        self.inside.exec(door(ssh), &self.ids, Arc::clone(&self.console) as Arc<dyn Exec>)
    }

    /// Jobs that went by the console.
    fn by_console(&self) -> usize {
        self.console.count.load(Ordering::SeqCst)
    }

    fn close(&mut self) {
        self.server.child.kill().unwrap();
        self.server.child.wait().unwrap();
        for pid in self.server.clients() {
            signal(pid, "KILL");
        }
    }
}

fn vmid() -> pve::Vmid {
    pve::Vmid::new(VMID).unwrap()
}

fn door(ssh: &GuestSsh) -> Door<'_> {
    Door { host: "h", vmid: vmid(), address: "127.0.0.1", ssh }
}

fn job(id: &str, argv: &[&str]) -> Job {
    Job::new(id, argv, Duration::from_secs(60))
}

#[tokio::test]
async fn output_errors_and_every_status_arrive_apart_and_whole() {
    let guest = Guest::new().await;
    let exec = guest.exec(&guest.learnt());
    for status in [0, 1, 126, 127, 128, 254, 255] {
        let script = format!("printf 'out\\n'; printf 'err' >&2; exit {status}");
        let output = exec.run(&job(&format!("j{status}"), &["sh", "-c", &script])).await.unwrap();
        assert_eq!(output, Output { status, stdout: b"out\n".to_vec(), stderr: b"err".to_vec() });
    }
    assert_eq!(guest.by_console(), 0);
    assert_eq!(guest.server.clients().len(), 1, "one connection is kept for all of them");
    assert_eq!(
        fs::read_dir(guest.server.path("jobs")).unwrap().count(),
        0,
        "a job that ended leaves nothing"
    );
    for entry in fs::read_dir(guest.server.path("s/g")).unwrap().flatten() {
        let text = fs::read(entry.path()).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&text).contains("PRIVATE"), "{}", entry.path().display());
    }
}

#[tokio::test]
async fn any_bytes_go_in_and_come_out_eight_and_more_at_once() {
    let guest = Guest::new().await;
    let exec = guest.exec(&guest.learnt());
    let runs = (0..12_u32).map(|number| {
        let exec = Arc::clone(&exec);
        tokio::spawn(async move {
            let bytes: Vec<u8> =
                (0..300_000_u32).map(|i| (i.wrapping_mul(2_654_435_761 + number) >> 13) as u8).collect();
            let output = exec.run(&job(&format!("j{number}"), &["cat"]).stdin(bytes.clone())).await.unwrap();
            assert!(output.status == 0 && output.stdout == bytes, "{number}: {} bytes", output.stdout.len());
        })
    });
    for run in runs.collect::<Vec<_>>() {
        run.await.unwrap();
    }
    assert_eq!(guest.by_console(), 0);
}

#[tokio::test]
async fn a_hundred_megabytes_go_in_unchanged() {
    let guest = Guest::new().await;
    let bytes: Vec<u8> = (0..100_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let sum: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let output = guest.exec(&guest.learnt()).run(&job("sum", &["sha256sum"]).stdin(bytes)).await.unwrap();
    assert_eq!((output.text(), guest.by_console()), (format!("{sum}  -\n"), 0));
}

#[tokio::test]
async fn a_job_that_hangs_is_ended_and_is_no_fault_of_the_way() {
    let guest = Guest::new().await;
    let exec = guest.exec(&guest.learnt());
    let hang = Job::new("hang", &["sh", "-c", "echo before; exec sleep 600"], Duration::from_secs(1));
    match exec.run(&hang).await {
        Err(GuestError::Timeout { tail, .. }) => assert_eq!(tail, ["before"]),
        other => panic!("{other:?}"),
    }
    exec.run(&job("after", &["true"])).await.unwrap();
    assert_eq!(guest.by_console(), 0);
}

#[tokio::test]
async fn another_host_key_is_refused_and_the_console_serves() {
    let guest = Guest::new().await;
    let other = fs::read_to_string(guest.server.path("stranger.pub")).unwrap();
    let ssh = admission::read(&format!("ssh-host-key: {other}"), VMID, &guest.line());
    match guest.inside.test(door(&ssh), &guest.ids).await {
        Some(Err(GuestError::Refused { why, hint, .. })) => {
            assert!(why.contains("Host key verification failed"), "{why}");
            assert!(hint.contains("proximityctl restart"), "{hint}");
        }
        result => panic!("{result:?}"),
    }
    assert!(guest.inside.refused("h", vmid()));
    let output = guest.exec(&ssh).run(&job("echo", &["echo", "by console"])).await.unwrap();
    assert_eq!((output.text().as_str(), guest.by_console()), ("by console\n", 1));
    let log = fs::read_to_string(guest.server.path("log")).unwrap();
    assert!(!log.contains("Accepted"), "nothing was said to the stranger: {log}");
}

#[tokio::test]
async fn the_key_is_of_no_use_from_another_address_and_is_found_useful_again_after_a_start() {
    let guest = Guest::new().await;
    let ssh = guest.learnt();
    guest.admit(&guest.line().replace("127.0.0.1", "192.0.2.1"));
    let exec = guest.exec(&ssh);
    exec.run(&job("one", &["true"])).await.unwrap();
    assert_eq!(guest.by_console(), 1);
    assert!(guest.inside.refused("h", vmid()));
    // One that refused us is left alone.
    guest.admit(&guest.line());
    exec.run(&job("two", &["true"])).await.unwrap();
    assert_eq!(guest.by_console(), 2);
    guest.inside.forget("h", vmid());
    assert!(!guest.inside.refused("h", vmid()));
    guest.exec(&ssh).run(&job("three", &["true"])).await.unwrap();
    assert_eq!(guest.by_console(), 2);
}

#[tokio::test]
async fn the_key_runs_commands_and_forwards_nothing() {
    let guest = Guest::new().await;
    guest.exec(&guest.learnt()).run(&job("one", &["true"])).await.unwrap();
    let key = guest.inside.key.path();
    let target = format!("127.0.0.1:{}", guest.server.port);
    let output = tokio::process::Command::new("ssh")
        .args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=INFO"])
        .args([
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "IdentitiesOnly=yes",
            "-p",
            &guest.server.port.to_string(),
        ])
        .arg("-i")
        .arg(key)
        .args(["-W", &target, &format!("{}@127.0.0.1", me())])
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("administratively prohibited"), "{said}");
}

#[tokio::test]
async fn a_closed_port_is_passed_over_and_so_is_one_that_closes_later() {
    let mut guest = Guest::new().await;
    let ssh = guest.learnt();
    let exec = guest.exec(&ssh);
    exec.run(&job("open", &["true"])).await.unwrap();
    assert_eq!(guest.by_console(), 0);
    guest.close();
    let output = exec.run(&job("closed", &["echo", "still"])).await.unwrap();
    assert_eq!((output.text().as_str(), guest.by_console()), ("still\n", 1));
    assert!(!guest.inside.refused("h", vmid()), "nobody refused anything");
    guest.inside.forget("h", vmid());
    guest.exec(&ssh).run(&job("again", &["true"])).await.unwrap();
    assert_eq!(guest.by_console(), 2);
    match guest.inside.test(door(&ssh), &guest.ids).await {
        Some(Err(GuestError::Ssh(why))) => assert!(why.contains("refused"), "{why}"),
        result => panic!("{result:?}"),
    }
}

#[tokio::test]
async fn a_job_whose_connection_was_cut_is_found_by_the_console_and_not_started_again() {
    let guest = Guest::new().await;
    let (up, go, count) = (guest.server.fifo("up"), guest.server.fifo("go"), guest.server.path("count"));
    let script = format!("echo started >>{count}; echo up >{up}; cat {go}; exit 7");
    let slow = job("slow", &["sh", "-c", &script]);
    let exec = guest.exec(&guest.learnt());
    let first = {
        let (exec, slow) = (Arc::clone(&exec), slow.clone());
        tokio::spawn(async move { exec.run(&slow).await })
    };
    read(&up).await;
    for pid in guest.server.clients() {
        signal(pid, "KILL");
    }
    let cut = first.await.unwrap();
    assert!(matches!(cut, Err(GuestError::Ssh(_))), "its fate is unknown, and the caller is told: {cut:?}");
    assert_eq!(guest.by_console(), 0);
    let again = tokio::spawn(async move { exec.run(&slow).await });
    tokio::task::spawn_blocking(move || fs::write(go, "gone on\n").unwrap()).await.unwrap();
    let output = again.await.unwrap().unwrap();
    assert_eq!((output.status, output.text().as_str(), guest.by_console()), (7, "gone on\n", 1));
    assert_eq!(fs::read_to_string(count).unwrap(), "started\n");
}

#[tokio::test]
async fn what_was_learnt_elsewhere_is_not_used() {
    let guest = Guest::new().await;
    let learnt = guest.learnt();
    let other_key = OwnKey::open(&OwnKey::make().unwrap()).unwrap();
    let useless = [
        GuestSsh { host_key: None, ..learnt.clone() },
        GuestSsh { vmid: VMID + 1, ..learnt.clone() },
        GuestSsh {
            line: learnt.line.replace(guest.inside.key.public(), other_key.public()),
            ..learnt.clone()
        },
    ];
    for (number, ssh) in useless.iter().enumerate() {
        assert!(guest.inside.test(door(ssh), &guest.ids).await.is_none(), "{ssh:?}");
        guest.exec(ssh).run(&job(&format!("j{number}"), &["true"])).await.unwrap();
        assert_eq!(guest.by_console(), number + 1);
    }
    assert_eq!(guest.server.clients().len(), 0, "nobody was asked");
    assert!(guest.inside.test(door(&learnt), &guest.ids).await.is_some_and(|result| result.is_ok()));
}
