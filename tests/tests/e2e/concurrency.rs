//! Many at once.

use std::collections::BTreeSet;
use std::sync::Barrier;

use proximity_tests::{Daemon, Setup, get_url};
use serde_json::json;

#[test]
fn twenty_deployments_at_once_make_twenty_apps() {
    let daemon = Daemon::start();
    let names: Vec<String> = (1..=20).map(|n| format!("app{n}")).collect();
    let children: Vec<_> =
        names.iter().map(|name| daemon.ctl_spawn(&["deploy", "whoami", "--name", name])).collect();
    for (name, child) in names.iter().zip(children) {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let apps = daemon.apps();
    assert_eq!(apps.iter().filter(|app| app["state"] == "running").count(), 20, "{apps:#?}");
    let distinct = |key: &str| apps.iter().map(|app| app[key].to_string()).collect::<BTreeSet<_>>().len();
    assert_eq!((distinct("vmid"), distinct("ip"), distinct("url")), (20, 20, 20));
    for app in &apps {
        assert_eq!(get_url(app["url"].as_str().unwrap()).unwrap().status, 200, "{app:#}");
    }
    daemon.assert_node_holds_what_is_known();
}

#[test]
fn a_list_of_thirty_apps_asks_proxmox_nothing() {
    let config = "[registry]\nlookup = false\n[poll]\nhost-seconds = 3600\nprobe-seconds = 0\n";
    let daemon = Daemon::with(Setup { config: config.into(), ..Setup::default() });
    let ids: Vec<String> = (1..=30)
        .map(|n| {
            let params = json!({ "template": "whoami", "name": format!("app{n}") });
            daemon.rpc("app.deploy", &params).unwrap()["operation"]["id"].as_str().unwrap().to_string()
        })
        .collect();
    let mut wait = vec!["op", "wait"];
    wait.extend(ids.iter().map(String::as_str));
    daemon.ctl(&wait).ok();
    daemon.settle();
    let asked = || daemon.rpc("daemon.status", &json!({})).unwrap()["pve_requests"].as_u64().unwrap();
    let (before, seen) = (asked(), daemon.node().requests());
    for _ in 0..20 {
        assert_eq!(daemon.ctl(&["ls", "-o", "json"]).ok().json().as_array().map(Vec::len), Some(30));
    }
    assert_eq!(asked(), before);
    assert_eq!(daemon.node().requests(), seen);
}

#[test]
fn of_two_commands_on_one_app_one_works_and_one_is_told_to_wait() {
    let daemon = Daemon::start();
    daemon.ctl(&["deploy", "whoami", "-q"]).ok();
    let rule = json!({ "method": "POST", "path": "/nodes/*/lxc/*/status/*", "times": 0, "action": { "kind": "delay", "ms": 3000 } });
    daemon.node().faults(json!([rule]));
    let mut events = daemon.events(&format!("since={}", daemon.last_event()));
    let first = daemon.ctl_spawn(&["restart", "whoami"]);
    events.until("step.started");
    let second = daemon.ctl(&["stop", "whoami"]).exits(5);
    assert!(second.stderr.contains("whoami"), "{}", second.stderr);
    let output = first.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(daemon.apps()[0]["state"], "running");
}

#[test]
fn of_many_deployments_under_one_name_one_works_and_the_others_conflict() {
    let daemon = Daemon::start();
    let children: Vec<_> = (0..5).map(|_| daemon.ctl_spawn(&["deploy", "whoami", "-q"])).collect();
    let mut statuses: Vec<i32> =
        children.into_iter().map(|child| child.wait_with_output().unwrap().status.code().unwrap()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [0, 5, 5, 5, 5]);
    assert_eq!(daemon.apps().len(), 1);
    daemon.assert_node_holds_what_is_known();
}

#[test]
fn two_hundred_clients_at_once_are_all_answered() {
    let daemon = Daemon::start();
    let gate = Barrier::new(200);
    let answered = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..200)
            .map(|_| {
                scope.spawn(|| {
                    gate.wait();
                    daemon.rpc("app.list", &json!({})).is_ok()
                })
            })
            .collect();
        clients.into_iter().filter_map(|client| client.join().ok()).filter(|answered| *answered).count()
    });
    assert_eq!(answered, 200);
}
