//! What the Docker client prints: `ps`, `images`, `inspect`, `system df`.

use serde_json::json;

use super::cli::{Words, document, one, volume_path};
use super::state::{Container, RunState};
use super::{images, inspect, template};
use crate::engine::memory::commands::Ctx;

fn matches_filter(container: &Container, filter: &str) -> bool {
    let (key, value) = filter.split_once('=').unwrap_or((filter, ""));
    match key {
        "name" => container.name.contains(value.trim_matches(['^', '$', '/'])),
        "id" => container.id.starts_with(value),
        "status" => container.state.word() == value,
        "health" => container.health() == value,
        "ancestor" => container.image == value,
        "volume" => container.mounts.iter().any(|m| m.volume.as_deref() == Some(value)),
        "label" => match value.split_once('=') {
            Some((label, wanted)) => container.labels.get(label).is_some_and(|v| v == wanted),
            None => container.labels.contains_key(value),
        },
        _ => true,
    }
}

pub(super) fn ps(ctx: &mut Ctx, words: &Words) -> Result<(), String> {
    let all = words.has(&["-a", "--all"]) || words.filters.iter().any(|f| f.starts_with("status="));
    let mut shown: Vec<Container> = ctx.guest().lock().meta.docker.containers.values().cloned().collect();
    shown.retain(|c| all || matches!(c.state, RunState::Running | RunState::Restarting));
    shown.retain(|c| words.filters.iter().all(|f| matches_filter(c, f)));
    shown.sort_by_key(|c| std::cmp::Reverse(c.created));
    let full = words.has(&["--no-trunc"]);
    if words.has(&["-q", "--quiet"]) {
        shown.iter().for_each(|c| ctx.say(if full { &c.id } else { &c.id[..12] }));
        return Ok(());
    }
    if let Some(format) = words.format.as_deref().filter(|f| *f != "table") {
        for container in &shown {
            let row = inspect::row(container);
            let text = match format {
                "json" => row.to_string(),
                other => template::render(&label_calls(other.strip_prefix("table ").unwrap_or(other)), &row)?,
            };
            ctx.say(text);
        }
        return Ok(());
    }
    ctx.say(
        "CONTAINER ID   IMAGE                    STATUS                   PORTS                    NAMES",
    );
    for c in &shown {
        let line = format!(
            "{}   {:<24} {:<24} {:<24} {}",
            &c.id[..12],
            c.image,
            c.status(),
            inspect::ports(c),
            c.name
        );
        ctx.say(line);
    }
    Ok(())
}

/// `{{.Label "x"}}` as an index into the labels.
fn label_calls(format: &str) -> String {
    format.replace("{{.Label \"", "{{index .Label \"").replace("{{ .Label \"", "{{index .Label \"")
}

pub(super) fn list_images(ctx: &mut Ctx, words: &Words) -> Result<(), String> {
    let guest = ctx.guest();
    let images: Vec<_> =
        guest.lock().meta.docker.images.iter().map(|(k, i)| (k.clone(), i.clone())).collect();
    let wanted = |key: &str, repository: &str| {
        words.rest.is_empty() || words.rest.iter().any(|r| r == key || r == repository)
    };
    if words.format.is_none() && !words.has(&["-q", "--quiet"]) {
        ctx.say("REPOSITORY               TAG              IMAGE ID       CREATED        SIZE");
    }
    for (key, image) in images.iter().filter(|(key, image)| wanted(key, &image.repository)) {
        let id = match words.has(&["--no-trunc"]) {
            true => image.id.clone(),
            false => image.id["sha256:".len()..][..12].to_owned(),
        };
        let tag = if image.tag.is_empty() { "<none>" } else { &image.tag };
        let size = images::human(image.size);
        if words.has(&["-q", "--quiet"]) {
            ctx.say(id);
        } else if let Some(format) = words.format.as_deref() {
            let row = json!({"Repository": image.repository, "Tag": tag, "ID": id, "Digest": image.digest, "Size": size,
                "CreatedAt": inspect::local_time(image.pulled * 1000), "CreatedSince": "now", "Containers": "N/A"});
            let text = match format {
                "json" => row.to_string(),
                other => template::render(other.strip_prefix("table ").unwrap_or(other), &row)?,
            };
            ctx.say(text);
        } else {
            let _ = key;
            ctx.say(format!("{:<24} {tag:<16} {id}   just now       {size}", image.repository));
        }
    }
    Ok(())
}

pub(super) fn inspect_all(ctx: &mut Ctx, verb: &str, words: &Words) -> Result<i32, String> {
    let guest = ctx.guest();
    let kind = words.values.get("--type").map(String::as_str).unwrap_or(match verb {
        "container inspect" => "container",
        "image inspect" => "image",
        "volume inspect" => "volume",
        "network inspect" => "network",
        _ => "",
    });
    let mut found = Vec::new();
    let mut status = 0;
    for text in &words.rest {
        let mut document = None;
        if matches!(kind, "" | "container") {
            document = one(&guest, Some(text)).ok().map(|c| inspect::container(&c));
        }
        if document.is_none() && matches!(kind, "" | "image") {
            document = images::find(&guest, text).map(|(key, image)| inspect::image(&key, &image));
        }
        if document.is_none()
            && matches!(kind, "" | "volume")
            && guest.lock().meta.docker.volumes.contains(text)
        {
            document = Some(
                json!({"Name": text, "Driver": "local", "Mountpoint": volume_path(text), "Scope": "local", "Labels": {}, "Options": {}}),
            );
        }
        if document.is_none() && matches!(kind, "" | "network") {
            let known = guest.lock().meta.docker.networks.contains(text) || text == "bridge";
            document = known.then(|| {
                json!({"Name": text, "Driver": "bridge", "Scope": "local", "Internal": false,
                "IPAM": {"Config": [{"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"}]}})
            });
        }
        match document {
            Some(document) => found.push(document),
            None => {
                status = 1;
                ctx.fail(match kind {
                    "image" => format!("Error response from daemon: No such image: {text}"),
                    "container" => format!("Error response from daemon: No such container: {text}"),
                    "volume" => format!("Error response from daemon: get {text}: no such volume"),
                    _ => format!("Error: No such object: {text}"),
                });
            }
        }
    }
    match words.format.as_deref() {
        None | Some("json") => {
            let text = match words.format {
                None => serde_json::to_string_pretty(&found),
                Some(_) => serde_json::to_string(&found),
            };
            ctx.say(text.map_err(|e| e.to_string())?);
        }
        Some(format) => {
            for document in found {
                let text = template::render(format, &document)?;
                ctx.say(text);
            }
        }
    }
    Ok(status)
}

pub(super) fn disk_usage(ctx: &mut Ctx, words: &Words) -> Result<(), String> {
    let guest = ctx.guest();
    let state = guest.lock();
    let docker = state.meta.docker.clone();
    let volumes: u64 = state
        .vfs
        .walk("/var/lib/docker/volumes")
        .filter(|(path, _)| path.contains("/_data/"))
        .map(|(_, entry)| state.vfs.size(entry))
        .sum();
    drop(state);
    let images: u64 = docker.images.values().map(|i| i.size).sum();
    let unused: u64 =
        docker.images.values().filter(|i| images::used(&guest, i).is_none()).map(|i| i.size).sum();
    let active = docker.containers.values().filter(|c| c.state == RunState::Running).count();
    let rows = [
        ("Images", docker.images.len(), images, unused),
        ("Containers", docker.containers.len(), 0, 0),
        ("Local Volumes", docker.volumes.len(), volumes, 0),
        ("Build Cache", 0, 0, 0),
    ];
    if words.format.is_none() {
        ctx.say("TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE");
    }
    for (kind, total, size, free) in rows {
        let (size, free) = (images::human(size), images::human(free));
        let row = json!({"Type": kind, "TotalCount": total.to_string(), "Active": active.to_string(), "Size": size, "Reclaimable": free});
        match words.format {
            Some(_) => document(ctx, words, &row, "")?,
            None => ctx.say(format!("{kind:<15} {total:<9} {active:<9} {size:<9} {free}")),
        }
    }
    Ok(())
}
