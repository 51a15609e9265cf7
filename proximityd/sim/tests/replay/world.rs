//! The state a request needs: what stood on the recorded server at first, and what rules add to it.
//!
//! It is the node's own state (`GET` and `PUT /sim/state/whole`), changed before the node sees the request.
//! Nothing in it is a reply.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::exchange::plain;

/// The user and token most recordings were made with, and their role.
pub(crate) const USER: &str = "proximity@pve";
pub(crate) const TOKEN: &str = "proximity";
pub(crate) const ROLE: &str = "Proximity";
/// What that role may.
pub(crate) const PRIVILEGES: &[&str] = &[
    "Datastore.AllocateSpace",
    "Datastore.AllocateTemplate",
    "Datastore.Audit",
    "Pool.Allocate",
    "Pool.Audit",
    "SDN.Audit",
    "SDN.Use",
    "Sys.Audit",
    "VM.Allocate",
    "VM.Audit",
    "VM.Backup",
    "VM.Clone",
    "VM.Config.CPU",
    "VM.Config.Disk",
    "VM.Config.Memory",
    "VM.Config.Network",
    "VM.Config.Options",
    "VM.Console",
    "VM.Migrate",
    "VM.PowerMgmt",
    "VM.Snapshot",
    "VM.Snapshot.Rollback",
];
/// Every token's secret, and every user's password.
pub(crate) const SECRET: &str = "00000000-1111-2222-3333-444444444444";
pub(crate) const NODE: &str = "pve1";
const GIB: u64 = 1 << 30;

/// A task to be found on the node.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) upid: String,
    pub(crate) log: Vec<String>,
    /// How and when it ended; none while it runs.
    pub(crate) end: Option<(String, i64)>,
}

/// The world of one request.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) state: Value,
    pub(crate) tasks: Vec<Task>,
    /// The release the node plays.
    pub(crate) release: Option<String>,
    /// The request's digest is the current one.
    pub(crate) fresh_digest: bool,
}

impl World {
    /// The recorded server's start: one node, two storages, a user with a token and a role, no guest.
    pub(crate) fn new(whole: Value) -> Self {
        let mut state = whole;
        state["nodes"] = json!([NODE]);
        state["guests"] = json!({});
        state["volumes"] = json!({});
        state["storages"] = json!({
            "local": dir("/var/lib/vz", "snippets,backup,rootdir,iso,vztmpl,import,images"),
            "pvebtrfs": { "type": "btrfs", "path": "/mnt/pvebtrfs", "content": ["images", "rootdir"], "total": 8 * GIB },
        });
        state["storages"]["local"]["prune_backups"] = json!("keep-all=1");
        state["access"]["pools"] = json!({});
        state["access"]["rules"] = json!([]);
        if let Some(roles) = state["access"]["roles"].as_object_mut() {
            roles.retain(|_, role| role["special"] == true);
        }
        let root = json!({ "enable": true, "password": SECRET, "tokens": {} });
        state["access"]["users"] = json!({ "root@pam": root });
        let mut world = Self { state, tasks: Vec::new(), release: None, fresh_digest: false };
        world.token(USER, TOKEN);
        world.role(ROLE, PRIVILEGES.iter().map(|p| (*p).to_owned()));
        world.rule("/", USER, ROLE, true);
        world
    }

    /// An object of the state, made if it is not there.
    pub(crate) fn map(&mut self, path: &[&str]) -> &mut Map<String, Value> {
        let mut at = &mut self.state;
        for key in path {
            at = &mut at[*key];
            if at.is_null() {
                *at = json!({});
            }
        }
        at.as_object_mut().expect("the state holds an object here")
    }

    /// A user, with `SECRET` as the password.
    pub(crate) fn user(&mut self, id: &str) {
        self.map(&["access", "users"])
            .entry(id)
            .or_insert_with(|| json!({ "enable": true, "password": SECRET, "tokens": {} }));
    }

    /// A token without privilege separation.
    pub(crate) fn token(&mut self, user: &str, name: &str) {
        self.user(user);
        self.map(&["access", "users", user, "tokens"])
            .entry(name)
            .or_insert_with(|| json!({ "secret": SECRET, "privsep": false, "expire": 0 }));
    }

    /// A role.
    pub(crate) fn role(&mut self, id: &str, privileges: impl IntoIterator<Item = String>) {
        let privileges: Vec<String> = privileges.into_iter().collect();
        self.map(&["access", "roles"])
            .insert(id.to_owned(), json!({ "privileges": privileges, "special": false }));
    }

    /// All privileges there are.
    pub(crate) fn all_privileges(&self) -> BTreeSet<String> {
        let listed = self.state["access"]["roles"]["Administrator"]["privileges"].as_array();
        listed.into_iter().flatten().map(plain).collect()
    }

    /// An access rule.
    pub(crate) fn rule(&mut self, path: &str, who: &str, role: &str, propagate: bool) {
        let kind = if who.contains('!') { "token" } else { "user" };
        let rule = json!({ "path": path, "propagate": propagate, "kind": kind, "who": who, "role": role });
        let rules = self.state["access"]["rules"].as_array_mut().expect("the rules are a list");
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }

    /// Takes all rules of somebody away.
    pub(crate) fn forget_rules(&mut self, user: &str) {
        if let Some(rules) = self.state["access"]["rules"].as_array_mut() {
            let token = format!("{user}!");
            rules.retain(|r| r["who"] != user && !plain(&r["who"]).starts_with(&token));
        }
    }

    /// A pool.
    pub(crate) fn pool(&mut self, id: &str) {
        self.map(&["access", "pools"]).entry(id).or_insert_with(|| json!({ "vms": [], "storages": [] }));
    }

    /// A pool's member.
    pub(crate) fn member(&mut self, pool: &str, vmid: u32) {
        self.pool(pool);
        let vms = &mut self.state["access"]["pools"][pool]["vms"];
        let list = vms.as_array_mut().expect("a pool's guests are a list");
        if !list.contains(&json!(vmid)) {
            list.push(json!(vmid));
        }
    }

    /// A storage; one that is not known yet is a directory that takes everything.
    pub(crate) fn storage(&mut self, id: &str) {
        let path = format!("/mnt/{id}");
        self.map(&["storages"])
            .entry(id)
            .or_insert_with(|| dir(&path, "snippets,backup,rootdir,iso,vztmpl,import,images"));
    }

    /// A volume by its id.
    pub(crate) fn volume(&mut self, volid: &str) -> &mut Value {
        let (storage, name) = volid.split_once(':').unwrap_or(("local", volid));
        self.storage(storage);
        let (content, format) = kind_of(name);
        let owner = name.split(['-', '/']).find_map(|part| part.parse::<u32>().ok());
        let owner = owner.filter(|_| content == "backup" || content == "rootdir");
        let volume = json!({
            "node": NODE, "storage": storage, "volid": volid, "content": content, "format": format,
            "size": 35_873_932, "vmid": owner, "ctime": 1_795_385_473,
            "config": (content == "backup").then(|| backup_of(owner.unwrap_or(100))),
        });
        let key = format!("{NODE}/{volid}");
        self.map(&["volumes"]).entry(key).or_insert(volume)
    }

    /// A guest as the recordings' own requests make them.
    pub(crate) fn guest(&mut self, vmid: u32) -> &mut Value {
        let id = vmid.to_string();
        if self.state["guests"].get(&id).is_none() {
            let guest = json!({ "node": NODE, "config": config_of(vmid), "running": false, "created": 0 });
            self.state["guests"][&id] = guest;
            self.volume(&format!("pvebtrfs:{vmid}/vm-{vmid}-disk-0.raw"));
        }
        &mut self.state["guests"][&id]
    }

    /// Sets an option of a guest.
    pub(crate) fn option(&mut self, vmid: u32, key: &str, value: &str) {
        self.guest(vmid)["config"][key] = json!(value);
    }

    /// A guest that runs.
    pub(crate) fn running(&mut self, vmid: u32) {
        self.guest(vmid)["running"] = json!(true);
    }

    /// A guest that is not there.
    pub(crate) fn no_guest(&mut self, vmid: u32) {
        self.map(&["guests"]).remove(&vmid.to_string());
    }

    /// A guest's snapshot.
    pub(crate) fn snapshot(&mut self, vmid: u32, name: &str) -> &mut Value {
        let guest = self.guest(vmid);
        let config = guest["config"].clone();
        if guest["snapshots"].get(name).is_none() {
            guest["snapshots"][name] = json!({ "config": config, "time": 1_795_387_307 });
            if let Some(config) = guest["snapshots"][name]["config"].as_object_mut() {
                config.remove("description");
            }
            guest["parent"] = json!(name);
        }
        &mut guest["snapshots"][name]
    }

    /// Puts a task in place.
    pub(crate) fn task(&mut self, task: Task) {
        self.tasks.retain(|t| t.upid != task.upid);
        self.tasks.push(task);
    }

    /// Another node of the cluster.
    pub(crate) fn node(&mut self, name: &str) {
        let nodes = self.state["nodes"].as_array_mut().expect("the nodes are a list");
        if !nodes.contains(&json!(name)) {
            nodes.push(json!(name));
        }
    }
}

fn dir(path: &str, content: &str) -> Value {
    json!({ "type": "dir", "path": path, "content": content.split(',').collect::<Vec<_>>(), "total": 100 * GIB })
}

fn kind_of(name: &str) -> (&'static str, &'static str) {
    let endings = [
        ("tar.zst", "tzst"),
        ("tar.gz", "tgz"),
        ("tar.xz", "txz"),
        ("tar.bz2", "tbz2"),
        ("tar", "tar"),
        ("iso", "iso"),
    ];
    let found = endings.iter().find(|(end, _)| name.ends_with(&format!(".{end}")));
    match name.split_once('/').map(|(kind, _)| kind) {
        Some("vztmpl") => ("vztmpl", found.map_or("raw", |(_, short)| short)),
        Some("iso") => ("iso", "iso"),
        Some("backup") => ("backup", found.map_or("raw", |(end, _)| end)),
        Some("snippets") => ("snippets", "snippet"),
        Some("import") => ("import", "raw"),
        _ => ("rootdir", "raw"),
    }
}

/// The options of such a guest.
pub(crate) fn config_of(vmid: u32) -> BTreeMap<String, String> {
    let net = format!(
        "name=eth0,bridge=vmbr0,firewall=1,gw=10.99.0.1,hwaddr=BC:24:11:00:{:02X}:{:02X},ip=10.99.0.{}/24,type=veth",
        vmid >> 8 & 0xff,
        vmid & 0xff,
        vmid & 0xff
    );
    let pairs = [
        ("arch", "amd64".to_owned()),
        ("cmode", "shell".to_owned()),
        ("cores", "1".to_owned()),
        ("description", "made by test\n".to_owned()),
        ("features", "nesting=1".to_owned()),
        ("hostname", format!("app{vmid}")),
        ("memory", "512".to_owned()),
        ("net0", net),
        ("onboot", "0".to_owned()),
        ("ostype", "debian".to_owned()),
        ("rootfs", format!("pvebtrfs:{vmid}/vm-{vmid}-disk-0.raw,size=1G")),
        ("swap", "0".to_owned()),
        ("tags", "proximity;web".to_owned()),
        ("unprivileged", "1".to_owned()),
    ];
    pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
}

fn backup_of(vmid: u32) -> String {
    let mut config = config_of(vmid);
    let description = config.remove("description").unwrap_or_default();
    let lines: String = config.iter().map(|(k, v)| format!("{k}: {v}\n")).collect();
    format!("#{description}{lines}")
}
