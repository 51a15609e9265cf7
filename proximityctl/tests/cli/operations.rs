//! Commands that start operations and wait for them.

use std::io::BufRead;
use std::process::Stdio;

use proto_json::{Code, Problem};
use serde_json::json;

use crate::fake::{Act, Fake, app_detail, event, failed, hello, operation, template};

fn deploying() -> Fake {
    let fake = Fake::start();
    fake.answers("catalog.get", template(json!([])));
    fake.answers("app.deploy", json!({"operation": operation("op1", "deploy", "running", 0)}));
    fake.answers("app.get", app_detail("web"));
    fake.operation(&operation("op1", "deploy", "running", 0));
    fake
}

fn done() -> Act {
    Act::Snapshot(operation("op1", "deploy", "done", 3))
}

#[test]
fn a_deployment_is_told_step_by_step_and_ends_with_its_url() {
    let fake = deploying();
    fake.stream(vec![
        hello(5),
        Act::Snapshot(operation("op1", "deploy", "running", 1)),
        event(5, "op1", "step.done", "Reserve an id"),
        done(),
        event(6, "op1", "operation.done", "done"),
        Act::Hold,
    ]);
    let ran = fake.run(&["deploy", "whoami", "--name", "web", "--memory", "1.5G"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "http://192.0.2.7:8080\n"), "{ran:?}");
    insta::assert_snapshot!(ran.stderr, @r"
    Deploying web (operation op1)
    step 1/3 Reserve an id … done in 1.2s
    step 2/3 Create the container … done in 1.2s
    step 3/3 Wait until it answers … done in 1.2s
    web is running

    Nothing to set up.
    hint: proximityctl info web shows all of it, proximityctl open web opens it
    ");
    let call = &fake.calls("app.deploy")[0];
    assert_eq!(
        (&call["template"], &call["name"], &call["memory"]),
        (&json!("whoami"), &json!("web"), &json!(3u64 << 29))
    );
    assert_eq!(fake.queries(), ["since=4&follow=true&operation=op1"]);
}

#[test]
fn in_json_a_deployment_gives_the_app_and_nothing_else() {
    let fake = deploying();
    fake.stream(vec![hello(5), done(), event(5, "op1", "operation.done", "done"), Act::Hold]);
    let ran = fake.run(&["deploy", "whoami", "-o", "json", "--quiet"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let app = ran.json();
    assert_eq!((&app["name"], &app["url"]), (&json!("web"), &json!("http://192.0.2.7:8080")));
    assert!(app.get("notes").is_none() && app["state"] == "running", "{app}");
}

#[test]
fn a_stream_that_breaks_goes_on_where_it_was() {
    let fake = deploying();
    fake.stream(vec![
        hello(5),
        Act::Snapshot(operation("op1", "deploy", "running", 1)),
        event(5, "op1", "step.done", "Reserve an id"),
        Act::Cut,
    ]);
    fake.stream(vec![hello(6), done(), event(6, "op1", "operation.done", "done"), Act::Hold]);
    let ran = fake.run(&["deploy", "whoami"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(
        fake.queries(),
        ["since=4&follow=true&operation=op1", "since=5&follow=true&epoch=e1&operation=op1"]
    );
    assert_eq!(ran.stderr.matches("Reserve an id").count(), 1, "each step is told once: {}", ran.stderr);
}

#[test]
fn a_daemon_that_goes_away_for_a_while_is_waited_for_visibly() {
    let fake = deploying();
    fake.stream(vec![hello(5), event(5, "op1", "step.started", "x"), Act::CutAndRefuse(3)]);
    fake.stream(vec![hello(6), done(), event(6, "op1", "operation.done", "done"), Act::Hold]);
    let ran = fake.run(&["deploy", "whoami"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stderr.contains("the daemon does not answer: trying to reach it again"), "{}", ran.stderr);
    assert!(ran.stderr.contains("the daemon answers again"), "{}", ran.stderr);
}

#[test]
fn an_operation_that_ended_before_the_stream_was_there_is_noticed() {
    let fake = deploying();
    fake.operation(&operation("op1", "deploy", "done", 3));
    fake.stream(vec![Act::Hold]);
    assert_eq!(fake.run(&["deploy", "whoami"]).status, 0);
}

#[test]
fn a_failed_deployment_says_why_with_the_last_lines_of_the_log() {
    let fake = deploying();
    let failed = failed("op1", "deploy", "failed");
    fake.stream(vec![hello(5), Act::Snapshot(failed), event(5, "op1", "operation.failed", "x"), Act::Hold]);
    let ran = fake.run(&["deploy", "whoami"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""));
    insta::assert_snapshot!(ran.stderr, @r"
    Deploying web (operation op1)
    step 1/3 Reserve an id … done in 1.2s
    step 2/3 Create the container … undone
    step 3/3 Wait until it answers … failed
    error: deploy of web failed: the app did not become healthy
      caused by: the probe was answered with 502
      the last lines of the log:
        app  | starting
        app  | fatal: no database
    hint: look at its settings
    hint: every step of it: proximityctl op show op1
    ");
}

#[test]
fn in_json_an_error_is_the_last_line_of_standard_error() {
    let fake = deploying();
    let failed = failed("op1", "deploy", "pve-unreachable");
    fake.stream(vec![hello(5), Act::Snapshot(failed), event(5, "op1", "operation.failed", "x"), Act::Hold]);
    let ran = fake.run(&["deploy", "whoami", "-o", "json"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (7, ""));
    let error: serde_json::Value = serde_json::from_str(ran.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&error["error"]["kind"], &error["error"]["code"]),
        (&json!("pve-unreachable"), &json!(-32004))
    );
    assert_eq!(error["error"]["operations"], json!(["op1"]));
}

#[test]
fn without_waiting_the_operation_is_given_back() {
    let fake = deploying();
    assert_eq!(fake.run(&["deploy", "whoami", "--no-wait"]).stdout, "op1\n");
    let object = fake.run(&["deploy", "whoami", "--no-wait", "-o", "json"]).json();
    assert_eq!((&object["id"], &object["state"]), (&json!("op1"), &json!("running")));
    assert!(fake.queries().is_empty());
}

#[test]
fn a_wait_that_takes_too_long_names_the_operation_that_goes_on() {
    let fake = deploying();
    fake.stream(vec![hello(5), Act::Hold]);
    let ran = fake.run(&["deploy", "whoami", "--timeout", "100ms", "--quiet"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (124, ""));
    insta::assert_snapshot!(ran.stderr, @r"
    error: deploy of web has not ended after 0.1s
    hint: it goes on; to return to it: proximityctl op wait op1
    ");
}

#[test]
fn ctrl_c_detaches_and_says_how_to_return() {
    let fake = deploying();
    fake.stream(vec![hello(5), Act::Hold]);
    let mut command = fake.command(&["deploy", "whoami"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufReader::new(child.stderr.take().unwrap()).lines();
    // Once the operation was named it is being waited for.
    assert!(lines.next().unwrap().unwrap().contains("op1"));
    while fake.calls("operation.get").is_empty() {
        std::thread::yield_now();
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(rest, ["detached", "hint: it goes on; to return to it: proximityctl op wait op1"]);
    assert!(fake.calls("operation.cancel").is_empty());
}

#[test]
fn several_apps_are_worked_on_together_and_one_failure_keeps_none_from_its_end() {
    let fake = Fake::start();
    let named = |name: &str, id: &str, state: &str, done| {
        let mut operation = operation(id, "start", state, done);
        operation["app"] = json!(name);
        operation
    };
    let started = [named("a", "op-a", "running", 0), named("b", "op-b", "running", 0)];
    for operation in &started {
        fake.operation(operation);
    }
    fake.on("app.start", move |params| match params["name"].as_str() {
        Some("a") => Ok(json!({"operation": started[0]})),
        Some("b") => Ok(json!({"operation": started[1]})),
        _ => Err(Problem::new(Code::NotFound, "there is no app `c`").hint("proximityctl ls")),
    });
    fake.on("app.get", |params| Ok(app_detail(params["name"].as_str().unwrap())));
    fake.stream(vec![
        hello(5),
        Act::Snapshot(named("b", "op-b", "done", 3)),
        event(6, "op-b", "operation.done", "done"),
        Act::Snapshot(named("a", "op-a", "done", 3)),
        event(9, "op-a", "operation.done", "done"),
        Act::Hold,
    ]);
    let ran = fake.run(&["start", "a", "b", "c", "-o", "json"]);
    assert_eq!(ran.status, 3, "{ran:?}");
    let apps = ran.json();
    let names: Vec<&str> = apps.as_array().unwrap().iter().map(|app| app["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "b"]);
    assert!(ran.stderr.contains("error: there is no app `c`"), "{}", ran.stderr);
    assert!(ran.stderr.contains("error: 1 of 3 failed: c"), "{}", ran.stderr);
    assert_eq!(fake.queries(), ["since=4&follow=true"]);
}

#[test]
fn a_removed_app_is_given_back_with_its_last_state() {
    let fake = Fake::start();
    fake.answers("app.remove", json!({"operation": operation("op1", "remove", "running", 0)}));
    fake.operation(&operation("op1", "remove", "done", 3));
    fake.on("app.get", |params| {
        let mut detail = app_detail("web");
        if params["name"] == "id-web" {
            detail["state"] = json!("removed");
            detail["url"] = json!(null);
        }
        Ok(detail)
    });
    fake.stream(vec![hello(5), Act::Hold]);
    let ran = fake.run(&["rm", "web", "--yes", "-o", "json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!((&ran.json()["name"], &ran.json()["state"]), (&json!("web"), &json!("removed")));
}

#[test]
fn a_cancelled_operation_is_awaited_and_told() {
    let fake = Fake::start();
    let mut cancelled = operation("op1", "deploy", "cancelled", 1);
    cancelled["cancel_requested"] = json!(true);
    fake.answers("operation.cancel", operation("op1", "deploy", "running", 1));
    fake.operation(&operation("op1", "deploy", "running", 1));
    fake.stream(vec![
        hello(5),
        Act::Snapshot(cancelled),
        event(5, "op1", "operation.cancelled", "x"),
        Act::Hold,
    ]);
    let ran = fake.run(&["op", "cancel", "op1"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stderr.ends_with("deploy of web is cancelled\n"), "{}", ran.stderr);
}

#[test]
fn waiting_for_an_operation_ends_as_the_operation_does() {
    let fake = Fake::start();
    fake.operation(&failed("op1", "deploy", "conflict"));
    assert_eq!(fake.run(&["op", "wait", "op1"]).status, 5);
    fake.operation(&operation("op2", "deploy", "done", 3));
    assert_eq!(fake.run(&["op", "wait", "op2"]).status, 0);
}
