//! What can be done with a container's disks: added, unmounted, removed, protected, moved, grown, rolled back.

#![allow(clippy::unwrap_used)]

mod support;

use reqwest::Method;
use serde_json::{Value, json};
use support::{Rig, TEMPLATE};

const CT: &str = "/nodes/pve1/lxc/100";

/// A node whose second storage for containers is a btrfs one, and a container there.
async fn with_container() -> Rig {
    let rig = Rig::new().await;
    let storage =
        json!({ "type": "btrfs", "content": ["rootdir", "images"], "total": 64u64 << 30, "path": "/mnt/bt" });
    rig.control(Method::POST, "/state", json!({ "storages": { "bt": storage } })).await;
    for (path, role) in [("/storage/bt", "ProximityStorage")] {
        for (kind, who) in [("users", "proximity@pve"), ("tokens", rig.node.file.token_id.as_str())] {
            let form = [("path", path), (kind, who), ("roles", role)];
            assert_eq!(rig.as_root(Method::PUT, "/access/acl", &form).await.status, 200);
        }
    }
    rig.template().await;
    let form = Rig::form("100", &[("rootfs", "bt:1"), ("ostemplate", TEMPLATE)]);
    let made = rig.post("/nodes/pve1/lxc", &form).await;
    assert_eq!(rig.ended(&made).await, "OK");
    rig
}

async fn config(rig: &Rig) -> Value {
    rig.get(&format!("{CT}/config")).await.data().clone()
}

async fn put(rig: &Rig, form: &[(&str, &str)]) -> (u16, String) {
    let reply = rig.put(&format!("{CT}/config"), form).await;
    (reply.status, reply.message().to_owned())
}

async fn volumes(rig: &Rig) -> Vec<String> {
    let state = rig.control(Method::GET, "/state", Value::Null).await;
    let all = state["volumes"].as_array().unwrap();
    let ids = all.iter().map(|v| v["volid"].as_str().unwrap().to_owned());
    ids.filter(|id| !id.contains("vztmpl")).collect()
}

#[tokio::test]
async fn a_disk_is_added_unmounted_and_removed() {
    let rig = with_container().await;
    assert_eq!(put(&rig, &[("mp0", "bt:2,mp=/data,backup=1")]).await.0, 200);
    assert_eq!(config(&rig).await["mp0"], "bt:100/vm-100-disk-1.raw,mp=/data,backup=1,size=2G");
    assert_eq!(put(&rig, &[("protection", "1")]).await.0, 200);
    let kept = "can't remove CT 100 drive 'mp0' - protection mode enabled";
    assert_eq!(put(&rig, &[("delete", "mp0")]).await, (500, kept.to_owned()));
    let kept = "can't update CT 100 drive 'mp1' - protection mode enabled";
    assert_eq!(put(&rig, &[("mp1", "bt:1,mp=/more")]).await, (500, kept.to_owned()));
    let destroy = rig.call(Method::DELETE, CT, &[]).await;
    assert_eq!(destroy.message(), "can't remove CT 100 - protection mode enabled");
    assert_eq!(put(&rig, &[("delete", "protection")]).await.0, 200);
    assert_eq!(put(&rig, &[("delete", "mp0")]).await.0, 200);
    assert_eq!(config(&rig).await["unused0"], "bt:100/vm-100-disk-1.raw");
    assert_eq!(put(&rig, &[("delete", "unused0")]).await.0, 200);
    assert!(config(&rig).await.get("unused0").is_none());
    assert_eq!(volumes(&rig).await, ["bt:100/vm-100-disk-0.raw"]);
}

#[tokio::test]
async fn a_running_containers_disk_is_unmounted_at_its_next_start() {
    let rig = with_container().await;
    assert_eq!(put(&rig, &[("mp0", "bt:1,mp=/data")]).await.0, 200);
    rig.start("100").await;
    assert_eq!(put(&rig, &[("delete", "mp0")]).await.0, 200);
    let pending = rig.get(&format!("{CT}/pending")).await;
    let mp0 = pending.data().as_array().unwrap().iter().find(|e| e["key"] == "mp0").unwrap().clone();
    assert_eq!(mp0["delete"], 1);
    let stop = rig.post(&format!("{CT}/status/stop"), &[]).await;
    assert_eq!(rig.ended(&stop).await, "OK");
    assert!(rig.get(&format!("{CT}/config?current=1")).await.data().get("mp0").is_some());
    rig.start("100").await;
    assert_eq!(config(&rig).await["unused0"], "bt:100/vm-100-disk-1.raw");
}

#[tokio::test]
async fn a_disk_grows_and_never_shrinks() {
    let rig = with_container().await;
    let path = format!("{CT}/resize");
    for (size, text) in [("1G", "disk is already at specified size"), ("512M", "unable to shrink disk size")]
    {
        let refused = rig.put(&path, &[("disk", "rootfs"), ("size", size)]).await;
        assert_eq!((refused.status, refused.message()), (500, text));
    }
    let stopped = rig.put(&path, &[("disk", "rootfs"), ("size", "+1G")]).await;
    assert_eq!(rig.ended(&stopped).await, "OK");
    let log = rig.log_of(&stopped).await;
    assert!(log.contains(&"e2fsck 1.47.0 (5-Feb-2023)".to_owned()), "{log:?}");
    let file = "/mnt/bt/images/100/vm-100-disk-0/disk.raw";
    assert!(log.contains(&format!("The filesystem on {file} is now 524288 (4k) blocks long.")), "{log:?}");
    rig.start("100").await;
    let running = rig.put(&path, &[("disk", "rootfs"), ("size", "3G")]).await;
    assert_eq!(rig.ended(&running).await, "OK");
    assert!(!rig.log_of(&running).await.iter().any(|line| line.starts_with("e2fsck")));
    assert_eq!(config(&rig).await["rootfs"], "bt:100/vm-100-disk-0.raw,size=3G");
}

#[tokio::test]
async fn a_disk_moves_to_another_storage_and_its_source_stays_unused_or_goes() {
    let rig = with_container().await;
    let path = format!("{CT}/move_volume");
    rig.start("100").await;
    let form = [("volume", "rootfs"), ("storage", "local-lvm")];
    let running = rig.post(&path, &form).await;
    assert_eq!(running.message(), "cannot move volumes of a running container");
    let stop = rig.post(&format!("{CT}/status/stop"), &[]).await;
    assert_eq!(rig.ended(&stop).await, "OK");
    let moved = rig.post(&path, &form).await;
    assert_eq!(rig.ended(&moved).await, "OK");
    let now = config(&rig).await;
    assert_eq!(now["rootfs"], "local-lvm:vm-100-disk-0,size=1G");
    assert_eq!((&now["unused0"], now.get("lock")), (&json!("bt:100/vm-100-disk-0.raw"), None));
    let unused = rig.post(&path, &[("volume", "unused0"), ("storage", "local-lvm")]).await;
    assert!(unused.message().starts_with("cannot move volume 'unused0', only configured volumes"));
    let back = rig.post(&path, &[("volume", "rootfs"), ("storage", "bt"), ("delete", "1")]).await;
    assert_eq!(rig.ended(&back).await, "OK");
    assert_eq!(volumes(&rig).await, ["bt:100/vm-100-disk-0.raw", "bt:100/vm-100-disk-1.raw"]);
    let nowhere = rig.post(&path, &[("volume", "rootfs")]).await;
    assert_eq!((nowhere.status, nowhere.body["errors"].as_object().unwrap().len()), (400, 2));
    let wrong = rig.post(&path, &[("volume", "rootfs"), ("storage", "local")]).await;
    assert_eq!(rig.ended(&wrong).await, "storage 'local' does not support content type 'rootdir'");
    assert!(config(&rig).await.get("lock").is_none());
}

#[tokio::test]
async fn a_disk_is_handed_to_another_container() {
    let rig = with_container().await;
    rig.create("101").await;
    assert_eq!(put(&rig, &[("mp0", "bt:1,mp=/data")]).await.0, 200);
    let path = format!("{CT}/move_volume");
    let root = rig.post(&path, &[("volume", "rootfs"), ("target-vmid", "101")]).await;
    assert_eq!(root.message(), "Cannot move to/from 'rootfs'");
    let absent = rig.post(&path, &[("volume", "mp7"), ("target-vmid", "101")]).await;
    assert_eq!(absent.message(), "volume 'mp7' for container '100' does not exist");
    let moved = rig.post(&path, &[("volume", "mp0"), ("target-vmid", "101"), ("target-volume", "mp3")]).await;
    assert_eq!(rig.ended(&moved).await, "OK");
    assert_eq!(
        rig.log_of(&moved).await[..2],
        [
            "moving volume 'mp0' from container '100' to '101'",
            "removing volume 'mp0' from container '100' config"
        ]
    );
    assert!(config(&rig).await.get("mp0").is_none());
    let other = rig.get("/nodes/pve1/lxc/101/config").await;
    assert_eq!(other.data()["mp3"], "bt:101/vm-101-disk-0.raw,mp=/data,size=1G");
}

#[tokio::test]
async fn a_rollback_keeps_the_notes_and_the_disks_that_the_snapshot_does_not_know() {
    let rig = with_container().await;
    let shot = rig.post(&format!("{CT}/snapshot"), &[("snapname", "s1")]).await;
    assert_eq!(rig.ended(&shot).await, "OK");
    let changes = [("mp0", "bt:1,mp=/data"), ("description", "later"), ("memory", "777")];
    assert_eq!(put(&rig, &changes).await.0, 200);
    let back = rig.post(&format!("{CT}/snapshot/s1/rollback"), &[]).await;
    assert_eq!(rig.ended(&back).await, "OK");
    let now = config(&rig).await;
    assert_eq!(
        (&now["memory"], &now["description"], &now["parent"]),
        (&json!(512), &json!("later\n"), &json!("s1"))
    );
    assert_eq!((&now["unused0"], now.get("mp0")), (&json!("bt:100/vm-100-disk-1.raw"), None));
    let none = rig.post(&format!("{CT}/snapshot/nope/rollback"), &[]).await;
    assert_eq!(rig.ended(&none).await, "snapshot 'nope' does not exist");
}

#[tokio::test]
async fn a_btrfs_disk_can_be_linked_as_it_is_and_an_lvm_one_cannot() {
    let rig = with_container().await;
    let form = [("newid", "101"), ("pool", "proximity"), ("full", "0")];
    let linked = rig.post(&format!("{CT}/clone"), &form).await;
    assert_eq!(rig.ended(&linked).await, "OK");
    assert_eq!(
        rig.log_of(&linked).await[1],
        "create linked clone of mount point rootfs (bt:100/vm-100-disk-0.raw)"
    );
    rig.create("102").await;
    let refused = rig
        .post("/nodes/pve1/lxc/102/clone", &[("newid", "103"), ("pool", "proximity"), ("full", "0")])
        .await;
    assert_eq!(refused.message(), "Linked clone feature for 'local-lvm:vm-102-disk-0' is not available");
    assert_eq!(rig.get("/nodes/pve1/lxc/102/feature?feature=clone").await.data()["hasFeature"], 0);
    assert_eq!(rig.get(&format!("{CT}/feature?feature=clone")).await.data()["hasFeature"], 1);
    assert_eq!(rig.get("/cluster/nextid").await.data(), "103");
}

#[tokio::test]
async fn a_container_is_not_frozen_where_there_is_no_criu() {
    let rig = with_container().await;
    let stopped = rig.post(&format!("{CT}/status/suspend"), &[]).await;
    assert_eq!((stopped.status, stopped.message()), (500, "CT 100 not running"));
    let resume = rig.post(&format!("{CT}/status/resume"), &[]).await;
    let text = "command 'lxc-checkpoint -n 100 -r --foreground -D /var/lib/vz/dump' failed: exit code 1";
    assert_eq!(rig.ended(&resume).await, text);
    rig.start("100").await;
    let suspend = rig.post(&format!("{CT}/status/suspend"), &[]).await;
    let text = "command 'lxc-checkpoint -n 100 -s -D /var/lib/vz/dump' failed: exit code 1";
    assert_eq!(rig.ended(&suspend).await, text);
    let resume = rig.post(&format!("{CT}/status/resume"), &[]).await;
    assert_eq!(resume.message(), "CT 100 already running");
}
