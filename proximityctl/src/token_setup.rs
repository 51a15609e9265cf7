//! The commands that make a least-privilege API token on a Proxmox VE host.
//!
//! The token can touch nothing but our pool: a container outside of it is refused by Proxmox VE itself. With
//! privilege separation a token may do what both it *and* its user may do (pveum(1), "API Tokens"), so each
//! permission is given to both.

/// A role, and the privileges in it.
struct Role {
    name: &'static str,
    privileges: &'static [&'static str],
}

const POOL: Role = Role {
    name: "ProximityPool",
    privileges: &[
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
};
const STORAGE: Role = Role {
    name: "ProximityStorage",
    privileges: &["Datastore.Audit", "Datastore.AllocateSpace", "Datastore.AllocateTemplate"],
};
const NETWORK: Role = Role { name: "ProximityNetwork", privileges: &["SDN.Use"] };
const NODE: Role = Role { name: "ProximityNode", privileges: &["Sys.Audit"] };

/// What the token is to be for.
#[derive(Debug)]
pub struct Setup {
    /// The pool.
    pub pool: String,
    /// Each storage that is used: for containers, for templates, for backups.
    pub storages: Vec<String>,
    /// The bridge.
    pub bridge: String,
    /// The token's id, `user@realm!name`.
    pub token_id: String,
}

impl Setup {
    /// The commands, for a root shell on the host. None of its words needs quoting in a shell but the token's `!`.
    ///
    /// # Errors
    /// The word that is no Proxmox VE name: nothing else may come into a shell command.
    pub fn script(&self) -> Result<String, String> {
        let (user, token) = self.token_id.split_once('!').ok_or_else(|| self.token_id.clone())?;
        for word in [&self.pool, &self.bridge].into_iter().chain(&self.storages) {
            check(word, "")?;
        }
        check(user, "@")?;
        check(token, "")?;
        let mut lines: Vec<String> = Vec::new();
        for role in [POOL, STORAGE, NETWORK, NODE] {
            lines.push(format!("pveum role add {} --privs '{}'", role.name, role.privileges.join(" ")));
        }
        lines.push(format!("pveum pool add {} --comment 'apps of Proximity'", self.pool));
        lines.push(format!("pveum user add {user} --comment Proximity"));
        lines.push(format!("pveum user token add {user} {token} --privsep 1"));
        let mut grants = vec![(format!("/pool/{}", self.pool), POOL.name)];
        grants.extend(self.storages.iter().map(|storage| (format!("/storage/{storage}"), STORAGE.name)));
        grants.push((format!("/sdn/zones/localnetwork/{}", self.bridge), NETWORK.name));
        grants.push(("/nodes".into(), NODE.name));
        for (path, role) in grants {
            let token = format!("'{}'", self.token_id);
            lines.push(format!("pveum acl modify {path} --roles {role} --users {user} --tokens {token}"));
        }
        Ok(lines.join("\n"))
    }
}

/// Letters, digits, `-`, `_`, `.`, and what else is allowed: no name of Proxmox VE that is needed here has more.
fn check(word: &str, more: &str) -> Result<(), String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c) || more.contains(c);
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(fine) {
        Ok(())
    } else {
        Err(word.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup() -> Setup {
        Setup {
            pool: "proximity".into(),
            storages: vec!["local".into(), "local-lvm".into()],
            bridge: "vmbr0".into(),
            token_id: "proximity@pve!app".into(),
        }
    }

    #[test]
    fn user_and_token_get_each_permission_and_nothing_on_all_guests() {
        let script = setup().script().unwrap();
        insta::assert_snapshot!(script, @r"
        pveum role add ProximityPool --privs 'VM.Allocate VM.Audit VM.Clone VM.Backup VM.Console VM.PowerMgmt VM.Snapshot VM.Snapshot.Rollback VM.Migrate VM.Config.CPU VM.Config.Disk VM.Config.Memory VM.Config.Network VM.Config.Options Pool.Audit Pool.Allocate'
        pveum role add ProximityStorage --privs 'Datastore.Audit Datastore.AllocateSpace Datastore.AllocateTemplate'
        pveum role add ProximityNetwork --privs 'SDN.Use'
        pveum role add ProximityNode --privs 'Sys.Audit'
        pveum pool add proximity --comment 'apps of Proximity'
        pveum user add proximity@pve --comment Proximity
        pveum user token add proximity@pve app --privsep 1
        pveum acl modify /pool/proximity --roles ProximityPool --users proximity@pve --tokens 'proximity@pve!app'
        pveum acl modify /storage/local --roles ProximityStorage --users proximity@pve --tokens 'proximity@pve!app'
        pveum acl modify /storage/local-lvm --roles ProximityStorage --users proximity@pve --tokens 'proximity@pve!app'
        pveum acl modify /sdn/zones/localnetwork/vmbr0 --roles ProximityNetwork --users proximity@pve --tokens 'proximity@pve!app'
        pveum acl modify /nodes --roles ProximityNode --users proximity@pve --tokens 'proximity@pve!app'
        ");
        for line in script.lines().filter(|line| line.contains("acl modify")) {
            assert!(line.contains("--users proximity@pve --tokens 'proximity@pve!app'"), "{line}");
            assert!(!line.contains(" / ") && !line.contains("/vms"), "{line}");
        }
    }

    #[test]
    fn no_word_can_become_a_second_command() {
        for wrong in ["a b", "a;reboot", "$(x)", "a'b", "", "-x", "a\nb"] {
            assert!(Setup { pool: wrong.into(), ..setup() }.script().is_err(), "{wrong}");
            assert!(Setup { token_id: format!("u@pve!{wrong}"), ..setup() }.script().is_err(), "{wrong}");
        }
    }
}
