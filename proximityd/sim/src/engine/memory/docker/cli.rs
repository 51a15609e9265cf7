//! The Docker client's command line.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::compose::cli as compose;
use super::exec::exec_in;
use super::show::{disk_usage, inspect_all, list_images, ps};
use super::state::{Container, RunState};
use super::{images, inspect, lifecycle, template};
use crate::engine::memory::commands::{self, Ctx, systemd};
use crate::engine::memory::docker::compose::{LogOptions, logs};
use crate::engine::memory::guest::Guest;

/// Whether the daemon runs; complains when it does not.
pub(super) fn daemon_runs(ctx: &mut Ctx) -> bool {
    let runs = systemd::is_active(&ctx.guest(), "docker");
    if !runs {
        ctx.fail("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?");
    }
    runs
}

/// `docker-compose ARGS`
pub(crate) async fn docker_compose(ctx: &mut Ctx) -> i32 {
    let args = ctx.args[1..].to_vec();
    compose::run(ctx, &args).await
}

/// Flags and operands of one subcommand.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub(super) flags: Vec<String>,
    pub(super) format: Option<String>,
    pub(super) filters: Vec<String>,
    pub(super) values: BTreeMap<String, String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) rest: Vec<String>,
}

impl Words {
    fn split(args: &[String], verb: &str) -> Self {
        let mut words = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            if !arg.starts_with('-') || arg.len() < 2 || (verb == "exec" && !words.rest.is_empty()) {
                words.rest.push(arg.clone());
                continue;
            }
            let (name, inline) = match arg.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (arg.as_str(), None),
            };
            let short_format = name == "-f" && matches!(verb, "inspect" | "version" | "info");
            let filter = name == "--filter" || name == "-f" && matches!(verb, "ps" | "images" | "ls");
            let valued = matches!(
                name,
                "--tail"
                    | "-n"
                    | "--type"
                    | "-t"
                    | "--time"
                    | "--signal"
                    | "-s"
                    | "-u"
                    | "--user"
                    | "-w"
                    | "--workdir"
                    | "-e"
                    | "--env"
                    | "--since"
                    | "--until"
            ) && !(matches!(name, "-t" | "-s")
                && matches!(verb, "logs" | "exec" | "ps" | "inspect"));
            if short_format || name == "--format" {
                words.format = inline.or_else(|| args.next().cloned());
            } else if filter {
                words.filters.extend(inline.or_else(|| args.next().cloned()));
            } else if valued {
                let value = inline.or_else(|| args.next().cloned()).unwrap_or_default();
                if let (true, Some((key, value))) = (name == "-e" || name == "--env", value.split_once('=')) {
                    words.env.push((key.to_owned(), value.to_owned()));
                }
                words.values.insert(name.to_owned(), value);
            } else if name.starts_with("--") {
                words.flags.push(name.to_owned());
            } else {
                words.flags.extend(name[1..].chars().map(|c| format!("-{c}")));
            }
        }
        words
    }

    pub(super) fn has(&self, names: &[&str]) -> bool {
        self.flags.iter().any(|flag| names.contains(&flag.as_str()))
    }
}

/// `docker ARGS`
pub(crate) async fn docker(ctx: &mut Ctx) -> i32 {
    let mut args = ctx.args[1..].to_vec();
    while args.first().is_some_and(|a| a.starts_with('-')) {
        match args.remove(0).as_str() {
            "-v" | "--version" => {
                ctx.say(format!("Docker version {}, build a72d7cd", inspect::VERSION));
                return 0;
            }
            "-H" | "--host" | "-c" | "--context" | "-l" | "--log-level" | "--config" if !args.is_empty() => {
                args.remove(0);
            }
            _ => {}
        }
    }
    let Some(mut verb) = args.first().cloned() else {
        ctx.say("Usage:  docker [OPTIONS] COMMAND");
        return 0;
    };
    args.remove(0);
    if verb == "compose" {
        if !commands::installed(&ctx.guest(), &["docker-compose", "docker-compose-plugin"]) {
            ctx.fail("docker: 'compose' is not a docker command.\nSee 'docker --help'");
            return 1;
        }
        return compose::run(ctx, &args).await;
    }
    // `docker container ls` is `docker ps`, and so on.
    if matches!(verb.as_str(), "container" | "image" | "volume" | "network" | "system" | "builder" | "buildx")
    {
        let sub = if args.is_empty() { String::new() } else { args.remove(0) };
        verb = match (verb.as_str(), sub.as_str()) {
            ("container", "ls" | "list" | "ps") => "ps".to_owned(),
            ("image", "ls" | "list") => "images".to_owned(),
            ("image", "rm") => "rmi".to_owned(),
            (
                "container" | "image",
                "pull" | "logs" | "start" | "stop" | "restart" | "rm" | "exec" | "kill" | "port" | "tag",
            ) => sub,
            ("system", "info") => "info".to_owned(),
            (noun, sub) => format!("{noun} {sub}"),
        };
    }
    if verb == "version" && !systemd::is_active(&ctx.guest(), "docker") {
        ctx.say(format!("Client:\n Version:           {}", inspect::VERSION));
        daemon_runs(ctx);
        return 1;
    }
    if verb == "login" || verb == "logout" {
        ctx.say(if verb == "login" { "Login Succeeded" } else { "Removing login credentials" });
        return 0;
    }
    if !daemon_runs(ctx) {
        return 1;
    }
    let last = verb.rsplit(' ').next().unwrap_or_default().to_owned();
    let words = Words::split(&args, &last);
    let guest = ctx.guest();
    let status = match run(ctx, &verb, &words).await {
        Ok(status) => status,
        Err(error) => {
            ctx.fail(error);
            1
        }
    };
    if !matches!(verb.as_str(), "ps" | "images" | "inspect" | "info" | "version" | "logs" | "image inspect") {
        guest.save_if_stale().await;
    }
    status
}

pub(super) fn document(ctx: &mut Ctx, words: &Words, document: &Value, plain: &str) -> Result<(), String> {
    match words.format.as_deref() {
        Some("json") => ctx.say(document.to_string()),
        Some(format) => {
            let text = template::render(format, document)?;
            ctx.say(text);
        }
        None => ctx.say(plain),
    }
    Ok(())
}

async fn run(ctx: &mut Ctx, verb: &str, words: &Words) -> Result<i32, String> {
    let guest = ctx.guest();
    match verb {
        "version" => {
            let all = inspect::version();
            let v = inspect::VERSION;
            document(
                ctx,
                words,
                &all,
                &format!(
                    "Client:\n Version:           {v}\n API version:       1.45\n\nServer:\n Engine:\n  Version:          {v}"
                ),
            )?;
        }
        "info" => {
            let all = inspect::info(&guest);
            let plain = format!(
                "Client:\n Version:    {v}\n\nServer:\n Containers: {}\n  Running: {}\n Images: {}\n Server Version: {v}\n Storage Driver: overlay2\n Operating System: Debian GNU/Linux 13 (trixie)\n ID: {}",
                all["Containers"],
                all["ContainersRunning"],
                all["Images"],
                all["ID"].as_str().unwrap_or_default(),
                v = inspect::VERSION
            );
            document(ctx, words, &all, &plain)?;
        }
        "ps" => ps(ctx, words)?,
        "images" => list_images(ctx, words)?,
        "pull" => {
            let _one = guest.docker.lock().await;
            for text in &words.rest {
                let (fresh, image) = images::pull(&guest, text)
                    .map_err(|error| format!("Error response from daemon: {error}"))?;
                let lines = images::pull_lines(text, fresh, &image);
                match words.has(&["-q", "--quiet"]) {
                    true => ctx.say(lines.last().map_or("", String::as_str)),
                    false => lines.iter().for_each(|line| ctx.say(line)),
                }
            }
        }
        "inspect" | "container inspect" | "image inspect" | "volume inspect" | "network inspect" => {
            return inspect_all(ctx, verb, words);
        }
        "logs" => {
            let container = one(&guest, words.rest.first())?;
            let options = LogOptions {
                follow: words.has(&["-f", "--follow"]),
                timestamps: words.has(&["-t", "--timestamps"]),
                no_prefix: true,
                tail: words
                    .values
                    .get("--tail")
                    .or_else(|| words.values.get("-n"))
                    .and_then(|n| n.parse().ok()),
            };
            let id = container.id;
            let select = move |ctx: &Ctx| {
                ctx.guest().lock().meta.docker.containers.get(&id).cloned().into_iter().collect()
            };
            return Ok(logs(ctx, select, &options).await);
        }
        "exec" => {
            let container = one(&guest, words.rest.first())?;
            if container.state != RunState::Running {
                return Err(format!("Error response from daemon: container {} is not running", container.id));
            }
            if words.rest.len() < 2 {
                return Err("\"docker exec\" requires at least 2 arguments.".to_owned());
            }
            let dir = words.values.get("-w").or_else(|| words.values.get("--workdir")).cloned();
            return Ok(exec_in(ctx, &container, &words.rest[1..], &words.env, dir).await);
        }
        "start" | "stop" | "restart" | "kill" | "rm" => {
            let _one = guest.docker.lock().await;
            for text in &words.rest {
                let container = one(&guest, Some(text))?;
                let running = container.state == RunState::Running;
                if verb == "rm" && running && !words.has(&["-f", "--force"]) {
                    return Err(format!(
                        "Error response from daemon: cannot remove container \"/{}\": container is running: stop the container before removing or force remove",
                        container.name
                    ));
                }
                if verb == "rm" {
                    lifecycle::remove(&guest, &container.id).await;
                } else if verb != "start" {
                    lifecycle::stop(&guest, &container.id).await;
                }
                if matches!(verb, "start" | "restart") && !(verb == "start" && running) {
                    lifecycle::start(&guest, &container.id).await?;
                }
                ctx.say(text);
            }
        }
        "port" => {
            let container = one(&guest, words.rest.first())?;
            for port in container.ports.iter().filter(|_| container.state == RunState::Running) {
                ctx.say(format!("{}/{} -> {}:{}", port.target, port.protocol, port.host_ip, port.actual));
            }
        }
        "rmi" => {
            for text in &words.rest {
                let (key, image) = images::find(&guest, text)
                    .ok_or_else(|| format!("Error response from daemon: No such image: {text}"))?;
                if let Some(user) = images::used(&guest, &image) {
                    return Err(format!(
                        "Error response from daemon: conflict: unable to remove repository reference \"{text}\" (must force) - container {} is using its referenced image {}",
                        &user[..12],
                        &image.id["sha256:".len()..][..12]
                    ));
                }
                guest.lock().meta.docker.images.remove(&key);
                guest.touch();
                ctx.say(format!("Untagged: {key}\nDeleted: {}", image.id));
            }
        }
        "tag" => {
            if let [from, to] = words.rest.as_slice() {
                let (_, image) = images::find(&guest, from)
                    .ok_or_else(|| format!("Error response from daemon: No such image: {from}"))?;
                let mut new = images::build(&guest, to).map_err(|e| e.to_string())?;
                new.id.clone_from(&image.id);
            }
        }
        "image prune" => {
            let (freed, removed) = images::prune(&guest, words.has(&["-a", "--all"]));
            for key in &removed {
                ctx.say(format!("untagged: {key}"));
            }
            ctx.say(format!("Total reclaimed space: {}", images::human(freed)));
        }
        "container prune" | "system prune" | "builder prune" | "buildx prune" | "network prune" => {
            let mut freed = 0;
            if matches!(verb, "container prune" | "system prune") {
                let gone: Vec<String> = guest
                    .lock()
                    .meta
                    .docker
                    .containers
                    .values()
                    .filter(|c| matches!(c.state, RunState::Exited | RunState::Created))
                    .map(|c| c.id.clone())
                    .collect();
                for id in gone {
                    lifecycle::remove(&guest, &id).await;
                    ctx.say(id);
                }
            }
            if verb == "system prune" {
                freed = images::prune(&guest, words.has(&["-a", "--all"])).0;
            }
            ctx.say(format!("Total reclaimed space: {}", images::human(freed)));
        }
        "system df" => disk_usage(ctx, words)?,
        "volume ls" | "volume list" => {
            let names: Vec<String> = guest.lock().meta.docker.volumes.iter().cloned().collect();
            if !words.has(&["-q", "--quiet"]) && words.format.is_none() {
                ctx.say("DRIVER    VOLUME NAME");
            }
            for name in names {
                let row = json!({"Name": name, "Driver": "local", "Mountpoint": volume_path(&name), "Scope": "local"});
                match (words.has(&["-q", "--quiet"]), words.format.is_some()) {
                    (true, _) => ctx.say(name),
                    (_, true) => document(ctx, words, &row, "")?,
                    _ => ctx.say(format!("local     {name}")),
                }
            }
        }
        "volume create" => {
            let name = words.rest.first().cloned().unwrap_or_else(crate::engine::memory::world::files::uuid);
            let mut state = guest.lock();
            let _ = state.vfs.mkdir_all(&volume_path(&name), 0o755);
            state.meta.docker.volumes.insert(name.clone());
            drop(state);
            guest.touch();
            ctx.say(name);
        }
        "volume rm" | "volume prune" => {
            let all: Vec<String> = match verb {
                "volume rm" => words.rest.clone(),
                _ => guest
                    .lock()
                    .meta
                    .docker
                    .volumes
                    .iter()
                    .filter(|v| v.len() == 64 || words.has(&["-a", "--all"]))
                    .cloned()
                    .collect(),
            };
            for name in all {
                let user = guest
                    .lock()
                    .meta
                    .docker
                    .containers
                    .values()
                    .find(|c| c.mounts.iter().any(|m| m.volume.as_ref() == Some(&name)))
                    .map(|c| c.id.clone());
                match user {
                    Some(_) if verb == "volume prune" => continue,
                    Some(id) => {
                        return Err(format!(
                            "Error response from daemon: remove {name}: volume is in use - [{id}]"
                        ));
                    }
                    None => {}
                }
                let mut state = guest.lock();
                if !state.meta.docker.volumes.remove(&name) {
                    return Err(format!("Error response from daemon: get {name}: no such volume"));
                }
                state.vfs.remove_all(volume_path(&name).trim_end_matches("/_data"));
                drop(state);
                guest.touch();
                ctx.say(name);
            }
        }
        "network ls" | "network list" => {
            if !words.has(&["-q", "--quiet"]) && words.format.is_none() {
                ctx.say("NETWORK ID     NAME      DRIVER    SCOPE");
            }
            let own: Vec<String> = guest.lock().meta.docker.networks.iter().cloned().collect();
            for name in ["bridge", "host", "none"].map(str::to_owned).into_iter().chain(own) {
                let id = super::reference::sha256(&name)["sha256:".len()..][..12].to_owned();
                let row = json!({"ID": id, "Name": name, "Driver": "bridge", "Scope": "local"});
                match (words.has(&["-q", "--quiet"]), words.format.is_some()) {
                    (true, _) => ctx.say(id),
                    (_, true) => document(ctx, words, &row, "")?,
                    _ => ctx.say(format!("{id}   {name}   bridge    local")),
                }
            }
        }
        "network create" | "network rm" => {
            for name in &words.rest {
                let mut state = guest.lock();
                match verb {
                    "network create" => _ = state.meta.docker.networks.insert(name.clone()),
                    _ => _ = state.meta.docker.networks.remove(name),
                }
                drop(state);
                guest.touch();
                ctx.say(name);
            }
        }
        "run" | "build" | "create" | "commit" | "cp" | "save" | "load" | "push" | "stats" | "top"
        | "events" => {
            return Err(format!(
                "docker: '{verb}' is not available on the embedded node: use a Compose file."
            ));
        }
        other => {
            return Err(format!("docker: '{other}' is not a docker command.\nSee 'docker --help'"));
        }
    }
    Ok(0)
}

pub(super) fn volume_path(name: &str) -> String {
    format!("/var/lib/docker/volumes/{name}/_data")
}

/// The container that a name or the start of an id means.
pub(super) fn one(guest: &Guest, text: Option<&String>) -> Result<Container, String> {
    let text = text.ok_or("requires at least 1 argument.")?;
    let wanted = text.strip_prefix('/').unwrap_or(text);
    let state = guest.lock();
    let all = &state.meta.docker.containers;
    let found = all
        .values()
        .find(|c| c.name == wanted)
        .or_else(|| all.values().find(|c| wanted.len() >= 2 && c.id.starts_with(wanted)));
    found.cloned().ok_or_else(|| format!("Error response from daemon: No such container: {text}"))
}
