//! What Compose prints of a project: `ps`, `images`, `logs`, `config`, `port`.

use std::time::Duration;

use serde_json::{Value, json};

use super::project::Project;
use super::up::{config_hash, containers};
use crate::engine::memory::commands::Ctx;
use crate::engine::memory::docker::state::{Container, LogLine, RunState};
use crate::engine::memory::docker::{images, inspect, template};

const FOLLOW: Duration = Duration::from_millis(200);

/// One object of `compose ps --format json`.
pub(super) fn ps_object(container: &Container) -> Value {
    let mut row = inspect::row(container);
    let publishers: Vec<Value> = match container.state {
        RunState::Running => container
            .ports
            .iter()
            .map(|p| json!({"URL": p.host_ip, "TargetPort": p.target, "PublishedPort": p.actual, "Protocol": p.protocol}))
            .collect(),
        _ => Vec::new(),
    };
    if let Value::Object(map) = &mut row {
        map.remove("Label");
        map.insert("Name".to_owned(), json!(container.name));
        map.insert("Project".to_owned(), json!(container.project));
        map.insert("Service".to_owned(), json!(container.service));
        map.insert("ExitCode".to_owned(), json!(container.exit_code));
        map.insert("Health".to_owned(), json!(container.health()));
        map.insert("Publishers".to_owned(), json!(publishers));
    }
    row
}

/// What `ps` is asked for.
#[derive(Debug, Default)]
#[allow(missing_docs)]
pub(super) struct PsOptions {
    pub all: bool,
    pub quiet: bool,
    pub services: bool,
    pub format: Option<String>,
    pub status: Vec<String>,
}

pub(super) fn ps(ctx: &mut Ctx, project: &str, named: &[String], options: &PsOptions) -> Result<(), String> {
    let shown: Vec<Container> = containers(&ctx.guest(), project)
        .into_iter()
        .filter(|c| named.is_empty() || named.contains(&c.service))
        .filter(|c| {
            options.all
                || matches!(c.state, RunState::Running | RunState::Restarting)
                || !options.status.is_empty()
        })
        .filter(|c| options.status.is_empty() || options.status.iter().any(|s| s == c.state.word()))
        .collect();
    if options.services {
        let mut names: Vec<String> = shown.iter().map(|c| c.service.clone()).collect();
        names.dedup();
        names.iter().for_each(|name| ctx.say(name));
        return Ok(());
    }
    if options.quiet {
        shown.iter().for_each(|c| ctx.say(&c.id));
        return Ok(());
    }
    match options.format.as_deref() {
        Some("json") => shown.iter().for_each(|c| ctx.say(ps_object(c).to_string())),
        Some(format) if format.contains("{{") => {
            let format = format.strip_prefix("table ").unwrap_or(format);
            for container in &shown {
                let line = template::render(format, &ps_object(container))?;
                ctx.say(line);
            }
        }
        _ => {
            ctx.say(format!("{:<28} {:<28} {:<16} {:<28} PORTS", "NAME", "IMAGE", "SERVICE", "STATUS"));
            for c in &shown {
                let line = format!(
                    "{:<28} {:<28} {:<16} {:<28} {}",
                    c.name,
                    c.image,
                    c.service,
                    c.status(),
                    inspect::ports(c)
                );
                ctx.say(line);
            }
        }
    }
    Ok(())
}

pub(super) fn list_images(ctx: &mut Ctx, project: &str, named: &[String], format: Option<&str>, quiet: bool) {
    let guest = ctx.guest();
    let mut rows = Vec::new();
    for container in containers(&guest, project) {
        if !named.is_empty() && !named.contains(&container.service) {
            continue;
        }
        let Some((_, image)) = images::find(&guest, &container.image) else { continue };
        rows.push((container, image));
    }
    if quiet {
        rows.iter().for_each(|(_, image)| ctx.say(&image.id["sha256:".len()..]));
        return;
    }
    if format == Some("json") {
        let list: Vec<Value> = rows
            .iter()
            .map(|(c, image)| {
                json!({"ID": image.id, "ContainerName": c.name, "Repository": image.repository, "Tag": image.tag,
                    "Platform": "linux/amd64", "Size": image.size, "LastTagTime": "0001-01-01T00:00:00Z"})
            })
            .collect();
        ctx.say(Value::Array(list).to_string());
        return;
    }
    ctx.say(format!("{:<28} {:<28} {:<16} {:<14} SIZE", "CONTAINER", "REPOSITORY", "TAG", "IMAGE ID"));
    for (c, image) in rows {
        let id = &image.id["sha256:".len()..][..12];
        ctx.say(format!(
            "{:<28} {:<28} {:<16} {id:<14} {}",
            c.name,
            image.repository,
            image.tag,
            images::human(image.size)
        ));
    }
}

/// What `logs` is asked for.
#[derive(Debug, Default)]
#[allow(missing_docs)]
pub(crate) struct LogOptions {
    pub follow: bool,
    pub timestamps: bool,
    pub no_prefix: bool,
    pub tail: Option<usize>,
}

fn log_line(prefix: &str, line: &LogLine, timestamps: bool) -> String {
    let at = match timestamps {
        true => {
            let time = jiff::Timestamp::from_millisecond(line.at).unwrap_or_default();
            format!("{} ", time.strftime("%Y-%m-%dT%H:%M:%S.%9fZ"))
        }
        false => String::new(),
    };
    format!("{prefix}{at}{}", line.text)
}

/// Prints the logs of the containers that `select` gives, until told to stop when they are followed.
pub(crate) async fn logs(
    ctx: &mut Ctx,
    select: impl Fn(&Ctx) -> Vec<Container> + Send,
    options: &LogOptions,
) -> i32 {
    let width = select(ctx).iter().map(|c| c.name.len()).max().unwrap_or(0);
    let mut last = 0;
    let mut first = true;
    loop {
        let mut lines: Vec<(i64, String)> = Vec::new();
        for container in select(ctx) {
            let name =
                container.name.strip_prefix(&format!("{}-", container.project)).unwrap_or(&container.name);
            let prefix = match options.no_prefix {
                true => String::new(),
                false => format!(
                    "{name:<width$} | ",
                    width = width.saturating_sub(container.project.len() + 1).max(name.len())
                ),
            };
            let new: Vec<&LogLine> = container.log.iter().filter(|line| first || line.at > last).collect();
            let skip = if first { new.len().saturating_sub(options.tail.unwrap_or(usize::MAX)) } else { 0 };
            lines.extend(
                new.iter().skip(skip).map(|line| (line.at, log_line(&prefix, line, options.timestamps))),
            );
        }
        lines.sort_by_key(|(at, _)| *at);
        for (at, line) in lines {
            last = last.max(at);
            ctx.say(line);
        }
        first = false;
        if !ctx.flush().await || !options.follow {
            return 0;
        }
        if select(ctx).iter().all(|c| c.state != RunState::Running) {
            return 0;
        }
        tokio::time::sleep(FOLLOW).await;
    }
}

pub(super) fn config(
    ctx: &mut Ctx,
    project: &Project,
    flags: &[String],
    format: Option<&str>,
) -> Result<(), String> {
    let has = |flag: &str| flags.iter().any(|f| f == flag);
    if has("-q") || has("--quiet") {
        return Ok(());
    }
    if has("--services") {
        project.services.iter().for_each(|s| ctx.say(&s.name));
    } else if has("--images") {
        project.services.iter().for_each(|s| ctx.say(&s.image));
    } else if has("--volumes") {
        project.volumes.keys().for_each(|v| ctx.say(v));
    } else if has("--profiles") {
        let all = project.document.get("services").and_then(Value::as_object).cloned().unwrap_or_default();
        let mut names: Vec<String> = all
            .values()
            .filter_map(|s| s.get("profiles")?.as_array())
            .flatten()
            .filter_map(|p| p.as_str().map(str::to_owned))
            .collect();
        names.sort();
        names.dedup();
        names.iter().for_each(|name| ctx.say(name));
    } else if has("--hash") {
        project.services.iter().for_each(|s| ctx.say(format!("{} {}", s.name, config_hash(s))));
    } else {
        let mut document = project.document.clone();
        for service in &project.services {
            if !service.environment.is_empty() {
                document["services"][&service.name]["environment"] = json!(service.environment);
            }
        }
        if format == Some("json") {
            ctx.say(serde_json::to_string_pretty(&document).map_err(|e| e.to_string())?);
        } else {
            let text = serde_saphyr::to_string(&document).map_err(|e| e.to_string())?;
            ctx.say(text.trim_end());
        }
    }
    Ok(())
}

pub(super) fn port(ctx: &mut Ctx, project: &str, words: &[String], protocol: &str) -> Result<(), String> {
    let [service, target] = words else { return Err("requires 2 args".to_owned()) };
    let wanted: u16 =
        target.parse().map_err(|_| format!("strconv.ParseUint: parsing \"{target}\": invalid syntax"))?;
    let found = containers(&ctx.guest(), project).into_iter().find(|c| c.service == *service);
    let Some(container) = found.filter(|c| c.state == RunState::Running) else {
        return Err(format!("service \"{service}\" is not running"));
    };
    match container.ports.iter().find(|p| p.target == wanted && p.protocol == protocol) {
        Some(port) => {
            ctx.say(format!("{}:{}", port.host_ip, port.actual));
            Ok(())
        }
        None => Err(format!("no port {wanted}/{protocol} for container {}", container.name)),
    }
}
