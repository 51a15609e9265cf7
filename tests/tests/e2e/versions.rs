//! The releases of Proxmox VE that people run: an app's whole life on each, and what a release lacks said plainly.

use proximity_tests::{Daemon, Node, Output, SecondHost, get_url};

fn with_password(daemon: &Daemon, node: &Node) -> Output {
    let file = daemon.file("password", node.text("root_password"));
    let args = ["host", "add", "second", "--endpoint", node.text("listen"), "--user", "root@pam"];
    let more = ["--password-file", &file, "--fingerprint", node.text("fingerprint")];
    daemon.ctl(&[&args[..], &more[..]].concat())
}

fn with_token(daemon: &Daemon, node: &Node) -> Output {
    let more = ["--endpoint", node.text("listen"), "--fingerprint", node.text("fingerprint")];
    daemon.add_host("second", node, node.text("token_secret"), &more)
}

/// An app's whole life.
fn lives(daemon: &Daemon, host: &SecondHost) {
    let app = daemon.ctl(&["deploy", "whoami", "--host", "second", "-o", "json", "-q"]).ok().json();
    assert_eq!(app["state"], "running");
    assert_eq!(get_url(app["url"].as_str().unwrap()).unwrap().status, 200);
    for command in [&["stop", "whoami"][..], &["start", "whoami"], &["restart", "whoami"]] {
        daemon.ctl(command).ok();
    }
    assert_eq!(daemon.apps()[0]["state"], "running");
    daemon.ctl(&["rm", "--yes", "whoami", "-q"]).ok();
    assert_eq!(host.node().plain_containers(), [0; 0]);
}

fn by_password(version: &'static str) {
    let (host, daemon) = (SecondHost::of(version), Daemon::start());
    with_password(&daemon, &host.node()).ok();
    let seen = daemon.ctl(&["host", "ls", "-o", "json"]).ok().json();
    let second = seen.as_array().unwrap().iter().find(|host| host["name"] == "second").unwrap();
    assert!(second["version"].as_str().unwrap().starts_with(version), "{second}");
    lives(&daemon, &host);
}

#[test]
fn an_app_lives_on_8_4_with_a_password() {
    by_password("8.4");
}

#[test]
fn an_app_lives_on_9_0_with_a_password() {
    by_password("9.0");
}

#[test]
fn an_app_lives_on_9_1_with_a_password() {
    by_password("9.1");
}

#[test]
fn an_app_lives_on_9_2_with_a_password_and_with_a_token() {
    by_password("9.2");
    let (host, daemon) = (SecondHost::of("9.2"), Daemon::start());
    with_token(&daemon, &host.node()).ok();
    lives(&daemon, &host);
}

/// What a token is refused there is told before anything is made, and `doctor` says what serves instead.
fn by_token(version: &'static str, apparmor: bool) {
    let (host, daemon) = (SecondHost::of(version), Daemon::start());
    let added = with_token(&daemon, &host.node()).exits(1);
    let said = format!("{}{}", added.stdout, added.stderr);
    assert!(said.contains("gives an API token no container console"), "{said}");
    assert!(said.contains("host add --user") && said.contains("--ssh-host-key"), "{said}");
    assert_eq!(said.contains("AppArmor"), apparmor, "{said}");
    let output = daemon.ctl(&["deploy", "whoami", "--host", "second", "--timeout", "60s"]).exits(4);
    assert!(output.stderr.contains(&format!("Proxmox VE {version}")), "{}", output.stderr);
    assert!(output.stderr.contains("no container console"), "{}", output.stderr);
    assert!(output.stderr.contains("host add --user"), "{}", output.stderr);
    assert_eq!(host.node().containers().len(), 0, "nothing was made");
    assert_eq!(daemon.apps().len(), 0);
}

#[test]
fn a_token_gets_no_console_before_9_2_and_that_is_told_first() {
    by_token("8.4", true);
    by_token("9.0", true);
    by_token("9.1", false);
}
