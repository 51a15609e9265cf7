//! Creates a container from a guest template, or hands over to a restore.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::allocate::{full_storage, unpack_command};
use super::rights::{Change, check_volume_access, new_disk};
use super::{Work, complete_net, image, power, restore, start, unique_tags};
use crate::Version;
use crate::call::Call;
use crate::durations::{SET_UP, UNPACK};
use crate::reply::{ApiError, Outcome};
use crate::state::guest::{Config, Guest, MountPoint, is_numbered, parse_option};

/// What is to be made.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) archive: String,
    pub(super) storage: String,
    /// The options given, volumes left out.
    pub(super) options: Config,
    /// The volumes asked for.
    pub(super) mounts: Vec<MountPoint>,
    pub(super) unprivileged: Option<bool>,
    pub(super) pool: Option<String>,
    pub(super) unique: bool,
    /// Something was there before (a restore in place).
    pub(super) before: Option<Guest>,
    /// Public keys for root's `authorized_keys`.
    keys: Option<String>,
    start: bool,
}

/// `POST /nodes/{node}/lxc`.
pub(in crate::api) fn create(mut call: Call) -> Outcome {
    let vmid = call.vmid();
    let restore = call.params.is_set("restore");
    let force = call.params.is_set("force");
    let unprivileged = call.params.flag("unprivileged");
    let new = !restore;
    let by_default = call.node.version() >= Version::V9_0;
    let effective = unprivileged.unwrap_or(by_default);
    if new && !effective && by_default {
        call.check("/", &["Sys.Modify"])?;
    }
    if call.params.is_set("ha-managed") {
        call.check("/", &["Sys.Console"])?;
    }
    let before = call.node.store.view().guests.get(&vmid).cloned();
    match &before {
        Some(guest) if restore && force => {
            if guest.running {
                return Err(ApiError::died("can't overwrite running container"));
            }
            if guest.config.get("protection").is_some_and(|p| p == "1") {
                return Err(ApiError::died(format!("unable to restore CT {vmid} - protection mode enabled")));
            }
        }
        Some(guest) => return Err(exists(vmid, &guest.node)),
        None => {}
    }
    let before = before.filter(|_| restore && force);
    if let Some(keys) = call.params.get("ssh-public-keys") {
        check_keys(keys)?;
    }
    let pool = call.params.take("pool");
    call.check_pool(pool.as_deref())?;
    let in_place = before.is_some() && call.may(&format!("/vms/{vmid}"), "VM.Backup");
    if call.check_guest(vmid, pool.as_deref(), "VM.Allocate").is_err() && !in_place {
        return Err(ApiError::Permission(String::new()));
    }
    let plan = read_plan(&mut call, pool, before);
    let all = plan.mounts.iter().map(|m| (m.key.clone(), m.print())).chain(plan.options.clone()).collect();
    let change = Change { vmid, pool: plan.pool.as_deref(), old: None, unprivileged: effective };
    change.check(&call, &all, &[])?;
    check_volume_access(&call, vmid, &plan.archive, if restore { "backup" } else { "vztmpl" })?;
    let plan = check_storages(&call, plan)?;
    lock(&call, vmid, &plan)?;
    let plan = Plan { unprivileged: if restore { unprivileged } else { Some(effective) }, ..plan };
    let caller = call.clone();
    if restore {
        start(&call, "vzrestore", move |work| restore::run(work, caller, plan))
    } else {
        start(&call, "vzcreate", move |work| run(work, caller, plan))
    }
}

fn exists(vmid: u32, node: &str) -> ApiError {
    ApiError::died(format!("CT {vmid} already exists on node '{node}'"))
}

fn check_keys(keys: &str) -> Result<(), ApiError> {
    let good = |line: &str| {
        let kind = line
            .split_whitespace()
            .find(|w| w.starts_with("ssh-") || w.starts_with("ecdsa-") || w.starts_with("sk-"));
        kind.is_some() && line.split_whitespace().any(|w| w.starts_with("AAAA"))
    };
    let mut lines = keys.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).peekable();
    if lines.peek().is_some() && lines.all(good) {
        Ok(())
    } else {
        Err(ApiError::died("SSH public key validation error"))
    }
}

/// Takes what concerns this call out of the parameters; the rest is the container's configuration.
fn read_plan(call: &mut Call, pool: Option<String>, before: Option<Guest>) -> Plan {
    let archive = call.params.take("ostemplate").unwrap_or_default();
    let storage = call.params.take("storage").unwrap_or_else(|| "local".to_owned());
    let unique = call.params.is_set("unique");
    let start = call.params.is_set("start");
    let keys = call.params.take("ssh-public-keys");
    let not_options = [
        "node",
        "restore",
        "force",
        "unprivileged",
        "unique",
        "start",
        "ha-managed",
        "password",
        "bwlimit",
        "ignore-unpack-errors",
    ];
    for name in not_options {
        call.params.take(name);
    }
    let mut options = Config::new();
    let mut mounts = Vec::new();
    for (name, value) in call.params.iter() {
        if name == "rootfs" || is_numbered(name, "mp") {
            let mut parts = parse_option(name, value);
            if let Some(volume) = parts.get_mut("volume").filter(|v| v.parse::<f64>().is_ok()) {
                *volume = format!("{storage}:{volume}");
            }
            mounts.push(MountPoint { key: name.to_owned(), parts });
        } else if name != "vmid" && !is_numbered(name, "unused") {
            options.insert(name.to_owned(), value.to_owned());
        }
    }
    Plan { archive, storage, options, mounts, unprivileged: None, pool, unique, before, keys, start }
}

fn check_storages(call: &Call, plan: Plan) -> Result<Plan, ApiError> {
    if !plan.mounts.is_empty() && !plan.mounts.iter().any(|m| m.key == "rootfs") {
        return Err(ApiError::died("mount points configured, but 'rootfs' not set - aborting"));
    }
    let mut storages: BTreeSet<&str> =
        plan.mounts.iter().filter_map(|m| m.volume().split_once(':')).map(|(storage, _)| storage).collect();
    if plan.mounts.is_empty() {
        storages.insert(&plan.storage);
    }
    for id in storages {
        {
            let state = call.node.store.view();
            let storage = state
                .storages
                .get(id)
                .ok_or_else(|| ApiError::died(format!("storage '{id}' does not exist")))?;
            if storage.disable {
                return Err(ApiError::died(format!("storage '{id}' is disabled")));
            }
            if !storage.takes("rootdir") {
                let text = format!("storage '{id}' does not support container directories");
                return Err(ApiError::parameter("storage", text));
            }
        }
        call.check(&format!("/storage/{id}"), &["Datastore.AllocateSpace"])?;
    }
    Ok(plan)
}

/// Takes the id: of several calls at once exactly one gets it.
fn lock(call: &Call, vmid: u32, plan: &Plan) -> Result<(), ApiError> {
    let verb = if plan.unique || plan.archive.contains(":backup/") { "restore" } else { "create" };
    call.node.change(|state| {
        match state.guests.get_mut(&vmid) {
            Some(guest) if plan.before.is_some() => match guest.lock() {
                Some(lock) => {
                    return Err(ApiError::died(format!(
                        "unable to {verb} CT {vmid} - CT is locked ({lock})"
                    )));
                }
                None => {
                    guest.config.insert("lock".into(), "create".into());
                }
            },
            Some(guest) => return Err(exists(vmid, &guest.node.clone())),
            None => {
                let config = Config::from([("lock".to_owned(), "create".to_owned())]);
                let guest = Guest {
                    node: call.host.clone(),
                    config,
                    created: call.node.clock.now(),
                    ..Guest::default()
                };
                state.guests.insert(vmid, guest);
            }
        }
        Ok(())
    })
}

async fn run(work: Work, call: Call, plan: Plan) -> Result<(), ApiError> {
    let guard = work.lock().await?;
    if let Err(error) = build(&work, &plan).await {
        undo(&work).await?;
        return Err(ApiError::died(format!("unable to create CT {} - {}", work.vmid, error.in_task())));
    }
    drop(guard);
    if plan.start {
        let started = start(&call, "vzstart", power::run_start)?;
        tracing::debug!(task = %started.data, "started after its creation");
    }
    Ok(())
}

/// Takes everything back that a failed creation made.
async fn undo(work: &Work) -> Result<(), ApiError> {
    if let Ok(spec) = work.spec()
        && let Err(error) = work.node.engine.destroy(&spec).await
    {
        tracing::warn!(vmid = work.vmid, %error, "a failed creation left files behind");
    }
    work.node.change(|state| {
        state.volumes.retain(|_, v| v.vmid != Some(work.vmid) || v.content != "rootdir");
        state.guests.remove(&work.vmid);
        Ok(())
    })
}

async fn build(work: &Work, plan: &Plan) -> Result<(), ApiError> {
    let mut config = plan.options.clone();
    let mut mounts = plan.mounts.clone();
    if mounts.is_empty() {
        let parts = [("volume".to_owned(), format!("{}:4", plan.storage))].into();
        mounts.push(MountPoint { key: "rootfs".into(), parts });
    }
    for mount in &mut mounts {
        if mount.kind() == "volume" {
            let Some((storage, size)) = new_disk(mount.volume()).map(|(s, size)| (s.to_owned(), size)) else {
                return Err(ApiError::died(format!("volume '{}' does not exist", mount.volume())));
            };
            let made = work.make_disk(mount, &storage, size).await;
            made.map_err(|e| full_storage(work, &plan.archive, e))?;
        }
        config.insert(mount.key.clone(), mount.print());
    }
    let file = archive_path(work, &plan.archive)?;
    finish_options(&mut config, work.vmid, &plan.archive);
    if plan.unprivileged == Some(true) {
        config.insert("unprivileged".into(), "1".into());
    }
    let image = image::of_archive(work, &plan.archive);
    match &image {
        Some(image) => image::apply(work, image, &mut config),
        None => {
            let shown = work.node.store.view().path_of(&plan.archive);
            work.task.log(format!("extracting archive '{shown}'"));
        }
    }
    let mut spec = work.spec()?;
    spec.config.clone_from(&config);
    spec.hostname.clone_from(&config["hostname"]);
    // No option of the container: the engine plants them once and forgets them.
    spec.config.extend(plan.keys.iter().map(|keys| ("ssh-public-keys".to_owned(), keys.clone())));
    let unpack = async { Ok(work.node.engine.create(&spec, &file).await?) };
    let time = work.node.task_time(UNPACK);
    let lines = work.task.step(&unpack_command(work.vmid, &plan.archive), time, unpack).await?;
    if image.is_none() {
        work.task.log("Total bytes read: 545187840 (520MiB, 155MiB/s)");
    }
    work.task.log("Detected container architecture: amd64");
    lines.iter().for_each(|line| work.task.log(line));
    if image.is_none() {
        warn_about_nesting(work, &config);
    }
    work.task.quiet_step(work.node.task_time(SET_UP), std::future::ready(Ok(()))).await?;
    work.node.change(|state| {
        let guest = super::guest_mut(state, &work.host, work.vmid)?;
        guest.config = config;
        guest.raw = image.map(|image| image.raw).unwrap_or_default();
        if let Some(pool) = plan.pool.as_ref().and_then(|p| state.access.pools.get_mut(p)) {
            pool.vms.insert(work.vmid);
        }
        Ok(())
    })
}

/// Fills in what every container has.
pub(super) fn finish_options(config: &mut Config, vmid: u32, archive: &str) {
    let name = archive.rsplit('/').next().unwrap_or_default();
    let known = [
        "debian",
        "devuan",
        "ubuntu",
        "centos",
        "fedora",
        "opensuse",
        "archlinux",
        "alpine",
        "gentoo",
        "nixos",
    ];
    let ostype = known.iter().find(|os| name.starts_with(**os)).unwrap_or(&"debian");
    let defaults = [
        ("arch", "amd64".to_owned()),
        ("ostype", (*ostype).to_owned()),
        ("hostname", format!("CT{vmid}")),
        ("memory", "512".to_owned()),
        ("swap", "512".to_owned()),
    ];
    for (key, value) in defaults {
        config.entry(key.into()).or_insert(value);
    }
    for (key, value) in config.iter_mut() {
        if is_numbered(key, "net") {
            *value = complete_net(value, false);
        } else if key == "tags" {
            *value = unique_tags(value);
        } else if key == "description" && !value.is_empty() && !value.ends_with('\n') {
            value.push('\n');
        }
    }
}

/// Proxmox VE warns about systemd without nesting, at creation and at each start.
pub(super) fn warn_about_nesting(work: &Work, config: &Config) {
    let nesting = config
        .get("features")
        .is_some_and(|f| parse_option("features", f).get("nesting").is_some_and(|n| n == "1"));
    let systemd = config
        .get("ostype")
        .is_some_and(|o| !matches!(o.as_str(), "alpine" | "gentoo" | "devuan" | "unmanaged"));
    let unprivileged = config.get("unprivileged").is_some_and(|u| u == "1");
    if !nesting && systemd && unprivileged {
        work.task.warn("Systemd 257 detected. You may need to enable nesting.");
    }
}

/// The file behind a template or backup.
pub(super) fn archive_path(work: &Work, volid: &str) -> Result<PathBuf, ApiError> {
    let gone = || ApiError::died(format!("volume '{volid}' does not exist"));
    let (storage, name) = volid.split_once(':').ok_or_else(gone)?;
    let kind = name.split_once('/').ok_or_else(gone)?;
    let file = match kind {
        ("vztmpl", file) => PathBuf::from("template/cache").join(file),
        ("backup", file) => PathBuf::from("dump").join(file),
        _ => return Err(gone()),
    };
    let path = work.node.storage_dir(&work.host, storage).join(file);
    if work.node.store.view().volume(&work.host, volid).is_none() {
        work.task.log(format!("volume '{volid}' does not exist"));
        return Err(gone());
    }
    Ok(path)
}
