//! Images: pulling, listing, removing.

use std::sync::Arc;

use super::reference::{PullError, Reference, sha256};
use super::state::Image;
use crate::engine::memory::guest::Guest;
use crate::engine::memory::world::vfs::now;

const MIB: u64 = 1 << 20;

/// A plausible size that depends on the reference only.
fn size(reference: &str) -> u64 {
    let spread = reference.bytes().fold(17_u64, |sum, b| sum.wrapping_mul(31).wrapping_add(u64::from(b)));
    38 * MIB + spread % (190 * MIB)
}

/// Pulls an image; says whether it was new, and what is kept.
pub(super) fn pull(guest: &Arc<Guest>, text: &str) -> Result<(bool, Image), PullError> {
    let reference = Reference::parse(text)?;
    reference.available()?;
    let image = Image {
        id: reference.image_id(),
        repository: reference.repository.clone(),
        tag: reference.tag.clone(),
        digest: reference.digest(),
        size: size(&reference.repository),
        pulled: now(),
    };
    let mut state = guest.lock();
    let old = state.meta.docker.images.insert(reference.familiar(), image.clone());
    drop(state);
    guest.touch();
    Ok((old.is_none(), image))
}

/// Keeps an image that was built.
pub(super) fn build(guest: &Arc<Guest>, text: &str) -> Result<Image, PullError> {
    let reference = Reference::parse(text)?;
    let image = Image {
        id: reference.image_id(),
        repository: reference.repository.clone(),
        tag: reference.tag.clone(),
        digest: String::new(),
        size: size(&reference.repository),
        pulled: now(),
    };
    guest.lock().meta.docker.images.insert(reference.familiar(), image.clone());
    guest.touch();
    Ok(image)
}

/// The image that a reference, an id, or the start of an id means; with its key.
pub(super) fn find(guest: &Guest, text: &str) -> Option<(String, Image)> {
    let state = guest.lock();
    let images = &state.meta.docker.images;
    if let Ok(reference) = Reference::parse(text) {
        let key = reference.familiar();
        if let Some(image) = images.get(&key) {
            return Some((key, image.clone()));
        }
        let by_digest = images.iter().find(|(_, image)| {
            image.repository == reference.repository && reference.digest.as_ref() == Some(&image.digest)
        });
        if let Some((key, image)) = by_digest {
            return Some((key.clone(), image.clone()));
        }
    }
    let id = text.strip_prefix("sha256:").unwrap_or(text);
    let hex = id.len() >= 4 && id.chars().all(|c| c.is_ascii_hexdigit());
    let found = images.iter().find(|(_, image)| hex && image.id["sha256:".len()..].starts_with(id));
    found.map(|(key, image)| (key.clone(), image.clone()))
}

/// Whether a container uses the image.
pub(super) fn used(guest: &Guest, image: &Image) -> Option<String> {
    let state = guest.lock();
    state.meta.docker.containers.values().find(|c| c.image_id == image.id).map(|c| c.id.clone())
}

/// Removes unused images; those without a tag only, unless `all`. The bytes won, and what was removed.
pub(super) fn prune(guest: &Arc<Guest>, all: bool) -> (u64, Vec<String>) {
    let candidates: Vec<(String, Image)> =
        guest.lock().meta.docker.images.iter().map(|(k, i)| (k.clone(), i.clone())).collect();
    let mut freed = 0;
    let mut removed = Vec::new();
    for (key, image) in candidates {
        if used(guest, &image).is_none() && (all || image.tag.is_empty()) {
            guest.lock().meta.docker.images.remove(&key);
            freed += image.size;
            removed.push(key);
        }
    }
    guest.touch();
    (freed, removed)
}

/// The lines `docker pull` prints.
pub(super) fn pull_lines(text: &str, fresh: bool, image: &Image) -> Vec<String> {
    let mut lines = Vec::new();
    let from = match image.repository.contains('/') {
        true => image.repository.clone(),
        false => format!("library/{}", image.repository),
    };
    lines.push(format!(
        "{}: Pulling from {from}",
        if image.tag.is_empty() { &image.digest } else { &image.tag }
    ));
    for layer in 0..3 {
        let id = &sha256(&format!("layer {layer} {}", image.repository))["sha256:".len()..][..12];
        lines.push(format!("{id}: {}", if fresh { "Pull complete" } else { "Already exists" }));
    }
    lines.push(format!("Digest: {}", image.digest));
    let what = if fresh { "Downloaded newer image for" } else { "Image is up to date for" };
    let name = Reference::parse(text).map(|r| r.familiar()).unwrap_or_else(|_| text.to_owned());
    lines.push(format!("Status: {what} {name}"));
    let host = if name.split('/').next().is_some_and(|h| h.contains(['.', ':']) && name.contains('/')) {
        ""
    } else {
        "docker.io/"
    };
    let library = if host.is_empty() || name.contains('/') { "" } else { "library/" };
    lines.push(format!("{host}{library}{name}"));
    lines
}

/// `187MB`, as the Docker client prints sizes.
pub(super) fn human(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 1000.0 || unit == "GB" {
            return if value < 10.0 && unit != "B" {
                format!("{value:.2}{unit}")
            } else {
                format!("{value:.0}{unit}")
            };
        }
        value /= 1000.0;
    }
    bytes.to_string()
}
