//! A host like a real one: a second node over the network, with the least-privilege token and a pinned certificate.

use std::time::Instant;

use proximity_tests::{Daemon, Node, Output, SecondHost, eventually, get_url};
use serde_json::json;

/// Adds the node, with some of its facts replaced.
fn add(daemon: &Daemon, node: &Node, secret: &str, fingerprint: &str) -> Output {
    let more = ["--endpoint", node.text("listen"), "--fingerprint", fingerprint];
    daemon.add_host("second", node, secret, &more)
}

fn added(daemon: &Daemon, node: &Node) {
    add(daemon, node, node.text("token_secret"), node.text("fingerprint")).ok();
}

#[test]
fn a_host_is_added_tested_used_and_forgotten() {
    let host = SecondHost::start();
    let node = host.node();
    let daemon = Daemon::start();
    added(&daemon, &node);
    let listed = daemon.ctl(&["host", "ls", "-o", "json"]).ok().json();
    let second = listed.as_array().unwrap().iter().find(|host| host["name"] == "second").unwrap();
    assert_eq!((&second["reachable"], &second["embedded"]), (&json!(true), &json!(false)), "{second:#}");
    let test = daemon.ctl(&["host", "test", "second", "-o", "json"]).ok().json();
    assert_eq!(test["usable"], true, "{test:#}");

    let both = daemon.ctl(&["deploy", "whoami"]);
    assert_ne!(both.status, 0, "with two hosts, one has to be named");
    assert!(both.stderr.contains("--host"), "{}", both.stderr);

    let app = daemon.ctl(&["deploy", "whoami", "--host", "second", "-q", "-o", "json"]).ok().json();
    assert_eq!((&app["host"], &app["state"]), (&json!("second"), &json!("running")));
    assert_eq!(get_url(app["url"].as_str().unwrap()).unwrap().status, 200);
    assert_eq!(node.plain_containers(), [app["vmid"].as_u64().unwrap()]);
    assert_eq!(daemon.node().containers().len(), 0, "nothing is on the other host");

    let used = daemon.ctl(&["host", "rm", "second", "--yes"]);
    assert_eq!(used.status, 5, "a host with apps is kept: {}", used.stderr);
    daemon.ctl(&["rm", "--yes", "whoami", "-q"]).ok();
    daemon.ctl(&["host", "rm", "second", "--yes"]).ok();
    let listed = daemon.ctl(&["host", "ls", "-o", "json"]).ok().json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
}

#[test]
fn a_wrong_token_is_refused_with_exit_4() {
    let host = SecondHost::start();
    let daemon = Daemon::start();
    let node = host.node();
    let wrong =
        add(&daemon, &node, "00000000-0000-0000-0000-000000000000", node.text("fingerprint")).exits(4);
    let who = format!("does not let the token {} in", node.text("token_id"));
    assert!(wrong.stderr.contains(&who) && wrong.stderr.contains(node.text("listen")), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("caused by: "), "Proxmox VE's own words: {}", wrong.stderr);
    assert!(!wrong.stderr.contains("--replace"), "there is nothing to replace: {}", wrong.stderr);
    assert_eq!(daemon.ctl(&["host", "ls", "-o", "json"]).ok().json().as_array().map(Vec::len), Some(1));
}

#[test]
fn a_certificate_other_than_the_pinned_one_is_refused() {
    let host = SecondHost::start();
    let daemon = Daemon::start();
    let node = host.node();
    let other = vec!["AB"; 32].join(":");
    let wrong = add(&daemon, &node, node.text("token_secret"), &other).exits(4);
    assert!(wrong.stderr.contains("fingerprint"), "{}", wrong.stderr);
    assert!(wrong.stderr.contains(node.text("fingerprint")), "what it has is told: {}", wrong.stderr);
    assert_eq!(daemon.ctl(&["host", "ls", "-o", "json"]).ok().json().as_array().map(Vec::len), Some(1));
}

#[test]
fn a_storage_and_a_bridge_of_the_hosts_own_are_checked_by_name() {
    let host = SecondHost::start();
    let daemon = Daemon::start();
    let node = host.node();
    added(&daemon, &node);
    let endpoint = node.text("listen").to_string();
    let file = daemon.file("token", node.text("token_secret"));
    let print = node.text("fingerprint");
    let args =
        ["host", "add", "second", "--replace", "--endpoint", &endpoint, "--token-id", node.text("token_id")];
    let more = ["--token-file", &file, "--fingerprint", print, "--storage", "nowhere", "--bridge", "vmbr77"];
    daemon.ctl(&[&args[..], &more[..]].concat()).exits(1);
    let tested = daemon.ctl(&["host", "test", "second", "-o", "json"]);
    let checks = tested.json();
    let failed: Vec<&str> = checks["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["status"] == "failed")
        .map(|check| check["message"].as_str().unwrap())
        .collect();
    assert!(failed.iter().any(|message| message.contains("storage `nowhere`")), "{failed:?}");
    assert!(failed.iter().any(|message| message.contains("bridge `vmbr77`")), "{failed:?}");
    assert_eq!(checks["usable"], false);
}

#[test]
fn a_host_that_is_not_there_is_exit_7() {
    let daemon = Daemon::start();
    let file = daemon.file("token", "00000000-0000-0000-0000-000000000000");
    let args = [
        "host",
        "add",
        "nowhere",
        "--endpoint",
        "127.0.0.1:1",
        "--token-id",
        "proximity@pve!app",
        "--token-file",
        &file,
    ];
    let both = [&args[..], &["--endpoint", "127.0.0.1:2"]].concat();
    daemon.ctl(&both).exits(7);
    let output = daemon.ctl(&args).exits(7);
    assert!(output.stderr.contains("127.0.0.1:1"), "{}", output.stderr);
    assert!(output.stderr.contains("onnection refused"), "{}", output.stderr);
    assert!(!output.stderr.contains("port 8006"), "the port asked for was 1: {}", output.stderr);
    assert_eq!(daemon.ctl(&["host", "ls", "-o", "json"]).ok().json().as_array().map(Vec::len), Some(1));
}

#[test]
fn apps_of_a_host_out_of_reach_are_unknown_and_come_back() {
    let mut host = SecondHost::start();
    let daemon = Daemon::start();
    added(&daemon, &host.node());
    daemon.ctl(&["deploy", "whoami", "--host", "second", "-q"]).ok();
    let state = || daemon.apps()[0]["state"].as_str().unwrap().to_string();
    assert_eq!(state(), "running");

    host.kill9();
    eventually("the app is unknown", || (state() == "unknown").then_some(()));
    let begun = Instant::now();
    let listed = daemon.ctl(&["ls", "-o", "json"]).ok().json();
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    assert_eq!(listed[0]["name"], "whoami");
    assert!(listed[0]["reason"].is_string(), "{listed:#}");
    let hosts = daemon.ctl(&["host", "ls", "-o", "json"]).ok().json();
    let second = hosts.as_array().unwrap().iter().find(|host| host["name"] == "second").unwrap();
    assert_eq!(second["reachable"], false);

    host.run();
    eventually("the app runs again", || (state() == "running").then_some(()));
    assert_eq!(daemon.apps().len(), 1);
}

#[test]
fn an_operation_waits_for_a_host_that_comes_back() {
    let mut host = SecondHost::start();
    let daemon = Daemon::start();
    added(&daemon, &host.node());
    daemon.ctl(&["deploy", "whoami", "--host", "second", "-q"]).ok();
    host.kill9();
    let mut events = daemon.events(&format!("since={}", daemon.last_event()));
    let child = daemon.ctl_spawn(&["restart", "whoami"]);
    events.until("operation.waiting");
    host.run();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(daemon.apps()[0]["state"], "running");
}

#[test]
fn a_deployment_to_a_host_out_of_reach_is_exit_7_and_leaves_nothing() {
    let mut host = SecondHost::start();
    let daemon = Daemon::start();
    added(&daemon, &host.node());
    host.kill9();
    let output = daemon.ctl(&["deploy", "whoami", "--host", "second", "--timeout", "60s"]).exits(7);
    assert!(output.stderr.contains("onnection refused"), "{}", output.stderr);
    assert_eq!(daemon.apps(), Vec::<serde_json::Value>::new());
}
