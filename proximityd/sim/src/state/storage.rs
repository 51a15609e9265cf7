//! Storages and the volumes on them, with every byte accounted for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::State;
use super::sections::Image;

/// A storage definition.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Storage {
    /// `dir`, `btrfs` or `lvmthin`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The content types it takes.
    pub content: Vec<String>,
    /// Its path as Proxmox VE would print it (`dir` and `btrfs`).
    pub path: Option<String>,
    /// The volume group and thin pool (`lvmthin` only).
    pub vgname: Option<String>,
    /// See `vgname`.
    pub thinpool: Option<String>,
    /// Size in bytes.
    pub total: u64,
    /// Bytes used by what is not accounted here.
    pub base_used: u64,
    /// What of the backups on it is kept: `keep-last=3`.
    pub prune_backups: Option<String>,
    /// Switched off.
    pub disable: bool,
    /// Options beside these, as given.
    pub options: BTreeMap<String, String>,
}

/// A volume: a disk, a guest template, a backup.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Volume {
    /// The node it is on.
    pub node: String,
    /// Its storage.
    pub storage: String,
    /// `local:vztmpl/x.tar.zst`, `local-lvm:vm-100-disk-0`.
    pub volid: String,
    /// `rootdir`, `vztmpl`, `backup`, `iso`, …
    pub content: String,
    /// `raw`, `tzst`, `tar.zst`, …
    pub format: String,
    /// Size in bytes.
    pub size: u64,
    /// The container it belongs to.
    pub vmid: Option<u32>,
    /// When it was made, seconds since 1970.
    pub ctime: i64,
    /// A person's words.
    pub notes: Option<String>,
    /// May not be removed.
    pub protected: bool,
    /// The volume it was cloned from.
    pub parent: Option<String>,
    /// Of a backup: the configuration file in it.
    pub config: Option<String>,
    /// Of an image of a registry: what it says of itself.
    pub image: Option<Image>,
}

impl Storage {
    /// Whether it takes a kind of content.
    pub(crate) fn takes(&self, content: &str) -> bool {
        self.content.iter().any(|c| c == content)
    }

    /// Whether a disk can be linked to a new one: a base disk, a snapshot, or (`btrfs`) any disk as it is.
    pub(crate) fn can_link(&self, base: bool, snapshot: bool) -> bool {
        self.kind == "btrfs" || (self.has_snapshots() && (base || snapshot))
    }

    /// Whether its disks are files below a directory.
    pub(crate) fn is_directory(&self) -> bool {
        matches!(self.kind.as_str(), "dir" | "btrfs")
    }

    /// Whether it can snapshot and link volumes.
    pub(crate) fn has_snapshots(&self) -> bool {
        self.kind != "dir"
    }
}

fn key(node: &str, volid: &str) -> String {
    format!("{node}/{volid}")
}

impl State {
    /// Finds a volume.
    pub(crate) fn volume(&self, node: &str, volid: &str) -> Option<&Volume> {
        self.volumes.get(&key(node, volid))
    }

    /// Finds a volume to change it.
    pub(crate) fn volume_mut(&mut self, node: &str, volid: &str) -> Option<&mut Volume> {
        self.volumes.get_mut(&key(node, volid))
    }

    /// Puts a volume in place.
    pub(crate) fn put_volume(&mut self, volume: Volume) {
        self.volumes.insert(key(&volume.node, &volume.volid), volume);
    }

    /// Takes a volume away.
    pub(crate) fn remove_volume(&mut self, node: &str, volid: &str) -> Option<Volume> {
        self.volumes.remove(&key(node, volid))
    }

    /// The volumes of one storage of one node.
    pub(crate) fn volumes_on<'a>(
        &'a self,
        node: &'a str,
        storage: &'a str,
    ) -> impl Iterator<Item = &'a Volume> {
        self.volumes.values().filter(move |v| v.node == node && v.storage == storage)
    }

    /// Bytes used on a storage of a node.
    pub(crate) fn used(&self, node: &str, storage: &str) -> u64 {
        let base = self.storages.get(storage).map_or(0, |s| s.base_used);
        let total = self.storages.get(storage).map_or(0, |s| s.total);
        (base + self.volumes_on(node, storage).map(|v| v.size).sum::<u64>()).min(total)
    }

    /// Bytes free on a storage of a node.
    pub(crate) fn free(&self, node: &str, storage: &str) -> u64 {
        self.storages.get(storage).map_or(0, |s| s.total).saturating_sub(self.used(node, storage))
    }

    /// A volume's path as Proxmox VE prints it.
    pub(crate) fn path_of(&self, volid: &str) -> String {
        let (id, name) = volid.split_once(':').unwrap_or(("local", volid));
        let storage = self.storages.get(id);
        let base = storage.and_then(|s| s.path.clone()).unwrap_or_else(|| match id {
            "local" => "/var/lib/vz".to_owned(),
            _ => format!("/mnt/{id}"),
        });
        match (name.split_once('/'), storage.map(|s| s.kind.as_str())) {
            (Some(("vztmpl", file)), _) => format!("{base}/template/cache/{file}"),
            (Some(("iso", file)), _) => format!("{base}/template/iso/{file}"),
            (Some(("import", file)), _) => format!("{base}/import/{file}"),
            (Some(("backup", file)), _) => format!("{base}/dump/{file}"),
            (Some(("snippets", file)), _) => format!("{base}/snippets/{file}"),
            (_, Some("lvmthin")) => {
                let group = storage.and_then(|s| s.vgname.as_deref()).unwrap_or("pve");
                format!("/dev/{group}/{name}")
            }
            (_, Some("btrfs")) => format!("{base}/images/{}/disk.raw", name.trim_end_matches(".raw")),
            _ => format!("{base}/images/{name}"),
        }
    }

    /// A name for a new disk of a container: the lowest number that is free.
    pub(crate) fn new_disk(&self, node: &str, storage: &str, vmid: u32) -> String {
        let dir = self.storages.get(storage).is_some_and(Storage::is_directory);
        (0..)
            .map(|n| {
                if dir {
                    format!("{storage}:{vmid}/vm-{vmid}-disk-{n}.raw")
                } else {
                    format!("{storage}:vm-{vmid}-disk-{n}")
                }
            })
            .find(|volid| self.volume(node, volid).is_none())
            .expect("the numbers do not end")
    }
}

/// Splits a volume id at its first colon.
pub(crate) fn split_volid(volid: &str) -> Option<(&str, &str)> {
    volid.split_once(':').filter(|(storage, name)| !storage.is_empty() && !name.is_empty())
}

/// The format a file name tells: `tzst` for templates, `tar.zst` for backups.
pub(crate) fn format_of(file: &str, content: &str) -> String {
    let known = [
        ("tar.zst", "tzst"),
        ("tar.gz", "tgz"),
        ("tar.xz", "txz"),
        ("tar.bz2", "tbz2"),
        ("tar.lzo", "tlzo"),
        ("tar", "tar"),
        ("iso", "iso"),
    ];
    known
        .iter()
        .find(|(ending, _)| file.ends_with(&format!(".{ending}")))
        .map_or("raw", |(ending, short)| if content == "backup" { ending } else { short })
        .to_owned()
}
