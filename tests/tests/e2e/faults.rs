//! Proxmox VE that fails in every way it can: the work is done or undone, never done twice, and the reason is told.

use proximity_tests::{Daemon, Output, Setup};
use serde_json::{Value, json};

use crate::operations::SICK;

/// The calls of a deployment that change something on a node that has its golden container.
const WRITES: &[(&str, &str)] = &[
    ("POST", "/nodes/*/lxc/*/clone"),
    ("PUT", "/nodes/*/lxc/*/config"),
    ("PUT", "/nodes/*/lxc/*/resize"),
    ("POST", "/nodes/*/lxc/*/status/start"),
    ("POST", "/nodes/*/lxc/*/termproxy"),
];

/// Those that build the golden container.
const GOLDEN: &[(&str, &str)] = &[
    ("POST", "/nodes/*/aplinfo"),
    ("POST", "/nodes/*/lxc"),
    ("POST", "/nodes/*/lxc/*/status/start"),
    ("POST", "/nodes/*/lxc/*/status/shutdown"),
    ("POST", "/nodes/*/lxc/*/template"),
];

/// Deploys with a fault in force; the outcome must be clean.
#[track_caller]
fn is_clean_with(daemon: &Daemon, what: &str, rule: &Value) -> bool {
    daemon.node().faults(json!([rule]));
    let output = daemon.ctl(&["deploy", "whoami"]);
    assert!([0, 1, 7].contains(&output.status), "{what}: {}\n{}", output.status, output.stderr);
    assert!(daemon.node().acted() > 0, "{what}: the fault did not happen");
    daemon.node().faults(json!([]));
    let operations = daemon.settle();
    for operation in &operations {
        let state = operation["state"].as_str().unwrap();
        assert!(["done", "failed"].contains(&state), "{what}: {operation:#}");
    }
    daemon.assert_node_holds_what_is_known();
    let done = output.status == 0;
    assert_eq!(daemon.apps().len(), usize::from(done), "{what}: {:#?}", daemon.apps());
    done
}

/// A fault at each write of a second deployment.
fn each_write(action: &Value, must_go_on: bool) {
    let daemon = Daemon::start();
    daemon.ctl(&["deploy", "whoami", "-q"]).ok();
    daemon.ctl(&["rm", "--yes", "whoami", "-q"]).ok();
    for (method, path) in WRITES {
        let what = format!("{action} at {method} {path}");
        let rule = json!({ "method": method, "path": path, "action": action });
        let done = is_clean_with(&daemon, &what, &rule);
        assert!(done || !must_go_on, "{what}: the deployment should go on");
        if done {
            daemon.ctl(&["rm", "--yes", "whoami", "-q"]).ok();
        }
    }
}

#[test]
fn a_connection_cut_before_any_write_of_a_deployment_leaves_nothing_double_and_nothing_behind() {
    each_write(&json!({ "kind": "cut_before" }), true);
}

#[test]
fn a_connection_cut_after_any_write_of_a_deployment_leaves_nothing_double_and_nothing_behind() {
    each_write(&json!({ "kind": "cut_after" }), true);
}

#[test]
fn a_node_out_of_reach_at_any_write_of_a_deployment_leaves_nothing_behind() {
    each_write(&json!({ "kind": "unreachable" }), true);
}

#[test]
fn a_slow_answer_to_any_write_of_a_deployment_is_waited_for() {
    each_write(&json!({ "kind": "delay", "ms": 1500 }), true);
}

#[test]
fn a_fault_plan_given_at_the_start_acts() {
    let plan = r#"
        [[rule]]
        task = "vzclone"
        action = { kind = "task_fail_after", message = "lvcreate failed: insufficient free space" }

        [[rule]]
        method = "POST"
        path = "/nodes/*/lxc/*/status/shutdown"
        action = { kind = "status", status = 500, message = "CT is locked (backup)" }
    "#;
    let daemon = Daemon::with(Setup { fault_plan: Some(plan.into()), ..Setup::default() });
    let full = daemon.ctl(&["deploy", "whoami", "--timeout", "60s"]);
    assert!(
        full.stderr.contains("CT is locked") || full.stderr.contains("insufficient free space"),
        "{}",
        full.stderr
    );
    daemon.settle();
    daemon.assert_node_holds_what_is_known();
    if full.status != 0 {
        daemon.ctl(&["deploy", "whoami", "-q"]).ok();
    }
    assert_eq!(daemon.node().acted(), 2, "both rules were met, and both only once");
    daemon.ctl(&["stop", "whoami"]).ok();
}

#[test]
fn an_answer_that_comes_in_drips_is_read_whole() {
    let daemon = Daemon::start();
    let drip = json!({ "kind": "drip", "ms": 5 });
    daemon.node().faults(json!([{ "method": "GET", "times": 0, "action": drip }]));
    daemon.ctl(&["deploy", "whoami", "-q"]).ok();
    assert!(daemon.node().acted() > 0);
    daemon.node().faults(json!([]));
    assert_eq!(daemon.apps()[0]["state"], "running");
}

#[test]
fn an_answer_that_is_no_json_to_any_write_of_a_deployment_leaves_nothing_behind() {
    each_write(&json!({ "kind": "garbage" }), false);
}

#[test]
fn a_refusal_of_any_write_of_a_deployment_undoes_it() {
    each_write(
        &json!({ "kind": "status", "status": 500, "message": "got no worker upid - start worker failed" }),
        false,
    );
}

fn each_golden_write(action: &Value) {
    for (method, path) in GOLDEN {
        let daemon = Daemon::start();
        let what = format!("{action} at {method} {path}");
        let rule = json!({ "method": method, "path": path, "action": action });
        is_clean_with(&daemon, &what, &rule);
        daemon.ctl(&["deploy", "whoami", "--name", "next", "-q"]).ok();
        daemon.assert_node_holds_what_is_known();
    }
}

#[test]
fn a_connection_cut_before_any_write_of_the_golden_container_leaves_nothing_behind() {
    each_golden_write(&json!({ "kind": "cut_before" }));
}

#[test]
fn a_connection_cut_after_any_write_of_the_golden_container_leaves_nothing_behind() {
    each_golden_write(&json!({ "kind": "cut_after" }));
}

#[test]
fn a_node_out_of_reach_at_any_write_of_the_golden_container_leaves_nothing_behind() {
    each_golden_write(&json!({ "kind": "unreachable" }));
}

/// Fails a task of a second deployment.
fn task_fails(task: &str, kind: &str) {
    let daemon = Daemon::start();
    daemon.ctl(&["deploy", "whoami", "-q"]).ok();
    let words = format!("{task}: the disk is on fire");
    daemon.node().faults(json!([{ "task": task, "action": { "kind": kind, "message": words } }]));
    let output = daemon.ctl(&["deploy", "whoami", "--name", "second"]);
    assert_eq!(daemon.node().acted(), 1, "{kind} of {task} did not happen");
    daemon.node().faults(json!([]));
    assert_eq!(output.status, 1, "{kind} of {task}: {}", output.stderr);
    if kind != "task_die" {
        assert!(output.stderr.contains(&words), "{kind} of {task}: {}", output.stderr);
    }
    assert_eq!(daemon.apps().len(), 1, "{kind} of {task}");
    daemon.assert_node_holds_what_is_known();
    // Nothing is in the way of the next one.
    daemon.ctl(&["deploy", "whoami", "--name", "third", "--timeout", "60s", "-q"]).ok();
    daemon.assert_node_holds_what_is_known();
}

#[test]
fn a_start_or_a_resize_that_fails_is_told_in_the_words_of_proxmox_and_undone() {
    for task in ["vzstart", "resize"] {
        for kind in ["task_fail", "task_fail_after"] {
            task_fails(task, kind);
        }
    }
}

#[test]
fn a_clone_that_fails_is_told_in_the_words_of_proxmox_and_undone() {
    task_fails("vzclone", "task_fail");
}

#[test]
fn a_clone_that_fails_at_its_very_end_is_undone() {
    task_fails("vzclone", "task_fail_after");
}

#[test]
fn a_clone_whose_worker_was_killed_is_not_left_behind_silently() {
    let daemon = Daemon::start();
    daemon.ctl(&["deploy", "whoami", "-q"]).ok();
    daemon.node().faults(json!([{ "task": "vzclone", "action": { "kind": "task_die" } }]));
    let output = daemon.ctl(&["deploy", "whoami", "--name", "second", "--timeout", "60s"]);
    assert_eq!(daemon.node().acted(), 1);
    assert_ne!(output.status, 0);
    // What stays on the node because nobody but root can remove it is named, and the operation asks for a person.
    for vmid in daemon.node().plain_containers() {
        let known = daemon.apps().iter().any(|app| app["vmid"] == vmid);
        let named = output.error(daemon.dir()).contains(&format!("container {vmid}"));
        assert!(known || named, "{vmid} is left: {}", output.stderr);
    }
}

#[test]
fn a_container_that_stops_in_the_middle_of_a_deployment_ends_it() {
    let daemon = Daemon::start();
    let file = daemon.file("compose.yaml", SICK);
    let mut events = daemon.events("since=0");
    let deploy = daemon.ctl_spawn(&["deploy", "-f", &file, "sick", "--timeout", "120s"]);
    events.find(|e| e["kind"] == "step.started" && e["data"]["step"] == "healthy").unwrap();
    let node = daemon.node();
    let vmid = daemon.apps()[0]["vmid"].clone();
    node.as_root("POST", &format!("/nodes/{}/lxc/{vmid}/status/stop", node.text("node")));
    let output = Output::new("proximityctl".into(), &deploy.wait_with_output().unwrap()).exits(1);
    assert!(output.stderr.contains(&format!("container {vmid} stopped")), "{}", output.stderr);
    daemon.settle();
    assert_eq!(daemon.apps(), Vec::<Value>::new());
    daemon.assert_node_holds_what_is_known();
}

#[test]
fn an_undo_waits_for_credentials_that_work_again() {
    let daemon = Daemon::start();
    let refusal = json!({ "kind": "status", "status": 401, "message": "authentication failure" });
    let rule = json!({ "method": "DELETE", "path": "/nodes/*/lxc/*", "times": 0, "action": refusal });
    daemon.node().faults(json!([rule]));
    let mut events = daemon.events("since=0");
    let compose =
        "services:\n  web:\n    image: docker.io/library/no-such-image:1\n    ports: [\"8080:80\"]\n";
    let file = daemon.file("compose.yaml", compose);
    let deploy = daemon.ctl_spawn(&["deploy", "-f", &file, "lost"]);
    let waiting = events.find(|e| e["kind"] == "operation.waiting" && e["level"] == "warning").unwrap();
    assert!(waiting["message"].as_str().unwrap().contains("host add --replace"), "{waiting:#}");
    daemon.node().faults(json!([]));
    Output::new("proximityctl".into(), &deploy.wait_with_output().unwrap()).exits(1);
    let operations = daemon.settle();
    assert!(operations.iter().all(|op| op["state"] != "needs-attention"), "{operations:#?}");
    daemon.assert_node_holds_what_is_known();
}

#[test]
fn a_destroy_that_is_cut_off_is_not_repeated_on_what_is_gone() {
    let daemon = Daemon::start();
    for kind in ["cut_before", "cut_after", "unreachable"] {
        daemon.ctl(&["deploy", "whoami", "-q"]).ok();
        let rule = json!({ "method": "DELETE", "path": "/nodes/*/lxc/*", "action": { "kind": kind } });
        daemon.node().faults(json!([rule]));
        daemon.ctl(&["rm", "--yes", "whoami"]).ok();
        assert_eq!(daemon.node().acted(), 1, "{kind}");
        daemon.node().faults(json!([]));
        assert_eq!(daemon.node().plain_containers(), [0; 0], "{kind}");
    }
}

#[test]
fn an_app_whose_removal_is_refused_is_what_it_was_before() {
    let daemon = Daemon::start();
    let app = daemon.ctl(&["deploy", "whoami", "-q", "-o", "json"]).ok().json();
    let config = format!("/nodes/{}/lxc/{}/config", app["node"].as_str().unwrap(), app["vmid"]);
    let notes = daemon.node().as_root("GET", &config)["description"].as_str().unwrap().to_string();
    daemon.node().as_root_with("PUT", &config, "description=somebody+else%27s");
    let since = daemon.last_event();
    let output = daemon.ctl(&["rm", "--yes", "whoami"]).exits(5);
    assert!(output.stderr.contains("is not destroyed"), "{}", output.stderr);
    let now = daemon.apps()[0].clone();
    assert_eq!((&now["state"], &now["reason"]), (&json!("running"), &json!(null)));
    // It is looked at every second: at the second look after this nothing but what is measured has been said of it.
    let checked = daemon.rpc("host.list", &json!({})).unwrap()[0]["seen_at"].clone();
    proximity_tests::eventually("it is looked at again", || {
        (daemon.rpc("host.list", &json!({})).unwrap()[0]["seen_at"] != checked).then_some(())
    });
    let said = daemon.events(&format!("since={since}&follow=false")).filter(|e| e["kind"] == "app.state");
    let states: Vec<Value> = said.map(|event| event["data"]["state"].clone()).collect();
    assert_eq!(states, ["running"]);

    let encoded: String = notes.bytes().map(|byte| format!("%{byte:02X}")).collect();
    daemon.node().as_root_with("PUT", &config, &format!("description={encoded}&protection=1"));
    daemon.ctl(&["rm", "--yes", "whoami"]).exits(1);
    assert_eq!(daemon.apps()[0]["state"], "stopped", "it was stopped to be destroyed");
    daemon.node().as_root_with("PUT", &config, "protection=0");
    daemon.ctl(&["rm", "--yes", "whoami"]).ok();
    assert_eq!(daemon.node().plain_containers(), [0; 0]);
}

#[test]
fn a_lock_that_another_holds_is_told_and_nothing_is_broken() {
    let daemon = Daemon::start();
    let app = daemon.ctl(&["deploy", "whoami", "-q", "-o", "json"]).ok().json();
    daemon.node().turn(json!({ "guest_lock": { "vmid": app["vmid"], "lock": "backup" } }));
    let output = daemon.ctl(&["rm", "--yes", "whoami", "--timeout", "20s"]);
    assert_ne!(output.status, 0, "{}", output.stderr);
    assert!(output.stderr.contains("lock"), "{}", output.stderr);
    assert_eq!(daemon.node().plain_containers().len(), 1, "the container is there");
    daemon.node().turn(json!({ "guest_lock": { "vmid": app["vmid"], "lock": null } }));
    daemon.settle();
    if daemon.apps().iter().any(|app| app["name"] == "whoami") {
        daemon.ctl(&["rm", "--yes", "whoami"]).ok();
    }
    assert_eq!(daemon.node().plain_containers(), [0; 0]);
}
