//! A container's life as an app lives it, with the token that can touch nothing but its pool.

#![allow(clippy::unwrap_used)]

mod support;

use reqwest::Method;
use serde_json::{Value, json};
use support::{Rig, urlencode};

#[tokio::test]
async fn a_container_is_made_started_changed_stopped_and_removed() {
    let rig = Rig::new().await;
    rig.template().await;
    rig.create("100").await;
    let config = rig.get("/nodes/pve1/lxc/100/config").await;
    assert_eq!(config.data()["memory"], 512);
    assert_eq!(config.data()["rootfs"], "local-lvm:vm-100-disk-0,size=8G");
    assert!(config.data().get("lock").is_none());
    let digest = config.data()["digest"].as_str().unwrap().to_owned();

    let put = rig
        .put(
            "/nodes/pve1/lxc/100/config",
            &[("tags", "proximity"), ("description", "x: y"), ("digest", &digest)],
        )
        .await;
    assert_eq!(put.data(), &json!(null));
    let stale = rig.put("/nodes/pve1/lxc/100/config", &[("memory", "600"), ("digest", &digest)]).await;
    assert_eq!(
        (stale.status, stale.message()),
        (500, "detected modified configuration - file changed by other user? Try again.")
    );

    rig.start("100").await;
    let status = rig.get("/nodes/pve1/lxc/100/status/current").await;
    assert_eq!(status.data()["status"], "running");
    assert_eq!(status.data()["tags"], "proximity");
    let again = rig.post("/nodes/pve1/lxc/100/status/start", &[]).await;
    assert_eq!((again.status, again.message()), (500, "CT 100 already running"));
    let interfaces = rig.get("/nodes/pve1/lxc/100/interfaces").await;
    assert_eq!(interfaces.data()[0]["ip-addresses"][0]["ip-address"], "10.99.0.5");

    let resources = rig.get("/cluster/resources?type=vm").await;
    assert_eq!(resources.data()[0]["pool"], "proximity");
    let refused = rig.call(Method::DELETE, "/nodes/pve1/lxc/100", &[("purge", "1")]).await;
    assert_eq!(refused.message(), "unable to destroy CT 100 - container is running");

    let stop = rig.post("/nodes/pve1/lxc/100/status/shutdown", &[("timeout", "5")]).await;
    assert_eq!(rig.ended(&stop).await, "OK");
    let resize = rig.put("/nodes/pve1/lxc/100/resize", &[("disk", "rootfs"), ("size", "+2G")]).await;
    assert_eq!(rig.ended(&resize).await, "OK");
    assert_eq!(
        rig.get("/nodes/pve1/lxc/100/config").await.data()["rootfs"],
        "local-lvm:vm-100-disk-0,size=10G"
    );
    let destroy = rig.call(Method::DELETE, "/nodes/pve1/lxc/100", &[("purge", "1")]).await;
    assert_eq!(rig.ended(&destroy).await, "OK");
    let gone = rig.get("/nodes/pve1/lxc/100/config").await;
    assert_eq!((gone.status, gone.message()), (403, "Permission check failed (/vms/100, VM.Audit)"));
    assert_eq!(rig.get("/cluster/resources?type=vm").await.data(), &json!([]));
    assert_eq!(rig.get("/nodes/pve1/storage/local-lvm/status").await.data()["used"], 0);
}

#[tokio::test]
async fn a_golden_container_becomes_a_template_and_is_copied_linked_one_at_a_time() {
    let rig = Rig::new().await;
    rig.template().await;
    rig.create("100").await;
    assert_eq!(rig.post("/nodes/pve1/lxc/100/template", &[]).await.data(), &json!(null));
    while rig.get("/nodes/pve1/lxc/100/config").await.data().get("template").is_none() {}
    let start = rig.post("/nodes/pve1/lxc/100/status/start", &[]).await;
    assert_eq!(rig.ended(&start).await, "you can't start a CT if it's a template");

    rig.fault(json!({ "task": "vzclone", "action": { "kind": "task_hang" } })).await;
    let form = [("newid", "101"), ("pool", "proximity"), ("hostname", "copy")];
    let hanging = rig.post("/nodes/pve1/lxc/100/clone", &form).await;
    let second = rig.post("/nodes/pve1/lxc/100/clone", &[("newid", "102"), ("pool", "proximity")]).await;
    assert_eq!((second.status, second.message()), (500, "CT is locked (disk)"));
    rig.call(
        Method::DELETE,
        &format!("/nodes/pve1/tasks/{}", urlencode(hanging.data().as_str().unwrap())),
        &[],
    )
    .await;
    assert_eq!(rig.ended(&hanging).await, "received interrupt");

    rig.control(Method::POST, "/state", json!({ "guest_lock": { "vmid": 100, "lock": null } })).await;
    let form = [("newid", "103"), ("pool", "proximity"), ("hostname", "copy")];
    let clone = rig.post("/nodes/pve1/lxc/100/clone", &form).await;
    assert_eq!(rig.ended(&clone).await, "OK");
    let config = rig.get("/nodes/pve1/lxc/103/config").await;
    assert_eq!(config.data()["hostname"], "copy");
    assert!(config.data().get("template").is_none());
}

#[tokio::test]
async fn a_copy_of_a_running_container_needs_a_snapshot_and_carries_its_description() {
    let rig = Rig::new().await;
    rig.template().await;
    rig.create("100").await;
    rig.put("/nodes/pve1/lxc/100/config", &[("description", "of the container")]).await;
    rig.start("100").await;
    let refused = rig.post("/nodes/pve1/lxc/100/clone", &[("newid", "101"), ("pool", "proximity")]).await;
    assert_eq!(refused.message(), "Full clone of a running container is only possible from a snapshot");
    let snapshot =
        rig.post("/nodes/pve1/lxc/100/snapshot", &[("snapname", "s1"), ("description", "first")]).await;
    assert_eq!(rig.ended(&snapshot).await, "OK");
    let listed = rig.get("/nodes/pve1/lxc/100/snapshot").await;
    assert_eq!(listed.data()[0]["description"], "first\n");
    assert_eq!(listed.data()[1]["parent"], "s1");
    let form = [
        ("newid", "101"),
        ("pool", "proximity"),
        ("snapname", "s1"),
        ("full", "1"),
        ("storage", "local-lvm"),
    ];
    let clone = rig.post("/nodes/pve1/lxc/100/clone", &form).await;
    assert_eq!(rig.ended(&clone).await, "OK");
    assert_eq!(rig.get("/nodes/pve1/lxc/101/config").await.data()["description"], "first\n");
    let taken = rig.post("/nodes/pve1/lxc/100/snapshot", &[("snapname", "s1")]).await;
    assert_eq!(rig.ended(&taken).await, "snapshot name 's1' already used");
}

#[tokio::test]
async fn a_backup_is_listed_protected_restored_beside_and_in_place() {
    let rig = Rig::new().await;
    rig.template().await;
    rig.create("100").await;
    rig.start("100").await;
    let form = [
        ("vmid", "100"),
        ("storage", "local"),
        ("compress", "zstd"),
        ("notes-template", "app={{guestname}} {{vmid}}"),
    ];
    let backup = rig.post("/nodes/pve1/vzdump", &form).await;
    assert_eq!(rig.ended(&backup).await, "OK");
    let listed = rig.get("/nodes/pve1/storage/local/content?content=backup&vmid=100").await;
    assert_eq!(listed.data()[0]["notes"], "app=app 100");
    let volid = listed.data()[0]["volid"].as_str().unwrap().to_owned();
    assert!(
        rig.log_of(&backup).await.iter().any(|l| l.contains(volid.strip_prefix("local:backup/").unwrap()))
    );

    let over = [
        ("vmid", "100"),
        ("ostemplate", volid.as_str()),
        ("restore", "1"),
        ("storage", "local-lvm"),
        ("force", "1"),
    ];
    assert_eq!(rig.post("/nodes/pve1/lxc", &over).await.message(), "can't overwrite running container");
    let stop = rig.post("/nodes/pve1/lxc/100/status/stop", &[]).await;
    assert_eq!(rig.ended(&stop).await, "OK");
    let restore = rig.post("/nodes/pve1/lxc", &over).await;
    assert_eq!(rig.ended(&restore).await, "OK");
    assert_eq!(
        rig.get("/nodes/pve1/lxc/100/config").await.data()["rootfs"],
        "local-lvm:vm-100-disk-1,size=8G"
    );

    let beside = [
        ("vmid", "101"),
        ("ostemplate", volid.as_str()),
        ("restore", "1"),
        ("storage", "local-lvm"),
        ("unique", "1"),
        ("hostname", "restored"),
        ("pool", "proximity"),
    ];
    let restore = rig.post("/nodes/pve1/lxc", &beside).await;
    assert_eq!(rig.ended(&restore).await, "OK");
    assert_eq!(rig.get("/nodes/pve1/lxc/101/config").await.data()["hostname"], "restored");

    let path = format!("/nodes/pve1/storage/local/content/{}", urlencode(&volid));
    rig.put(&path, &[("protected", "1")]).await;
    let kept = rig.call(Method::DELETE, &path, &[]).await;
    assert!(rig.ended(&kept).await.starts_with("cannot remove protected volume 'backup/vzdump-lxc-100-"));
    rig.put(&path, &[("protected", "0")]).await;
    let removed = rig.call(Method::DELETE, &path, &[]).await;
    assert_eq!(rig.ended(&removed).await, "OK");
    assert_eq!(rig.get("/nodes/pve1/storage/local/content?content=backup").await.data(), &json!([]));
}

#[tokio::test]
async fn of_four_creations_at_once_with_one_id_exactly_one_gets_it() {
    let rig = Rig::new().await;
    rig.template().await;
    assert_eq!(rig.get("/cluster/nextid").await.data(), "100");
    let form = Rig::form("100", &[]);
    let create = || rig.post("/nodes/pve1/lxc", &form);
    let (a, b, c, d) = tokio::join!(create(), create(), create(), create());
    let replies = [a, b, c, d];
    assert_eq!(replies.iter().filter(|r| r.status == 200).count(), 1);
    let refused: Vec<_> = replies.iter().filter(|r| r.status == 500).collect();
    assert_eq!(refused.len(), 3);
    assert!(refused.iter().all(|r| r.message() == "CT 100 already exists on node 'pve1'"));
    let made = replies.iter().find(|r| r.status == 200).unwrap();
    assert_eq!(rig.ended(made).await, "OK");
    let taken = rig.get("/cluster/nextid?vmid=100").await;
    assert_eq!((taken.status, &taken.body["errors"]), (400, &json!({ "vmid": "VM 100 already exists" })));
}

#[tokio::test]
async fn a_full_storage_fails_the_creation_and_leaves_nothing_behind() {
    let rig = Rig::new().await;
    rig.template().await;
    rig.control(Method::POST, "/state", json!({ "storage_free": { "storage": "local-lvm", "bytes": 1024 } }))
        .await;
    let reply = rig.post("/nodes/pve1/lxc", &Rig::form("100", &[])).await;
    let status = rig.ended(&reply).await;
    assert!(
        status.starts_with("unable to create CT 100 - command 'lxc-usernsexec")
            && status.ends_with("failed: exit code 2"),
        "{status}"
    );
    assert!(rig.log_of(&reply).await.iter().any(|l| l.ends_with("Cannot write: No space left on device")));
    assert_eq!(rig.get("/cluster/nextid").await.data(), "100");
    let state = rig.control(Method::GET, "/state", json!(null)).await;
    assert_eq!(state["guests"], json!([]));
}

#[tokio::test]
async fn what_cannot_change_while_running_waits_for_the_next_start() {
    let rig = Rig::new().await;
    rig.template().await;
    rig.create("100").await;
    rig.start("100").await;
    assert_eq!(
        rig.put("/nodes/pve1/lxc/100/config", &[("features", "nesting=0"), ("memory", "768")]).await.status,
        200
    );
    let path = "/nodes/pve1/lxc/100/config";
    assert_eq!(rig.get(path).await.data()["features"], "nesting=0");
    let current = rig.get(&format!("{path}?current=1")).await;
    assert_eq!((&current.data()["features"], &current.data()["memory"]), (&json!("nesting=1"), &json!(768)));
    let pending = rig.get("/nodes/pve1/lxc/100/pending").await;
    let features = pending.data().as_array().unwrap().iter().find(|e| e["key"] == "features").unwrap();
    assert_eq!(features, &json!({ "key": "features", "value": "nesting=1", "pending": "nesting=0" }));
    let reboot = rig.post("/nodes/pve1/lxc/100/status/reboot", &[]).await;
    assert_eq!(rig.ended(&reboot).await, "WARNINGS: 1");
    assert_eq!(rig.get(&format!("{path}?current=1")).await.data()["features"], "nesting=0");
}

#[tokio::test]
async fn a_container_that_ignores_its_shutdown_fails_the_task_unless_forced() {
    let rig = Rig::new().await;
    rig.template().await;
    rig.create("100").await;
    rig.start("100").await;
    *rig.engine.stubborn.lock().unwrap() = true;
    let asked = rig.post("/nodes/pve1/lxc/100/status/shutdown", &[("timeout", "10")]).await;
    assert_eq!(rig.ended(&asked).await, "container did not stop");
    assert_eq!(
        rig.log_of(&asked).await[0],
        "command 'lxc-stop -n 100 --nokill --timeout 10' failed: exit code 1"
    );
    let forced =
        rig.post("/nodes/pve1/lxc/100/status/shutdown", &[("timeout", "1"), ("forceStop", "1")]).await;
    assert_eq!(rig.ended(&forced).await, "OK");
}

#[tokio::test]
async fn the_node_tells_how_long_its_tasks_ran() {
    let rig = Rig::new().await;
    rig.template().await;
    rig.create("100").await;
    rig.start("100").await;
    let tasks = rig.control(Method::GET, "/tasks", Value::Null).await;
    let of_it: Vec<&Value> = tasks.as_array().unwrap().iter().filter(|task| task["id"] == "100").collect();
    assert_eq!(of_it.iter().map(|task| &task["type"]).collect::<Vec<_>>(), ["vzstart", "vzcreate"]);
    assert!(of_it.iter().all(|task| task["ms"].as_f64().is_some_and(|ms| ms > 0.0)), "{tasks}");
}
