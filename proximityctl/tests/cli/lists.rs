//! Lists and single things, in each format.

use proto_json::{Code, Problem};
use serde_json::{Value, json};

use crate::fake::{Act, Fake, app, app_detail, event, hello, operation};

#[test]
fn a_list_in_json_is_the_daemons_own_answer() {
    let fake = Fake::start();
    fake.answers("app.list", json!([app("a"), app("b")]));
    let ran = fake.run(&["ls", "-o", "json"]);
    assert_eq!(ran.status, 0);
    assert_eq!(ran.json(), json!([app("a"), app("b")]));
    assert_eq!(ran.stdout.lines().count(), 1, "one line in a pipe");
    assert_eq!(fake.calls("app.list"), [json!({"removed": false, "host": null})]);
}

#[test]
fn an_empty_list_in_json_is_an_empty_array() {
    let fake = Fake::start();
    fake.answers("app.list", json!([]));
    assert_eq!(fake.run(&["ls", "-o", "json"]).stdout, "[]\n");
    let people = fake.run(&["ls"]);
    assert_eq!(people.stdout, "");
    assert!(people.stderr.starts_with("there are no apps yet\n"), "{}", people.stderr);
}

#[test]
fn a_list_for_people_shows_no_escape_sequence() {
    let fake = Fake::start();
    let mut bad = app("evil\u{1b}]0;owned\u{7}\u{1b}[2J");
    bad["created_at"] = json!("long ago");
    bad["url"] = json!(null);
    fake.answers("app.list", json!([bad]));
    insta::assert_snapshot!(fake.run(&["ls"]).stdout, @r"
    NAME  STATE    TEMPLATE  URL  NODE  VMID  AGE
    evil  running  whoami    -    pve1  101   long ago
    ");
}

#[test]
fn csv_has_every_field_and_quotes_what_needs_it() {
    let fake = Fake::start();
    let mut app = app("web");
    app["reason"] = json!("the probe said \"no\", twice");
    fake.answers("app.list", json!([app]));
    insta::assert_snapshot!(fake.run(&["ls", "-o", "csv"]).stdout.replace('\r', "␍"), @r#"
    id,name,template,template_version,state,reason,vmid,node,host,ip,url,operation,created_at,checked_at␍
    id-web,web,whoami,1.0,running,"the probe said ""no"", twice",101,pve1,home,192.0.2.7,http://192.0.2.7:8080,,2026-01-10T12:00:00Z,␍
    "#);
}

#[test]
fn one_app_in_json_has_everything_known_of_it() {
    let fake = Fake::start();
    fake.answers("app.get", app_detail("web"));
    assert_eq!(fake.run(&["info", "web", "-o", "json"]).json(), app_detail("web"));
    assert!(fake.run(&["info", "web"]).stdout.contains("Nothing to set up."));
}

#[test]
fn operations_are_listed_as_the_daemon_gives_them() {
    let fake = Fake::start();
    fake.answers("operation.list", json!([operation("op1", "deploy", "running", 1)]));
    let list = fake.run(&["op", "ls", "-o", "json", "--active"]).json();
    assert_eq!(
        (&list[0]["id"], &list[0]["kind"], &list[0]["app"]),
        (&json!("op1"), &json!("deploy"), &json!("web"))
    );
    assert_eq!(fake.calls("operation.list")[0]["active"], json!(true));
}

#[test]
fn events_in_json_are_one_a_line() {
    let fake = Fake::start();
    let end = json!({"type": "end", "reason": "that is all there is", "since": 6});
    fake.answers("app.get", app_detail("web"));
    fake.stream(vec![
        hello(7),
        event(5, "op1", "step.done", "one"),
        event(6, "op1", "step.done", "two"),
        Act::Line(json!({"type": "something-new"})),
        Act::Line(end),
    ]);
    let ran = fake.run(&["events", "--since", "4", "--app", "web", "-o", "json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let events: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.iter().map(|event| event["seq"].as_u64().unwrap()).collect::<Vec<_>>(), [5, 6]);
    assert_eq!(fake.queries(), ["since=4&follow=false&app=web"]);
}

#[test]
fn events_of_an_app_or_an_operation_that_never_was_are_not_found() {
    let fake = Fake::start();
    fake.on("app.get", |_| Err(Problem::new(Code::NotFound, "there is no app `nope`")));
    fake.on("operation.get", |_| Err(Problem::new(Code::NotFound, "there is no operation `nope`")));
    let mut gone = app("gone");
    gone["state"] = json!("removed");
    fake.answers("app.list", json!([gone]));
    fake.stream(vec![hello(1), Act::Line(json!({"type": "end", "reason": "that is all", "since": 0}))]);
    let nope = fake.run(&["events", "--app", "nope"]);
    assert_eq!((nope.status, nope.stderr.as_str()), (3, "error: there is no app `nope`\n"));
    assert_eq!(fake.run(&["events", "--operation", "nope"]).status, 3);
    assert_eq!(fake.run(&["events", "--app", "gone"]).status, 0, "its events outlive it");
    assert_eq!(fake.queries(), ["since=0&follow=false&app=gone"]);
}

#[test]
fn without_a_number_the_last_events_are_shown() {
    let fake = Fake::start();
    fake.stream(vec![hello(101)]).stream(vec![hello(101), event(100, "op1", "step.done", "the last one")]);
    let ran = fake.run(&["events"]);
    assert_eq!(ran.stdout, "2026-01-10 12:00:00  100    web  the last one\n");
    assert_eq!(fake.queries(), ["since=0&follow=false", "since=50&follow=false&epoch=e1"]);
}

#[test]
fn followed_events_go_on_after_a_break() {
    let fake = Fake::start();
    fake.stream(vec![hello(6), event(5, "op1", "a", "one"), Act::Cut]);
    fake.stream(vec![hello(7), event(6, "op1", "b", "two"), Act::Hold]);
    // To look for a while is what was asked for, so the time's end is no failure.
    let ran = fake.run(&["events", "-f", "--since", "4", "--timeout", "2s"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
    assert_eq!(fake.queries(), ["since=4&follow=true", "since=5&follow=true&epoch=e1"]);
}

#[test]
fn a_failed_check_is_told_and_decides_the_exit_status() {
    let fake = Fake::start();
    let check = json!({"id": "privileges", "host": "home", "status": "failed", "message": "SDN.Use is missing", "hints": []});
    fake.answers("daemon.doctor", json!({"healthy": false, "checks": [check]}));
    let ran = fake.run(&["doctor"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (1, ""));
    assert_eq!(ran.stdout, "host home:\n  ✗ failed   privileges: SDN.Use is missing\n");
}
