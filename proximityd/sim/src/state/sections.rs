//! What Proxmox VE keeps in files of named sections: firewalls, backup jobs, high availability, networks.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A section: options and their text.
pub(crate) type Section = BTreeMap<String, String>;
/// Sections by name.
pub(crate) type Sections = BTreeMap<String, Section>;

/// The firewall of the cluster, a node, a guest or a security group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Firewall {
    /// Options that are set.
    pub options: Section,
    /// Rules in order.
    pub rules: Vec<Section>,
    /// Names for addresses.
    pub aliases: BTreeMap<String, Alias>,
    /// Sets of addresses.
    pub ipsets: BTreeMap<String, IpSet>,
    /// A person's words (security groups).
    pub comment: Option<String>,
}

/// A name for an address or a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Alias {
    /// The address or network.
    pub cidr: String,
    /// A person's words.
    pub comment: Option<String>,
}

/// A set of addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct IpSet {
    /// A person's words.
    pub comment: Option<String>,
    /// Its entries by address or network.
    pub entries: BTreeMap<String, IpSetEntry>,
}

/// An entry of a set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct IpSetEntry {
    /// A person's words.
    pub comment: Option<String>,
    /// Left out of the set.
    pub nomatch: bool,
}

/// High availability.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct HighAvailability {
    /// Guests in its care, by `ct:ID`.
    pub resources: Sections,
    /// Rules by name.
    pub rules: Sections,
}

/// Software-defined networks.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Networks {
    /// Zones by name.
    pub zones: Sections,
    /// Virtual networks by name.
    pub vnets: Sections,
    /// Subnets by `zone-network-mask`.
    pub subnets: Sections,
    /// What was in force when the configuration was last applied.
    pub applied: BTreeMap<String, Sections>,
}

/// What the node can reach outside of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Outside {
    /// Images of registries with their tags; none are known otherwise.
    pub images: BTreeMap<String, Vec<String>>,
    /// What images say of themselves; others are shells.
    pub settings: BTreeMap<String, Image>,
    /// What web servers answer, by URL.
    pub urls: BTreeMap<String, Answer>,
    /// The file names of the appliances on offer; none stands for the built-in index.
    pub appliances: Option<Vec<String>>,
}

/// What an image says of the container it wants to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Image {
    /// The command it begins with.
    pub entrypoint: String,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// `alpine`, `debian`, …
    pub ostype: String,
    /// Directories it keeps data in.
    pub volumes: Vec<String>,
    /// Keys of the container runtime that it leads to (`lxc.init.uid`).
    pub raw: Vec<(String, String)>,
}

impl Default for Image {
    fn default() -> Self {
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        Self {
            entrypoint: "/bin/sh".to_owned(),
            env: vec![path.to_owned()],
            ostype: "unmanaged".to_owned(),
            volumes: Vec::new(),
            raw: vec![("lxc.signal.halt".to_owned(), "SIGTERM".to_owned())],
        }
    }
}

/// A web server's answer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Answer {
    /// `200 OK`, `404 File not found`.
    pub status: String,
    /// Bytes.
    pub size: Option<u64>,
    /// `application/octet-stream`.
    pub mimetype: Option<String>,
    /// The file's name.
    pub filename: Option<String>,
}

/// The digest of nothing (SHA-1 of an empty file, as Proxmox VE tells it).
const OF_NOTHING: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";

/// A digest of something kept: 40 hexadecimal digits that change with it.
pub(crate) fn digest<T: Serialize + Default + PartialEq>(what: &T) -> String {
    if *what == T::default() {
        return OF_NOTHING.to_owned();
    }
    let text = serde_json::to_vec(what).unwrap_or_default();
    Sha256::digest(&text).iter().take(20).fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_nothing_is_that_of_an_empty_file() {
        assert_eq!(digest(&Sections::new()), OF_NOTHING);
        let one = Sections::from([("a".to_owned(), Section::new())]);
        assert_eq!(digest(&one).len(), 40);
        assert_ne!(digest(&one), OF_NOTHING);
    }
}
