//! `compose stop`, `start`, `restart`, `down`, `rm`, `exec`.

use super::project::Project;
use super::up::{containers, volume_path};
use crate::engine::memory::commands::Ctx;
use crate::engine::memory::docker::lifecycle;
use crate::engine::memory::docker::state::{Container, RunState};

fn chosen(ctx: &Ctx, project: &str, named: &[String]) -> Vec<Container> {
    let mut found = containers(&ctx.guest(), project);
    found.retain(|c| named.is_empty() || named.contains(&c.service));
    found
}

pub(super) async fn stop(ctx: &mut Ctx, project: &str, named: &[String]) {
    let guest = ctx.guest();
    for container in chosen(ctx, project, named) {
        if matches!(container.state, RunState::Running | RunState::Restarting) {
            ctx.fail(format!(" Container {}  Stopping", container.name));
            lifecycle::stop(&guest, &container.id).await;
            ctx.fail(format!(" Container {}  Stopped", container.name));
        }
    }
}

pub(super) async fn start(ctx: &mut Ctx, project: &Project, named: &[String]) -> Result<(), String> {
    let guest = ctx.guest();
    let present = chosen(ctx, &project.name, named);
    if present.is_empty() {
        return Err(match named.first() {
            Some(name) => format!("service \"{name}\" has no container to start"),
            None => "no container found for project \"".to_owned() + &project.name + "\": not found",
        });
    }
    for service in project.in_order(named)? {
        for container in present.iter().filter(|c| c.service == service.name && c.state != RunState::Running)
        {
            ctx.fail(format!(" Container {}  Starting", container.name));
            lifecycle::start(&guest, &container.id).await?;
            ctx.fail(format!(" Container {}  Started", container.name));
        }
    }
    Ok(())
}

pub(super) async fn restart(ctx: &mut Ctx, project: &str, named: &[String]) -> Result<(), String> {
    let guest = ctx.guest();
    for container in chosen(ctx, project, named) {
        ctx.fail(format!(" Container {}  Restarting", container.name));
        lifecycle::stop(&guest, &container.id).await;
        lifecycle::start(&guest, &container.id).await?;
        ctx.fail(format!(" Container {}  Started", container.name));
    }
    Ok(())
}

pub(super) async fn down(ctx: &mut Ctx, name: &str, project: Option<&Project>, volumes: bool, images: bool) {
    let guest = ctx.guest();
    let mut own_volumes: Vec<String> =
        project.map(|p| p.volumes.values().cloned().collect()).unwrap_or_default();
    let present = chosen(ctx, name, &[]);
    for container in present.iter().rev() {
        if container.state == RunState::Running {
            ctx.fail(format!(" Container {}  Stopping", container.name));
            ctx.fail(format!(" Container {}  Stopped", container.name));
        }
        ctx.fail(format!(" Container {}  Removing", container.name));
        own_volumes
            .extend(container.mounts.iter().filter_map(|m| m.volume.clone()).filter(|v| v.len() == 64));
        lifecycle::remove(&guest, &container.id).await;
        ctx.fail(format!(" Container {}  Removed", container.name));
    }
    if volumes {
        own_volumes.sort();
        own_volumes.dedup();
        for volume in own_volumes {
            let mut state = guest.lock();
            if state.meta.docker.volumes.remove(&volume) {
                let path = volume_path(&volume);
                state.vfs.remove_all(path.trim_end_matches("/_data"));
                drop(state);
                ctx.fail(format!(" Volume {volume}  Removing"));
                ctx.fail(format!(" Volume {volume}  Removed"));
            }
        }
    }
    if images {
        for container in &present {
            let mut state = guest.lock();
            let used = state.meta.docker.containers.values().any(|c| c.image == container.image);
            if !used {
                state.meta.docker.images.retain(|_, image| image.id != container.image_id);
            }
        }
    }
    let prefix = format!("{name}_");
    let networks: Vec<String> =
        guest.lock().meta.docker.networks.iter().filter(|n| n.starts_with(&prefix)).cloned().collect();
    for network in networks {
        guest.lock().meta.docker.networks.remove(&network);
        ctx.fail(format!(" Network {network}  Removing"));
        ctx.fail(format!(" Network {network}  Removed"));
    }
    guest.touch();
}

pub(super) async fn rm(ctx: &mut Ctx, project: &str, named: &[String], stop_first: bool) {
    let guest = ctx.guest();
    let mut any = false;
    for container in chosen(ctx, project, named) {
        if stop_first || matches!(container.state, RunState::Exited | RunState::Created) {
            any = true;
            ctx.fail(format!(" Container {}  Removing", container.name));
            lifecycle::remove(&guest, &container.id).await;
            ctx.fail(format!(" Container {}  Removed", container.name));
        }
    }
    if !any {
        ctx.fail("No stopped containers");
    }
}
