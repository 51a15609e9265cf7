//! `compose up`: images, networks, volumes, then containers in the order of their dependencies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::project::Project;
use super::service::{MountSource, Service};
use crate::engine::memory::commands::Ctx;
use crate::engine::memory::docker::reference::{Reference, sha256};
use crate::engine::memory::docker::state::{Container, Mount, RunState, now};
use crate::engine::memory::docker::{behaviour, images, lifecycle};
use crate::engine::memory::guest::Guest;
use crate::engine::memory::world::files::uuid;
use crate::engine::memory::world::vfs::absolute;

/// What `up` is asked for.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub(super) struct UpOptions {
    pub wait: bool,
    pub wait_timeout: Option<f64>,
    pub remove_orphans: bool,
    pub force_recreate: bool,
    pub no_recreate: bool,
    pub no_start: bool,
    pub no_deps: bool,
    pub pull: Option<String>,
    pub quiet: bool,
}

const STARTING_POLL: Duration = Duration::from_millis(50);
/// How long a dependency may take to become healthy.
const DEPENDENCY_TIMEOUT: Duration = Duration::from_secs(600);

/// Pulls the images of services; how they are reported depends on `quiet`.
pub(super) fn pull(ctx: &mut Ctx, services: &[&Service], quiet: bool, ignore: bool) -> Result<(), String> {
    let guest = ctx.guest();
    for service in services {
        if service.built {
            continue;
        }
        if !quiet {
            ctx.fail(format!(" {} Pulling ", service.name));
        }
        match images::pull(&guest, &service.image) {
            Ok(_) if quiet => {}
            Ok(_) => ctx.fail(format!(" {} Pulled ", service.name)),
            Err(error) => {
                ctx.fail(format!(" {} Error {error}", service.name));
                if !ignore {
                    return Err(format!("Error response from daemon: {error}"));
                }
            }
        }
    }
    Ok(())
}

fn pull_missing(ctx: &mut Ctx, services: &[&Service], options: &UpOptions) -> Result<(), String> {
    let guest = ctx.guest();
    for service in services {
        let have = images::find(&guest, &service.image).is_some();
        if service.built && !have {
            images::build(&guest, &service.image).map_err(|e| e.to_string())?;
            continue;
        }
        let policy = options.pull.as_deref().unwrap_or(&service.pull_policy);
        match policy {
            "always" => pull(ctx, &[service], options.quiet, false)?,
            "never" if !have => {
                return Err(format!("Error response from daemon: No such image: {}", service.image));
            }
            _ if !have => pull(ctx, &[service], options.quiet, false)?,
            _ => {}
        }
    }
    Ok(())
}

/// The path of a named volume's files.
pub(super) fn volume_path(name: &str) -> String {
    format!("/var/lib/docker/volumes/{name}/_data")
}

fn make_volume(guest: &Guest, name: &str) -> bool {
    let mut state = guest.lock();
    let _ = state.vfs.mkdir_all(&volume_path(name), 0o755);
    state.meta.docker.volumes.insert(name.to_owned())
}

fn mounts(ctx: &Ctx, project: &Project, service: &Service, old: Option<&Container>) -> Vec<Mount> {
    let guest = ctx.guest();
    let mut found = Vec::new();
    for (source, target, read_only) in &service.mounts {
        let (volume, path) = match source {
            MountSource::Tmpfs => continue,
            MountSource::Volume(key) => {
                let name = project.volumes.get(key).cloned().unwrap_or_else(|| key.clone());
                make_volume(&guest, &name);
                (Some(name.clone()), volume_path(&name))
            }
            MountSource::Anonymous => {
                // A recreated container keeps its anonymous volumes.
                let kept = old.and_then(|c| c.mounts.iter().find(|m| m.target == *target)?.volume.clone());
                let name = kept.unwrap_or_else(|| uuid().replace('-', "").repeat(2));
                make_volume(&guest, &name);
                (Some(name.clone()), volume_path(&name))
            }
            MountSource::Bind(path) => {
                let path = match path.strip_prefix('~') {
                    Some(rest) => format!("/root{rest}"),
                    None => absolute(&project.directory, path),
                };
                if !ctx.files.exists(&path) {
                    let _ = ctx.files.mkdir_all(&path, 0o755);
                }
                (None, path)
            }
        };
        found.push(Mount { volume, source: path, target: target.clone(), read_only: *read_only });
    }
    found
}

fn container(
    ctx: &Ctx,
    project: &Project,
    service: &Service,
    number: u32,
    old: Option<&Container>,
) -> Container {
    let guest = ctx.guest();
    let name = match &service.container_name {
        Some(name) => name.clone(),
        None => format!("{}-{}-{number}", project.name, service.name),
    };
    let argv: Vec<String> =
        service.entrypoint.iter().flatten().chain(service.command.iter().flatten()).cloned().collect();
    let hash = config_hash(service);
    let mut labels = service.labels.clone();
    for (key, value) in [
        ("project", project.name.as_str()),
        ("service", &service.name),
        ("container-number", &number.to_string()),
        ("config-hash", &hash),
        ("project.working_dir", &project.directory),
        ("project.config_files", &project.files.join(",")),
        ("oneoff", "False"),
    ] {
        labels.insert(format!("com.docker.compose.{key}"), value.to_owned());
    }
    let mut environment: BTreeMap<String, String> =
        service.environment.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect();
    environment
        .entry("PATH".to_owned())
        .or_insert_with(|| "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned());
    let wanted =
        if service.networks.is_empty() { vec!["default".to_owned()] } else { service.networks.clone() };
    let networks = wanted
        .iter()
        .map(|key| project.networks.get(key).map_or(key.clone(), |(name, _)| name.clone()))
        .collect();
    let restart = if service.restart == "false" { "no".to_owned() } else { service.restart.clone() };
    Container {
        id: sha256(&format!("{} {name} {}", guest.vmid, uuid()))["sha256:".len()..].to_owned(),
        name,
        project: project.name.clone(),
        service: service.name.clone(),
        number,
        image: service.image.clone(),
        image_id: images::find(&guest, &service.image).map(|(_, image)| image.id).unwrap_or_default(),
        behaviour: behaviour::of(&argv, &labels),
        command: argv,
        environment,
        labels,
        ports: service.ports.clone(),
        mounts: mounts(ctx, project, service, old),
        networks,
        working_dir: service.working_dir.clone(),
        restart,
        healthy: behaviour::health(service.health_test.as_ref()),
        config_hash: hash,
        state: RunState::Created,
        exit_code: 0,
        created: now(),
        started: 0,
        finished: 0,
        stopped: false,
        log: Vec::new(),
    }
}

/// Changes whenever the service's configuration does.
pub(super) fn config_hash(service: &Service) -> String {
    let environment: Vec<String> = service.environment.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
    sha256(&format!("{} {}", service.document, environment.join("\n")))["sha256:".len()..].to_owned()
}

/// A project's containers, by service and number.
pub(super) fn containers(guest: &Guest, project: &str) -> Vec<Container> {
    let state = guest.lock();
    let mut found: Vec<Container> =
        state.meta.docker.containers.values().filter(|c| c.project == project).cloned().collect();
    found.sort_by(|a, b| (&a.service, a.number).cmp(&(&b.service, b.number)));
    found
}

fn progress(ctx: &mut Ctx, options: &UpOptions, kind: &str, name: &str, what: &str) {
    if !options.quiet || kind == "Container" {
        ctx.fail(format!(" {kind} {name}  {what}"));
    }
}

fn make_networks(
    ctx: &mut Ctx,
    project: &Project,
    services: &[&Service],
    options: &UpOptions,
) -> Result<(), String> {
    let guest = ctx.guest();
    let mut wanted: Vec<&str> = services.iter().flat_map(|s| &s.networks).map(String::as_str).collect();
    if services.iter().any(|s| s.networks.is_empty()) {
        wanted.push("default");
    }
    for key in wanted {
        let Some((name, external)) = project.networks.get(key) else { continue };
        let exists = guest.lock().meta.docker.networks.contains(name);
        if *external && !exists && !matches!(name.as_str(), "bridge" | "host" | "none") {
            return Err(format!("network {name} declared as external, but could not be found"));
        }
        if !exists && !external {
            guest.lock().meta.docker.networks.insert(name.clone());
            progress(ctx, options, "Network", name, "Creating");
            progress(ctx, options, "Network", name, "Created");
        }
    }
    Ok(())
}

/// `compose up -d` (and `create`).
pub(super) async fn up(
    ctx: &mut Ctx,
    project: &Project,
    named: &[String],
    options: &UpOptions,
) -> Result<(), String> {
    let guest = ctx.guest();
    let mut services = project.in_order(named)?;
    if options.no_deps && !named.is_empty() {
        services.retain(|s| named.contains(&s.name));
    }
    for service in &services {
        Reference::parse(&service.image).map_err(|error| format!("Error response from daemon: {error}"))?;
    }
    pull_missing(ctx, &services, options)?;
    ctx.flush().await;
    make_networks(ctx, project, &services, options)?;
    for service in &services {
        for (source, _, _) in &service.mounts {
            if let MountSource::Volume(key) = source
                && let Some(name) = project.volumes.get(key)
                && make_volume(&guest, name)
            {
                progress(ctx, options, "Volume", &format!("\"{name}\""), "Creating");
                progress(ctx, options, "Volume", &format!("\"{name}\""), "Created");
            }
        }
    }
    orphans(ctx, project, options).await;
    let mut order: Vec<(String, String)> = Vec::new();
    for service in &services {
        for id in create(ctx, project, service, options).await? {
            order.push((service.name.clone(), id));
        }
    }
    guest.touch();
    if options.no_start {
        return Ok(());
    }
    for (service, id) in &order {
        let service = services.iter().find(|s| s.name == *service).expect("created from these services");
        if !options.no_deps {
            dependencies(ctx, project, service).await?;
        }
        let Some(container) = guest.lock().meta.docker.containers.get(id).cloned() else { continue };
        if container.state == RunState::Running {
            progress(ctx, options, "Container", &container.name, "Running");
            continue;
        }
        progress(ctx, options, "Container", &container.name, "Starting");
        lifecycle::start(&guest, id).await?;
        progress(ctx, options, "Container", &container.name, "Started");
        ctx.flush().await;
    }
    if options.wait {
        wait(ctx, &order, options).await?;
    }
    Ok(())
}

async fn orphans(ctx: &mut Ctx, project: &Project, options: &UpOptions) {
    let guest = ctx.guest();
    let all = project.document.get("services").and_then(|s| s.as_object()).cloned().unwrap_or_default();
    let orphans: Vec<Container> =
        containers(&guest, &project.name).into_iter().filter(|c| !all.contains_key(&c.service)).collect();
    if orphans.is_empty() {
        return;
    }
    if !options.remove_orphans {
        let names: Vec<&str> = orphans.iter().map(|c| c.name.as_str()).collect();
        ctx.fail(format!(
            "time=\"{}\" level=warning msg=\"Found orphan containers ([{}]) for this project. If you removed or renamed this service in your compose file, you can run this command with the --remove-orphans flag to clean it up.\"",
            jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            names.join(" ")
        ));
        return;
    }
    for orphan in orphans {
        progress(ctx, options, "Container", &orphan.name, "Stopping");
        lifecycle::remove(&guest, &orphan.id).await;
        progress(ctx, options, "Container", &orphan.name, "Removed");
    }
}

async fn create(
    ctx: &mut Ctx,
    project: &Project,
    service: &Service,
    options: &UpOptions,
) -> Result<Vec<String>, String> {
    let guest = ctx.guest();
    let existing: Vec<Container> =
        containers(&guest, &project.name).into_iter().filter(|c| c.service == service.name).collect();
    for extra in existing.iter().filter(|c| c.number > service.scale) {
        lifecycle::remove(&guest, &extra.id).await;
    }
    let image_id = images::find(&guest, &service.image).map(|(_, image)| image.id).unwrap_or_default();
    let mut ids = Vec::new();
    for number in 1..=service.scale {
        let old = existing.iter().find(|c| c.number == number);
        if let Some(old) = old {
            let same = old.config_hash == config_hash(service) && old.image_id == image_id;
            if (same || options.no_recreate) && !options.force_recreate {
                ids.push(old.id.clone());
                continue;
            }
            progress(ctx, options, "Container", &old.name, "Recreate");
            lifecycle::remove(&guest, &old.id).await;
        }
        let new = container(ctx, project, service, number, old);
        let taken =
            guest.lock().meta.docker.containers.values().find(|c| c.name == new.name).map(|c| c.id.clone());
        if let Some(id) = taken {
            return Err(format!(
                "Error response from daemon: Conflict. The container name \"/{}\" is already in use by container \"{id}\". You have to remove (or rename) that container to be able to reuse that name.",
                new.name
            ));
        }
        let what = if old.is_some() { "Recreated" } else { "Created" };
        if old.is_none() {
            progress(ctx, options, "Container", &new.name, "Creating");
        }
        progress(ctx, options, "Container", &new.name, what);
        ids.push(new.id.clone());
        guest.lock().meta.docker.containers.insert(new.id.clone(), new);
    }
    Ok(ids)
}

/// Waits until a service's dependencies are as its conditions say.
async fn dependencies(ctx: &mut Ctx, project: &Project, service: &Service) -> Result<(), String> {
    let guest = ctx.guest();
    let deadline = tokio::time::Instant::now() + DEPENDENCY_TIMEOUT;
    for dependency in &service.depends_on {
        loop {
            let found =
                containers(&guest, &project.name).into_iter().find(|c| c.service == dependency.service);
            let Some(container) = found else { break };
            let ended = matches!(container.state, RunState::Exited | RunState::Restarting);
            match dependency.condition.as_str() {
                "service_completed_successfully" => match (ended, container.exit_code) {
                    (true, 0) => break,
                    (true, code) => {
                        return Err(format!(
                            "service \"{}\" didn't complete successfully: exit {code}",
                            dependency.service
                        ));
                    }
                    (false, _) => {}
                },
                "service_healthy" => match container.health() {
                    "healthy" => break,
                    "unhealthy" => {
                        return Err(format!(
                            "dependency failed to start: container {} is unhealthy",
                            container.name
                        ));
                    }
                    _ if ended => {
                        return Err(format!(
                            "dependency failed to start: container {} exited ({})",
                            container.name, container.exit_code
                        ));
                    }
                    _ if container.healthy.is_none() => {
                        return Err(format!(
                            "dependency failed to start: container {} has no healthcheck configured",
                            container.name
                        ));
                    }
                    _ => {}
                },
                _ => break,
            }
            if tokio::time::Instant::now() > deadline {
                return Err(format!("dependency failed to start: container {} is not ready", container.name));
            }
            tokio::time::sleep(STARTING_POLL).await;
        }
    }
    Ok(())
}

async fn wait(ctx: &mut Ctx, order: &[(String, String)], options: &UpOptions) -> Result<(), String> {
    let guest: Arc<Guest> = ctx.guest();
    let limit = Duration::from_secs_f64(options.wait_timeout.unwrap_or(600.0).clamp(0.0, 86_400.0));
    let deadline = tokio::time::Instant::now() + limit;
    for (_, id) in order {
        loop {
            let Some(container) = guest.lock().meta.docker.containers.get(id).cloned() else { break };
            match (container.state, container.health()) {
                (RunState::Running, "healthy" | "") => {
                    ctx.fail(format!(" Container {}  Healthy", container.name));
                    break;
                }
                (RunState::Running, "unhealthy") => {
                    ctx.fail(format!(" Container {}  Error", container.name));
                    return Err(format!("container {} is unhealthy", container.name));
                }
                (RunState::Exited | RunState::Restarting, _) => {
                    ctx.fail(format!(" Container {}  Error", container.name));
                    return Err(format!("container {} exited ({})", container.name, container.exit_code));
                }
                _ => {}
            }
            if tokio::time::Instant::now() > deadline {
                return Err("application not healthy after ".to_owned() + &format!("{}s", limit.as_secs()));
            }
            tokio::time::sleep(STARTING_POLL).await;
        }
    }
    Ok(())
}
