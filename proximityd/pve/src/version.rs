//! The server's version, and what it can do.
//!
//! A point release is only a floor: single packages may be newer than what a version guarantees.

use std::fmt;

use serde::Deserialize;

use crate::client::Client;
use crate::error::Error;
use crate::params::{Params, path};

/// `GET /version`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Version {
    /// The version of the package pve-manager, such as `9.2.11`.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub version: String,
    /// The release, such as `9.2`.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub release: String,
    /// The source's short hash.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub repoid: String,
}

impl Version {
    /// Major, minor and patch number; what cannot be read is 0.
    pub fn numbers(&self) -> (u32, u32, u32) {
        let text = if self.version.is_empty() { &self.release } else { &self.version };
        let mut numbers = text.split(['.', '-', '~', '+']).map(|n| n.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        (next(), next(), next())
    }

    /// Whether this is that version of pve-manager or a newer one.
    pub fn at_least(&self, major: u32, minor: u32, patch: u32) -> bool {
        self.numbers() >= (major, minor, patch)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.version)
    }
}

/// What a server surely can do with this client's credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The version on which this rests.
    pub version: Version,
    /// A container's console works: with a ticket always, with a token from pve-container 6.1.3
    /// on, which pve-manager 9.1.12 guarantees.
    pub console: bool,
    /// OCI images as containers, `env`, `entrypoint`, `host-managed` and `ha-managed`: 9.1.
    pub oci: bool,
    /// `keepattrs` and `idmap` of mount points: pve-manager 9.1.12.
    pub keepattrs: bool,
    /// Unprivileged is the default at create, and privileged needs `Sys.Modify`: 9.0.
    pub unprivileged_default: bool,
    /// HA rules in place of HA groups: 9.0.
    pub ha_rules: bool,
}

impl Capabilities {
    /// What a version can do. `token` tells whether an API token is used.
    pub fn of(version: Version, token: bool) -> Self {
        let late_9_1 = version.at_least(9, 1, 12);
        Self {
            console: !token || late_9_1,
            oci: version.at_least(9, 1, 0),
            keepattrs: late_9_1,
            unprivileged_default: version.at_least(9, 0, 0),
            ha_rules: version.at_least(9, 0, 0),
            version,
        }
    }
}

impl Client {
    /// The server's version. Needs valid credentials but no privilege.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn version(&self) -> Result<Version, Error> {
        self.get(path(&[&"version"]), Params::new()).await
    }

    /// What the server surely can do with these credentials; asks for the version each time.
    ///
    /// # Errors
    /// As [`Client::version`].
    pub async fn capabilities(&self) -> Result<Capabilities, Error> {
        Ok(Capabilities::of(self.version().await?, self.uses_token()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version { version: text.into(), release: String::new(), repoid: String::new() }
    }

    #[test]
    fn the_console_needs_a_late_9_1_with_a_token_and_nothing_with_a_ticket() {
        for (text, token, console) in [
            ("8.4.21", true, false),
            ("9.1.1", true, false),
            ("9.1.12", true, true),
            ("9.2.2", true, true),
            ("10.0.0", true, true),
            ("8.4.0", false, true),
        ] {
            assert_eq!(Capabilities::of(version(text), token).console, console, "{text}");
        }
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(version("9.2.11").at_least(9, 2, 2));
        assert!(!version("9.0.3").at_least(9, 1, 0));
        assert_eq!(version("9.0.0~13").numbers(), (9, 0, 0));
        assert_eq!(version("odd").numbers(), (0, 0, 0));
    }
}
