//! One call on its way to a method: who, where, with what; and the permission checks every method uses.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::node::Node;
use crate::params::Params;
use crate::reply::ApiError;
use crate::schema::Permissions;
use crate::state::access::Identity;
use crate::state::guest::parse_option;

/// A call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The node that answers.
    pub node: Arc<Node>,
    /// Who calls.
    pub who: Identity,
    /// The node named in the path.
    pub host: String,
    /// The checked parameters.
    pub params: Params,
}

fn substitute(template: &str, params: &Map<String, Value>) -> String {
    let mut path = template.to_owned();
    for (name, value) in params {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        path = path.replace(&format!("{{{name}}}"), &text);
    }
    path
}

/// Checks a method's own rule before its parameters are looked at.
///
/// # Errors
/// 403.
pub(crate) fn check_rule(
    node: &Node,
    who: Option<&Identity>,
    rule: Option<&Permissions>,
    params: &Map<String, Value>,
) -> Result<(), ApiError> {
    let Some(rule) = rule else {
        return match who {
            Some(who) if who.is_root() => Ok(()),
            _ => Err(ApiError::Permission("user != root@pam".into())),
        };
    };
    if rule.user.as_deref() == Some("world") {
        return Ok(());
    }
    let Some(who) = who else { return Err(ApiError::Unauthorized("No ticket".into())) };
    if who.is_root() || rule.user.is_some() {
        return Ok(());
    }
    match &rule.check {
        Some(check) => evaluate(node, who, check, params),
        None => Ok(()),
    }
}

fn evaluate(node: &Node, who: &Identity, check: &Value, params: &Map<String, Value>) -> Result<(), ApiError> {
    let Some(items) = check.as_array() else { return Ok(()) };
    let kind = items.first().and_then(Value::as_str).unwrap_or_default();
    match kind {
        "and" => items[1..].iter().try_for_each(|item| evaluate(node, who, item, params)),
        "or" => {
            let any = items[1..].iter().any(|item| evaluate(node, who, item, params).is_ok());
            if any { Ok(()) } else { Err(ApiError::Permission(String::new())) }
        }
        "perm" => {
            let option =
                |name: &str| items.iter().position(|i| i.as_str() == Some(name)).map(|i| &items[i + 1]);
            if let Some(needed) = option("require_param").and_then(Value::as_str)
                && !params.contains_key(needed)
            {
                return Err(ApiError::Permission(String::new()));
            }
            let path = substitute(items[1].as_str().unwrap_or("/"), params);
            let wanted: Vec<&str> =
                items[2].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            check_privileges(node, who, &path, &wanted, option("any").is_some())
        }
        "perm-modify" => {
            let path = substitute(items[1].as_str().unwrap_or("/"), params);
            may_modify_rules(node, who, &path)
        }
        "userid-param" => {
            let user = params.get("userid").and_then(Value::as_str).unwrap_or_default();
            match items.get(1).and_then(Value::as_str) {
                Some("self") if user == who.user => Ok(()),
                Some("Realm.AllocateUser") => {
                    let realm = user.rsplit_once('@').map_or("", |(_, realm)| realm);
                    check_privileges(
                        node,
                        who,
                        &format!("/access/realm/{realm}"),
                        &["Realm.AllocateUser"],
                        false,
                    )
                }
                _ => Err(ApiError::Permission(String::new())),
            }
        }
        "userid-group" => {
            let wanted: Vec<&str> =
                items[1].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            check_privileges(node, who, "/access/groups", &wanted, true)
        }
        _ => Err(ApiError::Permission(String::new())),
    }
}

fn may_modify_rules(node: &Node, who: &Identity, path: &str) -> Result<(), ApiError> {
    let instead = [("/storage", "Datastore.Allocate"), ("/vms", "VM.Allocate"), ("/pool", "Pool.Allocate")];
    let mut wanted = vec!["Permissions.Modify"];
    wanted.extend(instead.iter().filter(|(stem, _)| path.starts_with(stem)).map(|(_, privilege)| *privilege));
    check_privileges(node, who, path, &wanted, true)
}

fn check_privileges(
    node: &Node,
    who: &Identity,
    path: &str,
    wanted: &[&str],
    any: bool,
) -> Result<(), ApiError> {
    let have = node.store.view().access.privileges(who, path);
    let missing = |privilege: &&&str| !have.contains_key(**privilege);
    if any {
        if wanted.iter().any(|p| have.contains_key(*p)) {
            return Ok(());
        }
        return Err(ApiError::Permission(format!("{path}, {}", wanted.join("|"))));
    }
    match wanted.iter().find(missing) {
        Some(privilege) => Err(ApiError::Permission(format!("{path}, {privilege}"))),
        None => Ok(()),
    }
}

impl Call {
    /// All of these privileges on a path.
    ///
    /// # Errors
    /// 403 that names the first one missing.
    pub(crate) fn check(&self, path: &str, wanted: &[&str]) -> Result<(), ApiError> {
        check_privileges(&self.node, &self.who, path, wanted, false)
    }

    /// One of these privileges on a path.
    ///
    /// # Errors
    /// 403 that names them all.
    pub(crate) fn check_any(&self, path: &str, wanted: &[&str]) -> Result<(), ApiError> {
        check_privileges(&self.node, &self.who, path, wanted, true)
    }

    /// Whether a privilege is there.
    pub(crate) fn may(&self, path: &str, privilege: &str) -> bool {
        self.check(path, &[privilege]).is_ok()
    }

    /// A privilege on a container, or on the pool it is about to join.
    ///
    /// # Errors
    /// 403 that names the container, never the pool.
    pub(crate) fn check_guest(&self, vmid: u32, pool: Option<&str>, privilege: &str) -> Result<(), ApiError> {
        if pool.is_some_and(|pool| self.may(&format!("/pool/{pool}"), privilege)) {
            return Ok(());
        }
        self.check(&format!("/vms/{vmid}"), &[privilege])
    }

    /// That a pool exists.
    ///
    /// # Errors
    /// 403, as Proxmox VE has it.
    pub(crate) fn check_pool(&self, pool: Option<&str>) -> Result<(), ApiError> {
        match pool {
            Some(pool) if !self.node.store.view().access.pools.contains_key(pool) => {
                Err(ApiError::Permission(format!("pool '{pool}' does not exist")))
            }
            _ => Ok(()),
        }
    }

    /// Use of the bridge that a network names.
    ///
    /// # Errors
    /// 403 that names the bridge.
    pub(crate) fn check_bridge(&self, net: &str) -> Result<(), ApiError> {
        if self.who.is_root() {
            return Ok(());
        }
        let parts = parse_option("net0", net);
        let Some(bridge) = parts.get("bridge") else { return Ok(()) };
        let tag = parts.get("tag").map(|t| format!("/{t}")).unwrap_or_default();
        self.check(&format!("/sdn/zones/localnetwork/{bridge}{tag}"), &["SDN.Use"])
    }

    /// The container a call is about.
    pub(crate) fn vmid(&self) -> u32 {
        self.params.vmid()
    }
}
