//! What a node keeps: its state across a restart, and its manners when told to misbehave.

#![allow(clippy::unwrap_used)]

mod support;

use reqwest::Method;
use serde_json::json;
use support::{Rig, TEMPLATE};

#[tokio::test]
async fn after_a_restart_everything_is_as_it_was_and_what_ran_runs_again() {
    let rig = Rig::new().await;
    rig.template().await;
    rig.create("100").await;
    rig.create("101").await;
    rig.start("100").await;
    let before = rig.node.file.clone();
    let config = rig.get("/nodes/pve1/lxc/100/config").await.data().clone();
    let tasks = rig.get("/nodes/pve1/tasks").await.data().clone();

    let rig = rig.restart().await;
    let after = &rig.node.file;
    assert_eq!(
        (&after.url, &after.fingerprint, &after.token_secret),
        (&before.url, &before.fingerprint, &before.token_secret)
    );
    assert_eq!(rig.get("/nodes/pve1/lxc/100/config").await.data(), &config);
    assert_eq!(rig.get("/nodes/pve1/tasks").await.data(), &tasks);
    assert_eq!(rig.get("/nodes/pve1/lxc/100/status/current").await.data()["status"], "running");
    assert_eq!(rig.get("/nodes/pve1/lxc/101/status/current").await.data()["status"], "stopped");
    assert_eq!(*rig.engine.calls.lock().unwrap(), ["start 100"]);
}

#[tokio::test]
async fn node_json_is_complete_and_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let rig = Rig::new().await;
    let path = rig.dir.path().join("node.json");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for field in [
        "url",
        "listen",
        "pid",
        "fingerprint",
        "ca_pem",
        "version",
        "node",
        "engine",
        "token_id",
        "token_secret",
        "root_password",
        "pool",
        "storages",
        "bridge",
        "control_token",
    ] {
        assert!(file.get(field).is_some(), "{field}");
    }
}

#[tokio::test]
async fn a_killed_worker_leaves_its_lock_and_an_unexpected_status() {
    let rig = Rig::new().await;
    rig.template().await;
    rig.fault(json!({ "task": "vzcreate", "action": { "kind": "task_die" } })).await;
    let reply = rig.post("/nodes/pve1/lxc", &Rig::form("100", &[])).await;
    assert_eq!(rig.ended(&reply).await, "unexpected status");
    let root = rig.as_root(Method::GET, "/nodes/pve1/lxc/100/config", &[]).await;
    assert_eq!(root.data()["lock"], "create");
    let destroy = rig.as_root(Method::DELETE, "/nodes/pve1/lxc/100", &[("force", "1")]).await;
    assert_eq!((destroy.status, destroy.message()), (500, "CT is locked (create)"));
}

#[tokio::test]
async fn a_stopped_creation_takes_everything_back() {
    let rig = Rig::with(|o| o.task_time = proximity_sim::TaskTime::Recorded).await;
    rig.template().await;
    let reply = rig.post("/nodes/pve1/lxc", &Rig::form("100", &[])).await;
    let upid = reply.data().as_str().unwrap().to_owned();
    let running = rig.get(&format!("/nodes/pve1/tasks/{}/status", support::urlencode(&upid))).await;
    assert_eq!(running.data()["status"], "running");
    while !rig.log_of(&reply).await.iter().any(|line| line.starts_with("extracting archive")) {}
    rig.call(Method::DELETE, &format!("/nodes/pve1/tasks/{}", support::urlencode(&upid)), &[]).await;
    let status = rig.ended(&reply).await;
    assert!(
        status.starts_with("unable to create CT 100 - command 'lxc-usernsexec")
            && status.ends_with("failed: received interrupt"),
        "{status}"
    );
    assert_eq!(rig.get("/cluster/nextid").await.data(), "100");
}

#[tokio::test]
async fn faults_refuse_cut_and_garble_calls_as_told() {
    let rig = Rig::new().await;
    rig.template().await;
    rig.fault(json!({ "path": "/version", "action": { "kind": "status", "status": 500, "message": "got timeout" } })).await;
    assert_eq!(rig.get("/version").await.message(), "got timeout");
    assert_eq!(rig.get("/version").await.status, 200);
    rig.fault(json!({ "path": "/version", "action": { "kind": "unreachable" } })).await;
    assert_eq!(rig.get("/version").await.status, 596);
    rig.fault(json!({ "path": "/version", "action": { "kind": "garbage" } })).await;
    assert!(rig.get("/version").await.text.starts_with("<html>"));

    rig.fault(json!({ "method": "POST", "path": "/nodes/*/lxc", "action": { "kind": "cut_before" } })).await;
    let form = Rig::form("100", &[]);
    let send = || {
        rig.request(Method::POST, "/nodes/pve1/lxc").header("Authorization", rig.token()).form(&form).send()
    };
    assert!(send().await.is_err());
    assert_eq!(rig.get("/cluster/nextid").await.data(), "100");
    rig.fault(json!({ "method": "POST", "path": "/nodes/*/lxc", "action": { "kind": "cut_after" } })).await;
    assert!(send().await.is_err());
    assert_eq!(rig.get("/cluster/nextid").await.data(), "101");
}

#[tokio::test]
async fn requests_are_counted_and_knobs_turn() {
    let rig = Rig::new().await;
    rig.template().await;
    rig.control(Method::DELETE, "/requests", json!(null)).await;
    rig.get("/nodes/pve1/lxc/100/config").await;
    rig.get("/nodes/pve1/lxc/101/config").await;
    let seen = rig.control(Method::GET, "/requests", json!(null)).await;
    assert_eq!(seen["counts"], json!({ "GET /nodes/{node}/lxc/{vmid}/config": 2 }));
    assert_eq!(seen["last"][0]["status"], 403);

    rig.control(Method::POST, "/state", json!({ "remove_templates": true, "no_appliances": true })).await;
    assert_eq!(rig.get("/nodes/pve1/aplinfo").await.data(), &json!([]));
    let reply = rig.post("/nodes/pve1/lxc", &Rig::form("100", &[])).await;
    assert_eq!(
        rig.ended(&reply).await,
        format!("unable to create CT 100 - volume '{TEMPLATE}' does not exist")
    );
    rig.control(Method::POST, "/state", json!({ "node_offline": "pve1" })).await;
    assert_eq!(rig.get("/nodes/pve1/lxc").await.status, 595);
    rig.control(Method::POST, "/state", json!({ "node_online": "pve1" })).await;
    assert_eq!(rig.get("/nodes/pve1/lxc").await.status, 200);
}
