//! What an error answer means.
//!
//! Proxmox VE answers 500 to nearly everything and knows neither 404 nor 409, so the meaning is in
//! the text. The same texts end failed tasks, so [`ErrorKind::of_text`] reads those too.

use std::collections::BTreeMap;

/// What an error of Proxmox VE means.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The credentials are wrong, expired or disabled; Proxmox VE does not say which.
    Unauthorized,
    /// A privilege is missing.
    Forbidden {
        /// The object, such as `/vms/100`; absent when the message names none.
        path: Option<String>,
        /// The privileges of which one or all are missing.
        privs: Vec<String>,
    },
    /// Parameters were refused; see [`crate::ApiError::errors`].
    ParameterVerification,
    /// The guest does not exist: it has no configuration file.
    NotFound,
    /// Something else that was named does not exist: a snapshot, rule, template or volume.
    ReferenceNotFound,
    /// The pool does not exist.
    PoolNotFound,
    /// The storage does not exist or is not usable on that node.
    StorageNotFound,
    /// The node's name is unknown.
    NodeNotFound,
    /// The task is unknown to the node, or its log is gone.
    TaskNotFound,
    /// The id, pool, snapshot or file is taken.
    AlreadyExists,
    /// The guest is locked, such as by `backup`, `snapshot` or `create`.
    Locked(String),
    /// A lock file could not be had in time (10 s).
    LockTimeout,
    /// The configuration changed since its digest was read.
    ConfigModified,
    /// The guest is not running.
    NotRunning,
    /// The guest is running: already, or though it must not be for this.
    AlreadyRunning,
    /// No space is left.
    NoSpace,
    /// The storage has no snapshots.
    SnapshotsUnsupported,
    /// The path or method does not exist in this version.
    NotImplemented,
    /// The answering node could not reach the node that the call is for.
    ProxyFailed,
    /// The service is starting, overloaded or without quorum.
    Unavailable,
    /// Anything else.
    Other,
}

impl ErrorKind {
    /// Reads an answer.
    pub(crate) fn of(status: u16, message: &str, errors: &BTreeMap<String, String>) -> Self {
        match status {
            401 => Self::Unauthorized,
            403 => forbidden(message),
            501 => Self::NotImplemented,
            // AnyEvent::HTTP's own statuses, and those of gateways.
            502 | 504 | 595..=599 => Self::ProxyFailed,
            503 => Self::Unavailable,
            400 => {
                let kinds = errors.values().map(|text| Self::of_text(text));
                kinds.into_iter().find(|k| *k != Self::Other).unwrap_or(Self::ParameterVerification)
            }
            _ => Self::of_text(message),
        }
    }

    /// Reads a message, be it of an answer or of a task that failed.
    pub fn of_text(text: &str) -> Self {
        let has = |needle: &str| text.contains(needle);
        if let Some(kind) = between(text, "is locked (", ")") {
            return Self::Locked(kind.to_owned());
        }
        if has("Permission check failed") {
            return forbidden(text);
        }
        if has("got timeout") || has("Failed to obtain guest migration lock") {
            return Self::LockTimeout;
        }
        if has("detected modified configuration") {
            return Self::ConfigModified;
        }
        if has("No space left on device") || has("not enough space") || has("Disk quota exceeded") {
            return Self::NoSpace;
        }
        if has("hostname lookup '") {
            return Self::NodeNotFound;
        }
        if has("no such task") || has("unable to parse worker upid") {
            return Self::TaskNotFound;
        }
        if has("cluster not ready") || has("no quorum") {
            return Self::Unavailable;
        }
        if has("No such storage")
            || (has("storage '") && (has("' does not exist") || has("is not available on node")))
        {
            return Self::StorageNotFound;
        }
        if has("pool '") && has("' does not exist") {
            return Self::PoolNotFound;
        }
        if has("already exists")
            || (has("already defined") && !has("already defined in URI"))
            || has("already used")
            || has("refusing to override existing file")
        {
            return Self::AlreadyExists;
        }
        // A start that failed asks "(not running?)" about its own container.
        if has("not running") && !has("(not running?)") {
            return Self::NotRunning;
        }
        if has("already running") || has("container is running") || has("running container") {
            return Self::AlreadyRunning;
        }
        if has("Configuration file '") && has("' does not exist") {
            return Self::NotFound;
        }
        if has("does not exist") || has("no such template") || has("no rule at position") {
            return Self::ReferenceNotFound;
        }
        if has("snapshot feature is not available") {
            return Self::SnapshotsUnsupported;
        }
        Self::Other
    }

    /// The same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Locked(_)
                | Self::LockTimeout
                | Self::ConfigModified
                | Self::ProxyFailed
                | Self::Unavailable
        )
    }
}

fn forbidden(message: &str) -> ErrorKind {
    let inner = between(message, "Permission check failed (", ")").unwrap_or_default();
    if inner.starts_with("pool '") && inner.ends_with("does not exist") {
        return ErrorKind::PoolNotFound;
    }
    if !inner.starts_with('/') {
        return ErrorKind::Forbidden { path: None, privs: Vec::new() };
    }
    let mut parts = inner.split(", ");
    let path = parts.next().map(str::to_owned);
    let privs =
        parts.flat_map(|p| p.split(['|', ',', ' '])).filter(|p| !p.is_empty()).map(str::to_owned).collect();
    ErrorKind::Forbidden { path, privs }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = &text[text.find(before)? + before.len()..];
    rest.find(after).map(|end| &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_failed_tasks_are_understood() {
        for (text, kind) in [
            ("CT is locked (backup)", ErrorKind::Locked("backup".into())),
            ("Configuration file 'nodes/pve1/lxc/299.conf' does not exist", ErrorKind::NotFound),
            ("can't lock file '/run/lock/lxc/pve-config-200.lock' - got timeout", ErrorKind::LockTimeout),
            ("unable to create CT 200 - CT 200 already exists on node 'pve1'", ErrorKind::AlreadyExists),
            ("tar: write error: No space left on device", ErrorKind::NoSpace),
            ("job errors", ErrorKind::Other),
        ] {
            assert_eq!(ErrorKind::of_text(text), kind, "{text}");
        }
    }

    #[test]
    fn a_missing_privilege_is_named_with_its_object() {
        assert_eq!(
            ErrorKind::of(403, "Permission check failed (/vms/100, VM.Audit)", &BTreeMap::new()),
            ErrorKind::Forbidden { path: Some("/vms/100".into()), privs: vec!["VM.Audit".into()] }
        );
        assert_eq!(
            ErrorKind::of(403, "Permission check failed", &BTreeMap::new()),
            ErrorKind::Forbidden { path: None, privs: vec![] }
        );
    }
}
