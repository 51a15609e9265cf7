//! Guest templates to download.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::datastore::known;
use crate::call::Call;
use crate::node::now;
use crate::reply::{ApiError, Outcome};
use crate::state::storage::{Volume, format_of};
use crate::tasks::Start;

/// An entry of the appliance index.
#[derive(Debug, Deserialize)]
struct Appliance {
    template: String,
    section: String,
    os: String,
    package: String,
    version: String,
    headline: String,
    size: u64,
}

impl Appliance {
    /// One that is on offer outside of the built-in index.
    fn named(template: &str) -> Self {
        Self {
            template: template.to_owned(),
            section: "system".to_owned(),
            os: template.split('-').take(2).collect::<Vec<_>>().join("-"),
            package: template.split('_').next().unwrap_or(template).to_owned(),
            version: template.split('_').nth(1).unwrap_or("1").to_owned(),
            headline: template.to_owned(),
            size: 120 << 20,
        }
    }
}

fn index() -> Vec<Appliance> {
    serde_json::from_str(include_str!("../../data/appliances.json"))
        .expect("the embedded appliance index is valid")
}

fn source_of(appliance: &Appliance) -> &'static str {
    match appliance.section.as_str() {
        "turnkeylinux" => "https://releases.turnkeylinux.org/pve",
        _ => "http://download.proxmox.com/images",
    }
}

/// `GET …/aplinfo`.
pub(super) fn list(call: &Call) -> Outcome {
    if call.node.store.view().no_appliances {
        return Ok(json!([]).into());
    }
    let listed: Vec<Value> = index()
        .iter()
        .map(|a| {
            json!({
                "template": a.template, "section": a.section, "os": a.os, "package": a.package,
                "version": a.version, "headline": a.headline, "description": a.headline, "type": "lxc",
                "architecture": "amd64", "source": source_of(a),
                "location": format!("{}/{}", a.section, a.template), "infopage": "https://pve.proxmox.com/wiki/Linux_Container",
            })
        })
        .collect();
    Ok(json!(listed).into())
}

/// `POST …/aplinfo`.
pub(super) fn download(call: &Call) -> Outcome {
    let template = call.params.need("template");
    let (none, offered) = {
        let state = call.node.store.view();
        (state.no_appliances, state.outside.appliances.clone())
    };
    let on_offer = |a: &Appliance| offered.as_ref().is_none_or(|all| all.contains(&a.template)) && !none;
    let other = offered.as_ref().is_some_and(|all| all.iter().any(|t| t == template)) && !none;
    let found = index().into_iter().find(|a| a.template == template && on_offer(a));
    let found = found.or_else(|| other.then(|| Appliance::named(template)));
    let found = found.ok_or_else(|| ApiError::parameter("template", "no such template"))?;
    let storage = known(call)?;
    let id = call.params.need("storage").to_owned();
    if !storage.takes("vztmpl") {
        return Err(ApiError::died(format!("storage '{id}' does not support templates")));
    }
    let file = found.template.clone();
    let source = format!("http://download.proxmox.com/images/{}/{file}", found.section);
    fetch(call, Fetch { storage: id, file, source, size: found.size, checksum: None, refuse_existing: false })
}

/// `POST …/download-url`: nothing is fetched; a small file stands for what would have come.
pub(super) fn download_url(call: &Call) -> Outcome {
    let storage = known(call)?;
    let content = call.params.need("content");
    let id = call.params.need("storage").to_owned();
    if !storage.takes(content) {
        return Err(ApiError::died(format!("storage '{id}' is not configured for content-type '{content}'")));
    }
    let file = call.params.need("filename").to_owned();
    if content == "vztmpl" && format_of(&file, "vztmpl") == "raw" {
        return Err(ApiError::parameter("filename", "wrong file extension"));
    }
    fetch(
        call,
        Fetch {
            storage: id,
            file,
            source: call.params.need("url").to_owned(),
            size: 120 << 20,
            checksum: call.params.get("checksum").map(str::to_owned),
            refuse_existing: true,
        },
    )
}

struct Fetch {
    storage: String,
    file: String,
    source: String,
    size: u64,
    checksum: Option<String>,
    refuse_existing: bool,
}

fn fetch(call: &Call, fetch: Fetch) -> Outcome {
    let start = Start { node: &call.host, kind: "download", id: fetch.file.clone(), who: &call.who };
    let (node, host) = (Arc::clone(&call.node), call.host.clone());
    let task = call.node.tasks.start(&call.node, &start, move |task| async move {
        let target = format!("/var/lib/vz/template/cache/{}", fetch.file);
        task.log(format!("downloading {} to {target}", fetch.source));
        let volid = format!("{}:vztmpl/{}", fetch.storage, fetch.file);
        if node.store.view().volume(&host, &volid).is_some() {
            if fetch.refuse_existing {
                return Err(ApiError::died(format!("refusing to override existing file '{target}'")));
            }
            task.log(format!("{target} already exists"));
        }
        if node.store.view().free(&host, &fetch.storage) < fetch.size {
            task.log(format!("{target}: No space left on device"));
            return Err(ApiError::died("download failed: exit code 3"));
        }
        task.log("HTTP request sent, awaiting response... 200 OK");
        task.log(format!("Length: {} [application/octet-stream]", fetch.size));
        let wait = node.task_time(crate::durations::DOWNLOAD);
        task.step("wget", wait, std::future::ready(Ok(()))).await?;
        if fetch.checksum.as_deref().is_some_and(|c| c.len() < 16) {
            task.log("calculating checksum...");
            let expected = fetch.checksum.unwrap_or_default();
            return Err(ApiError::died(format!("checksum mismatch: got '0' != expect '{expected}'")));
        }
        let dir = node.storage_dir(&host, &fetch.storage).join("template/cache");
        write_marker(&dir, &fetch.file).map_err(|e| ApiError::died(format!("download failed: {e}")))?;
        node.change(|state| {
            state.put_volume(Volume {
                node: host.clone(),
                storage: fetch.storage.clone(),
                volid: volid.clone(),
                content: "vztmpl".into(),
                format: format_of(&fetch.file, "vztmpl"),
                size: fetch.size,
                ctime: now(),
                ..Volume::default()
            });
            Ok(())
        })?;
        task.log(format!("download of '{}' to '{target}' finished", fetch.source));
        Ok(())
    })?;
    Ok(json!(task.upid.to_string()).into())
}

/// The file that stands for an archive.
fn write_marker(dir: &Path, file: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    std::fs::write(dir.join(file), format!("guest template {file} of the embedded node\n"))
}
