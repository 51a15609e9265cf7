//! The `[images.SERVICE]` tables and the `[[volumes]]` of a template.

use std::collections::BTreeMap;

use super::document::Context;
use crate::compose::{MountKind, parse_image};
use crate::reader::Fields;
use crate::tag::{TagPolicy, Version, VersionRange};
use crate::template::{Image, Volume};

pub(super) fn read_images(cx: &Context<'_>, fields: &Fields<'_, '_>) -> BTreeMap<String, Image> {
    let mut images = BTreeMap::new();
    for (service, table) in fields.named_tables("images", &["repository", "tag", "range", "prefix", "suffix"])
    {
        cx.service(&service);
        if let Some(image) = read_image(cx, &table) {
            images.insert(service.value, image);
        }
    }
    images
}

fn read_image(cx: &Context<'_>, table: &Fields<'_, '_>) -> Option<Image> {
    let repository = table.required_str("repository");
    let tag = table.required_str("tag");
    let range = table.parsed::<VersionRange>("range");
    if table.raw("range").is_none() {
        table.missing("range");
    }
    let text = |key: &str| table.str(key).map(|text| text.value).unwrap_or_default();
    let (prefix, suffix) = (text("prefix"), text("suffix"));
    let (repository, tag, range) = (repository?, tag?, range?);
    let whole = parse_image(&repository.value).filter(|image| image.repository == repository.value);
    if whole.is_none() {
        let hint = match parse_image(&repository.value) {
            Some(image) => format!("write `{}`", image.repository),
            None => "write registry and repository, such as `docker.io/library/nginx`".to_owned(),
        };
        let message = format!("`{}` is not a full repository name", repository.value);
        cx.report.error_hint(repository.at, message, hint);
    }
    if !range.value.has_upper_bound() {
        cx.report.error_hint(
            range.at,
            "the range has no upper end, so that an update could cross a major version",
            "end it with the next major version, such as \">=31.0, <32\"",
        );
    }
    let version = tag.value.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(&suffix));
    let Some(version) = version.and_then(|text| text.parse::<Version>().ok()) else {
        let message = format!("the tag `{}` is not a version between `prefix` and `suffix`", tag.value);
        let hint = "pin a numbered tag, and give what stands before and after the number";
        cx.report.error_hint(tag.at, message, hint);
        return None;
    };
    let policy = TagPolicy { range: range.value, prefix, suffix, components: version.components() };
    if !policy.matches(&tag.value) {
        cx.report.error(tag.at, format!("the tag `{}` is not in the range {}", tag.value, policy.range));
    }
    Some(Image { repository: repository.value, tag: tag.value, digest: None, policy: Some(policy) })
}

pub(super) fn read_volumes(cx: &Context<'_>, fields: &Fields<'_, '_>) -> Vec<Volume> {
    let mut found: Vec<Volume> = Vec::new();
    for table in fields.tables("volumes", &["name", "service", "path", "description"]) {
        let name = table.required_str("name");
        let service = table.required_str("service");
        let path = table.required_str("path");
        let description = table.required_str("description");
        let (Some(name), Some(service), Some(path), Some(description)) = (name, service, path, description)
        else {
            continue;
        };
        if found.iter().any(|known| known.name == name.value) {
            cx.report.error(name.at, format!("the volume `{}` is described twice", name.value));
        }
        if let Some(mounting) = cx.service(&service) {
            let source = |name: &str| {
                let named = |source: &Option<String>| source.as_deref() == Some(name);
                mounting.mounts.iter().find(|m| m.kind == MountKind::Volume && named(&m.source))
            };
            match source(&name.value) {
                None => {
                    let message =
                        format!("the service `{}` does not mount the volume `{}`", service.value, name.value);
                    cx.report.error(name.at, message);
                }
                Some(mount) if mount.target != path.value => {
                    let message = format!(
                        "the service `{}` mounts `{}` at `{}`, not at `{}`",
                        service.value, name.value, mount.target, path.value
                    );
                    cx.report.error(path.at, message);
                }
                Some(_) => {}
            }
        }
        found.push(Volume {
            name: name.value,
            service: service.value,
            path: path.value,
            description: description.value,
        });
    }
    found
}
