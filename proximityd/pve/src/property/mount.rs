//! `rootfs` and `mp0`, `mp1`, …: a container's volumes.
//!
//! A volume either exists already or is to be allocated on a storage (`local-lvm:8`, in GiB).

use std::fmt;
use std::str::FromStr;

use super::size::DiskSize;
use super::{Pairs, Property, PropertyError, error};
use crate::ids::{StorageId, Volid};

/// What is mounted.
#[derive(Debug, Clone, PartialEq)]
pub enum Volume {
    /// A volume to be allocated.
    Allocate {
        /// On this storage.
        storage: StorageId,
        /// Of this size in GiB.
        gib: f64,
    },
    /// A volume that exists.
    Existing(Volid),
    /// A directory or device of the node, which only root@pam may set.
    Path(String),
}

impl Volume {
    /// A volume to be allocated.
    pub fn allocate(storage: StorageId, gib: u32) -> Self {
        Self::Allocate { storage, gib: gib.into() }
    }

    /// The storage that holds or will hold it.
    pub fn storage(&self) -> Option<&StorageId> {
        match self {
            Self::Allocate { storage, .. } => Some(storage),
            Self::Existing(volid) => Some(volid.storage()),
            Self::Path(_) => None,
        }
    }
}

impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allocate { storage, gib } => write!(f, "{storage}:{gib}"),
            Self::Existing(volid) => volid.fmt(f),
            Self::Path(path) => f.write_str(path),
        }
    }
}

impl FromStr for Volume {
    type Err = PropertyError;

    fn from_str(text: &str) -> Result<Self, PropertyError> {
        if text.starts_with('/') {
            return Ok(Self::Path(text.to_owned()));
        }
        let volid: Volid =
            text.parse().map_err(|_| error("volume", text, "write storage:GIB, storage:path or a path"))?;
        // Only digits and a point make a size; a path never looks like that.
        let number = volid.path().bytes().all(|b| b.is_ascii_digit() || b == b'.');
        match volid.path().parse() {
            Ok(gib) if number => Ok(Self::Allocate { storage: volid.storage().clone(), gib }),
            _ => Ok(Self::Existing(volid)),
        }
    }
}

/// A container's root file system. `None` leaves a setting to Proxmox VE.
#[derive(Debug, Clone, PartialEq)]
pub struct RootFs {
    /// The volume.
    pub volume: Volume,
    /// Its size, as Proxmox VE tells it; not for setting.
    pub size: Option<DiskSize>,
    /// Options such as `noatime`, `discard`.
    pub mountoptions: Vec<String>,
    /// POSIX ACLs.
    pub acl: Option<bool>,
    /// User quotas; not for unprivileged containers.
    pub quota: Option<bool>,
    /// Whether storage replication includes it.
    pub replicate: Option<bool>,
    /// Read-only.
    pub ro: Option<bool>,
    /// Whether it is at hand on all nodes.
    pub shared: Option<bool>,
    /// Keys this crate does not know.
    pub rest: Vec<(String, String)>,
}

impl RootFs {
    /// A root file system with nothing but its volume.
    pub fn new(volume: Volume) -> Self {
        Self {
            volume,
            size: None,
            mountoptions: Vec::new(),
            acl: None,
            quota: None,
            replicate: None,
            ro: None,
            shared: None,
            rest: Vec::new(),
        }
    }
}

/// A mount point besides the root file system. `None` leaves a setting to Proxmox VE.
#[derive(Debug, Clone, PartialEq)]
pub struct MountPoint {
    /// The volume and what it has in common with a root file system.
    pub disk: RootFs,
    /// The path inside the container.
    pub mp: String,
    /// Whether backups include it; volumes are left out unless this is set.
    pub backup: Option<bool>,
    /// Whether owner, group and mode of the directory below are kept (9.2 and later).
    pub keepattrs: Option<bool>,
}

impl MountPoint {
    /// A mount point with nothing but its volume and path.
    pub fn new(volume: Volume, mp: impl Into<String>) -> Self {
        Self { disk: RootFs::new(volume), mp: mp.into(), backup: None, keepattrs: None }
    }
}

fn take_disk(what: &'static str, text: &str, pairs: &mut Pairs) -> Result<RootFs, PropertyError> {
    let volume = pairs.take("volume").ok_or_else(|| error(what, text, "it has no volume"))?;
    let options = pairs.take("mountoptions").unwrap_or_default();
    Ok(RootFs {
        volume: volume.parse()?,
        size: pairs.take_as("size"),
        mountoptions: options.split(';').filter(|o| !o.is_empty()).map(str::to_owned).collect(),
        acl: pairs.take_as("acl"),
        quota: pairs.take_as("quota"),
        replicate: pairs.take_as("replicate"),
        ro: pairs.take_as("ro"),
        shared: pairs.take_as("shared"),
        rest: Vec::new(),
    })
}

fn push_disk(disk: &RootFs, pairs: &mut Pairs) {
    if !disk.mountoptions.is_empty() {
        pairs.push("mountoptions", disk.mountoptions.join(";"));
    }
    pairs.push_flag("acl", disk.acl);
    pairs.push_flag("quota", disk.quota);
    pairs.push_flag("replicate", disk.replicate);
    pairs.push_flag("ro", disk.ro);
    pairs.push_flag("shared", disk.shared);
    pairs.extend(&disk.rest);
    pairs.push_opt("size", disk.size);
}

/// The volume goes without its key, unless it holds what would be read as one.
fn push_volume(volume: &Volume, pairs: &mut Pairs) {
    let text = volume.to_string();
    pairs.push(if text.contains('=') { "volume" } else { "" }, text);
}

impl Property for RootFs {
    fn pairs(&self) -> Pairs {
        let mut pairs = Pairs::default();
        push_volume(&self.volume, &mut pairs);
        push_disk(self, &mut pairs);
        pairs
    }
}

impl Property for MountPoint {
    fn pairs(&self) -> Pairs {
        let mut pairs = Pairs::default();
        push_volume(&self.disk.volume, &mut pairs);
        pairs.push("mp", &self.mp);
        pairs.push_flag("backup", self.backup);
        pairs.push_flag("keepattrs", self.keepattrs);
        push_disk(&self.disk, &mut pairs);
        pairs
    }
}

impl fmt::Display for RootFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pairs().fmt(f)
    }
}

impl fmt::Display for MountPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pairs().fmt(f)
    }
}

impl FromStr for RootFs {
    type Err = PropertyError;

    fn from_str(text: &str) -> Result<Self, PropertyError> {
        let what = "root file system";
        let mut pairs = Pairs::parse(what, text, Some("volume"))?;
        let disk = take_disk(what, text, &mut pairs)?;
        Ok(Self { rest: pairs.rest(), ..disk })
    }
}

impl FromStr for MountPoint {
    type Err = PropertyError;

    fn from_str(text: &str) -> Result<Self, PropertyError> {
        let what = "mount point";
        let mut pairs = Pairs::parse(what, text, Some("volume"))?;
        let disk = take_disk(what, text, &mut pairs)?;
        let mp = pairs.take("mp").ok_or_else(|| error(what, text, "it has no path"))?;
        let (backup, keepattrs) = (pairs.take_as("backup"), pairs.take_as("keepattrs"));
        Ok(Self { disk: RootFs { rest: pairs.rest(), ..disk }, mp, backup, keepattrs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::option::of;
    use proptest::prelude::*;

    #[test]
    fn a_volume_that_looks_like_a_pair_is_written_with_its_key() {
        let text = "volume=local:a=b";
        let read: RootFs = text.parse().unwrap();
        assert_eq!(read.to_string(), text);
    }

    #[test]
    fn allocation_and_existing_volumes_are_told_apart() {
        let new: RootFs = "local-lvm:8".parse().unwrap();
        assert_eq!(new, RootFs::new(Volume::allocate("local-lvm".parse().unwrap(), 8)));
        let old: RootFs = "pvebtrfs:200/vm-200-disk-0.raw,size=1G".parse().unwrap();
        assert_eq!(old.size, Some(DiskSize::gib(1)));
        assert!(matches!(&old.volume, Volume::Existing(v) if v.path() == "200/vm-200-disk-0.raw"));
        assert_eq!(old.to_string(), "pvebtrfs:200/vm-200-disk-0.raw,size=1G");
        let bind: MountPoint = "volume=/srv,mp=/data,idmap=passthrough".parse().unwrap();
        assert_eq!(bind.disk.volume, Volume::Path("/srv".into()));
        assert_eq!(bind.to_string(), "/srv,mp=/data,idmap=passthrough");
        assert!("local:8,size=1G".parse::<MountPoint>().is_err());
        assert!("size=1G".parse::<RootFs>().is_err());
    }

    fn volume() -> impl Strategy<Value = Volume> {
        let storage = "[a-z][a-z0-9-]{1,8}".prop_map(|s| StorageId::new(s).unwrap());
        prop_oneof![
            (storage.clone(), 1u32..9999).prop_map(|(s, g)| Volume::allocate(s, g)),
            (storage.clone(), 1u32..999)
                .prop_map(|(storage, g)| Volume::Allocate { storage, gib: f64::from(g) / 8.0 }),
            (storage, "[a-z0-9]{1,6}/vm-[0-9]{3}-disk-0\\.raw")
                .prop_map(|(s, p)| Volume::Existing(Volid::new(s, p).unwrap())),
            "/[a-z/]{1,12}".prop_map(Volume::Path),
        ]
    }

    proptest! {
        #[test]
        fn printing_and_parsing_agree(
            volume in volume(), mp in "/[a-z/]{0,12}", size in of(0u64..1 << 50),
            mountoptions in proptest::collection::vec("[a-z]{1,8}", 0..3),
            flags in any::<[Option<bool>; 7]>(), value in "[a-z0-9;:]{0,8}",
        ) {
            let disk = RootFs {
                volume, size: size.map(DiskSize::bytes), mountoptions, acl: flags[0],
                quota: flags[1], replicate: flags[2], ro: flags[3], shared: flags[4],
                rest: vec![("new-key".to_owned(), value)],
            };
            prop_assert_eq!(disk.to_string().parse::<RootFs>().unwrap(), disk.clone());
            let mount = MountPoint { disk, mp, backup: flags[5], keepattrs: flags[6] };
            prop_assert_eq!(mount.to_string().parse::<MountPoint>().unwrap(), mount);
        }
    }
}
