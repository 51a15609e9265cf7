//! Making containers: from a template, from a backup, from another container.

use reqwest::Method;
use secrecy::SecretString;

use crate::client::Client;
use crate::error::Error;
use crate::ids::{NodeName, PoolId, SnapshotName, StorageId, Vmid};
use crate::lxc::ct;
use crate::lxc::options::LxcOptions;
use crate::params::{Params, path};
use crate::upid::Upid;

/// A container to be made. A missing template fails in the task; a missing bridge only when the
/// container starts.
#[derive(Debug, Clone)]
pub struct CreateLxc {
    /// Its number.
    pub vmid: Vmid,
    /// The template's or the backup's volume.
    pub ostemplate: String,
    /// Its settings.
    pub options: LxcOptions,
    /// The pool it is put into; a token that is limited to a pool must name it.
    pub pool: Option<PoolId>,
    /// Whether root inside is not root outside. The default differs between releases, so it is
    /// always sent for a new container; for a restore `None` keeps the backup's value.
    pub unprivileged: Option<bool>,
    /// The storage for volumes that name none.
    pub storage: Option<StorageId>,
    /// Root's password inside, at least 5 characters.
    pub password: Option<SecretString>,
    /// Root's public SSH keys, one a line.
    pub ssh_public_keys: Option<String>,
    /// Start it when it is made.
    pub start: bool,
    /// The template is a backup.
    pub restore: bool,
    /// Restore over a stopped container of this number, whose disks are lost.
    pub force: bool,
    /// Make a new MAC address on restore.
    pub unique: bool,
    /// Go on when files cannot be unpacked.
    pub ignore_unpack_errors: bool,
    /// Limit in KiB/s.
    pub bwlimit: Option<u64>,
}

impl CreateLxc {
    /// A new, unprivileged container from a template.
    pub fn new(vmid: Vmid, ostemplate: impl Into<String>) -> Self {
        Self {
            vmid,
            ostemplate: ostemplate.into(),
            options: LxcOptions::default(),
            pool: None,
            unprivileged: Some(true),
            storage: None,
            password: None,
            ssh_public_keys: None,
            start: false,
            restore: false,
            force: false,
            unique: false,
            ignore_unpack_errors: false,
            bwlimit: None,
        }
    }

    /// A container from a backup, with the backup's settings where none are given. A fixed IP
    /// address is among them.
    pub fn restore(vmid: Vmid, archive: impl Into<String>) -> Self {
        Self { restore: true, unprivileged: None, ..Self::new(vmid, archive) }
    }

    fn params(&self) -> Params {
        let params = Params::new()
            .with("vmid", self.vmid)
            .with("ostemplate", &self.ostemplate)
            .opt("pool", self.pool.as_ref())
            .opt("unprivileged", self.unprivileged)
            .opt("storage", self.storage.as_ref())
            .opt("password", self.password.as_ref())
            .opt("ssh-public-keys", self.ssh_public_keys.as_ref())
            .flag("start", self.start)
            .flag("restore", self.restore)
            .flag("force", self.force)
            .flag("unique", self.unique)
            .flag("ignore-unpack-errors", self.ignore_unpack_errors)
            .opt("bwlimit", self.bwlimit);
        self.options.fill(params)
    }
}

/// A copy to be made of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloneLxc {
    /// The copy's number.
    pub newid: Vmid,
    /// From what.
    pub from: ClonedFrom,
    /// The copy's host name.
    pub hostname: Option<String>,
    /// The copy's notes.
    pub description: Option<String>,
    /// The copy's pool.
    pub pool: Option<PoolId>,
    /// The storage for a full copy.
    pub storage: Option<StorageId>,
    /// The node, where the storage is shared.
    pub target: Option<NodeName>,
}

/// What a copy is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClonedFrom {
    /// A template, linked: quick, and tied to the template and its storage for ever.
    TemplateLinked,
    /// A stopped container or a template, in full.
    Full,
    /// A snapshot, in full: the only way while the container runs.
    Snapshot(SnapshotName),
}

impl CloneLxc {
    /// A copy with the source's settings, fixed IP address included; only the MAC is new.
    pub fn new(newid: Vmid, from: ClonedFrom) -> Self {
        Self { newid, from, hostname: None, description: None, pool: None, storage: None, target: None }
    }

    fn params(&self) -> Params {
        let (full, snapshot) = match &self.from {
            ClonedFrom::TemplateLinked => (false, None),
            ClonedFrom::Full => (true, None),
            ClonedFrom::Snapshot(name) => (true, Some(name)),
        };
        Params::new()
            .with("newid", self.newid)
            .flag("full", full)
            .opt("snapname", snapshot)
            .opt("hostname", self.hostname.as_ref())
            .opt("description", self.description.as_ref())
            .opt("pool", self.pool.as_ref())
            .opt("storage", self.storage.as_ref())
            .opt("target", self.target.as_ref())
    }
}

impl Client {
    /// Makes a container from a template or a backup.
    ///
    /// # Errors
    /// [`crate::ErrorKind::AlreadyExists`] when the number is taken, or any other [`Error`].
    pub async fn create_lxc(&self, node: &NodeName, create: &CreateLxc) -> Result<Upid, Error> {
        self.task(Method::POST, path(&[&"nodes", node, &"lxc"]), create.params()).await
    }

    /// Copies a container. The source is locked meanwhile.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Locked`], [`crate::ErrorKind::AlreadyExists`] when the number is taken,
    /// or any other [`Error`].
    pub async fn clone_lxc(&self, node: &NodeName, vmid: Vmid, clone: &CloneLxc) -> Result<Upid, Error> {
        self.task(Method::POST, ct(node, vmid, &[&"clone"]), clone.params()).await
    }

    /// Makes a stopped container a template, for ever. Some releases do it in a task.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn make_template(&self, node: &NodeName, vmid: Vmid) -> Result<Option<Upid>, Error> {
        self.maybe_task(Method::POST, ct(node, vmid, &[&"template"]), Params::new()).await
    }
}
