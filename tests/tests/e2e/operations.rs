//! Operations seen from a terminal: waiting, going away, coming back, cancelling.

use std::process::Child;

use proximity_tests::{Daemon, Output, get_url};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// An app that is never well, with time enough to look at its deployment.
pub(crate) const SICK: &str = "services:\n  web:\n    image: docker.io/library/nginx:1.29\n    ports:\n      - \"8080:80\"\n    labels:\n      proximity.sim.status: \"503\"\n";

/// Makes the pull wait, so that there is a middle of a deployment.
fn slow(daemon: &Daemon) {
    let rule = json!({ "method": "POST", "path": "/nodes/*/lxc/*/clone", "times": 0, "action": { "kind": "delay", "ms": 4000 } });
    daemon.node().faults(json!([rule]));
}

/// Waits until a deployment is at its clone.
fn in_the_middle(daemon: &Daemon) -> Value {
    let mut events = daemon.events("since=0");
    let at = |e: &Value| {
        e["kind"] == "step.started" && e["data"]["step"] == "create-container" && e["app"].is_string()
    };
    events.find(at).unwrap()["operation"].clone()
}

fn ended(child: Child) -> Output {
    Output::new("proximityctl".into(), &child.wait_with_output().unwrap())
}

#[test]
fn cancel_in_the_middle_of_a_deployment_undoes_it() {
    let daemon = Daemon::start();
    slow(&daemon);
    let deploy = daemon.ctl_spawn(&["deploy", "whoami"]);
    let id = in_the_middle(&daemon);
    daemon.ctl(&["op", "cancel", id.as_str().unwrap()]).ok();
    let output = ended(deploy);
    assert_ne!(output.status, 0, "{}", output.stderr);
    assert!(output.stderr.contains("cancel"), "{}", output.stderr);
    let operations = daemon.settle();
    let found = operations.iter().find(|op| op["id"] == id).unwrap();
    assert_eq!(found["state"], "cancelled", "{found:#}");
    assert_eq!(daemon.node().plain_containers(), [0; 0]);
    daemon.assert_node_holds_what_is_known();
}

#[test]
fn ctrl_c_leaves_the_deployment_at_work_and_says_how_to_return() {
    let daemon = Daemon::start();
    slow(&daemon);
    let deploy = daemon.ctl_spawn(&["deploy", "whoami"]);
    let id = in_the_middle(&daemon);
    kill_process(Pid::from_raw(deploy.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    let output = ended(deploy).exits(130);
    assert!(output.stderr.contains(&format!("op wait {}", id.as_str().unwrap())), "{}", output.stderr);
    daemon.ctl(&["op", "wait", id.as_str().unwrap()]).ok();
    assert_eq!(daemon.apps()[0]["state"], "running");
}

#[test]
fn no_wait_prints_the_operation_and_op_wait_waits_for_it() {
    let daemon = Daemon::start();
    let id = daemon.ctl(&["deploy", "whoami", "--no-wait"]).ok().stdout.trim().to_string();
    assert!(!id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric()), "{id:?}");
    daemon.ctl(&["op", "wait", &id]).ok();
    assert_eq!(get_url(daemon.apps()[0]["url"].as_str().unwrap()).unwrap().status, 200);
    let shown = daemon.ctl(&["op", "show", &id, "-o", "json"]).ok().json();
    assert_eq!(shown["state"], "done");
}

#[test]
fn op_wait_ends_as_the_operation_did() {
    let daemon = Daemon::start();
    let id =
        daemon.ctl(&["deploy", "whoami", "--storage", "nope", "--no-wait"]).ok().stdout.trim().to_string();
    daemon.ctl(&["op", "wait", &id]).exits(3);
}

#[test]
fn a_timeout_that_passes_ends_the_waiting_and_not_the_work() {
    let daemon = Daemon::start();
    slow(&daemon);
    let output = daemon.ctl(&["deploy", "whoami", "--timeout", "1s"]).exits(124);
    insta::assert_snapshot!(output.error(daemon.dir()), @r"
    error: deploy of whoami has not ended after 1.0s
    hint: it goes on; to return to it: proximityctl op wait ID
    ");
    daemon.settle();
    assert_eq!(daemon.apps()[0]["state"], "running");
}

#[test]
fn keep_failed_keeps_the_container_until_it_is_removed() {
    let daemon = Daemon::start();
    let started = daemon
        .rpc(
            "app.deploy",
            &json!({ "compose": SICK, "name": "sick", "timeout_seconds": 2, "keep_failed": true }),
        )
        .unwrap();
    daemon.ctl(&["op", "wait", started["operation"]["id"].as_str().unwrap()]).exits(1);
    let listed = daemon.ctl(&["ls", "-o", "json"]).ok().json();
    assert_eq!((listed[0]["name"].as_str(), listed[0]["state"].as_str()), (Some("sick"), Some("failed")));
    daemon.assert_node_holds_what_is_known();
    assert_eq!(daemon.node().plain_containers().len(), 1);
    daemon.ctl(&["rm", "--yes", "sick"]).ok();
    assert_eq!(daemon.node().plain_containers(), [0; 0]);
}

#[test]
fn the_flag_keep_failed_does_the_same_when_an_image_cannot_be_pulled() {
    let daemon = Daemon::start();
    let file =
        daemon.file("compose.yaml", "services:\n  web:\n    image: docker.io/library/does-not-exist:1\n");
    daemon.ctl(&["deploy", "-f", &file, "shop", "--keep-failed"]).exits(1);
    assert_eq!(daemon.apps()[0]["state"], "failed");
    assert_eq!(daemon.node().plain_containers().len(), 1);
    daemon.ctl(&["rm", "--yes", "shop"]).ok();
    assert_eq!(daemon.node().plain_containers(), [0; 0]);
}

#[test]
fn a_container_that_is_another_one_by_now_is_left_alone() {
    let daemon = Daemon::start();
    let app = daemon.ctl(&["deploy", "whoami", "-o", "json", "-q"]).ok().json();
    let (node, vmid) = (daemon.node(), app["vmid"].as_u64().unwrap());
    let at = format!("/nodes/{}/lxc", node.text("node"));
    let mut events = daemon.events(&format!("since={}", daemon.last_event()));
    // A person destroys it, and makes another by the same id.
    node.task_done(&node.as_root("POST", &format!("{at}/{vmid}/status/stop")));
    node.task_done(&node.as_root("DELETE", &format!("{at}/{vmid}")));
    let template =
        node.as_root("GET", &format!("/nodes/{}/storage/local/content?content=vztmpl", node.text("node")));
    let template = template[0]["volid"].as_str().unwrap().replace('/', "%2F").replace(':', "%3A");
    let form =
        format!("vmid={vmid}&ostemplate={template}&rootfs=local-lvm%3A1&pool=proximity&hostname=stranger");
    node.task_done(&node.as_root_with("POST", &at, &form));
    node.task_done(&node.as_root("POST", &format!("{at}/{vmid}/status/start")));
    for command in [&["stop", "whoami"][..], &["start", "whoami"], &["restart", "whoami"]] {
        let output = daemon.ctl(command).exits(5);
        assert!(
            output.stderr.contains(&format!("container {vmid} is not `whoami`'s any more")),
            "{}",
            output.stderr
        );
        assert!(output.stderr.contains("<!-- proximity:1 "), "{}", output.stderr);
    }
    assert_eq!(node.as_root("GET", &format!("{at}/{vmid}/status/current"))["status"], "running");
    let seen = |event: &Value| event["kind"] == "app.state" && event["data"]["state"] == "missing";
    events.find(seen).unwrap();
}

#[test]
fn what_is_done_to_an_app_whose_container_is_gone_says_so() {
    let daemon = Daemon::start();
    let app = daemon.ctl(&["deploy", "whoami", "-o", "json", "-q"]).ok().json();
    let (node, vmid) = (daemon.node(), app["vmid"].as_u64().unwrap());
    let at = format!("/nodes/{}/lxc/{vmid}", node.text("node"));
    node.task_done(&node.as_root("POST", &format!("{at}/status/stop")));
    node.task_done(&node.as_root("DELETE", &at));
    let output = daemon.ctl(&["start", "whoami"]).exits(5);
    assert!(output.stderr.contains("is not there any more"), "{}", output.stderr);
    assert!(output.stderr.contains("proximityctl rm whoami"), "{}", output.stderr);
    daemon.ctl(&["rm", "--yes", "whoami"]).ok();
}
