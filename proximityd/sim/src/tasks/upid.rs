//! A task's name: `UPID:node:pid:pstart:starttime:type:id:user:`, numbers in hexadecimal.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The parts of a task's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Upid {
    /// The node it runs on.
    pub node: String,
    /// The worker's process id.
    pub pid: u32,
    /// The worker's start, in hundredths of a second since boot.
    pub pstart: u32,
    /// When it started, seconds since 1970.
    pub starttime: i64,
    /// `vzcreate`, …
    pub kind: String,
    /// A container's id, a file name, or nothing.
    pub id: String,
    /// Who asked: a user or a token.
    pub user: String,
}

impl fmt::Display for Upid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "UPID:{}:{:08X}:{:08X}:{:08X}:{}:{}:{}:",
            self.node, self.pid, self.pstart, self.starttime, self.kind, self.id, self.user
        )
    }
}

impl Upid {
    /// Reads a name; none if it is not one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.strip_prefix("UPID:")?.strip_suffix(':')?.split(':').collect();
        let [node, pid, pstart, starttime, kind, id @ .., user] = parts.as_slice() else { return None };
        Some(Self {
            node: (*node).to_owned(),
            pid: u32::from_str_radix(pid, 16).ok()?,
            pstart: u32::from_str_radix(pstart, 16).ok()?,
            starttime: i64::from_str_radix(starttime, 16).ok()?,
            kind: (*kind).to_owned(),
            id: id.join(":"),
            user: (*user).to_owned(),
        })
    }

    /// The user without the token, and the token's short name.
    pub(crate) fn user_and_token(&self) -> (&str, Option<&str>) {
        match self.user.split_once('!') {
            Some((user, token)) => (user, Some(token)),
            None => (&self.user, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_name_is_read_and_printed_unchanged() {
        let text = "UPID:pve1:00003520:0004C814:6B036F20:vzcreate:200:proximity@pve!proximity:";
        let upid = Upid::parse(text).unwrap();
        assert_eq!((upid.pid, upid.pstart, upid.starttime), (13600, 313_364, 1_795_387_168));
        assert_eq!(upid.user_and_token(), ("proximity@pve", Some("proximity")));
        assert_eq!(upid.to_string(), text);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        assert_eq!(Upid::parse("garbage"), None);
        assert_eq!(Upid::parse("UPID:pve1:x:y:z:a:b:c:"), None);
    }
}
