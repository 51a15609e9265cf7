//! What a deployment depends on at a host, each checked, each with what to do.

use std::sync::Arc;

use proto_json::daemon::{Check, CheckStatus};
use proximity_pve as pve;

use crate::guest::sessions::Guests;
use crate::guest::{GuestError, provision};
use crate::hosts::Host;
use crate::model::host::Ssh;
use crate::ops::failure::pve_problem;
use crate::ops::sagas::deploy::NO_CONSOLE_HINT;

/// Privileges on the pool that everything of today needs.
const POOL: [&str; 10] = [
    "VM.Allocate",
    "VM.Audit",
    "VM.Clone",
    "VM.Config.CPU",
    "VM.Config.Disk",
    "VM.Config.Memory",
    "VM.Config.Network",
    "VM.Config.Options",
    "VM.Console",
    "VM.PowerMgmt",
];
/// Those that backups, copies and moves need on top.
const POOL_LATER: [&str; 6] =
    ["VM.Backup", "VM.Migrate", "VM.Snapshot", "VM.Snapshot.Rollback", "Pool.Allocate", "Pool.Audit"];
/// The privilege on a storage for containers; and the one that listing backups there needs on top.
const STORAGE: &str = "Datastore.AllocateSpace";
const STORAGE_LATER: &str = "Datastore.Audit";
/// Where Proxmox VE keeps the permission to use a plain bridge.
const BRIDGES: &str = "/sdn/zones/localnetwork/";
/// Space below which a deployment may fail, in bytes.
const LITTLE: u64 = 5 << 30;

struct Report<'a> {
    host: &'a Arc<Host>,
    checks: Vec<Check>,
}

impl Report<'_> {
    fn add(&mut self, id: &str, status: CheckStatus, message: impl Into<String>, hints: Vec<String>) {
        let host = Some(self.host.config.name.clone());
        self.checks.push(Check { id: id.into(), host, status, message: message.into(), hints });
    }

    fn failed(&mut self, id: &str, error: &pve::Error) {
        let problem = pve_problem(error);
        self.add(id, CheckStatus::Failed, problem.message, problem.hints);
    }
}

/// Checks a host.
pub async fn host(host: &Arc<Host>, guests: &Guests) -> Vec<Check> {
    let mut report = Report { host, checks: Vec::new() };
    let version = match host.client.version().await {
        Ok(version) => version,
        Err(error) => {
            report.failed("connection", &error);
            return report.checks;
        }
    };
    let trust = host.config.trust.label();
    report.add(
        "connection",
        CheckStatus::Ok,
        format!("Proxmox VE {} answers (trust: {trust})", version.version),
        vec![],
    );
    lacks_of(&mut report, &version);
    transport(&mut report, version, guests).await;
    privileges(&mut report).await;
    places(&mut report).await;
    report.checks
}

/// What an older release lacks beside the console.
fn lacks_of(report: &mut Report<'_>, version: &pve::Version) {
    if version.at_least(9, 1, 0) {
        return;
    }
    // lxc-pve before 6.0.5-2: its AppArmor profile keeps /proc and /sys from nested containers, which a runc of late 2025 and
    // newer opens anew (CVE-2025-52881). Debian's own Docker in the golden container is older, and works.
    report.add(
        "version",
        CheckStatus::Warning,
        format!(
            "Proxmox VE {}: its AppArmor profile may stop containers of a recent Docker from starting (lxc-pve before 6.0.5-2)",
            version.version
        ),
        vec!["upgrade to Proxmox VE 9.1 or newer; or keep Debian's own Docker in the containers, which Proximity installs".into()],
    );
}

async fn transport(report: &mut Report<'_>, version: pve::Version, guests: &Guests) {
    let host = report.host;
    let console = pve::Capabilities::of(version.clone(), host.client.uses_token()).console;
    match (&host.config.ssh, console) {
        (_, true) => {
            report.add("transport", CheckStatus::Ok, "guests are reached by the PVE console", vec![]);
        }
        (Some(settings), false) => ssh(report, settings, guests).await,
        (None, false) => report.add(
            "transport",
            CheckStatus::Failed,
            format!("Proxmox VE {} gives an API token no container console", version.version),
            vec![NO_CONSOLE_HINT.into()],
        ),
    }
}

/// Each node is asked: a container may be on any of them.
async fn ssh(report: &mut Report<'_>, settings: &Ssh, guests: &Guests) {
    let host = report.host;
    let nodes = match host.client.resources(Some(pve::ResourceFilter::Nodes)).await {
        Ok(resources) => resources,
        Err(error) => return report.failed("transport", &error),
    };
    let online = nodes.into_iter().filter(|node| node.status.as_deref() == Some("online"));
    for node in online.filter_map(|resource| resource.node) {
        match guests.test_ssh(host, &node).await {
            Ok(()) => {
                let message = format!(
                    "guests on {node} are reached by SSH to it (user {}, port {}) and `pct exec`",
                    settings.user, settings.port
                );
                report.add("transport", CheckStatus::Ok, message, vec![]);
            }
            Err(error) => {
                let hints = match &error {
                    GuestError::Refused { hint, .. } => vec![(*hint).to_string()],
                    _ => vec![format!("check that nothing blocks port {} of the node", settings.port)],
                };
                report.add("transport", CheckStatus::Failed, format!("{node}: {error}"), hints);
            }
        }
    }
}

async fn privileges(report: &mut Report<'_>) {
    let host = report.host;
    let permissions = match host.client.permissions(None).await {
        Ok(permissions) => permissions,
        Err(error) => return report.failed("privileges", &error),
    };
    let pool = format!("/pool/{}", host.config.pool);
    let lacks = |path: &str, wanted: &[&str]| -> Vec<String> {
        wanted
            .iter()
            .filter(|privilege| !permissions.allows(path, privilege))
            .map(|p| format!("{p} on {path}"))
            .collect()
    };
    let mut missing = lacks(&pool, &POOL);
    let storages: Vec<String> = permissions
        .iter()
        .map(|(path, _)| path.to_string())
        .filter(|path| path.starts_with("/storage"))
        .collect();
    let somewhere = |privilege: &str| {
        storages.iter().any(|path| permissions.allows(path, privilege))
            || permissions.allows("/storage", privilege)
    };
    if !somewhere(STORAGE) {
        missing.push(format!("{STORAGE} on /storage/STORAGE"));
    }
    let may_use = |path: &str| permissions.allows(path, "SDN.Use");
    let bridges = permissions.iter().any(|(path, _)| path.starts_with(BRIDGES) && may_use(path));
    if !bridges && !may_use("/sdn/zones/localnetwork") {
        missing.push(format!("SDN.Use on {BRIDGES}BRIDGE"));
    }
    let setup =
        vec!["`proximityctl init --print-token-setup` prints the commands that grant them".to_string()];
    if missing.is_empty() {
        let mut later = lacks(&pool, &POOL_LATER);
        if !somewhere(STORAGE_LATER) {
            later.push(format!("{STORAGE_LATER} on /storage/STORAGE"));
        }
        if !permissions.allows("/nodes", "Sys.Audit") {
            report.add(
                "privileges",
                CheckStatus::Warning,
                "Sys.Audit on /nodes is missing: without it, how full the nodes are, their clocks, and tasks that others began are \
                 not seen",
                setup.clone(),
            );
        }
        match later.is_empty() {
            true => report.add(
                "privileges",
                CheckStatus::Ok,
                "the credentials have every privilege needed",
                vec![],
            ),
            false => {
                let message = format!("for backups and copies, these are missing: {}", later.join(", "));
                report.add("privileges", CheckStatus::Warning, message, setup);
            }
        }
    } else {
        report.add("privileges", CheckStatus::Failed, format!("missing: {}", missing.join(", ")), setup);
    }
}

async fn places(report: &mut Report<'_>) {
    let host = report.host;
    let resources = match host.client.resources(Some(pve::ResourceFilter::Nodes)).await {
        Ok(resources) => resources,
        Err(error) => return report.failed("nodes", &error),
    };
    let nodes: Vec<(pve::NodeName, bool)> = resources
        .into_iter()
        .filter_map(|resource| Some((resource.node?, resource.status.as_deref() == Some("online"))))
        .collect();
    if nodes.is_empty() {
        let hint = "the credentials need Sys.Audit on /nodes".to_string();
        return report.add("nodes", CheckStatus::Failed, "no node is visible", vec![hint]);
    }
    for (node, online) in nodes {
        if !online {
            report.add("nodes", CheckStatus::Warning, format!("node {node} is offline"), vec![]);
            continue;
        }
        report.add("nodes", CheckStatus::Ok, format!("node {node} is online"), vec![]);
        storages(report, &node).await;
        bridges(report, &node).await;
        clock(report, &node).await;
    }
}

async fn storages(report: &mut Report<'_>, node: &pve::NodeName) {
    let host = report.host;
    let storages = match host.client.storages(node, &pve::StorageFilter::default()).await {
        Ok(storages) => storages,
        Err(error) => return report.failed("storage", &error),
    };
    let holding = |content: &pve::ContentType| {
        let holds = |storage: &&pve::NodeStorage| storage.enabled && storage.active && storage.holds(content);
        storages.iter().filter(holds).collect::<Vec<_>>()
    };
    let takers = holding(&pve::ContentType::Rootdir);
    let gib = |bytes: u64| format!("{} GiB free", bytes >> 30);
    match takers.iter().max_by_key(|storage| storage.avail) {
        None => report.add(
            "storage",
            CheckStatus::Failed,
            format!("no storage that the credentials see on {node} takes containers"),
            vec![
                "Datacenter > Storage > Edit > Content > Container; and Datastore.AllocateSpace on it".into(),
            ],
        ),
        Some(storage) => {
            let status = if storage.avail < LITTLE { CheckStatus::Warning } else { CheckStatus::Ok };
            let message = format!("{node}: {} takes containers, {}", storage.storage, gib(storage.avail));
            report.add("storage", status, message, vec![]);
        }
    }
    chosen_storage(report, node, &storages);
    let mut template = None;
    for storage in holding(&pve::ContentType::Vztmpl) {
        match host.client.storage_content(node, &storage.storage, Some(&pve::ContentType::Vztmpl), None).await
        {
            Ok(content) => {
                template = template.or(content
                    .into_iter()
                    .map(|volume| volume.volid)
                    .find(|volid| volid.file_name().starts_with(provision::OS_TEMPLATE)))
            }
            Err(error) => report.failed("guest-template", &error),
        }
    }
    match (template, holding(&pve::ContentType::Vztmpl).is_empty()) {
        (Some(volid), _) => report.add("guest-template", CheckStatus::Ok, format!("{node}: {volid}"), vec![]),
        (None, false) if !may_download(host, &holding(&pve::ContentType::Vztmpl)).await => report.add(
            "guest-template",
            CheckStatus::Failed,
            format!(
                "{node}: Debian 13 is not there, and it cannot be downloaded without Datastore.AllocateTemplate on a storage for \
                 templates"
            ),
            vec!["grant it, or download it by hand: pveam download".into()],
        ),
        (None, false) => report.add(
            "guest-template",
            CheckStatus::Ok,
            format!("{node}: Debian 13 is not there yet; the first deployment downloads it"),
            vec![],
        ),
        (None, true) => report.add(
            "guest-template",
            CheckStatus::Failed,
            format!("no storage that the credentials see on {node} takes container templates"),
            vec!["Datacenter > Storage > Edit > Content > Container template; and Datastore.AllocateTemplate on it".into()],
        ),
    }
}

/// The storage that the host's configuration names, where it names one.
fn chosen_storage(report: &mut Report<'_>, node: &pve::NodeName, storages: &[pve::NodeStorage]) {
    let Some(wanted) = &report.host.config.storage else { return };
    let replace = || vec!["choose another: proximityctl host add --replace --storage STORAGE".to_string()];
    let fault = match storages.iter().find(|storage| storage.storage.as_str() == wanted) {
        None => "is not there, or the credentials do not see it",
        Some(found) if !found.holds(&pve::ContentType::Rootdir) => "takes no containers",
        Some(found) if !found.enabled || !found.active => "is disabled or not active",
        Some(_) => return,
    };
    let message = format!("{node}: the host's own storage `{wanted}` {fault}");
    report.add("storage", CheckStatus::Failed, message, replace());
}

/// The bridge that a container would get.
async fn bridges(report: &mut Report<'_>, node: &pve::NodeName) {
    let host = report.host;
    let bridges = match host.client.node_network(node, Some(pve::NetworkFilter::AnyBridge)).await {
        Ok(bridges) => bridges,
        Err(error) => return report.failed("bridge", &error),
    };
    let names: Vec<&str> = bridges.iter().map(|bridge| bridge.iface.as_str()).collect();
    let wanted = host.config.bridge.as_deref();
    match wanted
        .map_or_else(|| names.iter().min().copied(), |wanted| names.iter().find(|n| **n == wanted).copied())
    {
        Some(bridge) => report.add("bridge", CheckStatus::Ok, format!("{node}: {bridge}"), vec![]),
        None => {
            let message = match wanted {
                Some(wanted) => {
                    format!(
                        "{node}: the host's own bridge `{wanted}` is not there, or the credentials may not use it"
                    )
                }
                None => format!("{node}: there is no bridge that the credentials may use"),
            };
            let hints = vec![
                format!("they need SDN.Use on {BRIDGES}BRIDGE"),
                format!(
                    "bridges that they may use: {}",
                    if names.is_empty() { "none".into() } else { names.join(", ") }
                ),
            ];
            report.add("bridge", CheckStatus::Failed, message, hints);
        }
    }
}

/// Whether a template may be downloaded to one of the storages.
async fn may_download(host: &Host, storages: &[&pve::NodeStorage]) -> bool {
    let Ok(permissions) = host.client.permissions(None).await else { return false };
    let allowed = |storage: &&&pve::NodeStorage| {
        permissions.allows(&format!("/storage/{}", storage.storage), "Datastore.AllocateTemplate")
    };
    storages.iter().any(|storage| allowed(&storage))
}

/// Seconds by which two clocks may differ before it matters.
const SKEW: u64 = 60;

async fn clock(report: &mut Report<'_>, node: &pve::NodeName) {
    let Ok(time) = report.host.client.node_time(node).await else { return };
    let here = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0);
    let apart = time.time.abs_diff(here);
    if apart > SKEW {
        let hint = "run a time service (chrony) on both machines".to_string();
        report.add(
            "clock",
            CheckStatus::Warning,
            format!("the clock of {node} differs by {apart} s"),
            vec![hint],
        );
    } else {
        report.add("clock", CheckStatus::Ok, format!("the clock of {node} agrees with ours"), vec![]);
    }
}
