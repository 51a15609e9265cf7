//! Where templates come from: Proxmox's appliance index, and OCI registries.
//!
//! Which template to use is left to the caller.

use reqwest::Method;
use serde::Deserialize;

use crate::client::Client;
use crate::error::Error;
use crate::ids::{NodeName, StorageId};
use crate::params::{Params, path};
use crate::upid::Upid;

/// A template of the appliance index.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Appliance {
    /// The file's name, by which it is downloaded.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub template: String,
    /// Its name without version, such as `debian-13-standard`.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub package: String,
    /// Its version.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub version: String,
    /// Such as `debian-13`.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub os: String,
    /// Such as `system`.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub section: String,
    /// Such as `amd64`.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub architecture: String,
    /// One line about it.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub headline: String,
    /// The SHA-512 checksum.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub sha512sum: Option<String>,
}

impl Client {
    /// The templates that the node's appliance index offers.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn appliances(&self, node: &NodeName) -> Result<Vec<Appliance>, Error> {
        self.get_list(path(&[&"nodes", node, &"aplinfo"]), Params::new()).await
    }

    /// Downloads a template of the appliance index. Needs Datastore.AllocateTemplate.
    ///
    /// # Errors
    /// [`crate::ErrorKind::ReferenceNotFound`] for a template that the index does not have, or any other
    /// [`Error`].
    pub async fn download_appliance(
        &self,
        node: &NodeName,
        storage: &StorageId,
        template: &str,
    ) -> Result<Upid, Error> {
        let params = Params::new().with("storage", storage).with("template", template);
        self.task(Method::POST, path(&[&"nodes", node, &"aplinfo"]), params).await
    }

    /// The tags of an OCI repository (without tag: `docker.io/library/alpine`). Needs
    /// Sys.AccessNetwork on the node; 9.1 and later.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn oci_tags(&self, node: &NodeName, repository: &str) -> Result<Vec<String>, Error> {
        let params = Params::new().with("reference", repository);
        self.get_list(path(&[&"nodes", node, &"query-oci-repo-tags"]), params).await
    }

    /// Pulls an OCI image (with tag, never a digest) as a template. Without `filename` the name is
    /// the repository's last part and the tag, so that two registries can collide; `.tar` is
    /// appended. An existing file is never overwritten. 9.1 and later.
    ///
    /// # Errors
    /// [`crate::ErrorKind::AlreadyExists`] when the file is there, or any other [`Error`].
    pub async fn oci_pull(
        &self,
        node: &NodeName,
        storage: &StorageId,
        reference: &str,
        filename: Option<&str>,
    ) -> Result<Upid, Error> {
        let params = Params::new().with("reference", reference).opt("filename", filename);
        let path = path(&[&"nodes", node, &"storage", storage, &"oci-registry-pull"]);
        self.task(Method::POST, path, params).await
    }
}
