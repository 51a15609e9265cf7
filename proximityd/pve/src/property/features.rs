//! `features`: what a container may do beyond the plain.
//!
//! With an API token only `nesting` can be set; the rest needs root@pam with a password.

use std::fmt;
use std::str::FromStr;

use super::{Pairs, Property, PropertyError};

/// The `features` of a container. `None` leaves a flag unset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Features {
    /// Containers inside the container, and systemd 232 or newer.
    pub nesting: Option<bool>,
    /// The `keyctl` system call.
    pub keyctl: Option<bool>,
    /// FUSE file systems.
    pub fuse: Option<bool>,
    /// `mknod` of some devices.
    pub mknod: Option<bool>,
    /// `/sys` writable in unprivileged containers.
    pub force_rw_sys: Option<bool>,
    /// File systems that may be mounted.
    pub mount: Vec<String>,
    /// Keys this crate does not know.
    pub rest: Vec<(String, String)>,
}

impl Features {
    /// Only nesting.
    pub fn nesting() -> Self {
        Self { nesting: Some(true), ..Self::default() }
    }
}

impl Property for Features {
    fn pairs(&self) -> Pairs {
        let mut pairs = Pairs::default();
        pairs.push_flag("nesting", self.nesting);
        pairs.push_flag("keyctl", self.keyctl);
        pairs.push_flag("fuse", self.fuse);
        pairs.push_flag("mknod", self.mknod);
        pairs.push_flag("force_rw_sys", self.force_rw_sys);
        if !self.mount.is_empty() {
            pairs.push("mount", self.mount.join(";"));
        }
        pairs.extend(&self.rest);
        pairs
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pairs().fmt(f)
    }
}

impl FromStr for Features {
    type Err = PropertyError;

    fn from_str(text: &str) -> Result<Self, PropertyError> {
        let mut pairs = Pairs::parse("feature list", text, None)?;
        let list = |t: String| t.split(';').filter(|m| !m.is_empty()).map(str::to_owned).collect();
        Ok(Self {
            nesting: pairs.take_as("nesting"),
            keyctl: pairs.take_as("keyctl"),
            fuse: pairs.take_as("fuse"),
            mknod: pairs.take_as("mknod"),
            force_rw_sys: pairs.take_as("force_rw_sys"),
            mount: pairs.take("mount").map(list).unwrap_or_default(),
            rest: pairs.rest(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::option::of;
    use proptest::prelude::*;

    #[test]
    fn features_are_read_and_unknown_ones_kept() {
        let features: Features = "nesting=1,mount=nfs;cifs,new=7".parse().unwrap();
        assert_eq!(features.nesting, Some(true));
        assert_eq!(features.mount, ["nfs", "cifs"]);
        assert_eq!(features.to_string(), "nesting=1,mount=nfs;cifs,new=7");
    }

    proptest! {
        #[test]
        fn printing_and_parsing_agree(
            nesting in of(any::<bool>()), keyctl in of(any::<bool>()), fuse in of(any::<bool>()),
            mknod in of(any::<bool>()), force_rw_sys in of(any::<bool>()),
            mount in proptest::collection::vec("[a-z0-9]{1,6}", 0..3),
            value in "[a-z0-9:/.]{0,8}",
        ) {
            let rest = vec![("new-key".to_owned(), value)];
            let features = Features { nesting, keyctl, fuse, mknod, force_rw_sys, mount, rest };
            prop_assert_eq!(features.to_string().parse::<Features>().unwrap(), features);
        }
    }
}
