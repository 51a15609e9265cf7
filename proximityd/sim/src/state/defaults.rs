//! What a fresh node looks like: one pool, two storages, a user whose token can touch nothing but that pool.

use std::collections::{BTreeMap, BTreeSet};

use super::State;
use super::access::{Access, Pool, Role, Rule, Token, User, built_in_roles};
use super::storage::Storage;

/// The pool the token works in.
pub(crate) const POOL: &str = "proximity";
/// The user of that token.
pub(crate) const USER: &str = "proximity@pve";
/// The token's short name.
pub(crate) const TOKEN: &str = "proximity";
/// The bridge containers are put on.
pub(crate) const BRIDGE: &str = "vmbr0";
const GIB: u64 = 1 << 30;

/// The role's parts, each with the path it is given on (the least that the whole life of an app needs).
pub(crate) const LEAST: &[(&str, &str, &[&str])] = &[
    (
        "ProximityPool",
        "/pool/proximity",
        &[
            "VM.Allocate",
            "VM.Audit",
            "VM.Clone",
            "VM.Backup",
            "VM.Console",
            "VM.PowerMgmt",
            "VM.Snapshot",
            "VM.Snapshot.Rollback",
            "VM.Migrate",
            "VM.Config.CPU",
            "VM.Config.Disk",
            "VM.Config.Memory",
            "VM.Config.Network",
            "VM.Config.Options",
            "Pool.Audit",
            "Pool.Allocate",
        ],
    ),
    (
        "ProximityStorage",
        "/storage/local",
        &["Datastore.Audit", "Datastore.AllocateSpace", "Datastore.AllocateTemplate"],
    ),
    (
        "ProximityStorage",
        "/storage/local-lvm",
        &["Datastore.Audit", "Datastore.AllocateSpace", "Datastore.AllocateTemplate"],
    ),
    ("ProximityBridge", "/sdn/zones/localnetwork/vmbr0", &["SDN.Use"]),
    ("ProximityNodes", "/nodes", &["Sys.Audit"]),
];

/// The secrets of a fresh node.
#[derive(Debug, Clone)]
pub(crate) struct Secrets {
    /// The token's secret.
    pub token: String,
    /// `root@pam`'s password.
    pub root: String,
}

/// A fresh cluster.
pub(crate) fn fresh(nodes: &[String], secrets: &Secrets, now: i64) -> State {
    State {
        nodes: nodes.to_vec(),
        storages: storages(),
        access: access(secrets),
        installed: now,
        ..State::default()
    }
}

fn storages() -> BTreeMap<String, Storage> {
    let list = |text: &str| text.split(',').map(str::to_owned).collect();
    BTreeMap::from([
        (
            "local".to_owned(),
            Storage {
                kind: "dir".into(),
                content: list("vztmpl,iso,backup,snippets,import"),
                path: Some("/var/lib/vz".into()),
                total: 100 * GIB,
                base_used: 6 * GIB,
                ..Storage::default()
            },
        ),
        (
            "local-lvm".to_owned(),
            Storage {
                kind: "lvmthin".into(),
                content: list("rootdir,images"),
                vgname: Some("pve".into()),
                thinpool: Some("data".into()),
                total: 500 * GIB,
                ..Storage::default()
            },
        ),
    ])
}

fn access(secrets: &Secrets) -> Access {
    let mut roles = built_in_roles();
    let mut rules = Vec::new();
    for (name, path, privileges) in LEAST {
        let privileges = privileges.iter().map(|p| (*p).to_owned()).collect();
        roles.insert((*name).to_owned(), Role { privileges, special: false });
        for (kind, who) in [("user", USER.to_owned()), ("token", format!("{USER}!{TOKEN}"))] {
            rules.push(Rule {
                path: (*path).into(),
                propagate: true,
                kind: kind.into(),
                who,
                role: (*name).into(),
            });
        }
    }
    let token = Token { secret: secrets.token.clone(), privsep: true, ..Token::default() };
    let user = User { enable: true, tokens: BTreeMap::from([(TOKEN.to_owned(), token)]), ..User::default() };
    let root = User { enable: true, password: Some(secrets.root.clone()), ..User::default() };
    Access {
        users: BTreeMap::from([(USER.to_owned(), user), ("root@pam".to_owned(), root)]),
        roles,
        rules,
        pools: BTreeMap::from([(
            POOL.to_owned(),
            Pool { comment: None, vms: BTreeSet::new(), storages: BTreeSet::new() },
        )]),
        ..Access::default()
    }
}
