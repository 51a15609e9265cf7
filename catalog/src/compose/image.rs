//! Image references: registry, repository, tag and digest.
//!
//! Normalises short names as Docker does (`nginx` is `docker.io/library/nginx`). Asking a registry is left
//! to others.

use crate::template::Image;

/// Reads an image reference; `None` if it is none. The policy is left empty.
pub(crate) fn parse_image(reference: &str) -> Option<Image> {
    let (name, digest) = match reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (reference, None),
    };
    let (repository, tag) = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (name, None),
    };
    let sound_tag = |tag: &str| {
        (1..=128).contains(&tag.len())
            && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
            && !tag.starts_with(['.', '-'])
    };
    let sound_digest = |digest: &str| {
        let hex = digest.strip_prefix("sha256:");
        hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    if tag.is_some_and(|tag| !sound_tag(tag)) || digest.is_some_and(|digest| !sound_digest(digest)) {
        return None;
    }
    Some(Image {
        repository: full_repository(repository)?,
        tag: tag.unwrap_or("latest").to_owned(),
        digest: digest.map(str::to_owned),
        policy: None,
    })
}

/// The repository with its registry, or `None` if it is not a repository.
fn full_repository(repository: &str) -> Option<String> {
    let (registry, path) = match repository.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => ("docker.io", repository),
    };
    let sound = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
            && part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.ends_with(|c: char| c.is_ascii_alphanumeric())
    };
    if !path.split('/').all(sound) {
        return None;
    }
    let library = if registry == "docker.io" && !path.contains('/') { "library/" } else { "" };
    Some(format!("{registry}/{library}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_become_full_references() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for (written, full) in [
            ("nginx", "docker.io/library/nginx:latest".to_owned()),
            ("nginx:1.29", "docker.io/library/nginx:1.29".to_owned()),
            ("a/b", "docker.io/a/b:latest".to_owned()),
            ("ghcr.io/a/b/c:v1", "ghcr.io/a/b/c:v1".to_owned()),
            ("localhost:5000/x", "localhost:5000/x:latest".to_owned()),
            (&format!("x:1@{digest}"), format!("docker.io/library/x@{digest}")),
        ] {
            assert_eq!(parse_image(written).map(|image| image.reference()), Some(full), "{written}");
        }
    }

    #[test]
    fn what_is_not_an_image_is_refused() {
        for text in ["", "Nginx", "a b", "x:", "x:-1", "x@sha256:12", "https://x/y", "x//y", "x/"] {
            assert_eq!(parse_image(text), None, "{text:?}");
        }
    }
}
