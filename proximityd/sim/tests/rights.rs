//! Who may do what: the token of the pool, root, tickets, and the refusals in Proxmox VE's words.

#![allow(clippy::unwrap_used)]

mod support;

use reqwest::Method;
use serde_json::json;
use support::{Rig, read};

#[tokio::test]
async fn the_token_of_the_pool_has_exactly_the_least_privileges() {
    let rig = Rig::new().await;
    let permissions = rig.get("/access/permissions").await;
    let paths: Vec<&String> = permissions.data().as_object().unwrap().keys().collect();
    assert_eq!(
        paths,
        [
            "/nodes",
            "/pool/proximity",
            "/sdn/zones/localnetwork/vmbr0",
            "/storage/local",
            "/storage/local-lvm"
        ]
    );
    assert_eq!(permissions.data()["/nodes"], json!({ "Sys.Audit": 1 }));
}

#[tokio::test]
async fn the_token_may_not_create_outside_its_pool_nor_give_tags_at_creation() {
    let rig = Rig::new().await;
    rig.template().await;
    let mut form = Rig::form("100", &[]);
    form.retain(|(name, _)| *name != "pool");
    let outside = rig.post("/nodes/pve1/lxc", &form).await;
    assert_eq!((outside.status, outside.message()), (403, "Permission check failed"));
    let tags = rig.post("/nodes/pve1/lxc", &Rig::form("100", &[("tags", "proximity")])).await;
    assert_eq!((tags.status, tags.message()), (403, "Permission check failed (/vms/100, VM.Config.Options)"));
    let pool = rig.post("/nodes/pve1/lxc", &Rig::form("100", &[("pool", "nopool")])).await;
    assert_eq!(pool.message(), "Permission check failed (pool 'nopool' does not exist)");
}

#[tokio::test]
async fn a_strangers_container_is_neither_seen_nor_touched() {
    let rig = Rig::new().await;
    rig.template().await;
    let mut form = Rig::form("200", &[]);
    form.retain(|(name, _)| *name != "pool");
    let made = rig.as_root(Method::POST, "/nodes/pve1/lxc", &form).await;
    assert_eq!(rig.ended(&made).await, "OK");
    assert_eq!(rig.get("/cluster/resources?type=vm").await.data(), &json!([]));
    assert_eq!(rig.get("/nodes/pve1/lxc").await.data(), &json!([]));
    let stop = rig.post("/nodes/pve1/lxc/200/status/stop", &[]).await;
    assert_eq!((stop.status, stop.message()), (403, "Permission check failed (/vms/200, VM.PowerMgmt)"));
    let destroy = rig.call(Method::DELETE, "/nodes/pve1/lxc/200", &[]).await;
    assert_eq!(destroy.message(), "Permission check failed (/vms/200, VM.Allocate)");
    let adopt = rig.put("/pools", &[("poolid", "proximity"), ("vms", "200")]).await;
    assert_eq!(
        adopt.message(),
        "update pools failed: 403 Permission check failed (/vms/200, Permissions.Modify|VM.Allocate)"
    );
    let root = rig.as_root(Method::PUT, "/pools", &[("poolid", "proximity"), ("vms", "200")]).await;
    assert_eq!(root.status, 200, "{}", root.text);
    assert_eq!(rig.get("/nodes/pve1/lxc/200/config").await.status, 200);
}

#[tokio::test]
async fn what_only_root_may_is_refused_to_a_token() {
    let rig = Rig::new().await;
    rig.template().await;
    for (option, value, text) in [
        (
            "features",
            "nesting=1,keyctl=1",
            "Permission check failed (changing feature flags (except nesting) is only allowed for root@pam)",
        ),
        ("unprivileged", "0", "Permission check failed (/, Sys.Modify)"),
        (
            "dev0",
            "/dev/fuse",
            "Permission check failed (configuring device passthrough is only allowed for root@pam)",
        ),
        (
            "hookscript",
            "local:snippets/x.sh",
            "Permission check failed (changing the hookscript is only allowed for root@pam)",
        ),
        (
            "mp0",
            "/srv/data,mp=/data",
            "Permission check failed (mount point type bind is only allowed for root@pam)",
        ),
        ("ha-managed", "1", "Permission check failed (/, Sys.Console)"),
    ] {
        let reply = rig.post("/nodes/pve1/lxc", &Rig::form("100", &[(option, value)])).await;
        assert_eq!((reply.status, reply.message()), (403, text), "{option}");
    }
    let skiplock = rig.post("/nodes/pve1/lxc/100/status/start", &[("skiplock", "1")]).await;
    assert_eq!(skiplock.status, 403);
}

#[tokio::test]
async fn without_a_login_a_reply_has_no_body_and_says_why_in_its_status_line() {
    let rig = Rig::new().await;
    let nobody = rig.send(rig.request(Method::GET, "/version")).await;
    assert_eq!((nobody.status, nobody.text.as_str()), (401, ""));
    let bad = rig.request(Method::GET, "/version").header("Authorization", "PVEAPIToken=a@pve!b=c");
    assert_eq!(rig.send(bad).await.status, 401);
    let spaced = format!("PVEAPIToken {}={}", rig.node.file.token_id, rig.node.file.token_secret);
    let reply = rig.send(rig.request(Method::GET, "/version").header("Authorization", spaced)).await;
    assert_eq!(reply.data(), &json!({ "version": "9.2.11", "release": "9.2", "repoid": "14a22df35955d97d" }));
}

#[tokio::test]
async fn a_ticket_needs_its_csrf_token_to_change_anything() {
    let rig = Rig::new().await;
    let login = [("username", "root"), ("realm", "pam"), ("password", rig.node.file.root_password.as_str())];
    let data = rig.send(rig.request(Method::POST, "/access/ticket").form(&login)).await.data().clone();
    let cookie = format!("PVEAuthCookie={}", data["ticket"].as_str().unwrap());
    let read_only = rig.send(rig.request(Method::GET, "/pools").header("Cookie", &cookie)).await;
    assert_eq!(read_only.data()[0]["poolid"], "proximity");
    let refused = rig.request(Method::POST, "/pools").header("Cookie", &cookie).form(&[("poolid", "zz")]);
    assert_eq!(rig.send(refused).await.status, 401);
    let wrong = [("username", "root@pam"), ("password", "wrong")];
    let wrong = rig.send(rig.request(Method::POST, "/access/ticket").form(&wrong)).await;
    assert_eq!((wrong.status, wrong.message()), (401, "authentication failure"));
    let token = rig.post("/access/ticket", &[("username", "root@pam"), ("password", "x")]).await;
    assert_eq!(
        token.message(),
        "Permission check failed (URI '/access/ticket' not available with API token, need proper ticket.\n)"
    );
}

#[tokio::test]
async fn a_backup_of_somebody_elses_container_fails_in_the_task() {
    let rig = Rig::new().await;
    let form = [("vmid", "300"), ("storage", "local")];
    let reply = rig.post("/nodes/pve1/vzdump", &form).await;
    assert_eq!(rig.ended(&reply).await, "403 Permission check failed (/vms/300, VM.Backup)");
    let prune = rig
        .post(
            "/nodes/pve1/vzdump",
            &[("vmid", "300"), ("storage", "local"), ("prune-backups", "keep-last=1")],
        )
        .await;
    assert_eq!(prune.message(), "Permission check failed (/storage/local, Datastore.Allocate)");
}

#[tokio::test]
async fn the_control_calls_need_their_own_token() {
    let rig = Rig::new().await;
    let url = format!("{}/sim/state", rig.node.url());
    let reply =
        support::client(&rig.node).get(url).header("Authorization", rig.token()).send().await.unwrap();
    assert_eq!(read(reply).await.status, 401);
}
