//! Storages: what there is, what they hold, and taking things away.
//!
//! Backups that the credentials may not see (VM.Backup) are silently left out of lists.

use reqwest::Method;
use serde::Deserialize;

use crate::client::Client;
use crate::error::Error;
use crate::ids::{NodeName, StorageId, Vmid, Volid};
use crate::open_enum::open_enum;
use crate::params::{Params, path};
use crate::upid::Upid;

open_enum!(
    /// What a storage can hold.
    ContentType {
        /// Containers' volumes.
        Rootdir = "rootdir",
        /// Templates, OCI images included.
        Vztmpl = "vztmpl",
        /// Backups.
        Backup = "backup",
        /// Virtual machines' disks.
        Images = "images",
        /// CD images.
        Iso = "iso",
        /// Snippets.
        Snippets = "snippets",
        /// Disk images to import.
        Import = "import",
    }
);

fn contents<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<ContentType>, D::Error> {
    let text: String = crate::lenient::or_default(d)?;
    Ok(text.split(',').map(str::trim).filter(|c| !c.is_empty()).map(ContentType::from).collect())
}

/// A storage as a node sees it. Sizes in bytes; all 0 when it is not active.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct NodeStorage {
    /// Its name.
    pub storage: StorageId,
    /// Its type, such as `dir`, `lvmthin`, `zfspool`, `nfs`.
    #[serde(rename = "type", default, deserialize_with = "crate::lenient::or_default")]
    pub kind: String,
    /// What it may hold.
    #[serde(default, deserialize_with = "contents")]
    pub content: Vec<ContentType>,
    /// Whether its configuration enables it.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub enabled: bool,
    /// Whether it can be used now.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub active: bool,
    /// Whether all nodes share it.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub shared: bool,
    /// Size.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub total: u64,
    /// What is used.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub used: u64,
    /// What is left.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub avail: u64,
}

impl NodeStorage {
    /// Whether it can be used now for something.
    pub fn holds(&self, content: &ContentType) -> bool {
        self.enabled && self.active && self.content.contains(content)
    }
}

/// `GET /nodes/{node}/storage/{storage}/status`: as in the list, without the name.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct StorageUsage {
    /// Its type.
    #[serde(rename = "type", default, deserialize_with = "crate::lenient::or_default")]
    pub kind: String,
    /// What it may hold.
    #[serde(default, deserialize_with = "contents")]
    pub content: Vec<ContentType>,
    /// Whether its configuration enables it.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub enabled: bool,
    /// Whether it can be used now.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub active: bool,
    /// Whether all nodes share it.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub shared: bool,
    /// Size in bytes.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub total: u64,
    /// What is used, in bytes.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub used: u64,
    /// What is left, in bytes.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub avail: u64,
}

/// Which storages to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StorageFilter {
    /// Only those that may hold this.
    pub content: Option<ContentType>,
    /// Only this one.
    pub storage: Option<StorageId>,
    /// Only enabled ones.
    pub enabled: bool,
}

/// A template, backup or disk on a storage.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct StoredVolume {
    /// Its name.
    pub volid: Volid,
    /// What it is.
    #[serde(default = "unknown_content", deserialize_with = "content")]
    pub content: ContentType,
    /// Such as `raw`, `tzst`, `tar.zst`.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub format: String,
    /// Size in bytes; some storages only know it roughly.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub size: Option<u64>,
    /// Rough size in bytes, in place of `size` (9.2).
    #[serde(default, rename = "approximate-size", deserialize_with = "crate::lenient::opt")]
    pub approximate_size: Option<u64>,
    /// When it was made, in seconds since 1970.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub ctime: Option<u64>,
    /// The guest it belongs to.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub vmid: Option<Vmid>,
    /// Of a backup `lxc` or `qemu`.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub subtype: Option<String>,
    /// A backup's notes.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub notes: Option<String>,
    /// Whether it is protected from removal.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub protected: bool,
    /// The volume it is a linked clone of.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub parent: Option<String>,
}

fn unknown_content() -> ContentType {
    ContentType::Other(String::new())
}

fn content<'de, D: serde::Deserializer<'de>>(d: D) -> Result<ContentType, D::Error> {
    Ok(crate::lenient::opt(d)?.unwrap_or_else(unknown_content))
}

impl StoredVolume {
    /// The size in bytes as far as it is known.
    pub fn size_hint(&self) -> Option<u64> {
        self.size.or(self.approximate_size)
    }
}

/// What `GET /nodes/{node}/storage/{storage}/content/{volume}` tells.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct VolumeAttributes {
    /// Its path on the node.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub path: String,
    /// Its format.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub format: String,
    /// Size in bytes.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub size: u64,
    /// Used bytes.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub used: u64,
    /// A backup's notes.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub notes: Option<String>,
    /// Whether it is protected from removal.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub protected: bool,
}

/// A download by the node itself. Needs Datastore.AllocateTemplate, and Sys.AccessNetwork on the
/// node (or Sys.Audit and Sys.Modify on `/`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadUrl {
    /// `http` or `https`.
    pub url: String,
    /// The file's name on the storage.
    pub filename: String,
    /// What it is: a template or a CD image.
    pub content: ContentType,
    /// The SHA-256 checksum in hexadecimal digits.
    pub sha256: Option<String>,
}

impl Client {
    /// A node's storages, as far as the credentials may see them.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn storages(&self, node: &NodeName, filter: &StorageFilter) -> Result<Vec<NodeStorage>, Error> {
        let params = Params::new()
            .opt("content", filter.content.as_ref())
            .opt("storage", filter.storage.as_ref())
            .flag("enabled", filter.enabled);
        self.get_list(path(&[&"nodes", node, &"storage"]), params).await
    }

    /// A storage's state on a node.
    ///
    /// # Errors
    /// [`crate::ErrorKind::StorageNotFound`], or any other [`Error`].
    pub async fn storage_status(&self, node: &NodeName, storage: &StorageId) -> Result<StorageUsage, Error> {
        self.get(path(&[&"nodes", node, &"storage", storage, &"status"]), Params::new()).await
    }

    /// What a storage holds: everything, one kind, or what belongs to one guest.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn storage_content(
        &self,
        node: &NodeName,
        storage: &StorageId,
        content: Option<&ContentType>,
        vmid: Option<Vmid>,
    ) -> Result<Vec<StoredVolume>, Error> {
        let params = Params::new().opt("content", content).opt("vmid", vmid);
        self.get_list(path(&[&"nodes", node, &"storage", storage, &"content"]), params).await
    }

    /// A volume's attributes.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn volume_attributes(&self, node: &NodeName, volid: &Volid) -> Result<VolumeAttributes, Error> {
        self.get(volume_path(node, volid), Params::new()).await
    }

    /// Sets a backup's notes or protection; `None` leaves as it is.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn set_volume_attributes(
        &self,
        node: &NodeName,
        volid: &Volid,
        notes: Option<&str>,
        protected: Option<bool>,
    ) -> Result<(), Error> {
        let params = Params::new().opt("notes", notes).opt("protected", protected);
        self.write_unit(Method::PUT, volume_path(node, volid), params).await
    }

    /// Removes a template, backup or disk. A volume that is gone already makes the task fail, not
    /// the call.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn delete_volume(&self, node: &NodeName, volid: &Volid) -> Result<Option<Upid>, Error> {
        self.maybe_task(Method::DELETE, volume_path(node, volid), Params::new()).await
    }

    /// Lets the node download a file to a storage.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn download_url(
        &self,
        node: &NodeName,
        storage: &StorageId,
        download: &DownloadUrl,
    ) -> Result<Upid, Error> {
        let params = Params::new()
            .with("url", &download.url)
            .with("filename", &download.filename)
            .with("content", &download.content)
            .opt("checksum", download.sha256.as_ref())
            .opt("checksum-algorithm", download.sha256.as_ref().map(|_| "sha256"));
        let path = path(&[&"nodes", node, &"storage", storage, &"download-url"]);
        self.task(Method::POST, path, params).await
    }
}

fn volume_path(node: &NodeName, volid: &Volid) -> String {
    path(&[&"nodes", node, &"storage", volid.storage(), &"content", volid])
}
