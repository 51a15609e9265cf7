//! Which privileges a change of a container's configuration needs, option by option.

use std::collections::BTreeMap;

use crate::call::Call;
use crate::reply::ApiError;
use crate::schema::PropertyString;
use crate::state::guest::{Config, MountPoint, is_numbered, parse_option};
use crate::state::storage::split_volid;

/// The container a change is for.
pub(in crate::api) struct Change<'a> {
    pub(in crate::api) vmid: u32,
    /// The pool it is about to join.
    pub(in crate::api) pool: Option<&'a str>,
    /// Its configuration so far.
    pub(in crate::api) old: Option<&'a Config>,
    pub(in crate::api) unprivileged: bool,
}

impl Change<'_> {
    /// Checks options that are set and options that are removed.
    ///
    /// # Errors
    /// 403 for the first option that is refused.
    pub(in crate::api) fn check(&self, call: &Call, new: &Config, removed: &[&str]) -> Result<(), ApiError> {
        if call.who.is_root() {
            return Ok(());
        }
        for (option, value) in new {
            self.option(call, option, Some(value))?;
        }
        removed.iter().try_for_each(|option| self.option(call, option, None))
    }

    fn option(&self, call: &Call, option: &str, value: Option<&str>) -> Result<(), ApiError> {
        let need = |privilege: &str| call.check_guest(self.vmid, self.pool, privilege);
        let root_only = |text: &str| Err(ApiError::Permission(text.to_owned()));
        match option {
            "cores" | "cpuunits" | "cpulimit" => need("VM.Config.CPU"),
            "memory" | "swap" => need("VM.Config.Memory"),
            "nameserver" | "searchdomain" | "hostname" => need("VM.Config.Network"),
            "hookscript" => root_only("changing the hookscript is only allowed for root@pam"),
            "features" => self.features(call, value),
            // The tag check looks at the container itself, never at the pool it is about to join.
            "tags" => call.check(&format!("/vms/{}", self.vmid), &["VM.Config.Options"]),
            _ if option == "rootfs" || is_numbered(option, "mp") => {
                need("VM.Config.Disk")?;
                value.map_or(Ok(()), |value| self.volume(call, option, value))
            }
            _ if is_numbered(option, "net") => {
                need("VM.Config.Network")?;
                let old = self.old.and_then(|o| o.get(option));
                old.map_or(Ok(()), |net| call.check_bridge(net))?;
                value.map_or(Ok(()), |net| call.check_bridge(net))
            }
            _ if is_numbered(option, "dev") => {
                root_only("configuring device passthrough is only allowed for root@pam")
            }
            _ => need("VM.Config.Options"),
        }
    }

    fn volume(&self, call: &Call, option: &str, value: &str) -> Result<(), ApiError> {
        let mount = MountPoint { key: option.to_owned(), parts: parse_option(option, value) };
        if mount.kind() != "volume" {
            let text = format!("mount point type {} is only allowed for root@pam", mount.kind());
            return Err(ApiError::Permission(text));
        }
        match new_disk(mount.volume()) {
            Some((storage, _)) => call.check(&format!("/storage/{storage}"), &["Datastore.AllocateSpace"]),
            // A bare size goes to the default storage, which is checked with the storages.
            None if mount.volume().parse::<f64>().is_ok() => Ok(()),
            None => check_volume_access(call, self.vmid, mount.volume(), "rootdir"),
        }
    }

    fn features(&self, call: &Call, value: Option<&str>) -> Result<(), ApiError> {
        if !self.unprivileged {
            let text = "changing feature flags for privileged container is only allowed for root@pam";
            return Err(ApiError::Permission(text.into()));
        }
        let old =
            self.old.and_then(|o| o.get("features")).map(|t| parse_option("features", t)).unwrap_or_default();
        let new = value.map(|t| parse_option("features", t)).unwrap_or_default();
        let changed = changes(&old, &new);
        if changed.keys().any(|feature| *feature != "nesting") {
            let text = "changing feature flags (except nesting) is only allowed for root@pam";
            return Err(ApiError::Permission(text.into()));
        }
        if changed.is_empty() { Ok(()) } else { call.check_guest(self.vmid, self.pool, "VM.Allocate") }
    }
}

fn changes<'a>(old: &'a PropertyString, new: &'a PropertyString) -> BTreeMap<&'a str, ()> {
    let keys = old.keys().chain(new.keys()).map(String::as_str);
    keys.filter(|key| old.get(*key) != new.get(*key)).map(|key| (key, ())).collect()
}

/// `STORAGE:GIGABYTES`: a disk to be made; the size is in bytes.
pub(in crate::api) fn new_disk(volume: &str) -> Option<(&str, u64)> {
    let (storage, size) = volume.split_once(':')?;
    let gigabytes: f64 = size.parse().ok().filter(|_| size.starts_with(|c: char| c.is_ascii_digit()))?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Some((storage, (gigabytes * 1_073_741_824.0) as u64))
}

/// The kind of a volume and the container it belongs to, from its name.
pub(in crate::api) fn volume_kind(name: &str) -> (&'static str, Option<u32>) {
    let owner = |text: &str| text.split(['-', '/']).find_map(|part| part.parse().ok());
    if name.starts_with("vztmpl/") {
        ("vztmpl", None)
    } else if name.starts_with("iso/") {
        ("iso", None)
    } else if let Some(file) = name.strip_prefix("backup/") {
        ("backup", owner(file))
    } else {
        ("rootdir", owner(name))
    }
}

/// Whether a volume may be read by this call.
///
/// # Errors
/// 403, or 500 for a storage that does not exist or a path.
pub(in crate::api) fn check_volume_access(
    call: &Call,
    vmid: u32,
    volid: &str,
    content: &str,
) -> Result<(), ApiError> {
    let Some((storage, name)) = split_volid(volid).filter(|(s, _)| !s.starts_with('/')) else {
        if call.who.is_root() {
            return Ok(());
        }
        return Err(ApiError::died(
            "Only root can pass arbitrary filesystem paths. at /usr/share/perl5/PVE/Storage.pm line 651.",
        ));
    };
    if !call.node.store.view().storages.contains_key(storage) {
        return Err(ApiError::died(format!("storage '{storage}' does not exist")));
    }
    let (kind, owner) = volume_kind(name);
    if kind != content {
        return Err(ApiError::died(format!(
            "unable to use volume {volid} - content type needs to be '{content}'"
        )));
    }
    let path = format!("/storage/{storage}");
    match (kind, owner) {
        ("vztmpl" | "iso", _) => call.check_any(&path, &["Datastore.AllocateSpace", "Datastore.Audit"]),
        (_, Some(owner)) if owner == vmid => Ok(()),
        ("backup", Some(owner)) => {
            call.check(&path, &["Datastore.AllocateSpace"])?;
            call.check(&format!("/vms/{owner}"), &["VM.Backup"])
        }
        (_, Some(owner)) => {
            call.check(&path, &["Datastore.Audit"])?;
            call.check(&format!("/vms/{owner}"), &["VM.Config.Disk"])
        }
        (_, None) => call.check(&path, &["Datastore.Allocate"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_disk_is_a_storage_and_a_number() {
        assert_eq!(new_disk("local-lvm:8"), Some(("local-lvm", 8 << 30)));
        assert_eq!(new_disk("local-lvm:0.5"), Some(("local-lvm", 512 << 20)));
        assert_eq!(new_disk("local-lvm:vm-100-disk-0"), None);
    }

    #[test]
    fn a_volumes_owner_is_in_its_name() {
        assert_eq!(volume_kind("backup/vzdump-lxc-200-2026_11_22-22_49_42.tar.zst"), ("backup", Some(200)));
        assert_eq!(volume_kind("vm-101-disk-0"), ("rootdir", Some(101)));
        assert_eq!(volume_kind("200/vm-200-disk-0.raw"), ("rootdir", Some(200)));
        assert_eq!(volume_kind("vztmpl/debian-12.tar.zst"), ("vztmpl", None));
    }
}
