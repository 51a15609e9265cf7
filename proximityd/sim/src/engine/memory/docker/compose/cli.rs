//! Compose's command line.

use super::project::{Failure, Project, Selection};
use super::show::{self, LogOptions, PsOptions};
use super::up::{self, UpOptions, containers};
use super::{control, project};
use crate::engine::memory::commands::Ctx;
use crate::engine::memory::docker::exec::exec_in;
use crate::engine::memory::docker::inspect::COMPOSE_VERSION;
use crate::engine::memory::docker::state::RunState;
use crate::engine::memory::guest::Guest;

/// Options of subcommands that take a value.
const VALUED: &[&str] = &[
    "--format",
    "--tail",
    "-n",
    "-t",
    "--timeout",
    "--wait-timeout",
    "--pull",
    "--scale",
    "--rmi",
    "--filter",
    "--status",
    "-u",
    "--user",
    "-w",
    "--workdir",
    "-e",
    "--env",
    "--index",
    "--protocol",
    "--since",
    "--until",
    "--output",
    "-o",
    "--policy",
    "--hash",
    "--orderby",
    "--signal",
    "-s",
    "--exit-code-from",
    "--attach",
    "--name",
];

/// A subcommand's words: options (with their values) apart from the rest.
struct Words {
    flags: Vec<String>,
    values: Vec<(String, String)>,
    rest: Vec<String>,
}

impl Words {
    /// Splits; for `exec` everything behind the service is the command.
    fn split(args: &[String], verb: &str) -> Self {
        let mut words = Self { flags: Vec::new(), values: Vec::new(), rest: Vec::new() };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let boolean = arg == "-s" && matches!(verb, "rm") || arg == "--hash" && verb == "ps";
            if arg == "--" {
                words.rest.extend(args.by_ref().cloned());
            } else if arg.starts_with('-') && arg.len() > 1 && (verb != "exec" || words.rest.is_empty()) {
                match arg.split_once('=') {
                    Some((name, value)) => {
                        words.flags.push(name.to_owned());
                        words.values.push((name.to_owned(), value.to_owned()));
                    }
                    None => {
                        if VALUED.contains(&arg.as_str()) && !boolean {
                            words.values.push((arg.clone(), args.next().cloned().unwrap_or_default()));
                        }
                        words.flags.push(arg.clone());
                    }
                }
            } else {
                words.rest.push(arg.clone());
            }
        }
        words
    }

    fn has(&self, names: &[&str]) -> bool {
        self.flags.iter().any(|flag| {
            names.contains(&flag.as_str())
                && !self.values.iter().any(|(name, value)| name == flag && value == "false")
        })
    }

    fn value(&self, names: &[&str]) -> Option<&str> {
        self.values
            .iter()
            .rev()
            .find(|(name, _)| names.contains(&name.as_str()))
            .map(|(_, value)| value.as_str())
    }
}

/// Runs `docker compose ARGS`.
pub(crate) async fn run(ctx: &mut Ctx, args: &[String]) -> i32 {
    let mut selection = Selection::default();
    let mut at = 0;
    while let Some(arg) = args.get(at).filter(|a| a.starts_with('-')) {
        let (name, inline) = match arg.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (arg.as_str(), None),
        };
        at += 1;
        let mut value = || {
            inline.clone().unwrap_or_else(|| {
                at += 1;
                args.get(at - 1).cloned().unwrap_or_default()
            })
        };
        match name {
            "-f" | "--file" => selection.files.push(value()),
            "-p" | "--project-name" => selection.name = Some(value()),
            "--project-directory" => selection.directory = Some(value()),
            "--env-file" => selection.env_files.push(value()),
            "--profile" => selection.profiles.push(value()),
            "--ansi" | "--progress" | "--parallel" => _ = value(),
            "-v" | "--version" => {
                ctx.say(format!("Docker Compose version {COMPOSE_VERSION}"));
                return 0;
            }
            "--compatibility" | "--dry-run" | "--all-resources" => {}
            other => {
                ctx.fail(format!("unknown flag: {other}"));
                return 16;
            }
        }
    }
    let Some(verb) = args.get(at).cloned() else {
        ctx.say("Usage:  docker compose [OPTIONS] COMMAND");
        return 0;
    };
    let words = Words::split(&args[at + 1..], &verb);
    if verb == "version" {
        if words.has(&["--short"]) {
            ctx.say(COMPOSE_VERSION);
        } else if words.value(&["--format", "-f"]) == Some("json") {
            ctx.say(format!("{{\"version\":\"{COMPOSE_VERSION}\"}}"));
        } else {
            ctx.say(format!("Docker Compose version {COMPOSE_VERSION}"));
        }
        return 0;
    }
    let needs_daemon = verb != "config" && verb != "convert";
    if needs_daemon && !super::super::cli::daemon_runs(ctx) {
        return 1;
    }
    let guest = ctx.guest();
    let status = match command(ctx, &verb, &words, &selection).await {
        Ok(status) => status,
        Err((text, status)) => {
            ctx.fail(text);
            status
        }
    };
    if !matches!(verb.as_str(), "ps" | "logs" | "config" | "images" | "port" | "ls" | "top") {
        guest.save_if_stale().await;
    }
    status
}

fn plain(error: String) -> Failure {
    (error, 1)
}

/// The project's name without its file, when containers of it exist.
fn known_name(guest: &Guest, selection: &Selection) -> Option<String> {
    let name = selection.name.clone()?;
    (!containers(guest, &name).is_empty()).then_some(name)
}

async fn command(ctx: &mut Ctx, verb: &str, words: &Words, selection: &Selection) -> Result<i32, Failure> {
    let guest = ctx.guest();
    if verb == "ls" {
        return Ok(list_projects(ctx, words));
    }
    let project = match Project::load(ctx, selection) {
        Ok(project) => project,
        // With a project's name alone, what runs is enough for some commands.
        Err((_, project::NOT_FOUND))
            if matches!(
                verb,
                "down" | "stop" | "ps" | "logs" | "rm" | "exec" | "restart" | "images" | "port"
            ) && known_name(&guest, selection).is_some() =>
        {
            let name = known_name(&guest, selection).unwrap_or_default();
            return without_file(ctx, verb, words, &name).await;
        }
        Err(failure) => return Err(failure),
    };
    for name in &project.unset {
        ctx.fail(format!(
            "time=\"{}\" level=warning msg=\"The \\\"{name}\\\" variable is not set. Defaulting to a blank string.\"",
            jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ")
        ));
    }
    let named = &words.rest;
    if !matches!(verb, "exec" | "port" | "run" | "config" | "convert") {
        project.check_names(named)?;
    }
    let lock = guest.clone();
    match verb {
        "config" | "convert" => {
            show::config(ctx, &project, &words.flags, words.value(&["--format"])).map_err(plain)?;
        }
        "pull" => {
            let _one = lock.docker.lock().await;
            let services = match named.is_empty() {
                true => project.services.iter().collect(),
                false => project.services.iter().filter(|s| named.contains(&s.name)).collect::<Vec<_>>(),
            };
            let quiet = words.has(&["-q", "--quiet"]);
            up::pull(ctx, &services, quiet, words.has(&["--ignore-pull-failures"])).map_err(plain)?;
        }
        "build" => {
            for service in project.services.iter().filter(|s| s.built) {
                super::super::images::build(&guest, &service.image).map_err(|e| plain(e.to_string()))?;
            }
        }
        "up" | "create" => {
            let attached = verb == "up" && !words.has(&["-d", "--detach", "--wait", "--no-start"]);
            let options = UpOptions {
                wait: words.has(&["--wait"]),
                wait_timeout: words.value(&["--wait-timeout"]).and_then(|t| t.parse().ok()),
                remove_orphans: words.has(&["--remove-orphans"]),
                force_recreate: words.has(&["--force-recreate"]),
                no_recreate: words.has(&["--no-recreate"]),
                no_start: verb == "create" || words.has(&["--no-start"]),
                no_deps: words.has(&["--no-deps"]),
                pull: words.value(&["--pull"]).map(str::to_owned),
                quiet: words.has(&["--quiet-pull"]),
            };
            let done = {
                let _one = lock.docker.lock().await;
                up::up(ctx, &project, named, &options).await
            };
            done.map_err(plain)?;
            if attached {
                return Ok(follow(ctx, &project.name, named).await);
            }
        }
        "start" => {
            let _one = lock.docker.lock().await;
            control::start(ctx, &project, named).await.map_err(plain)?;
        }
        "down" => {
            let _one = lock.docker.lock().await;
            let volumes = words.has(&["-v", "--volumes"]);
            control::down(ctx, &project.name, Some(&project), volumes, words.has(&["--rmi"])).await;
        }
        other => return without_file(ctx, other, words, &project.name).await,
    }
    Ok(0)
}

/// Commands that need the project's name only.
async fn without_file(ctx: &mut Ctx, verb: &str, words: &Words, name: &str) -> Result<i32, Failure> {
    let named = &words.rest;
    let lock = ctx.guest();
    match verb {
        "ps" => {
            let options = PsOptions {
                all: words.has(&["-a", "--all"]),
                quiet: words.has(&["-q", "--quiet"]),
                services: words.has(&["--services"]),
                format: words.value(&["--format"]).map(str::to_owned),
                status: words
                    .values
                    .iter()
                    .filter_map(|(name, value)| match name.as_str() {
                        "--status" => Some(value.clone()),
                        "--filter" => value.strip_prefix("status=").map(str::to_owned),
                        _ => None,
                    })
                    .collect(),
            };
            show::ps(ctx, name, named, &options).map_err(plain)?;
        }
        "images" => {
            show::list_images(ctx, name, named, words.value(&["--format"]), words.has(&["-q", "--quiet"]))
        }
        "logs" => {
            let options = LogOptions {
                follow: words.has(&["-f", "--follow"]),
                timestamps: words.has(&["-t", "--timestamps"]),
                no_prefix: words.has(&["--no-log-prefix"]),
                tail: words.value(&["--tail", "-n"]).and_then(|n| n.parse().ok()),
            };
            let (project, named) = (name.to_owned(), named.clone());
            let select = move |ctx: &Ctx| {
                let mut found = containers(&ctx.guest(), &project);
                found.retain(|c| named.is_empty() || named.contains(&c.service));
                found
            };
            return Ok(show::logs(ctx, select, &options).await);
        }
        "stop" | "kill" => {
            let _one = lock.docker.lock().await;
            control::stop(ctx, name, named).await;
        }
        "restart" => {
            let _one = lock.docker.lock().await;
            control::restart(ctx, name, named).await.map_err(plain)?;
        }
        "down" => {
            let _one = lock.docker.lock().await;
            control::down(ctx, name, None, words.has(&["-v", "--volumes"]), words.has(&["--rmi"])).await;
        }
        "rm" => {
            let _one = lock.docker.lock().await;
            control::rm(ctx, name, named, words.has(&["-s", "--stop", "-fs", "-sf", "-sfv", "-fsv"])).await;
        }
        "port" => {
            show::port(ctx, name, named, words.value(&["--protocol"]).unwrap_or("tcp")).map_err(plain)?;
        }
        "exec" => {
            let Some((service, command)) = named.split_first().filter(|(_, command)| !command.is_empty())
            else {
                return Err(plain("requires at least 2 arg(s), only received 1".to_owned()));
            };
            let found = containers(&ctx.guest(), name)
                .into_iter()
                .find(|c| c.service == *service && c.state == RunState::Running);
            let Some(container) = found else {
                return Err(plain(format!("service \"{service}\" is not running")));
            };
            let extra: Vec<(String, String)> = words
                .values
                .iter()
                .filter(|(name, _)| name == "-e" || name == "--env")
                .filter_map(|(_, pair)| pair.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())))
                .collect();
            let dir = words.value(&["-w", "--workdir"]).map(str::to_owned);
            return Ok(exec_in(ctx, &container, command, &extra, dir).await);
        }
        "top" | "events" | "pause" | "unpause" | "watch" | "cp" | "run" | "attach" | "push" | "wait"
        | "stats" => {
            return Err(plain(format!("compose {verb}: not available on the embedded node")));
        }
        other => return Err((format!("unknown docker command: \"compose {other}\""), 1)),
    }
    Ok(0)
}

/// `up` in the foreground: its logs until it is interrupted.
async fn follow(ctx: &mut Ctx, name: &str, named: &[String]) -> i32 {
    let options = LogOptions { follow: true, ..LogOptions::default() };
    let (project, named) = (name.to_owned(), named.to_vec());
    let select = move |ctx: &Ctx| {
        let mut found = containers(&ctx.guest(), &project);
        found.retain(|c| named.is_empty() || named.contains(&c.service));
        found
    };
    show::logs(ctx, select, &options).await
}

fn list_projects(ctx: &mut Ctx, words: &Words) -> i32 {
    let guest = ctx.guest();
    let mut projects: std::collections::BTreeMap<String, (usize, usize, String)> =
        std::collections::BTreeMap::new();
    for container in guest.lock().meta.docker.containers.values().filter(|c| !c.project.is_empty()) {
        let entry = projects.entry(container.project.clone()).or_default();
        entry.0 += usize::from(container.state == RunState::Running);
        entry.1 += 1;
        entry.2 =
            container.labels.get("com.docker.compose.project.config_files").cloned().unwrap_or_default();
    }
    let status = |running: usize, all: usize| match running {
        0 => format!("exited({all})"),
        n => format!("running({n})"),
    };
    let all = words.has(&["-a", "--all"]);
    projects.retain(|_, (running, _, _)| all || *running > 0);
    if words.value(&["--format"]) == Some("json") {
        let rows: Vec<serde_json::Value> = projects
            .iter()
            .map(|(name, (running, count, files))| {
                serde_json::json!({"Name": name, "Status": status(*running, *count), "ConfigFiles": files})
            })
            .collect();
        ctx.say(serde_json::Value::Array(rows).to_string());
        return 0;
    }
    ctx.say("NAME                STATUS              CONFIG FILES");
    for (name, (running, count, files)) in projects {
        ctx.say(format!("{name:<19} {:<19} {files}", status(running, count)));
    }
    0
}
