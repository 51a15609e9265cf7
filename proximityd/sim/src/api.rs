//! The methods: which code answers which path.

mod access;
mod appliances;
mod backup;
mod cluster;
mod content;
mod datastore;
mod edit;
mod firewall;
mod ha;
mod jobs;
mod lxc;
mod netconf;
mod nodes;
mod pools;
mod registry;
mod rules;
mod sdn;
mod services;
mod storages;
mod tasklist;
mod upload;

use serde_json::json;

use crate::Version;
use crate::call::Call;
use crate::console;
use crate::reply::{ApiError, Outcome};

pub(crate) use upload::decode_multipart;

/// Whether a method exists in a release.
pub(crate) fn exists_in(version: Version, method: &str, template: &str) -> bool {
    let since = match template {
        "/cluster/ha/rules" | "/cluster/ha/rules/{rule}" => Version::V9_0,
        "/nodes/{node}/lxc/{vmid}/migrate" if method == "GET" => Version::V9_0,
        "/nodes/{node}/storage/{storage}/oci-registry-pull" | "/nodes/{node}/query-oci-repo-tags" => {
            Version::V9_1
        }
        "/nodes/{node}/storage/{storage}/identity" => Version::V9_2,
        "/cluster/ha/status/arm-ha" | "/cluster/ha/status/disarm-ha" => Version::V9_2,
        _ if template.starts_with("/cluster/sdn/fabrics") => Version::V9_0,
        _ => Version::V8_4,
    };
    version >= since
}

/// Runs a method.
pub(crate) async fn route(method: &str, template: &str, call: Call) -> Outcome {
    let of_cluster = |path: &str| template.starts_with(path);
    if template.contains("/firewall") {
        return firewall::route(method, template, &call).unwrap_or_else(|| unserved(method, template));
    }
    if of_cluster("/cluster/ha") {
        return ha::route(method, template, &call).unwrap_or_else(|| unserved(method, template));
    }
    if of_cluster("/cluster/sdn") {
        return sdn::route(method, template, &call).unwrap_or_else(|| unserved(method, template));
    }
    if let Some(path) = template.strip_prefix("/nodes/{node}/lxc/{vmid}") {
        return container(method, path, call).await;
    }
    if let Some(path) = template.strip_prefix("/nodes/{node}") {
        return of_node(method, path, call).await;
    }
    match (method, template) {
        ("GET", "/") => index("subdir", &["version", "cluster", "nodes", "storage", "access", "pools"]),
        ("GET", "/version") => nodes::version(&call),
        ("GET", "/access") => {
            let names = ["users", "groups", "roles", "acl", "domains", "openid", "tfa", "ticket", "password"];
            index("subdir", &names)
        }
        ("GET", "/access/domains") => access::domains(&call),
        ("GET", "/access/ticket") => Ok(json!(null).into()),
        ("POST", "/access/ticket") => access::ticket(&call),
        ("GET", "/access/permissions") => access::permissions(&call),
        ("GET", "/access/users") => access::users(&call),
        ("POST", "/access/users") => access::create_user(&call),
        ("GET", "/access/users/{userid}") => access::user(&call),
        ("PUT", "/access/users/{userid}") => access::change_user(&call),
        ("DELETE", "/access/users/{userid}") => access::delete_user(&call),
        ("GET", "/access/users/{userid}/token") => access::tokens(&call),
        ("GET", "/access/users/{userid}/token/{tokenid}") => access::token(&call),
        ("POST", "/access/users/{userid}/token/{tokenid}") => access::create_token(&call),
        ("PUT", "/access/users/{userid}/token/{tokenid}") => access::change_token(&call),
        ("DELETE", "/access/users/{userid}/token/{tokenid}") => access::delete_token(&call),
        ("GET", "/access/roles") => rules::roles(&call),
        ("GET", "/access/roles/{roleid}") => rules::role(&call),
        ("POST", "/access/roles") => rules::create_role(&call),
        ("PUT", "/access/roles/{roleid}") => rules::change_role(&call),
        ("DELETE", "/access/roles/{roleid}") => rules::delete_role(&call),
        ("GET", "/access/acl") => rules::list(&call),
        ("PUT", "/access/acl") => rules::change(&call),
        ("GET", "/cluster") => {
            let names = [
                "acme",
                "backup",
                "backup-info",
                "ceph",
                "config",
                "firewall",
                "ha",
                "jobs",
                "log",
                "mapping",
                "metrics",
                "nextid",
                "notifications",
                "options",
                "replication",
                "resources",
                "sdn",
                "status",
                "tasks",
            ];
            index("name", &names)
        }
        ("GET", "/cluster/resources") => cluster::resources(&call).await,
        ("GET", "/cluster/status") => cluster::status(&call),
        ("GET", "/cluster/nextid") => cluster::next_id(&call),
        ("GET", "/cluster/options") => cluster::options(&call),
        ("PUT", "/cluster/options") => cluster::set_options(call),
        ("GET", "/cluster/tasks") => tasklist::of_cluster(&call),
        ("GET", "/cluster/backup") => jobs::list(&call),
        ("POST", "/cluster/backup") => jobs::create(&call),
        ("GET", "/cluster/backup/{id}") => jobs::one(&call),
        ("PUT", "/cluster/backup/{id}") => jobs::update(&call),
        ("DELETE", "/cluster/backup/{id}") => jobs::delete(&call),
        ("GET", "/cluster/backup/{id}/included_volumes") => jobs::included(&call),
        ("GET", "/cluster/backup-info") => index("subdir", &["not-backed-up"]),
        ("GET", "/cluster/backup-info/not-backed-up") => jobs::not_backed_up(&call),
        ("GET", "/nodes") => nodes::list(&call).await,
        ("GET", "/storage") => datastore::definitions(&call),
        ("GET", "/storage/{storage}") => datastore::definition(&call),
        ("POST", "/storage") => storages::create(&call),
        ("PUT", "/storage/{storage}") => storages::update(&call),
        ("DELETE", "/storage/{storage}") => storages::delete(&call),
        ("GET", "/pools") => pools::list(&call).await,
        ("POST", "/pools") => pools::create(&call),
        ("PUT", "/pools" | "/pools/{poolid}") => pools::change(&call),
        ("DELETE", "/pools" | "/pools/{poolid}") => pools::delete(&call),
        ("GET", "/pools/{poolid}") => pools::one(&call).await,
        _ => unserved(method, template),
    }
}

async fn of_node(method: &str, path: &str, call: Call) -> Outcome {
    match (method, path) {
        ("GET", "") => nodes::index(&call),
        ("GET", "/version") => nodes::version(&call),
        ("GET", "/status") => nodes::status(&call).await,
        ("GET", "/time") => netconf::time(&call),
        ("PUT", "/time") => netconf::set_time(&call),
        ("GET", "/dns") => netconf::dns(&call),
        ("PUT", "/dns") => netconf::set_dns(&call),
        ("GET", "/network") => netconf::list(&call),
        ("POST", "/network") => netconf::create(&call),
        ("PUT", "/network") => netconf::reload(&call),
        ("DELETE", "/network") => Ok(json!(null).into()),
        ("GET", "/network/{iface}") => netconf::one(&call),
        ("PUT", "/network/{iface}") => netconf::update(&call),
        ("DELETE", "/network/{iface}") => netconf::delete(&call),
        ("GET", "/services") => services::list(&call),
        ("GET", "/services/{service}") => index("subdir", &["state", "start", "stop", "restart", "reload"]),
        ("GET", "/services/{service}/state") => services::state(&call),
        ("POST", "/services/{service}/start") => services::command(&call, "srvstart"),
        ("POST", "/services/{service}/stop") => services::command(&call, "srvstop"),
        ("POST", "/services/{service}/restart") => services::command(&call, "srvrestart"),
        ("POST", "/services/{service}/reload") => services::command(&call, "srvreload"),
        ("GET", "/netstat") => Ok(json!([]).into()),
        ("GET", "/sdn") => index("name", &["zones", "vnets", "fabrics"]),
        ("GET", "/sdn/zones") => nodes::sdn_zones(&call),
        ("GET", "/query-oci-repo-tags") => registry::tags(&call),
        ("GET", "/query-url-metadata") => registry::metadata(&call),
        ("GET", "/rrddata") => nodes::history(&call).await,
        ("GET", "/qemu") => Ok(json!([]).into()),
        ("GET", "/qemu/{vmid}/status" | "/qemu/{vmid}/status/current") => Err(nodes::no_machine(&call)),
        ("POST", "/startall") => nodes::all_guests(&call, true),
        ("POST", "/stopall") => nodes::all_guests(&call, false),
        ("GET", "/aplinfo") => appliances::list(&call),
        ("POST", "/aplinfo") => appliances::download(&call),
        ("GET", "/lxc") => lxc::read::list(&call).await,
        ("POST", "/lxc") => lxc::create::create(call),
        ("GET", "/tasks") => tasklist::of_node(&call),
        ("GET", "/tasks/{upid}") => index("name", &["log", "status"]),
        ("DELETE", "/tasks/{upid}") => tasklist::stop(&call),
        ("GET", "/tasks/{upid}/status") => tasklist::status(&call),
        ("GET", "/tasks/{upid}/log") => tasklist::log(&call),
        ("GET", "/storage") => datastore::list(&call),
        ("GET", "/storage/{storage}") => datastore::index(&call),
        ("GET", "/storage/{storage}/rrddata") => datastore::history(&call),
        ("GET", "/storage/{storage}/status") => datastore::status(&call),
        ("GET", "/storage/{storage}/content") => content::list(&call),
        ("GET", "/storage/{storage}/content/{volume}") => content::attributes(&call),
        ("PUT", "/storage/{storage}/content/{volume}") => content::change(&call),
        ("DELETE", "/storage/{storage}/content/{volume}") => content::delete(&call),
        ("POST", "/storage/{storage}/upload") => upload::upload(call),
        ("POST", "/storage/{storage}/oci-registry-pull") => registry::pull(&call),
        ("POST", "/storage/{storage}/download-url") => appliances::download_url(&call),
        ("POST", "/vzdump") => backup::start(&call),
        ("GET", "/storage/{storage}/prunebackups") => backup::prune::list(&call),
        ("DELETE", "/storage/{storage}/prunebackups") => backup::prune::delete(&call),
        ("GET", "/vzdump/defaults") => backup::defaults(&call),
        ("GET", "/vzdump/extractconfig") => backup::extract_config(&call),
        _ => unserved(method, &format!("/nodes/{{node}}{path}")),
    }
}

async fn container(method: &str, path: &str, call: Call) -> Outcome {
    match (method, path) {
        ("GET", "") => lxc::read::index(&call),
        ("DELETE", "") => lxc::destroy::destroy(&call),
        ("GET", "/status") => lxc::read::status_index(&call),
        ("GET", "/status/current") => lxc::read::current(&call).await,
        ("POST", "/status/start") => lxc::power::start_guest(&call),
        ("POST", "/status/stop") => lxc::power::stop_guest(&call),
        ("POST", "/status/shutdown") => lxc::power::shutdown_guest(&call),
        ("POST", "/status/reboot") => lxc::power::reboot_guest(&call),
        ("POST", "/status/suspend") => lxc::power::suspend_guest(&call),
        ("POST", "/status/resume") => lxc::power::resume_guest(&call),
        ("GET", "/config") => lxc::config::get(&call),
        ("PUT", "/config") => lxc::config::put(call).await,
        ("GET", "/pending") => lxc::config::pending(&call),
        ("GET", "/interfaces") => lxc::read::interfaces(&call).await,
        ("GET", "/feature") => lxc::read::feature(&call),
        ("GET", "/rrddata") => lxc::read::history(&call).await,
        ("PUT", "/resize") => lxc::resize::resize(&call),
        ("GET", "/migrate") => lxc::migrate::preconditions(&call),
        ("POST", "/migrate") => lxc::migrate::migrate(&call),
        ("POST", "/move_volume") => lxc::move_volume::move_volume(&call).await,
        ("POST", "/clone") => lxc::clone::clone(&call).await,
        ("POST", "/template") => lxc::clone::template(&call).await,
        ("GET", "/snapshot") => lxc::snapshot::list(&call),
        ("POST", "/snapshot") => lxc::snapshot::create(&call),
        ("GET", "/snapshot/{snapname}") => lxc::snapshot::index(),
        ("DELETE", "/snapshot/{snapname}") => lxc::snapshot::delete(&call),
        ("GET", "/snapshot/{snapname}/config") => lxc::snapshot::get_config(&call),
        ("PUT", "/snapshot/{snapname}/config") => lxc::snapshot::put_config(&call),
        ("POST", "/snapshot/{snapname}/rollback") => lxc::snapshot::rollback(&call),
        ("POST", "/termproxy") => console::termproxy(call).await,
        ("POST", "/vncproxy") => console::vncproxy(&call),
        _ => unserved(method, &format!("/nodes/{{node}}/lxc/{{vmid}}{path}")),
    }
}

fn index(key: &str, names: &[&str]) -> Outcome {
    Ok(json!(names.iter().map(|n| json!({ key: n })).collect::<Vec<_>>()).into())
}

/// A method that Proxmox VE has and this node does not: said plainly, in words no real node uses.
fn unserved(method: &str, template: &str) -> Outcome {
    Err(ApiError::Status(501, format!("the embedded node does not serve '{method} {template}'")))
}
