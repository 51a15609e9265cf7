//! Containers made from images of registries: the image's own settings take the place of what was given.

use super::Work;
use crate::schema::print_property_string;
use crate::state::guest::{Config, is_numbered, keys_of, parse_option};
use crate::state::sections::Image;

/// The image behind an archive, if it is one.
pub(super) fn of_archive(work: &Work, archive: &str) -> Option<Image> {
    work.node.store.view().volume(&work.host, archive)?.image.clone()
}

/// Lays an image's settings over a configuration and tells the log what is done.
pub(super) fn apply(work: &Work, image: &Image, config: &mut Config) {
    work.task.log("Detected OCI archive");
    for volume in &image.volumes {
        work.task.log(format!("creating base directory for volume at {volume}"));
    }
    config.insert("ostype".into(), image.ostype.clone());
    config.insert("env".into(), image.env.join("\0"));
    // A program of its own has no login prompt, and nothing in it sets a network up.
    config.insert("entrypoint".into(), image.entrypoint.clone());
    config.insert("cmode".into(), "console".into());
    for (key, net) in config.iter_mut().filter(|(key, _)| is_numbered(key, "net")) {
        let mut parts = parse_option(key, net);
        if parts.contains_key("host-managed") {
            continue;
        }
        work.task.log(format!("Auto-Enabling host-managed network for network device {key}."));
        parts.insert("host-managed".into(), "1".into());
        *net = print_property_string(keys_of(key), &parts);
    }
}
