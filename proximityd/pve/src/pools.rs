//! Resource pools: the fence around what a limited token may touch.
//!
//! Only the query form is used; the path form is deprecated and knows no pools within pools.

use reqwest::Method;
use serde::Deserialize;

use crate::client::Client;
use crate::error::Error;
use crate::ids::{NodeName, PoolId, StorageId, Vmid};
use crate::params::{Params, path};

/// A pool. The list of pools comes without members.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Pool {
    /// Its name.
    pub poolid: PoolId,
    /// What a person wrote about it.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub comment: Option<String>,
    /// Its guests and storages, as far as the credentials may see them.
    #[serde(default, deserialize_with = "crate::lenient::list")]
    pub members: Vec<PoolMember>,
}

/// A guest or storage in a pool.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PoolMember {
    /// Such as `lxc/200`.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub id: String,
    /// `lxc`, `qemu` or `storage`.
    #[serde(rename = "type", default, deserialize_with = "crate::lenient::or_default")]
    pub kind: String,
    /// The guest's number.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub vmid: Option<Vmid>,
    /// The storage's name.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub storage: Option<StorageId>,
    /// The node.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub node: Option<NodeName>,
    /// The guest's name.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub name: Option<String>,
    /// The guest's state.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub status: Option<String>,
}

/// A change to a pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolUpdate {
    /// Guests to add, or with `remove` to take out. A number without a guest is accepted.
    pub vms: Vec<Vmid>,
    /// Storages to add, or with `remove` to take out.
    pub storage: Vec<StorageId>,
    /// Take out instead of adding.
    pub remove: bool,
    /// Also guests that are in another pool.
    pub allow_move: bool,
    /// The new comment.
    pub comment: Option<String>,
}

impl Client {
    /// The pools that the credentials may see, without their members.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn pools(&self) -> Result<Vec<Pool>, Error> {
        self.get_list(path(&[&"pools"]), Params::new()).await
    }

    /// One pool with its members; `None` when there is none of this name. Needs Pool.Audit.
    ///
    /// # Errors
    /// Any [`Error`] but the one that says that it does not exist.
    pub async fn pool(&self, pool: &PoolId) -> Result<Option<Pool>, Error> {
        let params = Params::new().with("poolid", pool);
        match self.get_list::<Pool>(path(&[&"pools"]), params).await {
            Ok(pools) => Ok(pools.into_iter().find(|p| p.poolid == *pool)),
            Err(error) if error.kind() == Some(&crate::ErrorKind::PoolNotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a pool. Needs Pool.Allocate.
    ///
    /// # Errors
    /// [`crate::ErrorKind::AlreadyExists`], or any other [`Error`].
    pub async fn create_pool(&self, pool: &PoolId, comment: Option<&str>) -> Result<(), Error> {
        let params = Params::new().with("poolid", pool).opt("comment", comment);
        self.write_unit(Method::POST, path(&[&"pools"]), params).await
    }

    /// Changes a pool. Needs Pool.Allocate, and VM.Allocate on guests to add.
    ///
    /// # Errors
    /// [`crate::ErrorKind::PoolNotFound`], or any other [`Error`].
    pub async fn update_pool(&self, pool: &PoolId, update: &PoolUpdate) -> Result<(), Error> {
        let params = Params::new()
            .with("poolid", pool)
            .joined("vms", &update.vms)
            .joined("storage", &update.storage)
            .flag("delete", update.remove)
            .flag("allow-move", update.allow_move)
            .opt("comment", update.comment.as_ref());
        self.write_unit(Method::PUT, path(&[&"pools"]), params).await
    }

    /// Removes an empty pool.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn delete_pool(&self, pool: &PoolId) -> Result<(), Error> {
        let params = Params::new().with("poolid", pool);
        self.write_unit(Method::DELETE, path(&[&"pools"]), params).await
    }
}
