//! Recorded answers of a real server (9.2), in `tests/data/recorded/`: all errors are classified,
//! all other answers decoded. Secrets were replaced before.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use proximity_pve::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::support::server::{Answer, Server};

#[derive(Deserialize, Clone)]
struct Recording {
    name: String,
    method: String,
    path: String,
    status: u16,
    reason: String,
    body: Value,
}

impl Recording {
    fn answer(&self) -> Answer {
        let body = match &self.body {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        Answer::Reply { status: self.status, reason: self.reason.clone(), body }
    }

    fn data<T: DeserializeOwned>(&self) -> T {
        serde_json::from_value(self.body["data"].clone()).unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }
}

fn all() -> Vec<Recording> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/recorded");
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let read = |file: &std::path::PathBuf| -> Vec<Recording> {
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
    };
    files.iter().flat_map(read).collect()
}

fn named(name: &str) -> Recording {
    all().into_iter().find(|r| r.name == name).unwrap_or_else(|| panic!("no recording {name}"))
}

/// A server that gives one recorded answer to everything.
async fn replay(name: &str) -> (Server, Client) {
    let recording = named(name);
    let server = Server::start(move |_| recording.answer()).await;
    let client = server.client();
    (server, client)
}

fn node() -> NodeName {
    NodeName::new("pve1").unwrap()
}

fn vmid() -> Vmid {
    Vmid::new(200).unwrap()
}

#[tokio::test]
async fn every_recorded_error_keeps_its_words_and_is_understood() {
    let current = Arc::new(Mutex::new(None::<Recording>));
    let script = current.clone();
    let server = Server::start(move |_| script.lock().unwrap().as_ref().unwrap().answer()).await;
    let client = server.client();
    let mut table = BTreeMap::new();
    for recording in all().into_iter().filter(|r| r.status != 200) {
        *current.lock().unwrap() = Some(recording.clone());
        let error = client.version().await.unwrap_err();
        let api = error.api().unwrap();
        assert_eq!(api.status, recording.status, "{}", recording.name);
        assert_eq!(api.reason, recording.reason, "{}", recording.name);
        assert!(api.message.starts_with(&recording.reason), "{}: {}", recording.name, api.message);
        for name in api.errors.keys() {
            assert!(recording.body["errors"][name].is_string(), "{}", recording.name);
        }
        table.insert(recording.name.clone(), format!("{:?} <- {error}", api.kind));
    }
    assert!(table.len() > 100, "{}", table.len());
    let table: Vec<String> = table.iter().map(|(name, kind)| format!("{name}: {kind}")).collect();
    insta::assert_snapshot!("every_error", table.join("\n"));
}

/// Decodes an answer as the client does for this call; false for calls that it does not make.
fn decode(r: &Recording) -> bool {
    let parts: Vec<&str> = r.path.split('/').skip(1).collect();
    match (r.method.as_str(), parts.as_slice()) {
        ("GET", ["version"]) => drop(r.data::<Version>()),
        ("GET", ["nodes"]) => drop(r.data::<Vec<NodeListEntry>>()),
        ("GET", ["nodes", _, "status"]) => drop(r.data::<NodeStatus>()),
        ("GET", ["nodes", _, "network"]) => drop(r.data::<Vec<NetworkInterface>>()),
        ("GET", ["nodes", _, "dns"]) => drop(r.data::<Dns>()),
        ("GET", ["nodes", _, "time"]) => drop(r.data::<NodeTime>()),
        ("GET", ["nodes", _, "tasks"]) => drop(r.data::<Vec<TaskListEntry>>()),
        ("GET", ["nodes", _, "tasks", _, "status"]) => {
            let status = r.body["data"]["status"].as_str().unwrap();
            let exit = r.body["data"]["exitstatus"].as_str().map(TaskStatus::from);
            assert_eq!(exit.is_some(), status == "stopped", "{}", r.name);
        }
        ("GET", ["nodes", _, "tasks", _, "log"]) => drop(r.data::<Vec<LogLine>>()),
        ("GET", ["nodes", _, "lxc"]) => drop(r.data::<Vec<LxcStatus>>()),
        ("GET", ["nodes", _, "lxc", _, "status", "current"]) => drop(r.data::<LxcStatus>()),
        ("GET", ["nodes", _, "lxc", _, "pending"]) => drop(r.data::<Vec<PendingValue>>()),
        ("GET", ["nodes", _, "lxc", _, "interfaces"]) => drop(r.data::<Option<Vec<Interface>>>()),
        ("GET", ["nodes", _, "lxc", _, "snapshot"]) => drop(r.data::<Vec<Snapshot>>()),
        ("GET", ["nodes", _, "lxc", _, "firewall", "rules"]) => drop(r.data::<Vec<FirewallRule>>()),
        ("GET", ["nodes", _, "lxc", _, "firewall", "options"]) => drop(r.data::<FirewallOptions>()),
        ("GET", ["nodes", _, "lxc", _, "firewall", "ipset"]) => drop(r.data::<Vec<IpSet>>()),
        ("GET", [.., "rrddata"]) => {
            assert!(r.data::<Vec<RrdPoint>>().iter().all(|p| p.time > 1_700_000_000), "{}", r.name);
        }
        ("GET", ["nodes", _, "lxc", _, .., "config"]) => {
            let config: LxcConfig = r.data();
            assert!(config.rest.keys().all(|k| k == "snaptime" || k == "parent"), "{}: {config:?}", r.name);
        }
        ("GET", ["nodes", _, "storage"]) => drop(r.data::<Vec<NodeStorage>>()),
        ("GET", ["nodes", _, "storage", _, "content"]) => drop(r.data::<Vec<StoredVolume>>()),
        ("GET", ["nodes", _, "storage", _, "content", _]) => drop(r.data::<VolumeAttributes>()),
        ("GET", ["nodes", _, "aplinfo"]) => drop(r.data::<Vec<Appliance>>()),
        ("GET", ["cluster", "resources"]) => drop(r.data::<Vec<Resource>>()),
        ("GET", ["cluster", "status"]) => drop(r.data::<Vec<ClusterStatusEntry>>()),
        ("GET", ["cluster", "nextid"]) => drop(r.data::<Vmid>()),
        ("GET", ["pools"]) => drop(r.data::<Vec<Pool>>()),
        ("POST", ["nodes", _, "lxc", _, "termproxy"]) => drop(r.data::<TermProxy>()),
        ("POST" | "PUT" | "DELETE", _) => {
            let Some(text) = r.body["data"].as_str() else { return false };
            let upid: Upid = text.parse().unwrap();
            assert_eq!(upid.to_string(), text);
        }
        _ => return false,
    }
    true
}

#[test]
fn every_recorded_answer_is_decoded() {
    let recordings: Vec<_> = all().into_iter().filter(|r| r.status == 200).collect();
    let decoded = recordings.iter().filter(|r| decode(r)).count();
    assert!(decoded > 150, "only {decoded} of {}", recordings.len());
}

#[test]
fn every_recorded_failure_of_a_task_is_understood() {
    let exits = all().into_iter().filter_map(|r| {
        let exit = r.body["data"]["exitstatus"].as_str()?.to_owned();
        let kind = TaskStatus::from(exit.as_str()).error_kind()?;
        Some((r.name, format!("{kind:?} <- {exit}")))
    });
    let table: Vec<String> = exits.map(|(name, kind)| format!("{name}: {kind}")).collect();
    assert!(table.len() > 15, "{}", table.len());
    insta::assert_snapshot!("every_task_failure", table.join("\n"));
}

#[tokio::test]
async fn a_recorded_configuration_is_read_whole() {
    let (_server, client) = replay("lxc-config").await;
    let config = client.lxc_config(&node(), vmid(), &ConfigView::Pending).await.unwrap();
    assert_eq!(config.description.as_deref(), Some("made by test"), "without the appended newline");
    assert!(config.tags.contains("web") && config.unprivileged && !config.onboot);
    assert_eq!(config.nets[&0].ip, Some(IpConfig::Dhcp));
    assert_eq!(
        config.volumes().map(ToString::to_string).collect::<Vec<_>>(),
        ["local:201/vm-201-disk-0.raw"]
    );
    assert_eq!(config.features, Some(Features::nesting()));
    let (_server, client) = replay("oci-lxc-config-env-overridden-by-image").await;
    let config = client.lxc_config(&node(), vmid(), &ConfigView::Pending).await.unwrap();
    assert_eq!(config.env.as_ref().unwrap().get("APP_MODE"), Some("prod value with spaces"));
    assert_eq!(config.raw[0], ("lxc.init.uid".to_owned(), "1000".to_owned()));
    assert!(!format!("{config:?}").contains("prod value"));
    let (_server, client) = replay("lxc-config-after-killed-create").await;
    let config = client.lxc_config(&node(), vmid(), &ConfigView::Pending).await.unwrap();
    assert_eq!(config.lock.as_deref(), Some("create"));
}

#[tokio::test]
async fn addresses_are_those_of_the_interfaces_and_none_when_stopped() {
    let (_server, client) = replay("lxc-interfaces-running").await;
    let interfaces = client.lxc_interfaces(&node(), vmid()).await.unwrap();
    let eth0 = interfaces.iter().find(|i| i.name == "eth0").unwrap();
    assert_eq!(eth0.addresses[0].address.to_string(), "10.99.0.200");
    assert_eq!(eth0.addresses[0].prefix, 24);
    let (_server, client) = replay("lxc-interfaces-missing-ct").await;
    assert!(client.lxc_interfaces(&node(), vmid()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_taken_number_is_no_error_of_the_question() {
    let (_server, client) = replay("cluster-nextid-taken").await;
    assert!(!client.is_id_free(Vmid::new(100).unwrap()).await.unwrap());
    let (_server, client) = replay("cluster-nextid-free").await;
    assert!(client.is_id_free(Vmid::new(7777).unwrap()).await.unwrap());
}

#[tokio::test]
async fn a_backup_s_archive_and_failure_are_found_in_its_log() {
    let log: Vec<LogLine> = named("task-vzdump-snapshot-log").data();
    assert_eq!(
        Vzdump::archive_in_log(&log).as_deref(),
        Some("/var/lib/vz/dump/vzdump-lxc-200-2026_11_22-22_49_42.tar.zst")
    );
    let log: Vec<LogLine> = named("task-vzdump-storage-full-log").data();
    let failure = Vzdump::failure_in_log(&log).unwrap();
    assert!(failure.starts_with("Backup of VM 200 failed"), "{failure}");
}

#[test]
fn a_full_disk_is_found_in_the_log_of_a_backup_that_failed() {
    let log: Vec<LogLine> = named("task-vzdump-storage-full-log").data();
    let upid = "UPID:pve1:00001DC5:0005EC7F:6B03720D:vzdump:200:a@pve!b:".parse().unwrap();
    let outcome = TaskOutcome { upid, status: TaskStatus::from("job errors"), log };
    assert_eq!(outcome.error_kind(), Some(ErrorKind::NoSpace));
    let done = TaskOutcome { status: TaskStatus::Ok, ..outcome };
    assert_eq!(done.error_kind(), None);
}

#[tokio::test]
async fn the_snapshot_list_leaves_the_present_out() {
    let (_server, client) = replay("lxc-snapshot-list").await;
    let snapshots = client.snapshots(&node(), vmid()).await.unwrap();
    assert_eq!(snapshots.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["s2", "s1"]);
    assert_eq!(snapshots[1].description, "before update");
}

#[tokio::test]
async fn permissions_tell_what_a_limited_token_may_do() {
    let (_server, client) = replay("access-permissions-path").await;
    let permissions = client.permissions(Some("/vms/100")).await.unwrap();
    assert!(permissions.allows("/vms/100", "VM.Console"));
    assert!(!permissions.allows("/vms/100", "Sys.Modify"));
    let (_server, client) = replay("access-permissions-empty").await;
    assert!(client.permissions(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_pool_s_members_and_an_unknown_pool() {
    let pool = PoolId::new("proximity").unwrap();
    let (_server, client) = replay("pools-get-one").await;
    let found = client.pool(&pool).await.unwrap().unwrap();
    assert_eq!(found.members[0].vmid, Some(vmid()));
    let (_server, client) = replay("pools-put-unknown").await;
    let error = client.update_pool(&pool, &PoolUpdate::default()).await.unwrap_err();
    assert_eq!(error.kind(), Some(&ErrorKind::PoolNotFound));
}

#[tokio::test]
async fn a_task_s_end_is_read_from_its_status() {
    for (name, status) in [
        ("task-lxc-create-without-nesting-warns-status-final", TaskStatus::Warnings(1)),
        ("task-vzdump-storage-full-status-final", TaskStatus::Failed("job errors".into())),
        ("task-vzstart-status-final", TaskStatus::Ok),
    ] {
        let (_server, client) = replay(name).await;
        let upid: Upid = named(name).body["data"]["upid"].as_str().unwrap().parse().unwrap();
        assert_eq!(client.task_state(&upid).await.unwrap(), TaskState::Stopped(status), "{name}");
    }
}
