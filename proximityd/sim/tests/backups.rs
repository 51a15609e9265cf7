//! Backups: what is in them, what is kept of them, what is noted, and who is refused.

#![allow(clippy::unwrap_used)]

mod support;

use proximity_sim::TaskTime;
use reqwest::Method;
use serde_json::{Value, json};
use support::Rig;

async fn with_container() -> Rig {
    let rig = Rig::new().await;
    rig.template().await;
    rig.create("100").await;
    rig
}

async fn keep(rig: &Rig, keep: Option<&str>) {
    let storage = json!({
        "type": "dir", "content": ["vztmpl", "backup"], "total": 100u64 << 30, "path": "/var/lib/vz",
        "prune_backups": keep,
    });
    rig.control(Method::POST, "/state", json!({ "storages": { "local": storage } })).await;
}

async fn backup(rig: &Rig, more: &[(&str, &str)]) -> (String, Vec<String>) {
    let mut form = vec![("vmid", "100"), ("storage", "local"), ("compress", "zstd")];
    form.extend_from_slice(more);
    let reply = rig.post("/nodes/pve1/vzdump", &form).await;
    (rig.ended(&reply).await, rig.log_of(&reply).await)
}

async fn kept(rig: &Rig) -> Vec<Value> {
    rig.get("/nodes/pve1/storage/local/content?content=backup").await.data().as_array().unwrap().clone()
}

#[tokio::test]
async fn the_storages_retention_removes_the_older_ones_but_never_a_protected_one() {
    let rig = with_container().await;
    keep(&rig, Some("keep-last=2")).await;
    assert_eq!(backup(&rig, &[("protected", "1")]).await.0, "OK");
    let protected = kept(&rig).await[0]["volid"].clone();
    for _ in 0..2 {
        let (end, log) = backup(&rig, &[]).await;
        assert_eq!(end, "OK");
        assert!(log.contains(&"INFO: pruned 0 backup(s)".to_owned()), "{log:?}");
    }
    let oldest = kept(&rig).await[1]["volid"].as_str().unwrap().to_owned();
    let (_, log) = backup(&rig, &[]).await;
    let at = log.iter().position(|l| l == "INFO: prune older backups with retention: keep-last=2").unwrap();
    assert_eq!(log[at + 1], format!("INFO: removing backup '{oldest}'"));
    assert_eq!(log[at + 2], "INFO: pruned 1 backup(s) not covered by keep-retention policy");
    let left = kept(&rig).await;
    assert_eq!((left.len(), &left[0]["volid"], &left[0]["protected"]), (3, &protected, &json!(1)));
    // Without removing, there is no room for one more.
    let (end, log) = backup(&rig, &[("remove", "0")]).await;
    assert_eq!(end, "job errors");
    let text =
        "ERROR: Backup of VM 100 failed - There is a max backup limit of 2 enforced by the target storage";
    assert!(log.iter().any(|line| line.starts_with(text)), "{log:?}");
}

#[tokio::test]
async fn what_would_be_pruned_is_told_and_pruned_on_demand() {
    let rig = with_container().await;
    for _ in 0..3 {
        assert_eq!(backup(&rig, &[]).await.0, "OK");
    }
    let path = "/nodes/pve1/storage/local/prunebackups";
    let none = rig.get(path).await;
    assert_eq!(none.message(), "no prune-backups options configured for storage 'local'");
    let told = rig.get(&format!("{path}?prune-backups=keep-last%3D1&vmid=100")).await;
    let marks: Vec<_> = told.data().as_array().unwrap().iter().map(|e| e["mark"].clone()).collect();
    assert_eq!(marks, ["keep", "remove", "remove"]);
    assert_eq!(kept(&rig).await.len(), 3);
    let all = rig.call(Method::DELETE, path, &[("prune-backups", "keep-last=1")]).await;
    assert_eq!(all.message(), "Permission check failed (/storage/local, Datastore.Allocate)");
    let own = rig.call(Method::DELETE, path, &[("prune-backups", "keep-last=1"), ("vmid", "100")]).await;
    assert_eq!(rig.ended(&own).await, "OK");
    assert_eq!(rig.log_of(&own).await.len(), 3);
    assert_eq!(kept(&rig).await.len(), 1);
}

#[tokio::test]
async fn a_caller_without_the_storage_keeps_five_protected_ones_at_most() {
    let rig = with_container().await;
    for _ in 0..5 {
        assert_eq!(backup(&rig, &[("protected", "1")]).await.0, "OK");
    }
    let (end, log) = backup(&rig, &[("protected", "1")]).await;
    assert_eq!(end, "job errors");
    let text = "The number of protected backups per guest is limited to 5 on storage 'local'";
    assert!(log.contains(&format!("ERROR: Backup of VM 100 failed - {text}")), "{log:?}");
}

#[tokio::test]
async fn notes_are_filled_in_and_a_template_that_cannot_be_is_refused() {
    let rig = with_container().await;
    let template = "{{guestname}} {{vmid}} on {{node}} of {{cluster}}\\nsecond \\\\ line";
    assert_eq!(backup(&rig, &[("notes-template", template)]).await.0, "OK");
    assert_eq!(kept(&rig).await[0]["notes"], "app 100 on pve1 of standalone node\nsecond \\ line");
    let form = [("vmid", "100"), ("storage", "local"), ("notes-template", "{{whoever}}")];
    let refused = rig.post("/nodes/pve1/vzdump", &form).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.body["errors"]["notes-template"], "found unknown: variable 'whoever' at char 4\n");
    let both = rig.post("/nodes/pve1/vzdump", &[("vmid", "100"), ("all", "1")]).await;
    assert_eq!(both.body["errors"]["all"], "option conflicts with option 'vmid'");
}

#[tokio::test]
async fn what_is_left_out_is_told_and_where_there_are_no_snapshots_processes_are_frozen() {
    let rig = with_container().await;
    let volumes = [("mp0", "local-lvm:1,mp=/data,backup=1"), ("mp1", "local-lvm:1,mp=/cache")];
    assert_eq!(rig.put("/nodes/pve1/lxc/100/config", &volumes).await.status, 200);
    rig.start("100").await;
    let (end, log) = backup(&rig, &[]).await;
    assert_eq!(end, "OK");
    for line in [
        "INFO: including mount point mp0 ('/data') in backup",
        "INFO: excluding volume mount point mp1 ('/cache') from backup (disabled)",
        "INFO: suspend vm to make snapshot",
        "INFO: resume vm",
    ] {
        assert!(log.contains(&line.to_owned()), "{line}: {log:?}");
    }
    let storage = json!({ "type": "dir", "content": ["rootdir"], "total": 64u64 << 30, "path": "/mnt/d" });
    rig.control(Method::POST, "/state", json!({ "storages": { "local-lvm": storage } })).await;
    let (end, log) = backup(&rig, &[]).await;
    assert_eq!(end, "OK");
    let at =
        log.iter().position(|l| l == "INFO: mode failure - some volumes do not support snapshots").unwrap();
    assert_eq!(log[at + 1], "INFO: trying 'suspend' mode instead");
    assert_eq!(log[at + 2], "INFO: backup mode: suspend");
    assert!(log.contains(&"INFO: suspending guest".to_owned()));
}

#[tokio::test]
async fn a_backup_in_stop_mode_stops_and_starts_the_container() {
    let rig = with_container().await;
    rig.start("100").await;
    rig.engine.calls.lock().unwrap().clear();
    let (end, log) = backup(&rig, &[("mode", "stop")]).await;
    assert_eq!(end, "OK");
    assert_eq!(*rig.engine.calls.lock().unwrap(), ["shutdown 100", "archive 100", "start 100"]);
    let at = |line: &str| log.iter().position(|l| l.starts_with(line)).unwrap();
    assert!(at("INFO: stopping virtual guest") < at("INFO: creating vzdump archive"));
    assert!(at("INFO: restarting vm") < at("INFO: guest is online again after"));
    assert_eq!(rig.get("/nodes/pve1/lxc/100/status/current").await.data()["status"], "running");
    *rig.engine.stubborn.lock().unwrap() = true;
    let (end, log) = backup(&rig, &[("mode", "stop")]).await;
    assert_eq!(end, "job errors");
    assert!(log.contains(&"ERROR: Backup of VM 100 failed - container did not stop".to_owned()), "{log:?}");
}

#[tokio::test]
async fn a_backup_of_what_is_locked_gone_or_elsewhere_says_so() {
    let rig = with_container().await;
    rig.control(Method::POST, "/state", json!({ "guest_lock": { "vmid": 100, "lock": "disk" } })).await;
    let (end, log) = backup(&rig, &[]).await;
    assert_eq!(end, "job errors");
    assert!(log.contains(&"ERROR: Backup of VM 100 failed - CT is locked (disk)".to_owned()), "{log:?}");
    let gone =
        rig.as_root(Method::POST, "/nodes/pve1/vzdump", &[("vmid", "555"), ("storage", "local")]).await;
    assert_eq!(rig.ended(&gone).await, "job errors");
    assert!(
        rig.log_of(&gone)
            .await
            .contains(&"ERROR: Backup of VM 555 failed - unable to find VM '555'".to_owned())
    );
}

#[tokio::test]
async fn a_young_container_has_no_figures_where_time_is_recorded() {
    let rig = Rig::with(|o| o.task_time = TaskTime::Held).await;
    // Its creation stays where it is, as the clock does.
    let made = rig.post("/nodes/pve1/lxc", &Rig::form("100", &[])).await;
    assert_eq!(made.status, 200);
    let seen = rig.as_root(Method::GET, "/cluster/resources?type=vm", &[]).await;
    assert_eq!(seen.data()[0]["status"], "unknown");
    assert!(seen.data()[0].get("maxmem").is_none());
}
