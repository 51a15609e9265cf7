//! An address that changes, as DHCP changes it, is followed.

use proximity_tests::{Daemon, eventually, get_url};

#[test]
fn an_app_whose_address_changed_is_found_again_and_told_of_it() {
    let daemon = Daemon::start();
    // One that is told its own address.
    let app = daemon.ctl(&["deploy", "gitea", "-q", "-o", "json"]).ok().json();
    let old = app["ip"].as_str().unwrap().to_string();
    let new = format!("{}.222", old.rsplit_once('.').unwrap().0);
    let node = daemon.node();
    let container = format!("/nodes/pve1/lxc/{}", app["vmid"]);
    let running = || {
        let status = node.as_root("GET", &format!("{container}/status/current"));
        status["status"] == "running"
    };
    node.as_root("POST", &format!("{container}/status/stop"));
    eventually("the container is stopped", || (!running()).then_some(()));
    let card = format!("net0=name%3Deth0%2Cbridge%3Dvmbr0%2Cip%3D{new}%2F8");
    node.as_root_with("PUT", &format!("{container}/config"), &card);
    node.as_root("POST", &format!("{container}/status/start"));
    eventually("the container runs", || running().then_some(()));

    let moved = eventually("the app has followed", || {
        let app = daemon.ctl(&["info", "gitea", "-o", "json"]).ok().json();
        (app["ip"] == new.as_str() && app["state"] == "running" && app["operation"].is_null()).then_some(app)
    });
    let url = moved["url"].as_str().unwrap();
    assert!(url.contains(&new) && !url.contains(&old), "{url}");
    assert_eq!(get_url(url).unwrap().status, 200);
    let operations = daemon.ctl(&["op", "ls", "-o", "json"]).ok().json();
    let followed =
        |operation: &&serde_json::Value| operation["kind"] == "address" && operation["state"] == "done";
    assert!(operations.as_array().unwrap().iter().any(|operation| followed(&operation)), "{operations:#}");
}
