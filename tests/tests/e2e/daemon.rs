//! The daemon as a service: one of it, its configuration, its end, its database, its log.

use std::time::Instant;

use proximity_tests::{Daemon, Output, Setup, get_url, processes_of};
use serde_json::{Value, json};

fn run(mut command: std::process::Command) -> Output {
    Output::new("proximityd".into(), &command.output().unwrap())
}

#[test]
fn a_second_daemon_on_the_same_directory_is_refused() {
    let daemon = Daemon::start();
    let output = run(daemon.command_at(&daemon.path("other")));
    assert_ne!(output.status, 0);
    assert!(output.stderr.contains("another proximityd uses the data directory"), "{}", output.stderr);
    assert!(!daemon.path("other").exists());
    assert_eq!(daemon.rpc("app.list", &json!({})), Ok(json!([])), "the first one goes on");
}

#[test]
fn a_socket_that_another_daemon_answers_on_is_left_to_it() {
    let mut first = Daemon::start();
    let second = Daemon::prepared(Setup::default());
    let output = run(second.command_at(&first.socket()));
    assert_eq!(output.status, 1, "{}", output.stderr);
    let said = "another daemon answers on it; stop that one, or choose another with --socket";
    assert!(output.stderr.contains(said), "{}", output.stderr);
    assert_eq!(first.rpc("app.list", &json!({})), Ok(json!([])), "the first one goes on");
    assert!(processes_of(second.dir()).is_empty(), "{:?}", processes_of(second.dir()));
    assert_eq!(first.stop(), 0);
    assert!(!first.socket().exists());
}

#[test]
fn a_daemon_that_stops_leaves_a_socket_that_is_not_its_own() {
    let mut first = Daemon::start();
    // Somebody took its socket away, and another daemon put one there.
    std::fs::remove_file(first.socket()).unwrap();
    let others = std::os::unix::net::UnixListener::bind(first.socket()).unwrap();
    assert_eq!(first.stop(), 0);
    assert!(first.socket().exists());
    drop(others);
}

#[test]
fn a_fault_plan_that_is_not_there_is_said_before_anything_starts() {
    let daemon = Daemon::prepared(Setup::default());
    let mut command = daemon.command();
    command.arg("--fault-plan").arg(daemon.path("nowhere.toml"));
    let output = run(command);
    assert_eq!(output.status, 78, "{}", output.stderr);
    assert!(output.stderr.contains("nowhere.toml cannot be read"), "{}", output.stderr);
    assert!(!daemon.data().exists());
}

#[test]
fn check_config_says_that_it_is_good_or_where_it_is_not() {
    let good = Daemon::prepared(Setup::default());
    let mut command = good.command();
    command.arg("--check-config");
    assert_eq!(run(command).status, 0);
    assert!(!good.data().exists(), "a check makes nothing");

    let config = "log = \"info\"\n[limits]\n  conections = 3\n".to_string();
    let bad = Daemon::prepared(Setup { config, ..Setup::default() });
    let mut command = bad.command();
    command.arg("--check-config");
    let output = run(command);
    assert_ne!(output.status, 0);
    let said = output.stderr.replace(&bad.dir().display().to_string(), "DIR");
    assert!(
        said.contains("DIR/config.toml:3:3: unknown key `conections`; did you mean `connections`?"),
        "{said}"
    );
}

#[test]
fn what_a_configuration_names_is_checked_too_and_the_start_ends_as_the_check_does() {
    for (config, message) in [
        (
            "[access]\ngroup = \"no-such-group\"\n",
            "`access.group` names `no-such-group`, and there is no such group",
        ),
        ("catalog-dir = \"/nonexistent\"\n", "`catalog-dir = \"/nonexistent\"` cannot be used"),
        ("[limits]\nconnections = 0\n", "the values in [limits] must be at least 1"),
    ] {
        let daemon = Daemon::prepared(Setup { config: config.into(), ..Setup::default() });
        for args in [&["--check-config"][..], &[]] {
            let mut command = daemon.command();
            command.args(args);
            let output = run(command);
            assert_eq!(output.status, 78, "{config} {args:?}: {}", output.stderr);
            assert!(output.stderr.contains(message), "{config} {args:?}: {}", output.stderr);
            assert!(!daemon.data().exists(), "nothing is made");
        }
    }
}

#[test]
fn a_stopped_daemon_leaves_no_socket_and_no_node() {
    let mut daemon = Daemon::start();
    daemon.ctl(&["deploy", "whoami", "-q"]).ok();
    let url = daemon.apps()[0]["url"].as_str().unwrap().to_string();
    assert_eq!(daemon.stop(), 0);
    assert!(!daemon.socket().exists());
    assert!(processes_of(daemon.dir()).is_empty(), "{:?}", processes_of(daemon.dir()));
    daemon.run();
    let back = |daemon: &Daemon| daemon.apps()[0]["state"] == "running" && get_url(&url).is_ok();
    proximity_tests::eventually("the app is back", || back(&daemon).then_some(()));
    assert_eq!(get_url(&url).unwrap().status, 200);
}

#[test]
fn an_operation_that_a_stop_interrupts_goes_on_at_the_next_start() {
    let mut daemon = Daemon::start();
    let mut events = daemon.events("since=0");
    let id = daemon.ctl(&["deploy", "whoami", "--no-wait"]).ok().stdout.trim().to_string();
    events.find(|e| e["data"]["step"] == "create-container" && e["app"] == "whoami").unwrap();
    assert_eq!(daemon.stop(), 0);
    daemon.run();
    daemon.ctl(&["op", "wait", &id]).ok();
    assert_eq!(daemon.apps()[0]["state"], "running");
    daemon.assert_node_holds_what_is_known();
}

#[test]
fn a_socket_left_by_a_killed_daemon_is_replaced() {
    let mut daemon = Daemon::start();
    daemon.kill9();
    assert!(daemon.socket().exists());
    daemon.run();
    assert_eq!(daemon.rpc("app.list", &json!({})), Ok(json!([])));
}

#[test]
fn a_file_that_is_no_socket_is_not_replaced() {
    let daemon = Daemon::prepared(Setup::default());
    std::fs::write(daemon.socket(), "mine").unwrap();
    let output = run(daemon.command());
    assert_ne!(output.status, 0);
    assert_eq!(std::fs::read_to_string(daemon.socket()).unwrap(), "mine");
    assert!(output.stderr.contains("is no socket"), "{}", output.stderr);
    // The node that was started for it has ended too.
    assert!(processes_of(daemon.dir()).is_empty(), "{:?}", processes_of(daemon.dir()));
}

#[test]
fn a_database_of_a_newer_program_is_refused_untouched() {
    let mut daemon = Daemon::start();
    daemon.ctl(&["deploy", "whoami", "-q"]).ok();
    assert_eq!(daemon.stop(), 0);
    let path = daemon.data().join("proximity.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    database.pragma_update(None, "user_version", 9999).unwrap();
    database.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(database);
    let before = std::fs::read(&path).unwrap();
    let output = run(daemon.command());
    assert_ne!(output.status, 0);
    assert!(output.stderr.contains("newer"), "{}", output.stderr);
    assert!(std::fs::read(&path).unwrap() == before, "the database was changed");
}

#[test]
fn a_json_log_is_one_object_a_line() {
    let mut daemon =
        Daemon::with(Setup { log: "debug".into(), log_format: "json".into(), ..Setup::default() });
    daemon.ctl(&["deploy", "whoami", "-q"]).ok();
    assert_eq!(daemon.stop(), 0);
    let log = daemon.log();
    assert!(log.lines().count() > 10, "{log}");
    for line in log.lines() {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(value["level"].is_string() && value["timestamp"].is_string(), "{line}");
    }
}

#[test]
fn a_log_that_goes_to_a_file_has_no_colours() {
    let mut daemon = Daemon::start();
    assert_eq!(daemon.stop(), 0);
    assert!(daemon.log().contains("ready"), "{}", daemon.log());
    assert!(!daemon.log().contains('\u{1b}'), "{:?}", daemon.log());
}

#[test]
fn a_daemon_with_two_hundred_apps_answers_at_once() {
    let mut daemon = Daemon::start();
    daemon.ctl(&["deploy", "whoami", "-q"]).ok();
    assert_eq!(daemon.stop(), 0);
    let database = rusqlite::Connection::open(daemon.data().join("proximity.db")).unwrap();
    let copies = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 199)
        INSERT INTO app (id, name, host, template, template_version, state, node, vmid, ip, url, spec, created_at)
        SELECT id || i, 'copy' || i, host, template, template_version, 'stopped', node, 1000 + i, ip, url, spec,
               created_at FROM app, n";
    assert_eq!(database.execute(copies, []).unwrap(), 199);
    drop(database);
    let begun = Instant::now();
    daemon.run();
    let listed = daemon.ctl(&["ls", "-o", "json"]).ok().json();
    let took = begun.elapsed();
    assert_eq!(listed.as_array().map(Vec::len), Some(200));
    assert!(took.as_secs() < 20, "{took:?}");
    // Their containers are not there, and that deletes no record.
    let missing = || daemon.apps().iter().filter(|app| app["state"] == "missing").count();
    proximity_tests::eventually("the copies are missing", || (missing() == 199).then_some(()));
    assert_eq!(daemon.apps().len(), 200);
}

/// What `doctor` says of SSH into containers.
fn guest_ssh(daemon: &Daemon) -> Value {
    let found = daemon.rpc("daemon.doctor", &json!({})).unwrap();
    let checks = found["checks"].as_array().unwrap();
    let found: Vec<&Value> = checks.iter().filter(|check| check["id"] == "guest-ssh").collect();
    assert_eq!(found.len(), 1, "{checks:#?}");
    found[0].clone()
}

#[test]
fn doctor_says_how_containers_are_reached_also_where_ssh_into_them_is_turned_off() {
    let mut daemon = Daemon::start();
    daemon.ctl(&["deploy", "whoami", "-q"]).ok();
    // The embedded node's containers have no SSH server, which is no fault.
    let check = guest_ssh(&daemon);
    assert_eq!(
        (&check["status"], &check["message"]),
        (&json!("ok"), &json!("without SSH in them, reached as above: whoami"))
    );
    daemon.stop();
    let config = std::fs::read_to_string(daemon.path("config.toml")).unwrap();
    std::fs::write(daemon.path("config.toml"), config + "[guest]\nssh = false\n").unwrap();
    daemon.run();
    daemon.ctl(&["restart", "whoami", "-q"]).ok();
    let check = guest_ssh(&daemon);
    assert_eq!(check["status"], "skipped", "{check}");
    assert!(check["message"].as_str().unwrap().contains("turned off"), "{check}");
}
