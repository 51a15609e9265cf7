//! Roles and access rules.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::reply::{ApiError, Outcome};
use crate::schema::split_list;
use crate::state::access::{Access, PRIVILEGES, Role, Rule, normalize};

fn names(role: &Role) -> String {
    role.privileges.iter().map(String::as_str).collect::<Vec<_>>().join(",")
}

/// `GET /access/roles`.
pub(super) fn roles(call: &Call) -> Outcome {
    let state = call.node.store.view();
    let roles = state.access.roles.iter();
    let listed: Vec<Value> = roles
        .map(|(id, role)| json!({ "roleid": id, "privs": names(role), "special": u8::from(role.special) }))
        .collect();
    Ok(json!(listed).into())
}

/// `GET /access/roles/{roleid}`.
pub(super) fn role(call: &Call) -> Outcome {
    let id = call.params.need("roleid");
    let state = call.node.store.view();
    let role =
        state.access.roles.get(id).ok_or_else(|| ApiError::died(format!("role '{id}' does not exist")))?;
    let map: Map<String, Value> = role.privileges.iter().map(|p| (p.clone(), json!(1))).collect();
    Ok(Value::Object(map).into())
}

fn privileges(call: &Call) -> Result<BTreeSet<String>, ApiError> {
    let wanted = split_list(call.params.need("privs"));
    match wanted.iter().find(|p| !PRIVILEGES.contains(p)) {
        Some(unknown) => Err(ApiError::died(format!("invalid privilege '{unknown}'"))),
        None => Ok(wanted.into_iter().map(str::to_owned).collect()),
    }
}

/// `POST /access/roles`.
pub(super) fn create_role(call: &Call) -> Outcome {
    let id = call.params.need("roleid").to_owned();
    let privileges = privileges(call)?;
    call.node.change(|state| {
        if state.access.roles.contains_key(&id) {
            return Err(ApiError::died(format!("create role failed: role '{id}' already exists")));
        }
        state.access.roles.insert(id, Role { privileges, special: false });
        Ok(())
    })?;
    Ok(Value::Null.into())
}

/// `PUT /access/roles/{roleid}`.
pub(super) fn change_role(call: &Call) -> Outcome {
    let id = call.params.need("roleid");
    let privileges = privileges(call)?;
    call.node.change(|state| {
        let failed = |text: String| ApiError::died(format!("update role failed: {text}"));
        let role = state.access.roles.get_mut(id);
        let role = role.ok_or_else(|| failed(format!("role '{id}' does not exist")))?;
        if role.special {
            return Err(failed(format!("auto-generated role '{id}' cannot be modified")));
        }
        if !call.params.is_set("append") {
            role.privileges.clear();
        }
        role.privileges.extend(privileges);
        Ok(())
    })?;
    Ok(Value::Null.into())
}

/// `DELETE /access/roles/{roleid}`.
pub(super) fn delete_role(call: &Call) -> Outcome {
    let id = call.params.need("roleid");
    call.node.change(|state| {
        match state.access.roles.get(id) {
            Some(role) if role.special => {
                let text = format!("delete role failed: auto-generated role '{id}' cannot be deleted");
                return Err(ApiError::died(text));
            }
            Some(_) => state.access.roles.remove(id),
            None => return Err(ApiError::died(format!("delete role failed: role '{id}' does not exist"))),
        };
        state.access.rules.retain(|r| r.role != id);
        Ok(())
    })?;
    Ok(Value::Null.into())
}

/// `GET /access/acl`: the rules of paths whose rules the caller may change; all with Sys.Audit on `/access`.
pub(super) fn list(call: &Call) -> Outcome {
    let all = call.may("/access", "Sys.Audit");
    let rules = call.node.store.view().access.rules.clone();
    let listed: Vec<Value> = rules
        .iter()
        .filter(|r| all || call.may(&r.path, "Permissions.Modify"))
        .map(|r| {
            json!({ "path": r.path, "propagate": u8::from(r.propagate), "type": r.kind, "ugid": r.who, "roleid": r.role })
        })
        .collect();
    Ok(json!(listed).into())
}

/// `PUT /access/acl`.
pub(super) fn change(call: &Call) -> Outcome {
    let path = normalize(call.params.need("path"));
    let tops = ["", "access", "nodes", "pool", "sdn", "storage", "vms", "mapping"];
    if !tops.contains(&path.split('/').nth(1).unwrap_or_default()) {
        let text = format!("invalid ACL path '{}'", call.params.need("path"));
        return Err(ApiError::parameter("path", text));
    }
    let lists = ["users", "groups", "tokens"];
    if lists.iter().all(|list| call.params.get(list).is_none()) {
        let text = "either 'users', 'groups' or 'tokens' is required.";
        return Err(ApiError::Parameters(lists.map(|list| (list.to_owned(), text.to_owned())).into()));
    }
    let failed = |text: String| ApiError::died(format!("ACL update failed: {text}"));
    let propagate = call.params.flag("propagate").unwrap_or(true);
    let delete = call.params.is_set("delete");
    call.node.change(|state| {
        for role in split_list(call.params.need("roles")) {
            if !state.access.roles.contains_key(role) {
                return Err(failed(format!("role '{role}' does not exist")));
            }
            for (kind, list) in [("group", "groups"), ("user", "users"), ("token", "tokens")] {
                for who in split_list(call.params.need(list)) {
                    known(&state.access, kind, who).map_err(failed)?;
                    state.access.rules.retain(|r| !(r.path == path && r.who == who && r.role == role));
                    if !delete {
                        state.access.rules.push(Rule {
                            path: path.clone(),
                            propagate,
                            kind: kind.into(),
                            who: who.into(),
                            role: role.into(),
                        });
                    }
                }
            }
        }
        Ok(())
    })?;
    Ok(Value::Null.into())
}

/// That somebody a rule is for exists.
fn known(access: &Access, kind: &str, who: &str) -> Result<(), String> {
    let there = match (kind, who.split_once('!')) {
        ("group", _) => access.groups.contains_key(who),
        (_, Some((user, token))) => {
            let found = access.users.get(user).ok_or_else(|| format!("no such user ('{user}')"))?;
            if !found.tokens.contains_key(token) {
                return Err(format!("no such token '{token}' for user '{user}'"));
            }
            true
        }
        (_, None) => access.users.contains_key(who),
    };
    if there { Ok(()) } else { Err(format!("{kind} '{who}' does not exist")) }
}
