//! An app as the daemon remembers it.

use std::collections::BTreeMap;

use proto_json::app::{AppState, Port, Resources, Service};
use serde::{Deserialize, Serialize};

use super::notes::{Kind, Notes};

/// Everything that was resolved when the app was asked for, and what its deployment decided. A catalog that changes
/// later changes nothing here. Secrets are kept sealed, apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppSpec {
    /// Where its template came from.
    pub source: Source,
    /// The template's text, or the Compose file's.
    pub document: String,
    /// Settings that are no secrets, by key.
    pub settings: BTreeMap<String, String>,
    /// Keys of the secret settings.
    pub secrets: Vec<String>,
    /// Keys whose values were made up.
    pub generated: Vec<String>,
    /// Image references by service.
    pub images: BTreeMap<String, String>,
    /// Digests by service, once pulled.
    #[serde(default)]
    pub digests: BTreeMap<String, String>,
    /// Cores, memory, disk.
    pub resources: Resources,
    /// The storage asked for, and from the planning on the one taken.
    pub storage: Option<String>,
    /// The bridge asked for, and from the planning on the one taken.
    pub bridge: Option<String>,
    /// `dhcp`, or an address in CIDR notation.
    pub ip: String,
    /// The gateway of a static address.
    pub gateway: Option<String>,
    /// Seconds to wait for health, when asked for.
    pub timeout_seconds: Option<u64>,
    /// Ports as the guest publishes them.
    #[serde(default)]
    pub ports: Vec<Port>,
    /// Where the health probe works from.
    #[serde(default)]
    pub probe_from: ProbeFrom,
    /// SSH into its container; None where nothing was set up.
    #[serde(default)]
    pub ssh: Option<GuestSsh>,
}

/// SSH into a container, as it was set up over its console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestSsh {
    /// The container that it is about: a key that was learnt in one is not another's.
    pub vmid: u32,
    /// The line for root's `authorized_keys`: it holds the daemon's key and address of then.
    pub line: String,
    /// Its public host key, `TYPE BASE64`; None when it has no SSH server.
    pub host_key: Option<String>,
}

impl AppSpec {
    /// Its services with what they run.
    pub fn services(&self) -> Vec<Service> {
        self.images
            .iter()
            .map(|(name, image)| Service {
                name: name.clone(),
                image: image.clone(),
                digest: self.digests.get(name).cloned(),
            })
            .collect()
    }
}

/// Where a template came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The catalog.
    Catalog,
    /// A person's own Compose file.
    Compose,
}

/// Where an app's health probe works from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeFrom {
    /// From the daemon, straight to the app's address.
    #[default]
    Daemon,
    /// From inside the guest: the daemon has no route.
    Guest,
}

/// An app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppRecord {
    /// Its id, for good.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The host's name.
    pub host: String,
    /// The template's id, or `compose`.
    pub template: String,
    /// The template's version.
    pub template_version: String,
    /// How it is.
    pub state: AppState,
    /// Why, when that needs words.
    pub reason: Option<String>,
    /// Its node.
    pub node: Option<String>,
    /// Its container.
    pub vmid: Option<u32>,
    /// Its address.
    pub ip: Option<String>,
    /// Its URL.
    pub url: Option<String>,
    /// What was resolved for it.
    pub spec: AppSpec,
    /// When it was asked for.
    pub created_at: String,
    /// When its state was last looked at.
    pub checked_at: Option<String>,
    /// When it was removed.
    pub removed_at: Option<String>,
}

impl AppRecord {
    /// What the notes of its container say: that of this id, made by that operation.
    pub fn notes(&self, vmid: u32, operation: &str) -> Notes {
        Notes {
            kind: Kind::App,
            id: self.id.clone(),
            vmid,
            operation: operation.into(),
            name: Some(self.name.clone()),
            template: Some(self.template.clone()),
            template_version: Some(self.template_version.clone()),
            created_at: Some(self.created_at.clone()),
        }
    }
}

impl AppRecord {
    /// As it crosses the wire.
    pub fn view(&self, operation: Option<String>) -> proto_json::app::App {
        proto_json::app::App {
            id: self.id.clone(),
            name: self.name.clone(),
            template: self.template.clone(),
            template_version: self.template_version.clone(),
            state: self.state,
            reason: self.reason.clone(),
            vmid: self.vmid,
            node: self.node.clone(),
            host: self.host.clone(),
            ip: self.ip.clone(),
            url: self.url.clone(),
            operation,
            created_at: self.created_at.clone(),
            checked_at: self.checked_at.clone(),
        }
    }
}

/// Why a name cannot be a container's host name, if it cannot (RFC 1123 label, as `pct` takes it).
pub fn name_fault(name: &str) -> Option<String> {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() {
        Some("it is empty".into())
    } else if name.len() > 63 {
        Some(format!("it has {} characters, and a host name label at most 63", name.len()))
    } else if let Some(bad) = name.chars().find(|c| !fine(*c)) {
        Some(format!("`{}` may not be in it", bad.escape_default()))
    } else if name.starts_with('-') || name.ends_with('-') {
        Some("it begins or ends with a hyphen".into())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_rfc_1123_labels() {
        for good in ["a", "whoami", "my-app-2", "0", &"x".repeat(63)] {
            assert_eq!(name_fault(good), None, "{good}");
        }
        for bad in
            ["", "-a", "a-", "A", "a_b", "a b", "a.b", "ä", "a\u{1b}[1m", "../x", "$(id)", &"x".repeat(64)]
        {
            assert!(name_fault(bad).is_some(), "{bad}");
        }
    }
}
