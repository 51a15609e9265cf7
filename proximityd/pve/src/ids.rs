//! Identifiers of Proxmox VE's objects, as types of their own.
//!
//! Values that come from the server are taken as they are; values that a caller makes are checked.
//! Whether an identified thing exists is left to the calls.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::lenient::Lenient;
use crate::params::ParamValue;

/// A text that cannot be the identifier it was meant to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a valid {what}: {rule}")]
pub struct InvalidId {
    /// What it was meant to be.
    pub what: &'static str,
    /// The text.
    pub value: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

/// A guest's number, 100 to 999999999 (API schema, format `pve-vmid`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vmid(u32);

impl Vmid {
    /// The smallest and the largest number (API schema).
    pub const MIN: u32 = 100;
    /// See [`Vmid::MIN`].
    pub const MAX: u32 = 999_999_999;

    /// Checks the range.
    ///
    /// # Errors
    /// Outside [`Vmid::MIN`]`..=`[`Vmid::MAX`].
    pub fn new(number: u32) -> Result<Self, InvalidId> {
        if (Self::MIN..=Self::MAX).contains(&number) {
            return Ok(Self(number));
        }
        Err(InvalidId {
            what: "VM ID",
            value: number.to_string(),
            rule: "it must be between 100 and 999999999",
        })
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Vmid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Vmid {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        text.parse::<u32>().ok().and_then(|n| Self::new(n).ok()).ok_or_else(|| InvalidId {
            what: "VM ID",
            value: text.to_owned(),
            rule: "it must be a number between 100 and 999999999",
        })
    }
}

impl TryFrom<u32> for Vmid {
    type Error = InvalidId;

    fn try_from(number: u32) -> Result<Self, InvalidId> {
        Self::new(number)
    }
}

impl Lenient for Vmid {
    fn from_text(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }
}

impl ParamValue for Vmid {
    fn to_param(&self) -> String {
        self.to_string()
    }
}

impl Serialize for Vmid {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u32(self.0)
    }
}

impl<'de> Deserialize<'de> for Vmid {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        crate::lenient::opt(d)?.ok_or_else(|| serde::de::Error::custom("not a VM ID"))
    }
}

macro_rules! text_id {
    ($(#[$meta:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Checks the text.
            ///
            /// # Errors
            /// When the text cannot be such an identifier.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                let valid: fn(&str) -> bool = $check;
                if valid(&text) {
                    return Ok(Self(text));
                }
                Err(InvalidId { what: $what, value: text, rule: $rule })
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl Lenient for $name {
            fn from_text(text: &str) -> Option<Self> {
                (!text.is_empty()).then(|| Self(text.to_owned()))
            }
        }

        impl ParamValue for $name {
            fn to_param(&self) -> String {
                self.0.clone()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                crate::lenient::opt(d)?
                    .ok_or_else(|| serde::de::Error::custom(concat!("not a ", $what)))
            }
        }
    };
}

/// Letters, digits, `-`, `_` and `.`, beginning with a letter or digit.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

text_id!(
    /// A cluster node's name.
    NodeName, "node name", "it must be a host name without dots",
    |t| is_word(t) && !t.contains(['.', '_'])
);
text_id!(
    /// A storage's name, such as `local-lvm`.
    StorageId, "storage name", "it must be letters, digits, '-', '_' and '.'",
    is_word
);
text_id!(
    /// A resource pool's name; pools below others are written `outer/inner`.
    PoolId, "pool name", "it must be letters, digits, '-', '_' and '.'",
    |t| !t.is_empty() && t.split('/').all(is_word)
);
text_id!(
    /// A snapshot's name: a letter, then letters, digits, `-` and `_`, at most 40 characters
    /// (API schema, format `pve-configid`); `current` is reserved.
    SnapshotName, "snapshot name",
    "it must be a letter, then letters, digits, '-' and '_', at most 40 characters, not 'current'",
    |t| t.starts_with(|c: char| c.is_ascii_alphabetic())
        && (2..=40).contains(&t.len())
        && t.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        && t != "current"
);
text_id!(
    /// The hash of a configuration, sent back to refuse a write over somebody else's change.
    Digest, "digest", "it must be at most 64 characters long",
    |t| !t.is_empty() && t.len() <= 64
);

/// A volume's name, `storage:path`, such as `local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Volid {
    storage: StorageId,
    path: String,
}

impl Volid {
    /// Puts a name together.
    ///
    /// # Errors
    /// When the path is empty or holds a control character or a comma.
    pub fn new(storage: StorageId, path: impl Into<String>) -> Result<Self, InvalidId> {
        let path = path.into();
        if path.is_empty() || path.contains(|c: char| c.is_control() || c == ',') {
            return Err(InvalidId {
                what: "volume name",
                value: format!("{storage}:{path}"),
                rule: "it must be written storage:path",
            });
        }
        Ok(Self { storage, path })
    }

    /// The storage that holds the volume.
    pub fn storage(&self) -> &StorageId {
        &self.storage
    }

    /// What comes after the colon.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The last part of the path: a template's or a backup's file name.
    pub fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

impl fmt::Display for Volid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.storage, self.path)
    }
}

impl FromStr for Volid {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId {
            what: "volume name",
            value: text.to_owned(),
            rule: "it must be written storage:path",
        };
        let (storage, path) = text.split_once(':').ok_or_else(invalid)?;
        Self::new(storage.parse().map_err(|_| invalid())?, path)
    }
}

impl Lenient for Volid {
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl ParamValue for Volid {
    fn to_param(&self) -> String {
        self.to_string()
    }
}

impl Serialize for Volid {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Volid {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        crate::lenient::opt(d)?.ok_or_else(|| serde::de::Error::custom("not a volume name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vmids_stay_within_the_schema() {
        assert!(Vmid::new(99).is_err());
        assert_eq!(Vmid::new(100).unwrap().get(), 100);
        assert!(Vmid::new(1_000_000_000).is_err());
        assert_eq!(serde_json::from_str::<Vmid>("\"101\"").unwrap().get(), 101);
    }

    #[test]
    fn volume_names_are_a_storage_and_a_path() {
        let volid: Volid = "local:backup/vzdump-lxc-200.tar.zst".parse().unwrap();
        assert_eq!(volid.storage().as_str(), "local");
        assert_eq!(volid.file_name(), "vzdump-lxc-200.tar.zst");
        assert!("nocolon".parse::<Volid>().is_err());
        assert!("local:".parse::<Volid>().is_err());
        assert!("local:a,size=9".parse::<Volid>().is_err());
    }

    #[test]
    fn names_that_would_not_pass_are_refused_here() {
        assert!(SnapshotName::new("current").is_err());
        assert!(SnapshotName::new("1bad").is_err());
        assert!(SnapshotName::new("before-update").is_ok());
        assert!(NodeName::new("../x").is_err());
        assert!(PoolId::new("outer/inner").is_ok());
    }
}
