//! JSON-RPC 2.0 over the socket, to the letter, and with clients that behave badly.

use std::io::{Read, Write};
use std::time::Instant;

use proximity_tests::{Daemon, Setup};
use serde_json::{Value, json};

fn posted(daemon: &Daemon, body: &str) -> Value {
    let reply = daemon.post(body.as_bytes()).unwrap();
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()
}

#[test]
fn a_batch_is_answered_as_one_and_its_notifications_are_not() {
    let daemon = Daemon::start();
    let answers = posted(
        &daemon,
        r#"[{"jsonrpc":"2.0","id":"a","method":"app.list"},{"jsonrpc":"2.0","method":"app.list"},{"jsonrpc":"2.0","id":2,"method":"no.such"},7]"#,
    );
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 3, "{answers:#?}");
    let by_id = |id: Value| answers.iter().find(|answer| answer["id"] == id).unwrap();
    assert_eq!(by_id(json!("a"))["result"], json!([]));
    assert_eq!(by_id(json!(2))["error"]["code"], -32601);
    assert_eq!(by_id(Value::Null)["error"]["code"], -32600);
    assert_eq!(posted(&daemon, "[]")["error"]["code"], -32600);
}

#[test]
fn a_notification_is_carried_out_without_an_answer() {
    let daemon = Daemon::start();
    let call = r#"{"jsonrpc":"2.0","method":"app.deploy","params":{"template":"whoami"}}"#;
    let reply = daemon.post(call.as_bytes()).unwrap();
    assert_eq!((reply.status, reply.body.as_str()), (204, ""));
    daemon.settle();
    assert_eq!(daemon.apps()[0]["state"], "running");
}

#[test]
fn a_misspelt_method_and_a_misspelt_parameter_are_told_with_the_nearest() {
    let daemon = Daemon::start();
    let error = daemon.rpc("app.lst", &json!({})).unwrap_err();
    assert_eq!(error["code"], -32601);
    assert!(error.to_string().contains("did you mean `app.list`?"), "{error}");
    let error = daemon.rpc("app.deploy", &json!({ "templat": "whoami" })).unwrap_err();
    assert_eq!(error["code"], -32602);
    assert!(error.to_string().contains("did you mean `template`?"), "{error}");
}

#[test]
fn what_is_no_request_is_refused_and_the_next_one_is_answered() {
    let daemon = Daemon::start();
    for (body, code) in [
        ("{", -32700),
        ("\u{0}\u{1}", -32700),
        ("null", -32600),
        (r#"{"id":1,"method":"app.list"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"app.list"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"app.list","params":"x"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"app.list","params":[1]}"#, -32602),
    ] {
        let answer = posted(&daemon, body);
        assert_eq!(answer["error"]["code"], code, "{body}: {answer}");
        assert_eq!(answer["jsonrpc"], "2.0");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(posted(&daemon, &deep)["error"]["code"], -32700);
    assert_eq!(daemon.rpc("app.list", &json!({})), Ok(json!([])));
}

#[test]
fn a_request_of_ten_megabytes_is_refused_and_the_next_one_is_answered() {
    let daemon = Daemon::start();
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "app.deploy", "params": { "compose": "x".repeat(10 << 20) } });
    let reply = daemon.post(call.to_string().as_bytes()).unwrap();
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (413, &json!(-32600)));
    assert!(reply.body.contains("larger than"), "{}", reply.body);
    assert_eq!(daemon.rpc("app.list", &json!({})), Ok(json!([])));
}

#[test]
fn what_is_no_http_does_not_end_the_server() {
    let daemon = Daemon::start();
    for garbage in
        [&b"\x16\x03\x01\x02\x00"[..], b"GET\r\n\r\n", b"POST /rpc HTTP/9.9\r\n\r\n", b"\r\n\r\n\xff\xff"]
    {
        let mut stream = daemon.connect().unwrap();
        stream.write_all(garbage).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(daemon.get("/nowhere").unwrap().status, 404);
    assert_eq!(daemon.get("/rpc").unwrap().status, 405);
    assert_eq!(daemon.get("/health").unwrap().status, 200);
}

#[test]
fn the_discovery_document_describes_every_method() {
    let daemon = Daemon::start();
    let document = daemon.rpc("rpc.discover", &json!({})).unwrap();
    assert!(document["openrpc"].as_str().unwrap().starts_with("1."), "{}", document["openrpc"]);
    let methods = document["methods"].as_array().unwrap();
    let names: Vec<&str> = methods.iter().map(|method| method["name"].as_str().unwrap()).collect();
    for expected in ["app.deploy", "app.list", "operation.wait", "host.add", "daemon.status", "rpc.discover"]
    {
        assert!(names.contains(&expected), "{expected} is not in {names:?}");
    }
    for method in methods {
        assert!(method["params"].is_array() && method["result"].is_object(), "{}", method["name"]);
    }
    for name in names {
        let answer = daemon.rpc(name, &json!({ "no_such_parameter": 1 }));
        let code = answer.unwrap_err()["code"].clone();
        assert_eq!(code, -32602, "{name} is described, so it is there, and takes no unknown parameter");
    }
}

fn impatient() -> Daemon {
    let config = "[registry]\nlookup = false\n[limits]\nrequest-seconds = 1\n";
    Daemon::with(Setup { config: config.into(), ..Setup::default() })
}

#[test]
fn a_body_that_does_not_arrive_in_time_is_given_up() {
    let daemon = impatient();
    let mut stream = daemon.connect().unwrap();
    stream.write_all(b"POST /rpc HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("did not arrive in time"), "{answer}");
    assert_eq!(daemon.rpc("app.list", &json!({})), Ok(json!([])));
}

#[test]
fn a_head_that_does_not_arrive_in_time_is_given_up() {
    let daemon = impatient();
    let mut stream = daemon.connect().unwrap();
    stream.write_all(b"POST /rpc HT").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
}

#[test]
fn idle_clients_keep_nobody_waiting() {
    let daemon = Daemon::start();
    let idle: Vec<_> = (0..50).map(|_| daemon.connect().unwrap()).collect();
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(daemon.rpc("app.list", &json!({})), Ok(json!([])));
    }
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    drop(idle);
}

#[test]
fn a_deployment_repeated_with_the_same_request_id_is_the_same_operation() {
    let daemon = Daemon::start();
    let params = json!({ "template": "whoami", "request_id": "one" });
    let first = daemon.rpc("app.deploy", &params).unwrap();
    let second = daemon.rpc("app.deploy", &params).unwrap();
    assert_eq!(first["operation"]["id"], second["operation"]["id"]);
    daemon.settle();
    let third = daemon.rpc("app.deploy", &params).unwrap();
    assert_eq!(first["operation"]["id"], third["operation"]["id"]);
    assert_eq!(daemon.apps().len(), 1);
}

#[test]
fn a_list_is_never_older_than_what_was_told() {
    let daemon = Daemon::start();
    let list = |params: Value| daemon.rpc("app.list", &params).unwrap();
    // The whole list is kept by the daemon; that of a host is read anew each time.
    let compare = || {
        let (before, fresh, after) = (list(json!({})), list(json!({"host": "embedded"})), list(json!({})));
        if before == after {
            assert_eq!(before, fresh);
        }
        fresh
    };
    let mut events = daemon.events(&format!("since={}", daemon.last_event()));
    for (args, state) in [
        (&["deploy", "whoami"][..], Some("running")),
        (&["stop", "whoami"], Some("stopped")),
        (&["start", "whoami"], Some("running")),
        (&["restart", "whoami"], Some("running")),
        (&["rm", "whoami", "--yes"], None),
    ] {
        let command = daemon.ctl_spawn(args);
        loop {
            let event = events.next().unwrap();
            let apps = compare();
            let kind = event["kind"].as_str().unwrap_or_default();
            if kind == "operation.accepted" && event["app"] == "whoami" {
                assert!(apps.as_array().is_some_and(|apps| apps.len() == 1), "{args:?}: {apps:#}");
            }
            if kind == "operation.done" && event["app"] == "whoami" {
                assert_eq!(apps[0]["state"].as_str(), state, "{args:?}");
                assert_eq!(apps[0]["operation"], Value::Null, "{args:?}");
                break;
            }
        }
        assert!(command.wait_with_output().unwrap().status.success(), "{args:?}");
        assert_eq!(list(json!({}))[0]["state"].as_str(), state, "{args:?}");
    }
}

#[test]
fn a_list_shows_that_the_host_was_looked_at_again() {
    let daemon = Daemon::start();
    daemon.ctl(&["deploy", "whoami"]).ok();
    let looked = || daemon.apps()[0]["checked_at"].as_str().unwrap().to_string();
    let first = looked();
    proximity_tests::eventually("a later look", || (looked() > first).then_some(()));
}
