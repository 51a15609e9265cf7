//! Killed at any instant, the daemon finishes or undoes what it was at, and knows every container there is.

use proximity_tests::{Daemon, get_url, processes_of};
use serde_json::{Value, json};

/// Kills the daemon at the `nth` event of the work that `begin` starts, and starts it again.
/// False when the work had ended by itself before.
fn killed_at(daemon: &mut Daemon, nth: usize, begin: impl Fn(&Daemon)) -> bool {
    let mut events = daemon.events(&format!("since={}", daemon.last_event()));
    begin(daemon);
    let mut seen = 0;
    let mut first = None;
    for event in &mut events {
        if event["operation"].is_string() {
            first.get_or_insert_with(|| event["operation"].clone());
        }
        // The golden container's operation is a part of the first deployment.
        let ended = event["data"]["state"].is_string() && Some(&event["operation"]) == first.as_ref();
        seen += 1;
        if seen == nth {
            daemon.restart();
            return true;
        }
        if ended && event["kind"].as_str().is_some_and(|kind| kind.starts_with("operation.")) {
            return false;
        }
    }
    panic!("the stream ended after {seen} events");
}

/// Starts work without waiting. Its answer may be lost with the daemon.
fn begin(method: &'static str, params: Value) -> impl Fn(&Daemon) {
    move |daemon| {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let _ = daemon.post(call.to_string().as_bytes());
    }
}

/// What must be true of an app after its deployment was cut short: it answers, or nothing is left of it.
#[track_caller]
fn is_whole_or_gone(daemon: &Daemon, name: &str, nth: usize) {
    let operations = daemon.settle();
    for operation in &operations {
        let state = operation["state"].as_str().unwrap();
        assert!(["done", "failed", "cancelled"].contains(&state), "killed at event {nth}: {operation:#}");
    }
    daemon.assert_node_holds_what_is_known();
    match daemon.apps().iter().find(|app| app["name"] == name) {
        Some(app) => {
            assert_eq!(app["state"], "running", "killed at event {nth}: {app:#}");
            let page = get_url(app["url"].as_str().unwrap());
            assert_eq!(page.unwrap().status, 200, "killed at event {nth}");
        }
        None => {
            let why: Vec<&Value> = operations.iter().filter(|op| op["state"] != "done").collect();
            assert!(!why.is_empty(), "killed at event {nth}: the app is gone and nothing failed");
        }
    }
}

/// The first deployment on a node, which builds the golden container too, killed at every `step`-th event.
fn first_deployments_killed(from: usize, step: usize) {
    let mut nth = from;
    loop {
        let mut daemon = Daemon::start();
        let deploy = begin("app.deploy", json!({ "template": "whoami" }));
        if !killed_at(&mut daemon, nth, deploy) {
            assert!(nth > 40, "a first deployment has more than {nth} events");
            return;
        }
        is_whole_or_gone(&daemon, "whoami", nth);
        // What was built is known: the next deployment takes it and builds no second one.
        let before = daemon.node().templates();
        daemon.ctl(&["deploy", "whoami", "--name", "second", "-q"]).ok();
        if !before.is_empty() {
            assert_eq!(daemon.node().templates(), before, "killed at event {nth}");
        }
        daemon.assert_node_holds_what_is_known();
        nth += step;
    }
}

macro_rules! killed_at_every_event {
    ($($name:ident $from:literal)*) => { $(#[test] fn $name() { first_deployments_killed($from, 6); })* };
}

killed_at_every_event! {
    a_first_deployment_killed_at_event_1_7_13_and_so_on_is_whole_or_gone 1
    a_first_deployment_killed_at_event_2_8_14_and_so_on_is_whole_or_gone 2
    a_first_deployment_killed_at_event_3_9_15_and_so_on_is_whole_or_gone 3
    a_first_deployment_killed_at_event_4_10_16_and_so_on_is_whole_or_gone 4
    a_first_deployment_killed_at_event_5_11_17_and_so_on_is_whole_or_gone 5
    a_first_deployment_killed_at_event_6_12_18_and_so_on_is_whole_or_gone 6
}

/// Kills one kind of work on an app at each of its events in turn.
fn work_killed(method: &'static str, before: &[&str], check: impl Fn(&Daemon, usize)) {
    let mut daemon = Daemon::start();
    for nth in 1.. {
        if daemon.apps().is_empty() {
            daemon.ctl(&["deploy", "whoami", "-q"]).ok();
        }
        daemon.ctl(before).ok();
        let went = killed_at(&mut daemon, nth, begin(method, json!({ "name": "whoami" })));
        let operations = daemon.settle();
        let state = operations[0]["state"].as_str().unwrap();
        assert_eq!(state, "done", "{method} killed at event {nth}: {:#}", operations[0]);
        check(&daemon, nth);
        daemon.assert_node_holds_what_is_known();
        if !went {
            assert!(nth > 3, "{method} has more than {nth} events");
            return;
        }
    }
}

#[test]
fn a_stop_killed_at_any_event_ends_with_a_stopped_app() {
    work_killed("app.stop", &["start", "whoami"], |daemon, nth| {
        assert_eq!(daemon.apps()[0]["state"], "stopped", "killed at event {nth}");
    });
}

#[test]
fn a_start_killed_at_any_event_ends_with_a_running_app() {
    work_killed("app.start", &["stop", "whoami"], |daemon, nth| {
        assert_eq!(daemon.apps()[0]["state"], "running", "killed at event {nth}");
        assert_eq!(get_url(daemon.apps()[0]["url"].as_str().unwrap()).unwrap().status, 200);
    });
}

#[test]
fn a_removal_killed_at_any_event_ends_with_nothing_left() {
    work_killed("app.remove", &["ls"], |daemon, nth| {
        assert_eq!(daemon.apps(), [] as [Value; 0], "killed at event {nth}");
    });
}

#[test]
fn a_node_that_dies_is_started_again_by_the_daemon_that_goes_on() {
    let mut daemon = Daemon::start();
    daemon.ctl(&["deploy", "whoami", "-q"]).ok();
    // The second time the daemon found the node running: it is no child of it.
    for found in [false, true] {
        if found {
            daemon.restart();
        }
        let mut events = daemon.events(&format!("since={}", daemon.last_event()));
        let before = daemon.node().pid();
        daemon.kill9_node();
        assert_eq!(events.until("host.restarted")["level"], "warning");
        assert_ne!(daemon.node().pid(), before);
        daemon.ctl(&["deploy", "nginx", "--name", if found { "two" } else { "one" }, "-q"]).ok();
        let well = || daemon.apps().iter().all(|app| app["state"] == "running").then_some(());
        proximity_tests::eventually("all apps run", well);
        assert_eq!(get_url(daemon.apps()[0]["url"].as_str().unwrap()).unwrap().status, 200);
        daemon.assert_node_holds_what_is_known();
    }
    assert_eq!(daemon.stop(), 0);
    assert!(processes_of(daemon.dir()).is_empty(), "{:?}", processes_of(daemon.dir()));
}

#[test]
fn a_node_killed_in_the_middle_of_a_deployment_is_started_again_with_the_daemon() {
    for step in ["create-container", "start", "pull", "up"] {
        let mut daemon = Daemon::start();
        let mut events = daemon.events("since=0");
        begin("app.deploy", json!({ "template": "whoami" }))(&daemon);
        let at = |event: &Value| {
            event["kind"] == "step.started" && event["data"]["step"] == step && event["app"] == "whoami"
        };
        events.find(at).unwrap();
        daemon.kill9_node();
        daemon.restart();
        is_whole_or_gone(&daemon, "whoami", 0);
    }
}
