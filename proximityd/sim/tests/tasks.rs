//! A task's life: how it is seen while it runs, what it locks, how it is stopped, and what a dead worker leaves.
//!
//! The node's clock is held, so that a test sees a task half-way without waiting for it.

#![allow(clippy::unwrap_used)]

mod support;

use proximity_sim::TaskTime;
use reqwest::Method;
use serde_json::{Value, json};
use support::{Reply, Rig, urlencode};

async fn held() -> Rig {
    let rig = Rig::with(|o| o.task_time = TaskTime::Held).await;
    let form = [("storage", "local"), ("template", "debian-13-standard_13.1-2_amd64.tar.zst")];
    let download = rig.post("/nodes/pve1/aplinfo", &form).await;
    assert_eq!(end(&rig, &download).await, "OK");
    rig
}

async fn with_container() -> Rig {
    let rig = held().await;
    let made = rig.post("/nodes/pve1/lxc", &Rig::form("100", &[])).await;
    assert_eq!(end(&rig, &made).await, "OK");
    rig
}

fn task(reply: &Reply) -> String {
    format!("/nodes/pve1/tasks/{}", urlencode(reply.data().as_str().unwrap()))
}

async fn status(rig: &Rig, reply: &Reply) -> Value {
    rig.get(&format!("{}/status", task(reply))).await.data().clone()
}

async fn pass(rig: &Rig, millis: u64) {
    rig.control(Method::POST, "/clock", json!({ "advance_ms": millis })).await;
}

/// Lets the clock go on from one thing that waits for it to the next, until a task is over.
async fn end(rig: &Rig, reply: &Reply) -> String {
    loop {
        let status = status(rig, reply).await;
        if let Some(exit) = status["exitstatus"].as_str() {
            return exit.to_owned();
        }
        let clock = rig.control(Method::GET, "/clock", Value::Null).await;
        if let Some(next) = clock["next_ms"].as_u64() {
            pass(rig, next.min(1000)).await;
        }
    }
}

/// Waits, without the clock going on, until a task's log has a line.
async fn until_logged(rig: &Rig, reply: &Reply, begin: &str) {
    while !rig.log_of(reply).await.iter().any(|line| line.starts_with(begin)) {}
}

/// Waits, without the clock going on, until a container has a lock.
async fn until_locked(rig: &Rig, vmid: &str, lock: &str) {
    let path = format!("/nodes/pve1/lxc/{vmid}/status/current");
    while rig.as_root(Method::GET, &path, &[]).await.data()["lock"] != lock {}
}

async fn stop_task(rig: &Rig, reply: &Reply) {
    let stopped = rig.call(Method::DELETE, &task(reply), &[]).await;
    assert_eq!(stopped.data(), &Value::Null);
}

#[tokio::test]
async fn a_log_grows_while_its_task_runs_and_is_read_in_pages() {
    let rig = held().await;
    let made = rig.post("/nodes/pve1/lxc", &Rig::form("100", &[])).await;
    until_logged(&rig, &made, "Superblock").await;
    let running = status(&rig, &made).await;
    assert_eq!((&running["status"], running.get("exitstatus")), (&json!("running"), None));
    let early = rig.get(&format!("{}/log?limit=500", task(&made))).await;
    let lines = early.data().as_array().unwrap().len();
    assert_eq!(early.body["total"], lines);
    assert!(!rig.log_of(&made).await.iter().any(|line| line.starts_with("extracting")));

    pass(&rig, 300).await;
    until_logged(&rig, &made, "extracting archive").await;
    let later = rig.get(&format!("{}/log?start=2&limit=2", task(&made))).await;
    assert_eq!(later.body["total"], lines + 1);
    let numbers: Vec<_> = later.data().as_array().unwrap().iter().map(|l| l["n"].clone()).collect();
    assert_eq!(numbers, [3, 4]);

    let active = rig.get("/nodes/pve1/tasks?source=active").await;
    assert_eq!((active.data().as_array().unwrap().len(), &active.data()[0]["type"]), (1, &json!("vzcreate")));
    assert!(active.data()[0].get("endtime").is_none());
    assert_eq!(end(&rig, &made).await, "OK");
    assert_eq!(rig.log_of(&made).await.last().unwrap(), "TASK OK");
    assert_eq!(rig.get("/nodes/pve1/tasks?source=active").await.data(), &json!([]));
}

#[tokio::test]
async fn a_task_with_warnings_says_how_many() {
    let rig = held().await;
    let form = Rig::form("100", &[("features", "nesting=0")]);
    let made = rig.post("/nodes/pve1/lxc", &form).await;
    assert_eq!(end(&rig, &made).await, "WARNINGS: 1");
    let log = rig.log_of(&made).await;
    assert!(log[log.len() - 2].starts_with("WARN: Systemd"), "{log:?}");
    assert_eq!(log.last().unwrap(), "TASK WARNINGS: 1");
}

#[tokio::test]
async fn a_backup_locks_the_configuration_and_everybody_else_is_refused_in_proxmox_words() {
    let rig = with_container().await;
    let backup = rig.post("/nodes/pve1/vzdump", &[("vmid", "100"), ("storage", "local")]).await;
    until_logged(&rig, &backup, "INFO: creating vzdump archive").await;
    let seen = rig.get("/nodes/pve1/lxc/100/status/current").await;
    assert_eq!(seen.data()["lock"], "backup");
    let path = "/nodes/pve1/lxc/100";
    for reply in [
        rig.put(&format!("{path}/config"), &[("memory", "600")]).await,
        rig.put(&format!("{path}/resize"), &[("disk", "rootfs"), ("size", "+1G")]).await,
        rig.post(&format!("{path}/clone"), &[("newid", "101"), ("pool", "proximity")]).await,
        rig.post(&format!("{path}/template"), &[]).await,
        rig.call(Method::DELETE, path, &[]).await,
    ] {
        assert_eq!((reply.status, reply.message()), (500, "CT is locked (backup)"));
    }
    // These are accepted, and their tasks fail.
    for (what, form) in [("status/start", vec![]), ("snapshot", vec![("snapname", "s1")])] {
        let accepted = rig.post(&format!("{path}/{what}"), &form).await;
        assert_eq!(end(&rig, &accepted).await, "CT is locked (backup)", "{what}");
    }
    assert_eq!(end(&rig, &backup).await, "OK");
    let start = rig.post(&format!("{path}/status/start"), &[]).await;
    assert_eq!(end(&rig, &start).await, "OK");
}

#[tokio::test]
async fn a_held_lock_file_is_waited_for_ten_seconds() {
    let rig = with_container().await;
    let path = "/nodes/pve1/lxc/100";
    let resize = rig.put(&format!("{path}/resize"), &[("disk", "rootfs"), ("size", "+1G")]).await;
    until_logged(&rig, &resize, "Image resized.").await;
    let start = rig.post(&format!("{path}/status/start"), &[]).await;
    until_logged(&rig, &start, "trying to acquire lock...").await;
    let put_path = format!("{path}/config");
    let put = rig.put(&put_path, &[("memory", "600")]);
    // The clock goes on while the call waits.
    let (put, ()) = tokio::join!(put, async {
        for _ in 0..100 {
            pass(&rig, 200).await;
        }
    });
    let text = "can't lock file '/run/lock/lxc/pve-config-100.lock' - got timeout";
    assert_eq!((put.status, put.message()), (500, text));
    assert_eq!(end(&rig, &start).await, text);
    assert_eq!(
        rig.log_of(&start).await,
        ["trying to acquire lock...".to_owned(), format!("TASK ERROR: {text}")]
    );
    assert_eq!(end(&rig, &resize).await, "OK");
    assert_eq!(rig.get(&put_path).await.data()["rootfs"], "local-lvm:vm-100-disk-0,size=9G");
}

#[tokio::test]
async fn a_second_task_goes_on_when_the_first_gives_the_lock_file_back() {
    let rig = with_container().await;
    let path = "/nodes/pve1/lxc/100";
    let start = rig.post(&format!("{path}/status/start"), &[]).await;
    // The first has the lock file when something waits for the clock.
    while rig.control(Method::GET, "/clock", Value::Null).await["next_ms"].is_null() {}
    let shot = rig.post(&format!("{path}/snapshot"), &[("snapname", "s1")]).await;
    until_logged(&rig, &shot, "trying to acquire lock...").await;
    assert_eq!(end(&rig, &shot).await, "OK");
    assert_eq!(end(&rig, &start).await, "OK");
    assert_eq!(rig.log_of(&shot).await, ["trying to acquire lock...", " OK", "TASK OK"]);
}

#[tokio::test]
async fn a_stopped_backup_clears_up_and_tells_in_its_log() {
    let rig = with_container().await;
    let backup = rig.post("/nodes/pve1/vzdump", &[("vmid", "100"), ("storage", "local")]).await;
    until_logged(&rig, &backup, "INFO: creating vzdump archive").await;
    stop_task(&rig, &backup).await;
    assert_eq!(end(&rig, &backup).await, "job errors");
    let log = rig.log_of(&backup).await;
    let error =
        log.iter().find(|line| line.starts_with("ERROR: Backup of VM 100 failed - command 'set -o pipefail"));
    assert!(error.unwrap().ends_with("' failed: interrupted by signal"), "{log:?}");
    assert!(log.contains(&"INFO: Backup job finished with errors".to_owned()));
    assert_eq!(log.last().unwrap(), "TASK ERROR: job errors");
    assert!(rig.get("/nodes/pve1/lxc/100/config").await.data().get("lock").is_none());
    assert_eq!(rig.get("/nodes/pve1/storage/local/content?content=backup").await.data(), &json!([]));
    // Stopping what is over changes nothing.
    stop_task(&rig, &backup).await;
    assert_eq!(status(&rig, &backup).await["exitstatus"], "job errors");
}

#[tokio::test]
async fn a_stopped_clone_takes_its_copy_back_and_unlocks_its_source() {
    let rig = with_container().await;
    let form = [("newid", "101"), ("pool", "proximity")];
    let clone = rig.post("/nodes/pve1/lxc/100/clone", &form).await;
    until_logged(&rig, &clone, "Superblock").await;
    until_locked(&rig, "100", "disk").await;
    until_locked(&rig, "101", "create").await;
    pass(&rig, 300).await;
    stop_task(&rig, &clone).await;
    let exit = end(&rig, &clone).await;
    assert!(exit.starts_with("clone failed: ") && exit.contains("interrupt"), "{exit}");
    assert!(rig.get("/nodes/pve1/lxc/100/config").await.data().get("lock").is_none());
    assert_eq!(rig.get("/cluster/nextid").await.data(), "101");
    let state = rig.control(Method::GET, "/state", Value::Null).await;
    let volumes: Vec<_> = state["volumes"].as_array().unwrap().iter().map(|v| v["volid"].clone()).collect();
    assert!(!volumes.contains(&json!("local-lvm:vm-101-disk-0")), "{volumes:?}");
}

#[tokio::test]
async fn a_stopped_start_leaves_the_container_stopped_and_one_that_waits_ends_as_well() {
    let rig = with_container().await;
    let start = rig.post("/nodes/pve1/lxc/100/status/start", &[]).await;
    while rig.control(Method::GET, "/clock", Value::Null).await["next_ms"].is_null() {}
    let waiting = rig.post("/nodes/pve1/lxc/100/snapshot", &[("snapname", "s1")]).await;
    until_logged(&rig, &waiting, "trying to acquire lock...").await;
    stop_task(&rig, &waiting).await;
    assert_eq!(end(&rig, &waiting).await, "received interrupt");
    stop_task(&rig, &start).await;
    assert_eq!(end(&rig, &start).await, "command 'lxc-start -n 100' failed: received interrupt");
    assert_eq!(rig.get("/nodes/pve1/lxc/100/status/current").await.data()["status"], "stopped");
    assert!(rig.engine.calls.lock().unwrap().contains(&"stop 100".to_owned()));
}

#[tokio::test]
async fn a_worker_that_dies_leaves_its_lock_its_log_and_what_it_made() {
    let rig = with_container().await;
    rig.fault(json!({ "task": "vzdump", "action": { "kind": "task_die" } })).await;
    let backup = rig.post("/nodes/pve1/vzdump", &[("vmid", "100"), ("storage", "local")]).await;
    assert_eq!(end(&rig, &backup).await, "unexpected status");
    let log = rig.log_of(&backup).await;
    assert!(log.last().unwrap().starts_with("INFO: creating vzdump archive"), "{log:?}");
    assert_eq!(rig.get("/nodes/pve1/lxc/100/config").await.data()["lock"], "backup");
    let refused = rig.call(Method::DELETE, "/nodes/pve1/lxc/100", &[("force", "1")]).await;
    assert_eq!((refused.status, refused.message()), (500, "CT is locked (backup)"));

    rig.fault(json!({ "task": "vzcreate", "action": { "kind": "task_die" } })).await;
    let made = rig.post("/nodes/pve1/lxc", &Rig::form("101", &[])).await;
    assert_eq!(end(&rig, &made).await, "unexpected status");
    let config = rig.as_root(Method::GET, "/nodes/pve1/lxc/101/config", &[]).await;
    let mut keys: Vec<&str> = config.data().as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!((keys, &config.data()["lock"]), (vec!["digest", "lock"], &json!("create")));
    let again = rig.post("/nodes/pve1/lxc", &Rig::form("101", &[])).await;
    assert_eq!(again.message(), "CT 101 already exists on node 'pve1'");
}

#[tokio::test]
async fn a_task_cut_short_by_the_nodes_end_is_found_again_with_its_log() {
    let rig = with_container().await;
    let backup = rig.post("/nodes/pve1/vzdump", &[("vmid", "100"), ("storage", "local")]).await;
    until_logged(&rig, &backup, "INFO: creating vzdump archive").await;
    let rig = rig.restart().await;
    assert_eq!(status(&rig, &backup).await["exitstatus"], "unexpected status");
    let log = rig.log_of(&backup).await;
    assert!(log.last().unwrap().starts_with("INFO: creating vzdump archive"), "{log:?}");
    assert_eq!(rig.get("/nodes/pve1/lxc/100/config").await.data()["lock"], "backup");
}

#[tokio::test]
async fn one_backup_job_runs_at_a_time() {
    let rig = with_container().await;
    let form = [("vmid", "100"), ("storage", "local")];
    let first = rig.post("/nodes/pve1/vzdump", &form).await;
    until_logged(&rig, &first, "INFO: creating vzdump archive").await;
    let second = rig.post("/nodes/pve1/vzdump", &form).await;
    until_logged(&rig, &second, "INFO: trying to get global lock - waiting...").await;
    assert_eq!(end(&rig, &second).await, "OK");
    assert_eq!(end(&rig, &first).await, "OK");
    assert!(rig.log_of(&second).await.contains(&"INFO: got global lock".to_owned()));
    let kept = rig.get("/nodes/pve1/storage/local/content?content=backup").await;
    assert_eq!(kept.data().as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_rollback_that_starts_the_container_ends_before_the_start_does() {
    let rig = with_container().await;
    let shot = rig.post("/nodes/pve1/lxc/100/snapshot", &[("snapname", "s1")]).await;
    assert_eq!(end(&rig, &shot).await, "OK");
    let back = rig.post("/nodes/pve1/lxc/100/snapshot/s1/rollback", &[("start", "1")]).await;
    assert_eq!(end(&rig, &back).await, "OK");
    assert_eq!(rig.get("/nodes/pve1/lxc/100/status/current").await.data()["status"], "stopped");
    let active = rig.get("/nodes/pve1/tasks?source=active").await;
    assert_eq!(active.data()[0]["type"], "vzstart");
}
