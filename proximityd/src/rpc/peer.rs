//! Who is at the other end of the socket: the kernel says it, once per connection.

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use proto_json::{Code, Problem, Role};
use tokio::net::unix::UCred;

use crate::config::Access;

/// A caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its user id.
    pub uid: u32,
    /// What it may do.
    pub role: Role,
    /// As it is written into operations and logs: `uid:1000`.
    pub name: String,
}

/// The group that the socket belongs to, looked up once.
#[derive(Debug, Clone, Default)]
pub struct Door {
    group: Option<(Gid, Role)>,
    own_uid: u32,
}

impl Door {
    /// Looks the configured group up.
    ///
    /// # Errors
    /// A sentence, when there is no such group.
    pub fn new(access: &Access, own_uid: u32) -> Result<Door, String> {
        let Some(name) = &access.group else { return Ok(Door { group: None, own_uid }) };
        match Group::from_name(name) {
            Ok(Some(group)) => Ok(Door { group: Some((group.gid, access.group_role)), own_uid }),
            Ok(None) => Err(format!(
                "`access.group` names `{name}`, and there is no such group; make it with groupadd"
            )),
            Err(error) => Err(format!("the group `{name}` cannot be looked up: {error}")),
        }
    }

    /// The group the socket is given to.
    pub fn group(&self) -> Option<u32> {
        self.group.map(|(gid, _)| gid.as_raw())
    }

    /// Lets a caller in, or says why not.
    ///
    /// # Errors
    /// [`Code::Refused`].
    pub fn admit(&self, credentials: &UCred) -> Result<Peer, Problem> {
        let (uid, gid) = (credentials.uid(), credentials.gid());
        let name = format!("uid:{uid}");
        if uid == 0 || uid == self.own_uid {
            return Ok(Peer { uid, role: Role::Admin, name });
        }
        if let Some((group, role)) = self.group
            && (Gid::from_raw(gid) == group || member(uid, gid, group))
        {
            return Ok(Peer { uid, role, name });
        }
        let who = User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or(name, |user| user.name);
        Err(Problem::new(Code::Refused, format!("{who} may not use this daemon")).hint(
            "add the user to the group named by `access.group` in proximityd.toml, or run the command as the daemon's \
             own user or as root",
        ))
    }
}

fn member(uid: u32, gid: u32, group: Gid) -> bool {
    let Ok(Some(user)) = User::from_uid(Uid::from_raw(uid)) else { return false };
    let Ok(name) = std::ffi::CString::new(user.name) else { return false };
    getgrouplist(&name, Gid::from_raw(gid)).is_ok_and(|groups| groups.contains(&group))
}
