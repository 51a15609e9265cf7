//! Refusals recorded on a real node, asked of this one: status, reason phrase and body must be the same.

#![allow(clippy::unwrap_used)]

mod support;

use hyper::ext::ReasonPhrase;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use support::{Rig, TEMPLATE};

#[derive(Debug, Deserialize)]
struct Refusal {
    name: String,
    with: String,
    who: String,
    method: String,
    path: String,
    #[serde(rename = "type")]
    content_type: Option<String>,
    body: Option<String>,
    status: u16,
    reason: String,
    reply: Value,
}

fn recorded(with: &str) -> Vec<Refusal> {
    let all: Vec<Refusal> = serde_json::from_str(include_str!("data/refusals.json")).unwrap();
    all.into_iter().filter(|r| r.with == with).collect()
}

/// The recordings' token: a role of its own on `/`, no privilege separation.
async fn recording_token(rig: &Rig) -> String {
    let privileges = "Datastore.AllocateSpace,Datastore.AllocateTemplate,Datastore.Audit,Pool.Allocate,Pool.Audit,\
        SDN.Audit,SDN.Use,Sys.Audit,VM.Allocate,VM.Audit,VM.Backup,VM.Clone,VM.Config.CPU,VM.Config.Disk,\
        VM.Config.Memory,VM.Config.Network,VM.Config.Options,VM.Console,VM.Migrate,VM.PowerMgmt,VM.Snapshot,\
        VM.Snapshot.Rollback";
    for (method, path, form) in [
        (Method::POST, "/access/roles", vec![("roleid", "Recorded"), ("privs", privileges)]),
        (Method::POST, "/access/users", vec![("userid", "recorded@pve")]),
        (Method::PUT, "/access/acl", vec![("path", "/"), ("users", "recorded@pve"), ("roles", "Recorded")]),
    ] {
        let reply = rig.as_root(method, path, &form).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
    let made = rig.as_root(Method::POST, "/access/users/recorded@pve/token/tok", &[("privsep", "0")]).await;
    format!("PVEAPIToken=recorded@pve!tok={}", made.data()["value"].as_str().unwrap())
}

async fn ask(rig: &Rig, token: &str, refusal: &Refusal) -> Result<(), String> {
    let mut request = rig.request(refusal.method.parse().unwrap(), &refusal.path);
    match refusal.who.as_str() {
        "token" => request = request.header("Authorization", token),
        "root" => {
            let login = [("username", "root@pam"), ("password", rig.node.file.root_password.as_str())];
            let data =
                rig.send(rig.request(Method::POST, "/access/ticket").form(&login)).await.data().clone();
            request = request
                .header("Cookie", format!("PVEAuthCookie={}", data["ticket"].as_str().unwrap()))
                .header("CSRFPreventionToken", data["CSRFPreventionToken"].as_str().unwrap());
        }
        "none" => {}
        header => request = request.header("Authorization", header),
    }
    if let Some(content_type) = &refusal.content_type {
        request = request.header("Content-Type", content_type);
    }
    if let Some(body) = &refusal.body {
        request = request.body(body.clone());
    }
    let response = request.send().await.map_err(|e| e.to_string())?;
    let status = response.status();
    let phrase = response
        .extensions()
        .get::<ReasonPhrase>()
        .map(|p| String::from_utf8_lossy(p.as_bytes()).into_owned());
    let phrase = phrase.or_else(|| status.canonical_reason().map(str::to_owned)).unwrap_or_default();
    let text = response.text().await.unwrap();
    let reply: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
    if (status.as_u16(), &phrase, &reply) == (refusal.status, &refusal.reason, &refusal.reply) {
        return Ok(());
    }
    Err(format!(
        "{}: {} {}\n  recorded {} {:?} {}\n  answered {} {:?} {}",
        refusal.name,
        refusal.method,
        refusal.path,
        refusal.status,
        refusal.reason,
        refusal.reply,
        status.as_u16(),
        phrase,
        reply
    ))
}

async fn ask_all(rig: &Rig, with: &str, at_least: usize) {
    let token = recording_token(rig).await;
    let refusals = recorded(with);
    assert!(refusals.len() >= at_least, "only {} recordings", refusals.len());
    let mut wrong = Vec::new();
    for refusal in &refusals {
        wrong.extend(ask(rig, &token, refusal).await.err());
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), refusals.len(), wrong.join("\n"));
}

#[tokio::test]
async fn a_fresh_node_refuses_as_recorded() {
    let rig = Rig::new().await;
    ask_all(&rig, "nothing", 80).await;
}

#[tokio::test]
async fn a_node_with_containers_refuses_as_recorded() {
    let rig = Rig::new().await;
    rig.template().await;
    for vmid in ["100", "200", "201"] {
        let form = Rig::form(vmid, &[("rootfs", "local-lvm:2"), ("ostemplate", TEMPLATE)]);
        let reply = rig.post("/nodes/pve1/lxc", &form).await;
        assert_eq!(rig.ended(&reply).await, "OK");
    }
    rig.start("200").await;
    rig.control(Method::POST, "/state", json!({ "guest_lock": { "vmid": 201, "lock": "backup" } })).await;
    ask_all(&rig, "containers", 20).await;
}
