//! A container's configuration as Proxmox VE keeps it: current values, pending ones, snapshots, a lock.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::schema::{Api, Format, PropertyString, parse_property_string, print_property_string};

/// A configuration section: keys and their text.
pub(crate) type Config = BTreeMap<String, String>;

/// A container.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Guest {
    /// The node it is on.
    pub node: String,
    /// The running configuration, `lock` and `template` included.
    pub config: Config,
    /// Changes that wait for the next start.
    pub pending: Config,
    /// Keys that the next start removes.
    pub pending_delete: BTreeSet<String>,
    /// Snapshots by name.
    pub snapshots: BTreeMap<String, Snapshot>,
    /// The snapshot the current state comes from.
    pub parent: Option<String>,
    /// Whether it runs (or shall run again when the node comes back).
    pub running: bool,
    /// When it was made, seconds since 1970.
    pub created: i64,
    /// Keys of the container runtime that stand in its configuration beside the options (of an image).
    pub raw: Vec<(String, String)>,
    /// The collector of figures has not seen it yet (set by a control call only).
    pub unmeasured: bool,
    /// Its network is still coming up (set by a control call only).
    pub joining: bool,
}

/// A kept state.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Snapshot {
    /// The configuration at that time.
    pub config: Config,
    /// The person's words.
    pub description: Option<String>,
    /// When, seconds since 1970.
    pub time: i64,
    /// The snapshot before it.
    pub parent: Option<String>,
}

/// A volume in a configuration: `rootfs` or `mpN`.
#[derive(Debug, Clone)]
pub(crate) struct MountPoint {
    /// `rootfs`, `mp0`, …
    pub key: String,
    /// The parts of the property string.
    pub parts: PropertyString,
}

impl MountPoint {
    /// The volume id, or what a creation asks for (`local-lvm:8`).
    pub(crate) fn volume(&self) -> &str {
        self.parts.get("volume").map_or("", String::as_str)
    }

    /// `volume`, `device` or `bind`, as Proxmox VE classifies by the text.
    pub(crate) fn kind(&self) -> &'static str {
        let volume = self.volume();
        if volume.starts_with("/dev/") {
            "device"
        } else if volume.starts_with('/') {
            "bind"
        } else {
            "volume"
        }
    }

    /// Its size in bytes.
    pub(crate) fn size(&self) -> Option<u64> {
        self.parts.get("size").and_then(|s| crate::schema::parse_size(s))
    }

    /// As it stands in the configuration.
    pub(crate) fn print(&self) -> String {
        print_property_string(keys_of(&self.key), &self.parts)
    }
}

/// The property string keys of a configuration option (`net0` → those of `net[n]`).
pub(crate) fn keys_of(option: &str) -> &'static BTreeMap<String, crate::schema::Property> {
    static NONE: BTreeMap<String, crate::schema::Property> = BTreeMap::new();
    let method = Api::get().method("POST", "/nodes/{node}/lxc").expect("the data holds the create method");
    match crate::schema::numbered(&method.parameters, option).and_then(|p| p.format.as_ref()) {
        Some(Format::Keys(keys)) => keys,
        _ => &NONE,
    }
}

/// Reads an option's property string; what cannot be read is empty (the schema has accepted it before).
pub(crate) fn parse_option(option: &str, text: &str) -> PropertyString {
    parse_property_string(keys_of(option), text, option).unwrap_or_default()
}

/// The volumes of a configuration, root file system first.
pub(crate) fn mount_points(config: &Config) -> Vec<MountPoint> {
    let is_mount = |key: &str| key == "rootfs" || is_numbered(key, "mp");
    let mut found: Vec<_> = config
        .iter()
        .filter(|(key, _)| is_mount(key))
        .map(|(key, text)| MountPoint { key: key.clone(), parts: parse_option(key, text) })
        .collect();
    found.sort_by_key(|m| (m.key != "rootfs", m.key.clone()));
    found
}

/// Whether a key is a stem followed by digits.
pub(crate) fn is_numbered(key: &str, stem: &str) -> bool {
    key.strip_prefix(stem).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
}

impl Guest {
    /// The lock that is on it.
    pub(crate) fn lock(&self) -> Option<&str> {
        self.config.get("lock").map(String::as_str)
    }

    /// Whether it is a template.
    pub(crate) fn is_template(&self) -> bool {
        self.config.get("template").is_some_and(|t| t == "1")
    }

    /// Its host name.
    pub(crate) fn name(&self, vmid: u32) -> String {
        self.config.get("hostname").cloned().unwrap_or_else(|| format!("CT{vmid}"))
    }

    /// The configuration with the pending changes in place.
    pub(crate) fn with_pending(&self) -> Config {
        let mut config = self.config.clone();
        config.retain(|key, _| !self.pending_delete.contains(key));
        config.extend(self.pending.clone());
        config
    }

    /// The digest of the configuration file: 40 hexadecimal digits that change with every change of it.
    pub(crate) fn digest(&self) -> String {
        let hash = Sha256::digest(self.file().as_bytes());
        hash.iter().take(20).fold(String::new(), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
    }

    /// The configuration file's text, all sections.
    pub(crate) fn file(&self) -> String {
        let mut text = section(&self.config, None);
        if let Some(parent) = &self.parent {
            let _ = writeln!(text, "parent: {parent}");
        }
        if !self.pending.is_empty() || !self.pending_delete.is_empty() {
            text.push_str("\n[pve:pending]\n");
            if !self.pending_delete.is_empty() {
                let keys: Vec<&str> = self.pending_delete.iter().map(String::as_str).collect();
                let _ = writeln!(text, "delete: {}", keys.join(","));
            }
            text.push_str(&section(&self.pending, None));
        }
        for (name, snapshot) in &self.snapshots {
            let _ = write!(text, "\n[{name}]\n");
            text.push_str(&section(&snapshot.config, snapshot.description.as_deref()));
            let _ = writeln!(text, "snaptime: {}", snapshot.time);
        }
        text
    }
}

/// One section of a configuration file: the description as comments, then the keys in order.
pub(crate) fn section(config: &Config, description: Option<&str>) -> String {
    let mut text = String::new();
    for line in description.or(config.get("description").map(String::as_str)).unwrap_or("").lines() {
        let _ = writeln!(text, "#{}", encode_text(line));
    }
    for (key, value) in config {
        match key.as_str() {
            "description" => {}
            "env" => {
                for variable in value.split('\0').filter(|v| !v.is_empty()) {
                    let _ = writeln!(text, "lxc.environment.runtime: {variable}");
                }
            }
            _ => {
                let _ = writeln!(text, "{key}: {value}");
            }
        }
    }
    text
}

/// Reads one section back.
pub(crate) fn read_section(text: &str) -> Config {
    let mut config = Config::new();
    let mut description = String::new();
    for line in text.lines().take_while(|l| !l.starts_with('[')) {
        if let Some(comment) = line.strip_prefix('#') {
            let decoded = percent_encoding::percent_decode_str(comment).decode_utf8_lossy();
            description.push_str(&decoded);
            description.push('\n');
        } else if let Some((key, value)) = line.split_once(": ") {
            config.insert(key.to_owned(), value.to_owned());
        }
    }
    if !description.is_empty() {
        config.insert("description".into(), description);
    }
    config
}

/// Control characters, `:`, `%` and what is not ASCII are percent-encoded in comments.
fn encode_text(line: &str) -> String {
    let mut out = String::new();
    for byte in line.bytes() {
        if byte.is_ascii_control() || !byte.is_ascii() || byte == b'%' || byte == b':' {
            let _ = write!(out, "%{byte:02X}");
        } else {
            out.push(char::from(byte));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_survives_the_configuration_file() {
        let config = Config::from([
            ("description".to_owned(), "{\"a\":1}\nüber 100%\n".to_owned()),
            ("memory".to_owned(), "512".to_owned()),
        ]);
        let text = section(&config, None);
        assert!(text.starts_with("#{\"a\"%3A1}\n"), "{text}");
        assert_eq!(read_section(&text), config);
    }

    #[test]
    fn the_digest_changes_with_the_configuration() {
        let mut guest = Guest::default();
        let before = guest.digest();
        guest.config.insert("memory".into(), "512".into());
        assert_eq!(before.len(), 40);
        assert_ne!(before, guest.digest());
    }
}
