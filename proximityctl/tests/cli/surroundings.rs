//! Pipes, and what has nothing to do with a daemon.

use std::process::Stdio;

use serde_json::json;

use crate::fake::{Fake, app, command, ran};

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let fake = Fake::start();
    let many: Vec<_> = (0..5000).map(|n| app(&format!("app{n}"))).collect();
    fake.answers("app.list", json!(many));
    for format in ["table", "json", "csv"] {
        let mut child = fake
            .command(&["ls", "-o", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        assert_eq!((ended.status.code(), ended.stderr.len()), (Some(0), 0), "{format}");
    }
}

#[test]
fn help_names_every_group_and_needs_no_daemon() {
    let help = ran(command(&["--help"]));
    assert_eq!(help.status, 0);
    for (group, verbs) in proximityctl::cli::GROUPS {
        assert!(help.stdout.contains(&format!("\n{group}:\n")), "{group}");
        for verb in verbs {
            assert!(help.stdout.contains(&format!("\n  {verb} ")), "{verb}");
        }
    }
}

#[test]
fn the_token_commands_are_data_and_need_no_daemon() {
    let printed = ran(command(&["init", "--print-token-setup", "--storage", "fast", "--bridge", "vmbr1"]));
    assert_eq!(printed.status, 0);
    assert!(printed.stdout.lines().all(|line| line.starts_with("pveum ")), "{}", printed.stdout);
    assert!(
        printed.stdout.contains("/storage/fast ")
            && printed.stdout.contains("/sdn/zones/localnetwork/vmbr1 ")
    );
}

/// The command line in a directory of its own, beside a daemon that is a script, or beside none.
fn beside(daemon: Option<&str>) -> (tempfile::TempDir, std::process::Command) {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("proximityctl");
    std::fs::copy(env!("CARGO_BIN_EXE_proximityctl"), &program).unwrap();
    if let Some(script) = daemon {
        let path = dir.path().join("proximityd");
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = std::process::Command::new(program);
    let tmp = dir.path().join("tmp");
    std::fs::create_dir(&tmp).unwrap();
    command.arg("try").arg("--once").env_clear().env("TMPDIR", tmp).stdin(Stdio::null());
    (dir, command)
}

#[test]
fn a_daemon_that_ends_at_once_is_told_with_its_log_and_nothing_is_left() {
    let (dir, command) =
        beside(Some("#!/bin/sh\necho one\necho 'no room in the data directory' >&2\nexit 3\n"));
    let ran = ran(command);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert!(
        ran.stderr.contains("error: proximityd ended before it answered (exit status: 3)"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("    no room in the data directory\n"), "{}", ran.stderr);
    assert_eq!(std::fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_daemon_that_is_not_built_is_told_with_how_to_build_it() {
    let (dir, command) = beside(None);
    let ran = ran(command);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stderr.contains("error: proximityd is not there"), "{}", ran.stderr);
    assert!(ran.stderr.contains("cargo build --workspace"), "{}", ran.stderr);
    assert_eq!(std::fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn ctrl_c_while_trying_ends_the_daemon_and_leaves_nothing() {
    // It never answers: it reads a pipe that nobody writes to. As the daemon, it has the directory among its arguments.
    let (dir, mut command) = beside(Some("#!/bin/sh\nmkfifo \"$3/pipe\"\nread never < \"$3/pipe\"\n"));
    let tmp = dir.path().join("tmp");
    let place = dir.path().join("tried");
    command.env("PATH", "/usr/bin:/bin");
    let child = command.arg("--dir").arg(&place).stderr(Stdio::piped()).spawn().unwrap();
    let pid_file = place.join("proximityd.pid");
    while !std::fs::read_to_string(&pid_file).is_ok_and(|pid| !pid.is_empty()) {
        std::thread::yield_now();
    }
    let pid: i32 = std::fs::read_to_string(&pid_file).unwrap().parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT)
        .unwrap();
    let ended = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(130), "{stderr}");
    assert!(stderr.ends_with("interrupted: everything that was made is removed again\n"), "{stderr}");
    let daemon = rustix::process::Pid::from_raw(pid).unwrap();
    // One that has ended is still there until its new parent has taken its exit status.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while rustix::process::test_kill_process(daemon).is_ok() {
        assert!(std::time::Instant::now() < until, "the daemon is still there");
        std::thread::yield_now();
    }
    assert!(!place.exists());
    assert_eq!(std::fs::read_dir(tmp).unwrap().count(), 0);
}

#[test]
fn there_is_nothing_to_stop_where_nothing_was_tried() {
    let dir = tempfile::tempdir().unwrap();
    let stopped = ran(command(&["try", "--stop", dir.path().to_str().unwrap()]));
    assert_eq!(stopped.status, 3, "{stopped:?}");
}
