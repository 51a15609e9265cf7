//! What the credentials may do.
//!
//! `/nodes` answers anybody, so it proves nothing; this does. Which privileges an operation needs
//! is left to the caller.

use std::collections::BTreeMap;

use crate::client::Client;
use crate::error::Error;
use crate::params::{Params, path};

/// Object path to privilege to whether it is propagated to objects below.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions(BTreeMap<String, BTreeMap<String, bool>>);

impl Permissions {
    /// Whether a privilege is held on exactly this object, or propagates to it from one above.
    pub fn allows(&self, object: &str, privilege: &str) -> bool {
        let held = |at: &str, exact: bool| {
            self.0.get(at).and_then(|privs| privs.get(privilege)).is_some_and(|p| exact || *p)
        };
        if self.0.contains_key(object) {
            // An object's own entry takes the place of those above it.
            return held(object, true);
        }
        let mut above = object;
        while let Some(cut) = above.rfind('/') {
            above = if cut == 0 { "/" } else { &above[..cut] };
            if self.0.contains_key(above) {
                return held(above, false);
            }
            if cut == 0 {
                break;
            }
        }
        false
    }

    /// True without any privilege at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The objects with their privileges.
    pub fn iter(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = &str>)> {
        self.0.iter().map(|(path, privs)| (path.as_str(), privs.keys().map(String::as_str)))
    }
}

impl Client {
    /// The effective permissions, of all objects or (with `object`) of one.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn permissions(&self, object: Option<&str>) -> Result<Permissions, Error> {
        let params = Params::new().opt("path", object);
        let raw: BTreeMap<String, serde_json::Value> =
            self.get(path(&[&"access", &"permissions"]), params).await?;
        let read = |privs: serde_json::Value| {
            let serde_json::Value::Object(privs) = privs else { return BTreeMap::new() };
            privs
                .into_iter()
                .map(|(name, flag)| (name, flag != 0 && flag != "0" && !flag.is_null()))
                .collect()
        };
        Ok(Permissions(raw.into_iter().map(|(path, privs)| (path, read(privs))).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permissions(entries: &[(&str, &str, bool)]) -> Permissions {
        let mut map: BTreeMap<String, BTreeMap<String, bool>> = BTreeMap::new();
        for (path, privilege, propagate) in entries {
            map.entry((*path).into()).or_default().insert((*privilege).into(), *propagate);
        }
        Permissions(map)
    }

    #[test]
    fn privileges_come_down_from_above_unless_an_object_has_its_own() {
        let p = permissions(&[
            ("/", "Sys.Audit", true),
            ("/nodes", "Sys.Modify", false),
            ("/vms/100", "VM.Audit", false),
        ]);
        assert!(p.allows("/vms/200", "Sys.Audit"));
        assert!(p.allows("/vms/100", "VM.Audit"));
        assert!(!p.allows("/vms/100", "Sys.Audit"));
        assert!(p.allows("/nodes", "Sys.Modify"));
        assert!(!p.allows("/nodes/pve1", "Sys.Modify"));
        assert!(!permissions(&[]).allows("/", "Sys.Audit"));
    }
}
