//! Task identifiers.
//!
//! `UPID:node:pid:pstart:starttime:type:id:user:`, the three numbers in upper-case hexadecimal.
//! How a task fares is left to `task` and `poller`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::NodeName;
use crate::lenient::Lenient;

/// A task's identifier.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Upid {
    text: String,
    node: NodeName,
    pid: u32,
    pstart: u64,
    starttime: u64,
    kind: String,
    id: String,
    user: String,
}

/// A text that is no task identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a task identifier (UPID)")]
pub struct UpidError(pub String);

impl Upid {
    /// The node that runs the task.
    pub fn node(&self) -> &NodeName {
        &self.node
    }

    /// The worker's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// When it began, in seconds since 1970.
    pub fn starttime(&self) -> u64 {
        self.starttime
    }

    /// The kind of task, such as `vzcreate`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// What the task is about: mostly a guest's number, for downloads a file name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Who started it, with the token's name when it was a token.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The whole identifier.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Upid {
    type Err = UpidError;

    fn from_str(text: &str) -> Result<Self, UpidError> {
        parse(text).ok_or_else(|| UpidError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Upid> {
    let mut parts = text.strip_prefix("UPID:")?.split(':');
    let node = parts.next()?.parse().ok()?;
    let mut hex = || parts.next().filter(|p| !p.is_empty() && p.len() <= 16);
    let pid = u32::from_str_radix(hex()?, 16).ok()?;
    let pstart = u64::from_str_radix(hex()?, 16).ok()?;
    let starttime = u64::from_str_radix(hex()?, 16).ok()?;
    let kind = parts.next().filter(|k| !k.is_empty())?.to_owned();
    let id = parts.next()?.to_owned();
    let user = parts.next().filter(|u| !u.is_empty())?.to_owned();
    // The identifier ends with a colon and nothing after it.
    if parts.next() != Some("") || parts.next().is_some() || text.contains(char::is_whitespace) {
        return None;
    }
    Some(Upid { text: text.to_owned(), node, pid, pstart, starttime, kind, id, user })
}

impl fmt::Display for Upid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Upid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Lenient for Upid {
    fn from_text(text: &str) -> Option<Self> {
        parse(text)
    }
}

impl Serialize for Upid {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Upid {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        crate::lenient::opt(d)?.ok_or_else(|| serde::de::Error::custom("not a UPID"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_real_identifier_comes_apart() {
        let upid: Upid =
            "UPID:pve1:00003941:0004FE7C:6B036FAB:vzsnapshot:200:proximity@pve!proximity:".parse().unwrap();
        assert_eq!(upid.node().as_str(), "pve1");
        assert_eq!(upid.pid(), 0x3941);
        assert_eq!(upid.starttime(), 0x6B03_6FAB);
        assert_eq!((upid.kind(), upid.id(), upid.user()), ("vzsnapshot", "200", "proximity@pve!proximity"));
    }

    #[test]
    fn what_is_no_identifier_is_refused() {
        for text in ["", "OK", "UPID:pve1", "UPID:pve1:1:1:1:x:1:u", "UPID:pve1:1:1:1:x:1:u::"] {
            assert!(text.parse::<Upid>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn printing_and_parsing_agree(
            node in "[a-z][a-z0-9-]{0,10}", pid: u32, pstart: u32, start: u32,
            kind in "[a-z]{1,12}", id in "[a-z0-9._@-]{0,12}", user in "[a-z]{1,8}@pve(![a-z]{2,5})?",
        ) {
            let text = format!("UPID:{node}:{pid:08X}:{pstart:08X}:{start:08X}:{kind}:{id}:{user}:");
            let upid: Upid = text.parse().unwrap();
            prop_assert_eq!(upid.to_string(), text);
            prop_assert_eq!(upid.starttime(), u64::from(start));
        }
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,80}") {
            let _ = text.parse::<Upid>();
        }
    }
}
