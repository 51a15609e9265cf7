//! Image references, and which of them exist.
//!
//! There is no registry: a reference that is well formed exists unless a component of it says the contrary
//! ([`ABSENT`]), or its registry's host is in a domain that never resolves (RFC 2606).

use sha2::{Digest as _, Sha256};

/// Words that make a name or tag absent.
const ABSENT: &[&str] = &[
    "does-not-exist",
    "doesnotexist",
    "nonexistent",
    "non-existent",
    "no-such",
    "nosuch",
    "not-found",
    "notfound",
    "missing",
    "invalid",
    "bogus",
    "nope",
];

/// Why an image cannot be had, in Docker's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PullError {
    /// Not a reference.
    #[error("invalid reference format")]
    Format,
    /// Upper case in the name.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    Uppercase(String),
    /// No such repository.
    #[error(
        "pull access denied for {0}, repository does not exist or may require 'docker login': denied: requested access to the resource is denied"
    )]
    Repository(String),
    /// No such tag.
    #[error("manifest for {0} not found: manifest unknown: manifest unknown")]
    Tag(String),
    /// The registry's host does not resolve.
    #[error("Get \"https://{0}/v2/\": dial tcp: lookup {0}: no such host")]
    Host(String),
}

/// A parsed reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// `docker.io` when none is written.
    pub host: String,
    /// As the Docker client shows it: `nginx`, `ghcr.io/a/b`.
    pub repository: String,
    /// `latest` when neither tag nor digest is written; empty with a digest alone.
    pub tag: String,
    /// `sha256:…`, when written.
    pub digest: Option<String>,
}

impl Reference {
    /// Parses.
    pub(crate) fn parse(text: &str) -> Result<Self, PullError> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let hex = digest.strip_prefix("sha256:").ok_or(PullError::Format)?;
                if hex.len() != 64 || !hex.chars().all(|c| c.is_ascii_hexdigit()) {
                    return Err(PullError::Format);
                }
                (rest, Some(digest.to_owned()))
            }
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        let (host, path) = match name.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path),
            _ => ("docker.io", name),
        };
        let path = if host == "docker.io" { path.strip_prefix("library/").unwrap_or(path) } else { path };
        let fine = |part: &str| {
            !part.is_empty()
                && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
                && part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part.ends_with(|c: char| c.is_ascii_alphanumeric())
        };
        if path.chars().any(|c| c.is_ascii_uppercase()) {
            return Err(PullError::Uppercase(path.to_owned()));
        }
        if !path.split('/').all(fine) || host.chars().any(char::is_whitespace) {
            return Err(PullError::Format);
        }
        let tag_char = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if tag.is_some_and(|t| {
            t.is_empty() || t.len() > 128 || t.starts_with(['.', '-']) || !t.chars().all(tag_char)
        }) {
            return Err(PullError::Format);
        }
        let repository = if host == "docker.io" { path.to_owned() } else { format!("{host}/{path}") };
        let tag = match (tag, &digest) {
            (Some(tag), _) => tag.to_owned(),
            (None, None) => "latest".to_owned(),
            (None, Some(_)) => String::new(),
        };
        Ok(Self { host: host.to_owned(), repository, tag, digest })
    }

    /// The key images are kept by.
    pub(crate) fn familiar(&self) -> String {
        match (&self.digest, self.tag.as_str()) {
            (Some(digest), _) => format!("{}@{digest}", self.repository),
            (None, tag) => format!("{}:{tag}", self.repository),
        }
    }

    /// Fails when the registry does not have it.
    pub(crate) fn available(&self) -> Result<(), PullError> {
        let host = self.host.split(':').next().unwrap_or_default();
        if host.ends_with(".invalid") || host.ends_with(".example") {
            return Err(PullError::Host(self.host.clone()));
        }
        let says_no = |text: &str| ABSENT.iter().any(|word| text.to_lowercase().contains(word));
        if says_no(&self.repository) {
            return Err(PullError::Repository(self.repository.clone()));
        }
        if says_no(&self.tag) {
            return Err(PullError::Tag(self.familiar()));
        }
        Ok(())
    }

    /// The manifest's digest: stable, and nobody else's.
    pub(crate) fn digest(&self) -> String {
        self.digest.clone().unwrap_or_else(|| sha256(&format!("manifest {}", self.familiar())))
    }

    /// The image's id.
    pub(crate) fn image_id(&self) -> String {
        sha256(&format!("image {}", self.digest()))
    }
}

/// `sha256:…` of a text.
pub(crate) fn sha256(text: &str) -> String {
    let hex: String = Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn references_are_understood_as_docker_understands_them() {
        let familiar = |text: &str| Reference::parse(text).map(|r| r.familiar());
        assert_eq!(familiar("nginx").unwrap(), "nginx:latest");
        assert_eq!(familiar("docker.io/library/redis:7").unwrap(), "redis:7");
        assert_eq!(familiar("localhost:5000/a/b:1").unwrap(), "localhost:5000/a/b:1");
        assert_eq!(familiar("no good"), Err(PullError::Format));
        assert!(matches!(familiar("Nginx"), Err(PullError::Uppercase(_))));
    }

    #[test]
    fn a_name_that_says_so_does_not_exist() {
        let available = |text: &str| Reference::parse(text).unwrap().available();
        assert_eq!(available("nginx:1.27-alpine"), Ok(()));
        assert!(matches!(available("nginx:no-such"), Err(PullError::Tag(_))));
        assert!(matches!(available("acme/nonexistent"), Err(PullError::Repository(_))));
        assert!(matches!(available("registry.invalid/a:1"), Err(PullError::Host(_))));
    }
}
