//! Users, API tokens, roles, access rules and pools, and the privileges that follow from them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::sections::{Section, Sections};

/// The privileges of one path: name, and whether they reach below it.
pub(crate) type Privileges = BTreeMap<String, bool>;

/// Everything `/etc/pve/user.cfg` holds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Access {
    /// Users by id (`name@realm`).
    pub users: BTreeMap<String, User>,
    /// Roles by name; the built-in ones included.
    pub roles: BTreeMap<String, Role>,
    /// Access rules.
    pub rules: Vec<Rule>,
    /// Pools by name.
    pub pools: BTreeMap<String, Pool>,
    /// Groups of users by name.
    pub groups: BTreeMap<String, Group>,
    /// Realms beside `pam` and `pve`, or other comments for these.
    pub domains: Sections,
}

/// A group of users.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Group {
    /// Free text.
    pub comment: Option<String>,
    /// Its users.
    pub users: BTreeSet<String>,
}

/// A user.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct User {
    /// May log in.
    pub enable: bool,
    /// Seconds since 1970; 0 is never.
    pub expire: i64,
    /// Free text.
    pub comment: Option<String>,
    /// The password, if there is one.
    pub password: Option<String>,
    /// Tokens by their short name.
    pub tokens: BTreeMap<String, Token>,
    /// Names and addresses, as given: `email`, `firstname`, `lastname`, `keys`.
    #[serde(flatten)]
    pub details: Section,
}

/// An API token.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Token {
    /// The secret.
    pub secret: String,
    /// Only what both the user and the token may.
    pub privsep: bool,
    /// Seconds since 1970; 0 is never.
    pub expire: i64,
    /// Free text.
    pub comment: Option<String>,
}

/// A role.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Role {
    /// Its privileges.
    pub privileges: BTreeSet<String>,
    /// Built in.
    pub special: bool,
}

/// An access rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rule {
    /// `/vms/100`.
    pub path: String,
    /// Reaches below the path.
    pub propagate: bool,
    /// `user` or `token`.
    pub kind: String,
    /// Whose it is.
    pub who: String,
    /// The role given.
    pub role: String,
}

/// A pool.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Pool {
    /// Free text.
    pub comment: Option<String>,
    /// Containers in it.
    pub vms: BTreeSet<u32>,
    /// Storages in it.
    pub storages: BTreeSet<String>,
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// `proximity@pve`.
    pub user: String,
    /// The token's short name.
    pub token: Option<String>,
}

impl Identity {
    /// `user@realm` or `user@realm!token`.
    pub(crate) fn id(&self) -> String {
        match &self.token {
            Some(token) => format!("{}!{token}", self.user),
            None => self.user.clone(),
        }
    }

    /// Exactly `root@pam`: a token of root is somebody else.
    pub(crate) fn is_root(&self) -> bool {
        self.user == "root@pam" && self.token.is_none()
    }
}

impl Access {
    /// What an identity may do on a path.
    pub(crate) fn privileges(&self, who: &Identity, path: &str) -> Privileges {
        if who.is_root() {
            return self.all();
        }
        let path = normalize(path);
        let Some(name) = &who.token else { return self.of(&who.user, &path) };
        let owner = Identity { user: who.user.clone(), token: None };
        let theirs = self.privileges(&owner, &path);
        let token = self.users.get(&who.user).and_then(|u| u.tokens.get(name));
        if token.is_some_and(|t| !t.privsep) {
            return theirs;
        }
        let mut own = self.of(&who.id(), &path);
        own.retain(|privilege, _| theirs.contains_key(privilege));
        for (privilege, propagate) in &mut own {
            *propagate = *propagate && theirs[privilege];
        }
        own
    }

    fn all(&self) -> Privileges {
        let roles = self.roles.get("Administrator");
        roles.map(|r| r.privileges.iter().map(|p| (p.clone(), true)).collect()).unwrap_or_default()
    }

    fn of(&self, id: &str, path: &str) -> Privileges {
        let mut roles = self.roles_on(id, path);
        for pool in self.pools.iter().filter(|(_, p)| p.holds(path)).map(|(name, _)| name) {
            for role in self.roles_on(id, &format!("/pool/{pool}")).into_keys() {
                roles.entry(role).or_insert(false);
            }
        }
        if roles.contains_key("NoAccess") {
            return Privileges::new();
        }
        let mut found = Privileges::new();
        for (role, propagate) in roles {
            for privilege in self.roles.get(&role).map(|r| &r.privileges).into_iter().flatten() {
                *found.entry(privilege.clone()).or_default() |= propagate;
            }
        }
        found
    }

    /// The roles of the deepest level of a path that names the identity.
    fn roles_on(&self, id: &str, path: &str) -> BTreeMap<String, bool> {
        let mut roles = BTreeMap::new();
        for level in levels(path) {
            let last = level == path;
            let here: BTreeMap<_, _> = self
                .rules
                .iter()
                .filter(|r| r.who == id && r.path == level && (r.propagate || last))
                .map(|r| (r.role.clone(), r.propagate))
                .collect();
            if !here.is_empty() {
                roles = here;
            }
        }
        roles
    }
}

impl Pool {
    fn holds(&self, path: &str) -> bool {
        if let Some(id) = path.strip_prefix("/vms/") {
            return id.parse().is_ok_and(|id| self.vms.contains(&id));
        }
        path.strip_prefix("/storage/").is_some_and(|s| self.storages.contains(s))
    }
}

/// A path without double or trailing slashes.
pub(crate) fn normalize(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    format!("/{}", parts.join("/"))
}

/// `/`, `/a`, `/a/b`.
fn levels(path: &str) -> Vec<String> {
    let mut found = vec!["/".to_owned()];
    let mut current = String::new();
    for part in path.split('/').filter(|p| !p.is_empty()) {
        current = format!("{current}/{part}");
        found.push(current.clone());
    }
    found
}

/// The privileges Proxmox VE 9 knows.
pub(crate) const PRIVILEGES: &[&str] = &[
    "Datastore.Allocate",
    "Datastore.AllocateSpace",
    "Datastore.AllocateTemplate",
    "Datastore.Audit",
    "Group.Allocate",
    "Mapping.Audit",
    "Mapping.Modify",
    "Mapping.Use",
    "Permissions.Modify",
    "Pool.Allocate",
    "Pool.Audit",
    "Realm.Allocate",
    "Realm.AllocateUser",
    "SDN.Allocate",
    "SDN.Audit",
    "SDN.Use",
    "Sys.AccessNetwork",
    "Sys.Audit",
    "Sys.Console",
    "Sys.Incoming",
    "Sys.Modify",
    "Sys.PowerMgmt",
    "Sys.Syslog",
    "User.Modify",
    "VM.Allocate",
    "VM.Audit",
    "VM.Backup",
    "VM.Clone",
    "VM.Config.CDROM",
    "VM.Config.CPU",
    "VM.Config.Cloudinit",
    "VM.Config.Disk",
    "VM.Config.HWType",
    "VM.Config.Memory",
    "VM.Config.Network",
    "VM.Config.Options",
    "VM.Console",
    "VM.GuestAgent.Audit",
    "VM.GuestAgent.FileRead",
    "VM.GuestAgent.FileSystemMgmt",
    "VM.GuestAgent.FileWrite",
    "VM.GuestAgent.Unrestricted",
    "VM.Migrate",
    "VM.PowerMgmt",
    "VM.Replicate",
    "VM.Snapshot",
    "VM.Snapshot.Rollback",
];

/// The built-in roles.
pub(crate) fn built_in_roles() -> BTreeMap<String, Role> {
    let role = |pick: &dyn Fn(&str) -> bool| Role {
        privileges: PRIVILEGES.iter().filter(|p| pick(p)).map(|p| (*p).to_owned()).collect(),
        special: true,
    };
    let vm_user = [
        "VM.Audit",
        "VM.Backup",
        "VM.Config.CDROM",
        "VM.Config.Cloudinit",
        "VM.Console",
        "VM.GuestAgent.Audit",
        "VM.GuestAgent.FileRead",
        "VM.GuestAgent.FileSystemMgmt",
        "VM.GuestAgent.FileWrite",
        "VM.PowerMgmt",
    ];
    let admin_only = [
        "Mapping.Modify",
        "Permissions.Modify",
        "Realm.Allocate",
        "Sys.AccessNetwork",
        "Sys.Incoming",
        "Sys.Modify",
        "Sys.PowerMgmt",
    ];
    BTreeMap::from([
        ("Administrator".to_owned(), role(&|_| true)),
        ("NoAccess".to_owned(), role(&|_| false)),
        ("PVEAdmin".to_owned(), role(&|p| !admin_only.contains(&p))),
        ("PVEAuditor".to_owned(), role(&|p| p.ends_with(".Audit"))),
        ("PVEDatastoreAdmin".to_owned(), role(&|p| p.starts_with("Datastore."))),
        (
            "PVEDatastoreUser".to_owned(),
            role(&|p| matches!(p, "Datastore.AllocateSpace" | "Datastore.Audit")),
        ),
        ("PVEMappingAdmin".to_owned(), role(&|p| p.starts_with("Mapping."))),
        ("PVEMappingUser".to_owned(), role(&|p| matches!(p, "Mapping.Audit" | "Mapping.Use"))),
        ("PVEPoolAdmin".to_owned(), role(&|p| p.starts_with("Pool."))),
        ("PVEPoolUser".to_owned(), role(&|p| p == "Pool.Audit")),
        ("PVESDNAdmin".to_owned(), role(&|p| p.starts_with("SDN."))),
        ("PVESDNUser".to_owned(), role(&|p| matches!(p, "SDN.Audit" | "SDN.Use"))),
        ("PVESysAdmin".to_owned(), role(&|p| p.starts_with("Sys.") && !admin_only.contains(&p))),
        ("PVETemplateUser".to_owned(), role(&|p| matches!(p, "VM.Audit" | "VM.Clone"))),
        (
            "PVEUserAdmin".to_owned(),
            role(&|p| matches!(p, "Group.Allocate" | "Realm.AllocateUser" | "User.Modify")),
        ),
        ("PVEVMAdmin".to_owned(), role(&|p| p.starts_with("VM."))),
        ("PVEVMUser".to_owned(), role(&|p| vm_user.contains(&p))),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(path: &str, kind: &str, who: &str, role: &str) -> Rule {
        Rule { path: path.into(), propagate: true, kind: kind.into(), who: who.into(), role: role.into() }
    }

    fn access() -> Access {
        let user = User {
            enable: true,
            tokens: BTreeMap::from([
                ("sep".to_owned(), Token { privsep: true, ..Token::default() }),
                ("all".to_owned(), Token::default()),
            ]),
            ..User::default()
        };
        Access {
            users: BTreeMap::from([("u@pve".to_owned(), user)]),
            roles: built_in_roles(),
            rules: vec![rule("/pool/p", "user", "u@pve", "PVEVMAdmin")],
            pools: BTreeMap::from([("p".to_owned(), Pool { vms: BTreeSet::from([100]), ..Pool::default() })]),
            ..Access::default()
        }
    }

    fn identity(token: Option<&str>) -> Identity {
        Identity { user: "u@pve".into(), token: token.map(Into::into) }
    }

    #[test]
    fn a_pools_role_reaches_its_members_and_nobody_else() {
        let access = access();
        assert!(access.privileges(&identity(None), "/vms/100").contains_key("VM.Audit"));
        assert!(access.privileges(&identity(None), "/vms/101").is_empty());
    }

    #[test]
    fn a_separated_token_needs_its_own_rule_and_never_gets_more_than_its_user() {
        let mut access = access();
        assert!(access.privileges(&identity(Some("sep")), "/vms/100").is_empty());
        assert!(!access.privileges(&identity(Some("all")), "/vms/100").is_empty());
        access.rules.push(rule("/", "token", "u@pve!sep", "Administrator"));
        assert!(access.privileges(&identity(Some("sep")), "/vms/100").contains_key("VM.Audit"));
        assert!(!access.privileges(&identity(Some("sep")), "/vms/100").contains_key("Sys.Modify"));
        assert!(access.privileges(&identity(Some("sep")), "/vms/101").is_empty());
    }

    #[test]
    fn a_deeper_rule_replaces_the_one_above() {
        let mut access = access();
        access.rules.push(rule("/", "user", "u@pve", "PVEAuditor"));
        access.rules.push(rule("/nodes", "user", "u@pve", "NoAccess"));
        assert!(access.privileges(&identity(None), "/storage/local").contains_key("Datastore.Audit"));
        assert!(access.privileges(&identity(None), "/nodes/pve1").is_empty());
    }
}
