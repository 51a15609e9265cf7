//! Backups with vzdump. Restoring is a create, see [`crate::CreateLxc::restore`].
//!
//! A failed task says only `job errors`; the reason, and the archive's name, are in its log.

use reqwest::Method;

use crate::client::Client;
use crate::error::Error;
use crate::ids::{NodeName, StorageId, Vmid, Volid};
use crate::open_enum::open_enum;
use crate::params::{Params, path};
use crate::task::LogLine;
use crate::upid::Upid;

open_enum!(
    /// How the guest is treated meanwhile.
    BackupMode {
        /// It goes on running; falls back to suspending where the storage has no snapshots.
        Snapshot = "snapshot",
        /// It is suspended for a second copy of what changed.
        Suspend = "suspend",
        /// It is shut down and started again.
        Stop = "stop",
    }
);

open_enum!(
    /// How the archive is compressed.
    BackupCompress {
        /// Not at all.
        None = "0",
        /// Zstandard.
        Zstd = "zstd",
        /// gzip.
        Gzip = "gzip",
        /// LZO.
        Lzo = "lzo",
    }
);

/// A backup of one guest. Needs VM.Backup and Datastore.AllocateSpace; what else `vzdump` can do
/// needs more than a limited token has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vzdump {
    /// The guest.
    pub vmid: Vmid,
    /// Where to.
    pub storage: StorageId,
    /// How the guest is treated.
    pub mode: BackupMode,
    /// How the archive is compressed.
    pub compress: BackupCompress,
    /// The archive's notes; `{{guestname}}` and the like are filled in, a backslash and newlines
    /// are escaped by this crate.
    pub notes: Option<String>,
    /// Protect the archive from removal.
    pub protected: bool,
    /// Let the storage's own retention remove older ones. Off unless asked for.
    pub remove: bool,
}

impl Vzdump {
    /// A snapshot with Zstandard, removing nothing.
    pub fn new(vmid: Vmid, storage: StorageId) -> Self {
        Self {
            vmid,
            storage,
            mode: BackupMode::Snapshot,
            compress: BackupCompress::Zstd,
            notes: None,
            protected: false,
            remove: false,
        }
    }

    /// The archive's file name, and the path or volume as the task's log tells it.
    pub fn archive_in_log(log: &[LogLine]) -> Option<String> {
        log.iter().find_map(|line| {
            let rest = &line.text[line.text.find("creating vzdump archive '")? + 25..];
            rest.find('\'').map(|end| rest[..end].to_owned())
        })
    }

    /// The reason for which a backup failed, as the task's log tells it.
    pub fn failure_in_log(log: &[LogLine]) -> Option<String> {
        let errors = || log.iter().filter_map(|line| line.text.strip_prefix("ERROR: "));
        let of_guest = errors().find(|text| text.starts_with("Backup of "));
        of_guest.or_else(|| errors().next()).map(str::to_owned)
    }
}

impl Client {
    /// Starts a backup. `None` says that the guest is on another node and nothing was started.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn vzdump(&self, node: &NodeName, backup: &Vzdump) -> Result<Option<Upid>, Error> {
        let params = Params::new()
            .with("vmid", backup.vmid)
            .with("storage", &backup.storage)
            .with("mode", &backup.mode)
            .with("compress", &backup.compress)
            .opt("notes-template", backup.notes.as_deref().map(escape_notes))
            .flag("protected", backup.protected)
            .with("remove", backup.remove);
        self.maybe_task(Method::POST, path(&[&"nodes", node, &"vzdump"]), params).await
    }

    /// The guest configuration inside a backup, as text.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn backup_config(&self, node: &NodeName, backup: &Volid) -> Result<String, Error> {
        let params = Params::new().with("volume", backup);
        self.get(path(&[&"nodes", node, &"vzdump", &"extractconfig"]), params).await
    }
}

/// A notes template is one line in which `\n` and `\\` stand for a newline and a backslash.
fn escape_notes(notes: &str) -> String {
    notes.replace('\\', "\\\\").replace('\n', "\\n")
}
