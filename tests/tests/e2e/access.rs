//! Who may use the socket. Another user can be had only by root; without it, only the modes can be looked at.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use proximity_tests::{Daemon, Output, Program, Setup, command};

const NOBODY: u32 = 65534;

/// `proximityctl` as another user; none where this user may not change into one.
fn as_nobody(daemon: &Daemon, group: u32, args: &[&str]) -> Option<Output> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    // The build's own directory may be closed to others.
    let copy = daemon.path("proximityctl");
    std::fs::copy(Program::Proximityctl.path(), &copy).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut setpriv: Command = command("setpriv".as_ref(), daemon.dir());
    setpriv.arg(format!("--reuid={NOBODY}")).arg(format!("--regid={group}")).arg("--clear-groups");
    setpriv.arg(copy).args(args).env("PROXIMITY_SOCKET", daemon.socket()).stdin(Stdio::null());
    Some(Output::new(format!("{args:?} as nobody"), &setpriv.output().unwrap()))
}

fn group_of(gid: u32) -> String {
    let groups = std::fs::read_to_string("/etc/group").unwrap();
    let line = groups.lines().find(|line| line.split(':').nth(2) == Some(&gid.to_string()));
    line.unwrap().split(':').next().unwrap().to_string()
}

#[test]
fn another_user_is_kept_out_by_the_sockets_mode() {
    let daemon = Daemon::start();
    let mode = std::fs::metadata(daemon.socket()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o660);
    if let Some(output) = as_nobody(&daemon, NOBODY, &["ls"]) {
        let output = output.exits(4);
        assert!(output.stderr.contains("hint:"), "{}", output.stderr);
    }
}

#[test]
fn another_user_who_gets_to_the_socket_is_refused_by_the_daemon() {
    let daemon = Daemon::start();
    std::fs::set_permissions(daemon.socket(), std::fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(daemon.get("/health").unwrap().status, 200, "its own user may");
    if let Some(output) = as_nobody(&daemon, NOBODY, &["ls", "-o", "json"]) {
        let output = output.exits(4);
        assert!(output.stderr.contains("may not use this daemon"), "{}", output.stderr);
        assert!(output.stderr.contains("-32002"), "{}", output.stderr);
        assert_eq!(output.stdout, "");
    }
}

#[test]
fn the_configured_group_gets_its_role_and_no_more() {
    if !rustix::process::geteuid().is_root() {
        // Whoever is not root cannot give the socket to a group of others; the daemon says so.
        let daemon = Daemon::start();
        assert_eq!(daemon.get("/health").unwrap().status, 200);
        return;
    }
    let config = format!(
        "[registry]\nlookup = false\n[access]\ngroup = \"{}\"\ngroup-role = \"viewer\"\n",
        group_of(NOBODY)
    );
    let daemon = Daemon::with(Setup { config, ..Setup::default() });
    let run = |args: &[&str]| as_nobody(&daemon, NOBODY, args).unwrap();
    run(&["ls"]).ok();
    run(&["op", "ls"]).ok();
    let refused = run(&["deploy", "whoami"]).exits(4);
    assert!(refused.stderr.contains("takes the role operator"), "{}", refused.stderr);
    assert!(refused.stderr.contains("has the role viewer"), "{}", refused.stderr);
    assert!(daemon.apps().is_empty());
}

#[test]
fn a_group_that_does_not_exist_keeps_the_daemon_from_starting() {
    let config = "[access]\ngroup = \"no-such-group\"\n".to_string();
    let daemon = Daemon::prepared(Setup { config, ..Setup::default() });
    let output = daemon.command().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("`no-such-group`") && said.contains("groupadd"), "{said}");
}
