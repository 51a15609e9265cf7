//! What a node fetches from outside: image tags, images, and what a URL leads to.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::datastore::known;
use crate::call::Call;
use crate::reply::{ApiError, Outcome};
use crate::state::storage::Volume;
use crate::tasks::Start;

/// `GET /nodes/{node}/query-oci-repo-tags`.
pub(super) fn tags(call: &Call) -> Outcome {
    let reference = call.params.need("reference");
    match call.node.store.view().outside.images.get(reference) {
        Some(tags) => Ok(json!(tags).into()),
        None => Err(ApiError::died(format!(
            "command 'skopeo list-tags docker://{reference}' failed: exit code 1"
        ))),
    }
}

/// `GET /nodes/{node}/query-url-metadata`: an unknown host answers nothing.
pub(super) fn metadata(call: &Call) -> Outcome {
    let url = call.params.need("url");
    let state = call.node.store.view();
    let Some(answer) = state.outside.urls.get(url) else {
        return Err(ApiError::died("invalid server response: '500 Can't connect'"));
    };
    if !answer.status.starts_with("200") {
        return Err(ApiError::died(format!("invalid server response: '{}'", answer.status)));
    }
    let mut found = serde_json::Map::new();
    let name = url.split(['?', '#']).next().and_then(|u| u.rsplit('/').next()).filter(|n| !n.is_empty());
    for (key, value) in [
        ("filename", answer.filename.clone().or_else(|| name.map(str::to_owned)).map(|v| json!(v))),
        ("mimetype", answer.mimetype.clone().map(|v| json!(v))),
        ("size", answer.size.map(|v| json!(v))),
    ] {
        found.extend(value.map(|v| (key.to_owned(), v)));
    }
    Ok(Value::Object(found).into())
}

/// `bb_1.1.tar`, of `127.0.0.1:5000/demo/bb:1.1`.
fn file_name(reference: &str, given: Option<&str>) -> String {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    let name = given.map_or_else(|| last.replacen(':', "_", 1), str::to_owned);
    format!("{name}.tar")
}

/// `POST …/oci-registry-pull`.
pub(super) fn pull(call: &Call) -> Outcome {
    let storage = known(call)?;
    let id = call.params.need("storage").to_owned();
    if !storage.takes("vztmpl") {
        return Err(ApiError::died(format!("storage '{id}' is not configured for content-type 'vztmpl'")));
    }
    let reference = call.params.need("reference").to_owned();
    let file = file_name(&reference, call.params.get("filename"));
    let volid = format!("{id}:vztmpl/{file}");
    if call.node.store.view().volume(&call.host, &volid).is_some() {
        return Err(ApiError::died(format!("refusing to override existing file '{file}'")));
    }
    let start = Start { node: &call.host, kind: "ociregistrypull", id: file.clone(), who: &call.who };
    let (node, host) = (Arc::clone(&call.node), call.host.clone());
    let task = call.node.tasks.start(&call.node, &start, move |task| async move {
        let (image, tag) = reference.rsplit_once(':').unwrap_or((&reference, "latest"));
        let target = node.store.view().path_of(&volid);
        let command = format!("skopeo copy docker://{reference} oci-archive:{target}");
        let there =
            node.store.view().outside.images.get(image).is_some_and(|tags| tags.iter().any(|t| t == tag));
        let copy = async {
            if there {
                Ok(())
            } else {
                Err(ApiError::died(format!("command '{command}' failed: exit code 1")))
            }
        };
        task.step(&command, node.task_time(Duration::from_millis(700)), copy).await?;
        let digest = crate::state::sections::digest(&reference);
        task.log("Getting image source signatures");
        task.log(format!("Copying blob sha256:{digest}"));
        task.log(format!("Copying config sha256:{digest}"));
        task.log("Writing manifest to image destination");
        task.log("Storing signatures");
        let dir = node.storage_dir(&host, &id).join("template/cache");
        let write = std::fs::create_dir_all(&dir).and_then(|()| {
            std::fs::write(dir.join(&file), format!("image {reference} of the embedded node\n"))
        });
        write.map_err(|e| ApiError::died(format!("unable to write '{target}' - {e}")))?;
        node.change(|state| {
            let settings = state.outside.settings.get(image).cloned().unwrap_or_default();
            state.put_volume(Volume {
                image: Some(settings),
                node: host.clone(),
                storage: id.clone(),
                volid: volid.clone(),
                content: "vztmpl".into(),
                format: "tar".into(),
                size: 1_092_608,
                ctime: node.clock.now(),
                ..Volume::default()
            });
            Ok(())
        })
    })?;
    Ok(json!(task.upid.to_string()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulled_image_is_named_after_its_last_part_and_tag() {
        assert_eq!(file_name("127.0.0.1:5000/demo/bb:1.1", None), "bb_1.1.tar");
        assert_eq!(file_name("docker.io/library/alpine:latest", Some("mine")), "mine.tar");
    }
}
