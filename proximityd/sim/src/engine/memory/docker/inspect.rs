//! The documents that `docker inspect`, `docker ps` and `docker info` are made from.

use serde_json::{Value, json};

use super::state::{Container, Image, RunState, ago, now};
use crate::engine::memory::guest::Guest;

/// Docker's version in Debian 13.
pub(super) const VERSION: &str = "26.1.5+dfsg1";
/// Compose's version in Debian 13.
pub(super) const COMPOSE_VERSION: &str = "2.26.1-4";
const API_VERSION: &str = "1.45";

/// A time as Docker writes it; zero is its zero.
fn time(milliseconds: i64) -> String {
    if milliseconds == 0 {
        return "0001-01-01T00:00:00Z".to_owned();
    }
    jiff::Timestamp::from_millisecond(milliseconds)
        .unwrap_or_default()
        .strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        .to_string()
}

/// Times in `docker ps`.
pub(super) fn local_time(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds)
        .unwrap_or_default()
        .strftime("%Y-%m-%d %H:%M:%S +0000 UTC")
        .to_string()
}

fn bindings(container: &Container) -> Value {
    let mut map = serde_json::Map::new();
    for port in &container.ports {
        let binding = json!({"HostIp": port.host_ip, "HostPort": port.actual.to_string()});
        let list = map.entry(format!("{}/{}", port.target, port.protocol)).or_insert_with(|| json!([]));
        if let (Value::Array(list), RunState::Running) = (list, container.state) {
            list.push(binding);
        }
    }
    Value::Object(map)
}

/// `docker inspect CONTAINER`.
pub(super) fn container(container: &Container) -> Value {
    let running = container.state == RunState::Running;
    let mut state = json!({
        "Status": container.state.word(),
        "Running": running || container.state == RunState::Restarting,
        "Paused": false,
        "Restarting": container.state == RunState::Restarting,
        "OOMKilled": false,
        "Dead": false,
        "Pid": if running { 1000 + container.number } else { 0 },
        "ExitCode": container.exit_code,
        "Error": "",
        "StartedAt": time(container.started),
        "FinishedAt": time(container.finished),
    });
    if container.healthy.is_some() {
        let word = match container.health() {
            "" => "unhealthy",
            word => word,
        };
        state["Health"] =
            json!({"Status": word, "FailingStreak": if word == "unhealthy" { 3 } else { 0 }, "Log": []});
    }
    let restarts = match container.state {
        RunState::Restarting => ((now() - container.started).max(1) as f64 / 100.0).log2().max(1.0) as u64,
        _ => 0,
    };
    let networks: serde_json::Map<String, Value> = container
        .networks
        .iter()
        .map(|name| (name.clone(), json!({"Aliases": [container.name, container.service], "Gateway": "172.18.0.1", "IPAddress": if running { "172.18.0.2" } else { "" }})))
        .collect();
    let mounts: Vec<Value> = container
        .mounts
        .iter()
        .map(|mount| {
            json!({"Type": if mount.volume.is_some() { "volume" } else { "bind" }, "Name": mount.volume,
                "Source": mount.source, "Destination": mount.target, "Driver": "local", "Mode": "",
                "RW": !mount.read_only, "Propagation": ""})
        })
        .collect();
    let environment: Vec<String> = container.environment.iter().map(|(k, v)| format!("{k}={v}")).collect();
    json!({
        "Id": container.id,
        "Created": time(container.created),
        "Path": container.command.first().cloned().unwrap_or_else(|| "/entrypoint".to_owned()),
        "Args": container.command.iter().skip(1).collect::<Vec<_>>(),
        "State": state,
        "Image": container.image_id,
        "Name": format!("/{}", container.name),
        "RestartCount": restarts,
        "Driver": "overlay2",
        "Platform": "linux",
        "HostConfig": {
            "RestartPolicy": {"Name": container.restart.split(':').next().unwrap_or("no"), "MaximumRetryCount": 0},
            "NetworkMode": container.networks.first().cloned().unwrap_or_else(|| "bridge".to_owned()),
            "PortBindings": bindings(container),
        },
        "Mounts": mounts,
        "Config": {
            "Hostname": &container.id[..12],
            "Env": environment,
            "Cmd": container.command,
            "Image": container.image,
            "Labels": container.labels,
            "WorkingDir": container.working_dir,
        },
        "NetworkSettings": {"Ports": bindings(container), "Networks": networks},
    })
}

/// `0.0.0.0:8080->80/tcp, …`.
pub(super) fn ports(container: &Container) -> String {
    let running = container.state == RunState::Running;
    let mut texts: Vec<String> = container
        .ports
        .iter()
        .map(|p| match running {
            true => format!("{}:{}->{}/{}", p.host_ip, p.actual, p.target, p.protocol),
            false => format!("{}/{}", p.target, p.protocol),
        })
        .collect();
    if !running {
        texts.clear();
    }
    texts.join(", ")
}

/// One row of `docker ps`, by the names its formats use.
pub(super) fn row(container: &Container) -> Value {
    let labels: Vec<String> = container.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let mounts: Vec<&str> =
        container.mounts.iter().map(|m| m.volume.as_deref().unwrap_or(&m.source)).collect();
    json!({
        "ID": &container.id[..12],
        "Names": container.name,
        "Image": container.image,
        "Command": format!("\"{}\"", container.command.join(" ")),
        "CreatedAt": local_time(container.created),
        "RunningFor": format!("{} ago", ago(now() - container.created)),
        "Status": container.status(),
        "State": container.state.word(),
        "Ports": ports(container),
        "Labels": labels.join(","),
        "Label": container.labels,
        "Mounts": mounts.join(","),
        "Networks": container.networks.join(","),
        "LocalVolumes": container.mounts.iter().filter(|m| m.volume.is_some()).count().to_string(),
        "Size": "0B",
    })
}

/// `docker image inspect`.
pub(super) fn image(key: &str, image: &Image) -> Value {
    let tags: Vec<&str> = if image.tag.is_empty() { Vec::new() } else { vec![key] };
    let digests: Vec<String> = if image.digest.is_empty() {
        Vec::new()
    } else {
        vec![format!("{}@{}", image.repository, image.digest)]
    };
    json!({
        "Id": image.id,
        "RepoTags": tags,
        "RepoDigests": digests,
        "Created": time(image.pulled * 1000),
        "Architecture": "amd64",
        "Os": "linux",
        "Size": image.size,
        "Config": {"Env": [], "Cmd": [], "Labels": {}, "ExposedPorts": {}},
        "RootFS": {"Type": "layers", "Layers": [image.id]},
    })
}

/// `docker info`.
pub(super) fn info(guest: &Guest) -> Value {
    let state = guest.lock();
    let containers: Vec<RunState> = state.meta.docker.containers.values().map(|c| c.state).collect();
    let images = state.meta.docker.images.len();
    let engine = state.vfs.read("/var/lib/docker/engine-id").unwrap_or_default();
    drop(state);
    let running = containers.iter().filter(|s| **s == RunState::Running).count();
    json!({
        "ID": String::from_utf8_lossy(&engine),
        "Containers": containers.len(),
        "ContainersRunning": running,
        "ContainersPaused": 0,
        "ContainersStopped": containers.len() - running,
        "Images": images,
        "Driver": "overlay2",
        "LoggingDriver": "json-file",
        "CgroupDriver": "systemd",
        "CgroupVersion": "2",
        "KernelVersion": crate::engine::memory::commands::KERNEL,
        "OperatingSystem": "Debian GNU/Linux 13 (trixie)",
        "OSType": "linux",
        "Architecture": "x86_64",
        "NCPU": guest.cores(),
        "MemTotal": guest.memory_mib() << 20,
        "DockerRootDir": "/var/lib/docker",
        "Name": guest.hostname(),
        "ServerVersion": VERSION,
        "LiveRestoreEnabled": false,
        "ServerErrors": null,
    })
}

/// `docker version`.
pub(super) fn version() -> Value {
    json!({
        "Client": {"Version": VERSION, "ApiVersion": API_VERSION, "Os": "linux", "Arch": "amd64", "Context": "default"},
        "Server": {"Version": VERSION, "ApiVersion": API_VERSION, "MinAPIVersion": "1.24", "Os": "linux", "Arch": "amd64",
            "KernelVersion": crate::engine::memory::commands::KERNEL, "Experimental": false},
    })
}
