//! Starting and stopping containers, and what happens to them when Docker or the guest starts and ends.

use std::sync::Arc;

use super::stand_in;
use super::state::{RunState, now};
use crate::engine::memory::commands::systemd;
use crate::engine::memory::guest::Guest;
use crate::engine::memory::world::files::uuid;
use crate::engine::memory::world::layout;

/// Where a container's own files are.
pub(crate) fn root_of(id: &str) -> String {
    format!("/var/lib/docker/rootfs/{}", &id[..id.len().min(12)])
}

/// Starts a container.
pub(crate) async fn start(guest: &Arc<Guest>, id: &str) -> Result<(), String> {
    end_listeners(guest, id).await;
    let (exits, name) = {
        let mut state = guest.lock();
        layout::image_root(&mut state.vfs, &root_of(id));
        let Some(container) = state.meta.docker.containers.get_mut(id) else {
            return Err(format!("No such container: {id}"));
        };
        container.stopped = false;
        container.started = now();
        let output = container.behaviour.output.clone();
        if output.is_empty() && container.behaviour.exits.is_none() {
            let line =
                format!("stand-in of the embedded node: {} ({}) started", container.service, container.image);
            container.say(line);
        }
        for line in output {
            container.say(line);
        }
        (container.behaviour.exits, container.name.clone())
    };
    if let Some(status) = exits {
        let mut state = guest.lock();
        if let Some(container) = state.meta.docker.containers.get_mut(id) {
            let again = match container.restart.as_str() {
                "always" | "unless-stopped" => true,
                policy => policy.starts_with("on-failure") && status != 0,
            };
            container.state = if again { RunState::Restarting } else { RunState::Exited };
            container.exit_code = status;
            container.finished = now();
        }
        drop(state);
        guest.touch();
        return Ok(());
    }
    let tasks = stand_in::serve(guest, id).map_err(|error| {
        format!(
            "Error response from daemon: driver failed programming external connectivity on endpoint {name} ({}): {error}",
            &id[..id.len().min(12)]
        )
    })?;
    if let Some(container) = guest.lock().meta.docker.containers.get_mut(id) {
        container.state = RunState::Running;
        container.exit_code = 0;
    }
    if let Some(tasks) = tasks
        && let Some(running) = guest.running().as_mut()
    {
        running.services.insert(id.to_owned(), tasks);
    }
    guest.touch();
    Ok(())
}

/// Ends what listens for a container, and returns when its ports are free.
async fn end_listeners(guest: &Arc<Guest>, id: &str) {
    let tasks = guest.running().as_mut().and_then(|running| running.services.remove(id));
    if let Some(mut tasks) = tasks {
        // Each task owns its socket: the port is free once the task itself is gone, not when it was asked to go.
        tasks.shutdown().await;
    }
}

/// Stops a container that runs.
pub(crate) async fn stop(guest: &Arc<Guest>, id: &str) {
    end_listeners(guest, id).await;
    let mut state = guest.lock();
    if let Some(container) = state.meta.docker.containers.get_mut(id) {
        container.stopped = true;
        match container.state {
            RunState::Running => {
                container.state = RunState::Exited;
                container.exit_code = if container.behaviour.idle { 137 } else { 0 };
                container.finished = now();
                container.say("stopped");
            }
            RunState::Restarting => container.state = RunState::Exited,
            RunState::Created | RunState::Exited => {}
        }
    }
    drop(state);
    guest.touch();
}

/// Removes a container and its own files.
pub(crate) async fn remove(guest: &Arc<Guest>, id: &str) {
    stop(guest, id).await;
    let mut state = guest.lock();
    state.meta.docker.containers.remove(id);
    state.vfs.remove_all(&root_of(id));
    drop(state);
    guest.touch();
}

fn ids(guest: &Guest, wanted: impl Fn(&super::state::Container) -> bool) -> Vec<String> {
    let state = guest.lock();
    let mut found: Vec<(i64, String)> = state
        .meta
        .docker
        .containers
        .values()
        .filter(|c| wanted(c))
        .map(|c| (c.created, c.id.clone()))
        .collect();
    found.sort();
    found.into_iter().map(|(_, id)| id).collect()
}

async fn start_all(guest: &Arc<Guest>, wanted: Vec<String>) {
    for id in wanted {
        if let Err(error) = start(guest, &id).await {
            tracing::warn!(vmid = guest.vmid, %error, "a service could not be started again");
            if let Some(container) = guest.lock().meta.docker.containers.get_mut(&id) {
                container.state = RunState::Exited;
                container.exit_code = 128;
                container.finished = now();
                container.say(error);
            }
        }
    }
}

/// Docker started: what its restart policy says starts.
pub(crate) async fn daemon_started(guest: &Arc<Guest>) {
    engine_id(guest);
    let live = |state| matches!(state, RunState::Running | RunState::Restarting);
    let again = ids(guest, |c| match c.restart.as_str() {
        "always" => true,
        "unless-stopped" => !c.stopped,
        policy => policy.starts_with("on-failure") && live(c.state),
    });
    for container in guest.lock().meta.docker.containers.values_mut() {
        if live(container.state) && !again.contains(&container.id) {
            container.state = RunState::Exited;
            container.exit_code = 137;
            container.finished = now();
        }
    }
    start_all(guest, again).await;
}

/// Docker ends: nothing it ran is left.
pub(crate) async fn daemon_stopped(guest: &Arc<Guest>) {
    for id in ids(guest, |c| c.state == RunState::Running) {
        end_listeners(guest, &id).await;
    }
}

/// The node's process started again below a guest that ran: what ran still runs.
pub(crate) async fn resumed(guest: &Arc<Guest>) {
    let ran = ids(guest, |c| c.state == RunState::Running);
    let since: Vec<i64> =
        ran.iter().filter_map(|id| guest.lock().meta.docker.containers.get(id).map(|c| c.started)).collect();
    start_all(guest, ran.clone()).await;
    for (id, started) in ran.iter().zip(since) {
        if let Some(container) = guest.lock().meta.docker.containers.get_mut(id) {
            container.started = started;
        }
    }
}

/// The guest booted.
pub(crate) async fn booted(guest: &Arc<Guest>) {
    if systemd::is_active(guest, "docker") {
        daemon_started(guest).await;
    }
}

/// The package was installed: its service starts.
pub(crate) fn installed(guest: &Arc<Guest>) {
    let mut state = guest.lock();
    for dir in ["/var/lib/docker/volumes", "/etc/docker"] {
        let _ = state.vfs.mkdir_all(dir, 0o755);
    }
    drop(state);
    engine_id(guest);
}

fn engine_id(guest: &Guest) {
    let mut state = guest.lock();
    let path = "/var/lib/docker/engine-id";
    if state.vfs.entry(path).is_none() {
        let _ = state.vfs.mkdir_all("/var/lib/docker", 0o710);
        let _ = state.vfs.write(path, uuid().into_bytes(), 0o600);
    }
    drop(state);
    guest.touch();
}
