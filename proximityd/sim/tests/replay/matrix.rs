//! The privilege matrix: an operation with every privilege it needs, and with each left out in turn.

use std::collections::BTreeMap;

use serde_json::Value;

use super::player::{Stage, read};
use super::world::{SECRET, World};

const VMID: u32 = 400;
const TEMPLATE: &str = "local:vztmpl/debian-12-standard_12.0-1_amd64.tar.zst";

/// A method, a path and a form.
type Request = (&'static str, &'static str, Vec<(&'static str, &'static str)>);

/// What an operation sends. `ARCHIVE` stands for a backup of the guest.
fn request(operation: &str) -> Option<Request> {
    const GUEST: &str = "/nodes/pve1/lxc/400";
    let create = [
        ("vmid", "400"),
        ("ostemplate", TEMPLATE),
        ("hostname", "lp400"),
        ("unprivileged", "1"),
        ("features", "nesting=1"),
        ("rootfs", "pvebtrfs:1"),
        ("memory", "256"),
        ("cores", "1"),
        ("net0", "name=eth0,bridge=vmbr0,ip=dhcp"),
        ("cmode", "shell"),
    ];
    let of_guest =
        |method, rest: &'static str, form: &[(&'static str, &'static str)]| (method, rest, form.to_vec());
    Some(match operation {
        "create" => ("POST", "/nodes/pve1/lxc", create.to_vec()),
        "create only via pool perms" => {
            ("POST", "/nodes/pve1/lxc", create.iter().copied().chain([("pool", "lppool")]).collect())
        }
        "start" => of_guest("POST", "/nodes/pve1/lxc/400/status/start", &[]),
        "status/current" => of_guest("GET", "/nodes/pve1/lxc/400/status/current", &[]),
        "interfaces" => of_guest("GET", "/nodes/pve1/lxc/400/interfaces", &[]),
        "rrddata" => of_guest("GET", "/nodes/pve1/lxc/400/rrddata?timeframe=hour", &[]),
        "config get" => of_guest("GET", "/nodes/pve1/lxc/400/config", &[]),
        "config put memory" => of_guest("PUT", "/nodes/pve1/lxc/400/config", &[("memory", "300")]),
        "config put features nesting=0" => {
            of_guest("PUT", "/nodes/pve1/lxc/400/config", &[("features", "nesting=0")])
        }
        "config put net0" => {
            of_guest("PUT", "/nodes/pve1/lxc/400/config", &[("net0", "name=eth0,bridge=vmbr0,ip=dhcp")])
        }
        "config put mp0 new volume" => {
            of_guest("PUT", "/nodes/pve1/lxc/400/config", &[("mp0", "pvebtrfs:1,mp=/data")])
        }
        "config put entrypoint+env" => {
            of_guest("PUT", "/nodes/pve1/lxc/400/config", &[("entrypoint", "/sbin/init"), ("env", "A=1")])
        }
        "snapshot" => of_guest("POST", "/nodes/pve1/lxc/400/snapshot", &[("snapname", "s2")]),
        "rollback" => of_guest("POST", "/nodes/pve1/lxc/400/snapshot/s1/rollback", &[]),
        "resize" => of_guest("PUT", "/nodes/pve1/lxc/400/resize", &[("disk", "rootfs"), ("size", "+1G")]),
        "firewall rule" => {
            of_guest("POST", "/nodes/pve1/lxc/400/firewall/rules", &[("type", "in"), ("action", "ACCEPT")])
        }
        "firewall options get" => of_guest("GET", "/nodes/pve1/lxc/400/firewall/options", &[]),
        "clone from snapshot" => of_guest(
            "POST",
            "/nodes/pve1/lxc/400/clone",
            &[("newid", "401"), ("snapname", "s1"), ("full", "1"), ("storage", "pvebtrfs")],
        ),
        "clone stopped (no snapshot)" => of_guest(
            "POST",
            "/nodes/pve1/lxc/400/clone",
            &[("newid", "401"), ("full", "1"), ("storage", "pvebtrfs")],
        ),
        "vzdump" => {
            of_guest("POST", "/nodes/pve1/vzdump", &[("vmid", "400"), ("storage", "local"), ("mode", "stop")])
        }
        "list backups" => of_guest("GET", "/nodes/pve1/storage/local/content?content=backup&vmid=400", &[]),
        "restore to new vmid" => of_guest(
            "POST",
            "/nodes/pve1/lxc",
            &[("vmid", "402"), ("ostemplate", "ARCHIVE"), ("restore", "1"), ("storage", "pvebtrfs")],
        ),
        "restore over existing force" => of_guest(
            "POST",
            "/nodes/pve1/lxc",
            &[
                ("vmid", "400"),
                ("ostemplate", "ARCHIVE"),
                ("restore", "1"),
                ("force", "1"),
                ("storage", "pvebtrfs"),
            ],
        ),
        "delete backup" => of_guest("DELETE", "/nodes/pve1/storage/local/content/ARCHIVE", &[]),
        "pool add vm" => of_guest("PUT", "/pools", &[("poolid", "lppool"), ("vms", "400")]),
        "pool create" => of_guest("POST", "/pools", &[("poolid", "lppool2")]),
        "ha add" => of_guest("POST", "/cluster/ha/resources", &[("sid", "ct:400")]),
        "destroy" => of_guest("DELETE", GUEST, &[]),
        "template download (oci pull)" => of_guest(
            "POST",
            "/nodes/pve1/storage/local/oci-registry-pull",
            &[("reference", "127.0.0.1:5000/demo/bb:1.0")],
        ),
        "node status" => of_guest("GET", "/nodes/pve1/status", &[]),
        "node rrddata" => of_guest("GET", "/nodes/pve1/rrddata?timeframe=hour", &[]),
        "storage content" => of_guest("GET", "/nodes/pve1/storage/local/content", &[]),
        _ => return None,
    })
}

/// The world of one row: the grants but one, each as a role on its path.
fn world_of(whole: Value, operation: &str, grants: &[&str], unmeasured: bool) -> World {
    let mut world = World::new(whole);
    world.token("lp@pve", "tok1");
    world.volume(TEMPLATE);
    world.pool("lppool");
    world.state["outside"]["images"]["127.0.0.1:5000/demo/bb"] = serde_json::json!(["1.0"]);
    if !operation.starts_with("create") {
        world.guest(VMID);
        if unmeasured {
            world.guest(VMID)["unmeasured"] = true.into();
        }
    }
    let mut by_path: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (privilege, path) in grants.iter().filter_map(|g| g.split_once(" on ")) {
        by_path.entry(path).or_default().push(privilege.to_owned());
    }
    for (index, (path, privileges)) in by_path.into_iter().enumerate() {
        let role = format!("Row{index}");
        world.role(&role, privileges);
        world.rule(path, "lp@pve", &role, true);
    }
    world
}

/// Sends something as root and waits for its task.
async fn as_root(stage: &Stage, path: &str, form: &[(&str, &str)]) {
    let (ticket, csrf) = stage.login("root@pam").await;
    let request = stage.request("POST", path).form(form);
    let request =
        request.header("Cookie", format!("PVEAuthCookie={ticket}")).header("CSRFPreventionToken", csrf);
    let reply = read(request).await;
    let upid = reply.body["data"].as_str().unwrap_or_else(|| panic!("{path}: {}", reply.reason)).to_owned();
    assert_eq!(ended(stage, &upid).await, "OK", "{path}");
}

async fn ended(stage: &Stage, upid: &str) -> String {
    let (ticket, _) = stage.login("root@pam").await;
    let path = format!("/nodes/pve1/tasks/{}/status", crate::support::urlencode(upid));
    loop {
        let request = stage.request("GET", &path).header("Cookie", format!("PVEAuthCookie={ticket}"));
        let reply = read(request).await;
        if reply.body["data"]["status"] == "stopped" {
            return reply.body["data"]["exitstatus"].as_str().unwrap_or_default().to_owned();
        }
    }
}

/// The guest's backup, made as root.
async fn archive(stage: &Stage) -> String {
    as_root(stage, "/nodes/pve1/vzdump", &[("vmid", "400"), ("storage", "local"), ("compress", "zstd")])
        .await;
    let volumes = stage.whole().await["volumes"].clone();
    let all: Vec<&Value> = volumes.as_object().into_iter().flat_map(|v| v.values()).collect();
    let found = all.iter().find(|v| v["content"] == "backup").unwrap();
    found["volid"].as_str().unwrap().to_owned()
}

async fn play_row(
    operation: &str,
    grants: &[&str],
    recorded: &Value,
    unmeasured: bool,
) -> Result<(), String> {
    let (method, path, form) = request(operation).ok_or_else(|| "this operation is not known".to_owned())?;
    let stage = Stage::new(None).await;
    stage.set(&world_of(stage.whole().await, operation, grants, unmeasured)).await?;
    if operation.contains("snapshot") && operation.starts_with("clone f") || operation == "rollback" {
        as_root(&stage, "/nodes/pve1/lxc/400/snapshot", &[("snapname", "s1")]).await;
    }
    let needs_archive = path.contains("ARCHIVE") || form.iter().any(|(_, v)| *v == "ARCHIVE");
    let archive = if needs_archive { archive(&stage).await } else { String::new() };
    let form: Vec<(&str, &str)> =
        form.iter().map(|(k, v)| (*k, if *v == "ARCHIVE" { archive.as_str() } else { *v })).collect();
    let path = path.replace("ARCHIVE", &crate::support::urlencode(&archive));
    let request =
        stage.request(method, &path).header("Authorization", format!("PVEAPIToken=lp@pve!tok1={SECRET}"));
    let reply = read(if form.is_empty() { request } else { request.form(&form) }).await;
    let upid = reply.body["data"].as_str().filter(|d| d.starts_with("UPID:"));
    let end = match upid {
        Some(upid) => Some(ended(&stage, upid).await),
        None => None,
    };
    stage.node.shutdown().await;
    let wanted =
        (recorded[0].as_u64().unwrap_or(0), recorded[1].as_str().unwrap_or_default(), recorded[2].as_str());
    let got = (u64::from(reply.status), reply.reason.as_str(), end.as_deref());
    if wanted == got { Ok(()) } else { Err(format!("recorded {wanted:?}, answered {got:?}")) }
}

/// Plays all rows; the differences in words.
pub(crate) async fn play(matrix: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for (operation, entry) in matrix.as_object().into_iter().flatten() {
        let grants: Vec<&str> =
            entry["grants"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let rows: Vec<&Value> = entry["matrix"].as_array().into_iter().flatten().collect();
        // A guest whose history cannot be opened is one that was not measured yet.
        let unmeasured =
            rows.iter().any(|r| r["result"][1].as_str().is_some_and(|t| t.starts_with("RRD error")));
        for row in rows {
            let without = row["without"].as_str();
            let kept: Vec<&str> = grants.iter().copied().filter(|g| Some(*g) != without).collect();
            if let Err(text) = play_row(operation, &kept, &row["result"], unmeasured).await {
                wrong.push(format!("{operation} without {}: {text}", without.unwrap_or("nothing")));
            }
        }
    }
    wrong
}
