//! The event stream: numbered without a gap, replayed, followed, and honest to those who are late.

use std::io::{Read, Write};

use proximity_tests::{Daemon, eventually};
use serde_json::{Value, json};

fn numbers(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["seq"].as_u64().unwrap()).collect()
}

#[test]
fn a_replay_has_every_number_and_goes_on_live() {
    let daemon = Daemon::start();
    daemon.ctl(&["deploy", "whoami", "-q"]).ok();
    let replayed = numbers(&daemon.all_events());
    assert_eq!(replayed, (1..=replayed.len() as u64).collect::<Vec<_>>());

    let mut stream = daemon.events("since=0");
    let child = daemon.ctl_spawn(&["stop", "whoami", "-q"]);
    let mut seen = Vec::new();
    for event in &mut stream {
        seen.push(event["seq"].as_u64().unwrap());
        if event["kind"] == "operation.done" && event["message"].as_str().unwrap().contains("stop") {
            break;
        }
    }
    assert!(child.wait_with_output().unwrap().status.success());
    assert!(seen.len() > replayed.len());
    assert_eq!(seen, (1..=seen.len() as u64).collect::<Vec<_>>());
}

#[test]
fn a_replay_begins_after_the_cursor() {
    let daemon = Daemon::start();
    daemon.ctl(&["deploy", "whoami", "-q"]).ok();
    let stream = daemon.events("since=10&follow=false");
    let lines: Vec<Value> = stream.collect();
    assert_eq!(lines[0]["seq"], 11);
    let end = lines.last().unwrap();
    assert_eq!((&end["type"], &end["since"]), (&json!("end"), &lines[lines.len() - 2]["seq"]));
}

#[test]
fn a_cursor_of_another_database_or_of_the_future_is_answered_with_the_oldest() {
    let daemon = Daemon::start();
    daemon.ctl(&["deploy", "whoami", "-q"]).ok();
    for query in ["since=20&epoch=other&follow=false", "since=99999&follow=false"] {
        let mut stream = daemon.events(query);
        assert!(stream.hello["reset"].is_string(), "{query}: {}", stream.hello);
        assert_eq!(stream.next().unwrap()["seq"], stream.hello["oldest"], "{query}");
    }
    let epoch = daemon.events("since=0&follow=false").hello["epoch"].as_str().unwrap().to_string();
    let mut same = daemon.events(&format!("since=20&epoch={epoch}&follow=false"));
    assert!(same.hello["reset"].is_null());
    assert_eq!(same.next().unwrap()["seq"], 21);
}

#[test]
fn numbers_and_epoch_go_on_after_a_restart() {
    let mut daemon = Daemon::start();
    daemon.ctl(&["deploy", "whoami", "-q"]).ok();
    let before = daemon.events("since=0&follow=false").hello;
    daemon.restart();
    let after = daemon.events("since=0&follow=false").hello;
    assert_eq!(before["epoch"], after["epoch"]);
    assert!(after["next"].as_u64() >= before["next"].as_u64(), "{before} {after}");
    daemon.ctl(&["stop", "whoami", "-q"]).ok();
    let all = numbers(&daemon.all_events());
    assert_eq!(all, (1..=all.len() as u64).collect::<Vec<_>>());
    assert!(all.len() as u64 >= before["next"].as_u64().unwrap());
}

#[test]
fn the_stream_is_ended_with_a_reason_when_the_daemon_stops() {
    let mut daemon = Daemon::start();
    let mut stream = daemon.events("since=0");
    assert_eq!(daemon.stop(), 0);
    let end = stream.find(|line| line["type"] == "end").unwrap();
    assert!(end["reason"].as_str().unwrap().contains("stop"), "{end}");
    assert!(end["since"].is_u64(), "{end}");
}

#[test]
fn a_listener_hears_only_what_it_asked_for() {
    let daemon = Daemon::start();
    let first = daemon.ctl(&["deploy", "whoami", "--name", "one", "--no-wait"]).ok().stdout;
    daemon.ctl(&["deploy", "whoami", "--name", "two", "-q"]).ok();
    daemon.ctl(&["op", "wait", first.trim()]).ok();
    let lines: Vec<Value> = daemon.events("since=0&follow=false&app=two").collect();
    let events: Vec<&Value> = lines.iter().filter(|line| line["type"] == "event").collect();
    assert!(events.len() > 10, "{lines:#?}");
    assert!(events.iter().all(|event| event["app"] == "two"));
    let query = format!("since=0&follow=false&operation={}", first.trim());
    let of_one: Vec<Value> = daemon.events(&query).filter(|line| line["type"] == "event").collect();
    assert!(of_one.len() > 10 && of_one.iter().all(|event| event["app"] == "one"), "{of_one:#?}");
    let reply = daemon.get("/events?sinc=0").unwrap();
    assert_eq!(reply.status, 400);
    assert!(reply.body.contains("did you mean `since`?"), "{}", reply.body);
}

#[test]
fn the_command_prints_each_event_as_a_line() {
    let daemon = Daemon::start();
    daemon.ctl(&["deploy", "whoami", "-q"]).ok();
    let output = daemon.ctl(&["events", "--since", "0", "-o", "json"]).ok();
    let lines: Vec<Value> = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let all = daemon.all_events();
    assert!(lines.len() <= all.len() && lines.len() > 20);
    assert_eq!(numbers(&lines), (1..=lines.len() as u64).collect::<Vec<_>>());
}

#[test]
fn a_listener_that_does_not_read_is_cut_off_and_misses_nothing_when_it_returns() {
    let mut daemon = Daemon::start();
    assert_eq!(daemon.stop(), 0);
    // Far more than the socket and the daemon keep for one listener.
    let database = rusqlite::Connection::open(daemon.data().join("proximity.db")).unwrap();
    let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
        INSERT INTO event (at, kind, level, message, data)
        SELECT '2026-01-01T00:00:00.000Z', 'test.filler', 'info', printf('%.400c', 'x'), 'null' FROM n";
    database.execute(fill, []).unwrap();
    drop(database);
    daemon.run();

    let mut deaf = daemon.connect().unwrap();
    deaf.write_all(b"GET /events?since=0 HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    eventually("the daemon serves the listener", || (connections(&daemon) == 1).then_some(()));
    eventually("the daemon gives the listener up", || (connections(&daemon) == 0).then_some(()));

    let mut bytes = Vec::new();
    let _ = deaf.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let heard = numbers(&lines.iter().filter(|line| line["type"] == "event").cloned().collect::<Vec<_>>());
    let last = *heard.last().unwrap();
    assert!(last < daemon.last_event(), "the listener was to be cut off");
    assert_eq!(heard, (1..=last).collect::<Vec<_>>(), "nothing is skipped");
    let told = lines.last().is_some_and(|line| line["type"] == "end" && line["since"] == last);
    assert!(told || !text.ends_with("\r\n0\r\n\r\n"), "a stream that was cut must not look complete");
    let query = format!("since={last}&follow=false");
    let lines: Vec<Value> = daemon.events(&query).filter(|line| line["type"] == "event").collect();
    assert_eq!(numbers(&lines), (last + 1..=daemon.last_event()).collect::<Vec<_>>());
}

/// The number of connections on the daemon's socket: the lines of /proc/net/unix with its path and the state connected.
fn connections(daemon: &Daemon) -> usize {
    let path = daemon.socket().display().to_string();
    let table = std::fs::read_to_string("/proc/net/unix").unwrap();
    let of_ours = |line: &&str| line.ends_with(&path) && line.split_whitespace().nth(5) == Some("03");
    table.lines().filter(of_ours).count()
}
