//! SSH against a real OpenSSH server on the loopback, with a stand-in for `pct` that runs on this machine what was meant for a
//! container. What `pct` itself does with its arguments and streams is Proxmox VE's.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use proximity_pve as pve;
use secrecy::SecretString;

use super::remote::Remote;
use super::testing::{Server, VMID, processes, read, signal};
use super::*;
use crate::guest::joblines::{self, JOBS};
use crate::guest::sessions::Guests;
use crate::guest::{Exec, Job, Output};
use crate::hosts::Host;
use crate::model::clock::Clock;
use crate::model::host::{HostConfig, HostSeen, Identity, Trust};
use crate::model::ids::Ids;

impl Server {
    fn node(&self, settings: &Ssh) -> Arc<Node> {
        Arc::new(Node::new("127.0.0.1", &NODE, settings, &self.dir.path().join("s")).unwrap())
    }

    fn guest(&self) -> Remote {
        self.guest_of(self.node(&self.settings()), VMID)
    }

    fn guest_of(&self, node: Arc<Node>, vmid: u32) -> Remote {
        Remote::pct(node, vmid, Ids::random(Clock::system()))
            .in_dir(&self.path("jobs"))
            .answering_within(Duration::from_secs(60))
    }
}

fn job(id: &str, argv: &[&str]) -> Job {
    Job::new(id, argv, Duration::from_secs(60))
}

fn jobs_left(server: &Server) -> usize {
    fs::read_dir(server.path("jobs")).unwrap().count()
}

#[tokio::test]
async fn output_errors_and_every_status_arrive_apart_and_whole() {
    let server = Server::start().await;
    let guest = server.guest();
    for status in [0, 1, 7, 126, 127, 128, 254, 255] {
        let script = format!("printf 'out\\n'; printf 'err' >&2; exit {status}");
        let output = guest.run(&job(&format!("j{status}"), &["sh", "-c", &script])).await.unwrap();
        assert_eq!(output, Output { status, stdout: b"out\n".to_vec(), stderr: b"err".to_vec() });
    }
    assert_eq!(guest.run(&job("none", &["/no/such/program"])).await.unwrap().status, 127);
    assert_eq!(jobs_left(&server), 0, "a job that ended leaves nothing");
    assert_eq!(server.clients().len(), 1, "one connection is kept for all of them");
}

#[tokio::test]
async fn any_bytes_go_in_and_come_out() {
    let server = Server::start().await;
    let guest = server.guest();
    let bytes: Vec<u8> = (0..300_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let output = guest.run(&job("cat", &["cat"]).stdin(bytes.clone())).await.unwrap();
    assert_eq!(output.status, 0);
    assert!(output.stdout == bytes, "{} bytes came back", output.stdout.len());
    let word: Vec<u8> = (1..=255).collect();
    let mut any = job("word", &["printf", "%s"]);
    any.argv.push(word.clone());
    assert_eq!(guest.run(&any).await.unwrap().stdout, word);
    // A job that prints what runs on the machine prints our own line as well: it is not taken for the end.
    let output =
        guest.run(&job("ps", &["sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null; echo; echo end"])).await;
    assert!(output.unwrap().text().ends_with("\nend\n"));
}

#[tokio::test]
async fn a_hundred_megabytes_go_in_unchanged() {
    let server = Server::start().await;
    let bytes: Vec<u8> = (0..100_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let sum: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let output = server.guest().run(&job("sum", &["sha256sum"]).stdin(bytes)).await.unwrap();
    assert_eq!(output.text(), format!("{sum}  -\n"));
}

#[tokio::test]
async fn a_long_output_comes_back_to_the_limit_from_its_end() {
    let server = Server::start().await;
    let script = "head -c 9000000 /dev/zero; printf last";
    let output = server.guest().run(&job("long", &["sh", "-c", script])).await.unwrap();
    assert_eq!(output.stdout.len(), MOST_OUTPUT);
    assert!(output.stdout.ends_with(b"\0last"));
}

#[tokio::test]
async fn a_job_that_hangs_is_ended_and_its_process_is_gone() {
    let server = Server::start().await;
    let guest = server.guest();
    let pid = server.path("pid");
    let script = format!("echo $$ >{pid}; echo before; exec sleep 600");
    match guest.run(&Job::new("hang", &["sh", "-c", &script], Duration::from_secs(1))).await {
        Err(GuestError::Timeout { tail, .. }) => assert_eq!(tail, ["before"]),
        other => panic!("{other:?}"),
    }
    let pid = fs::read_to_string(pid).unwrap();
    let state = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z "), "{state}");
    assert_eq!(guest.run(&job("after", &["true"])).await.unwrap().status, 0);
    assert_eq!(jobs_left(&server), 0);
}

#[tokio::test]
async fn an_ssh_that_hangs_is_killed_at_the_deadline_and_the_engine_waits() {
    let server = Server::start().await;
    fs::write(server.path("bin/pct"), "#!/bin/sh\nexec cat >/dev/null\n").unwrap();
    let node = server.node(&server.settings());
    let line = line(&["sleep", "600"]);
    let error = node.run(&line, &[], Duration::from_millis(700)).await.unwrap_err();
    assert!(matches!(error, GuestError::Ssh(_)), "{error:?}");
    let left = processes(|line| {
        line.starts_with("ssh ") && line.contains(&server.path("s")) && line.contains("600")
    });
    assert_eq!(left, [0; 0]);
}

#[tokio::test]
async fn a_node_with_another_host_key_is_refused() {
    let server = Server::start().await;
    let other = fs::read_to_string(server.path("stranger.pub")).unwrap();
    let settings = Ssh { host_key: other.clone(), ..server.settings() };
    match server.guest_of(server.node(&settings), VMID).run(&job("t", &["true"])).await {
        Err(GuestError::Refused { hint, .. }) => assert!(hint.contains("--ssh-host-key"), "{hint}"),
        result => panic!("{result:?}"),
    }
    // In a cluster, each node's key is pinned for all.
    let both = Ssh { host_key: format!("{other}{}", server.settings().host_key), ..settings };
    server.node(&both).test("0".into()).await.unwrap();
}

#[tokio::test]
async fn a_key_that_the_node_does_not_know_is_refused_and_so_is_one_that_others_can_read() {
    let server = Server::start().await;
    let stranger = Ssh { key_file: Some(server.path("stranger").into()), ..server.settings() };
    match server.node(&stranger).test("0".into()).await {
        Err(GuestError::Refused { why, hint, .. }) => {
            assert!(why.contains("Permission denied"), "{why}");
            assert!(hint.contains("authorized_keys"), "{hint}");
        }
        result => panic!("{result:?}"),
    }
    fs::set_permissions(server.path("client"), fs::Permissions::from_mode(0o644)).unwrap();
    let error = server.node(&server.settings()).test("0".into()).await.unwrap_err();
    assert!(error.to_string().contains("chmod 600"), "{error}");
}

#[tokio::test]
async fn a_node_that_cannot_be_reached_is_waited_for_and_so_is_a_container_that_is_down() {
    let mut server = Server::start().await;
    let guest = server.guest_of(server.node(&server.settings()), VMID + 1);
    match guest.run(&job("down", &["true"])).await {
        Err(GuestError::Ssh(why)) => assert!(why.contains("container '101' not running!"), "{why}"),
        result => panic!("{result:?}"),
    }
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    for pid in server.clients() {
        signal(pid, "KILL");
    }
    match server.guest().run(&job("away", &["true"])).await {
        Err(GuestError::Ssh(why)) => assert!(why.contains("refused"), "{why}"),
        result => panic!("{result:?}"),
    }
}

#[tokio::test]
async fn a_node_without_pct_is_told_from_one_that_is_away() {
    let server = Server::start().await;
    fs::remove_file(server.path("bin/pct")).unwrap();
    match server.guest().run(&job("t", &["true"])).await {
        Err(GuestError::Refused { hint, .. }) => assert!(hint.contains("Proxmox VE node"), "{hint}"),
        result => panic!("{result:?}"),
    }
}

#[tokio::test]
async fn many_at_once_share_the_connection_and_keep_apart() {
    let server = Server::start().await;
    let guest = Arc::new(server.guest());
    let runs = (0..12).map(|number| {
        let guest = Arc::clone(&guest);
        tokio::spawn(async move {
            let input = format!("{number}\n").repeat(5000);
            let output = guest.run(&job(&format!("j{number}"), &["cat"]).stdin(input.clone())).await.unwrap();
            assert!(output.text() == input, "{number}");
        })
    });
    for run in runs.collect::<Vec<_>>() {
        run.await.unwrap();
    }
    assert_eq!(jobs_left(&server), 0);
}

#[tokio::test]
async fn a_job_is_found_again_when_ssh_was_killed_in_the_middle() {
    let server = Server::start().await;
    let (up, go, count) = (server.fifo("up"), server.fifo("go"), server.path("count"));
    let script = format!("echo started >>{count}; echo up >{up}; cat {go}; exit 7");
    let slow = job("slow", &["sh", "-c", &script]);
    let guest = Arc::new(server.guest());
    let first = {
        let (guest, slow) = (Arc::clone(&guest), slow.clone());
        tokio::spawn(async move { guest.run(&slow).await })
    };
    read(&up).await;
    for pid in server.clients() {
        signal(pid, "KILL");
    }
    let cut = first.await.unwrap();
    assert!(matches!(cut, Err(GuestError::Ssh(_))), "{cut:?}");
    let again = tokio::spawn(async move { guest.run(&slow).await });
    // The job ends only now: nobody but the first one can have started it.
    tokio::task::spawn_blocking(move || fs::write(go, "gone on\n").unwrap()).await.unwrap();
    let output = again.await.unwrap().unwrap();
    assert_eq!((output.status, output.text().as_str()), (7, "gone on\n"));
    assert_eq!(fs::read_to_string(count).unwrap(), "started\n");
}

#[tokio::test]
async fn a_job_that_another_transport_ended_is_not_started_again() {
    let server = Server::start().await;
    let done = job("done", &["sh", "-c", "exit 1"]);
    let dir = joblines::dir(&server.path("jobs"), &done);
    fs::create_dir(&dir).unwrap();
    for (file, text) in [("out", "theirs"), ("err", ""), ("rc", "3\n")] {
        fs::write(format!("{dir}/{file}"), text).unwrap();
    }
    let output = server.guest().run(&done.stdin(vec![b'x'; 3_000_000])).await.unwrap();
    assert_eq!(output, Output { status: 3, stdout: b"theirs".to_vec(), stderr: Vec::new() });
}

#[tokio::test]
async fn input_that_is_cut_short_starts_nothing() {
    let server = Server::start().await;
    let (up, count) = (server.fifo("up"), server.path("count"));
    // The stand-in hands on a part of what comes, as a connection that ends in the middle does.
    let pct = format!("#!/bin/sh\nshift 3\nhead -c 1000 | \"$@\"\necho done >{up}\n");
    fs::write(server.path("bin/pct"), pct).unwrap();
    let guest = server.guest();
    let script = format!("echo started >>{count}");
    let cut = job("cut", &["sh", "-c", &script]).stdin(vec![b'x'; 2000]);
    let (result, _) = tokio::join!(guest.run(&cut), read(&up));
    assert!(matches!(result, Err(GuestError::Garbled(_))), "{result:?}");
    assert!(!Path::new(&count).exists());
}

#[test]
fn an_account_other_than_root_goes_by_sudo() {
    let dir = tempfile::tempdir().unwrap();
    let host_key =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBERERERERERERERERERERERERERERERERERERERERER".to_string();
    let mut settings = Ssh { user: "root".into(), port: 22, key_file: None, host_key };
    assert_eq!(Node::new("192.0.2.1", &NODE, &settings, dir.path()).unwrap().as_root(), "");
    settings.user = "proximity".into();
    assert_eq!(Node::new("192.0.2.1", &NODE, &settings, dir.path()).unwrap().as_root(), "sudo -n ");
}

#[tokio::test]
async fn a_directory_too_deep_for_a_socket_works_without_keeping_the_connection() {
    let server = Server::start().await;
    let deep = server.dir.path().join("a \"%h\" directory with a long name".repeat(3));
    let node = Node::new("127.0.0.1", &NODE, &server.settings(), &deep).unwrap();
    node.test("0".into()).await.unwrap();
    assert_eq!(fs::read_dir(&deep).unwrap().count(), 1, "the pinned keys alone");
}

/// A host whose API answers nobody; the version is what was seen of it before.
fn host(server: &Server, version: &str, ssh: Option<Ssh>) -> Arc<Host> {
    let config = HostConfig {
        name: "h".into(),
        endpoints: vec!["127.0.0.1:1".into()],
        identity: Identity::Token("proximity@pve!app".into()),
        trust: Trust::System,
        pool: "proximity".into(),
        storage: None,
        bridge: None,
        ssh,
        embedded: false,
    };
    // Whichever way is taken, jobs are where the console has them: here, that is below the test's own directory.
    let pct = format!(
        "#!/bin/sh\nshift 3\nscript=$(printf %s \"$3\" | sed 's#{JOBS}/#{}/#g')\nexec sh -c \"$script\"\n",
        server.path("jobs")
    );
    fs::write(server.path("bin/pct"), pct).unwrap();
    let seen = HostSeen { version: Some(version.into()), at: None };
    Arc::new(Host::new(config, &SecretString::from("secret"), seen).unwrap())
}

#[tokio::test]
async fn ssh_serves_where_a_token_has_no_console_and_nowhere_else() {
    let server = Server::start().await;
    let guests = Guests::new(Ids::random(Clock::system()), server.dir.path().join("s"));
    let (node, vmid) = (pve::NodeName::new("pve1").unwrap(), pve::Vmid::new(VMID).unwrap());
    let old = host(&server, "9.0.3", Some(server.settings()));
    let echo = job("echo", &["echo", "by ssh"]);
    assert_eq!(guests.of(&old, &node, vmid).run(&echo).await.unwrap().text(), "by ssh\n");
    guests.test_ssh(&old, &node).await.unwrap();
    // Once the host was upgraded, and where SSH is not set up, the console is asked: here, nobody answers there.
    old.note(|state| state.seen.version = Some("9.2.2".into()));
    let upgraded = guests.of(&old, &node, vmid).run(&echo).await;
    assert!(matches!(upgraded, Err(GuestError::Pve(_))), "{upgraded:?}");
    let without = host(&server, "9.0.3", None);
    let result = guests.of(&without, &node, vmid).run(&echo).await;
    assert!(matches!(result, Err(GuestError::Pve(_))), "{result:?}");
    let refused = guests.test_ssh(&without, &node).await;
    assert!(matches!(refused, Err(GuestError::Refused { .. })), "{refused:?}");
}
