//! Users, tokens, tickets, and what a caller may do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::auth::password_holds;
use crate::call::Call;
use crate::node::now;
use crate::reply::{ApiError, Outcome};
use crate::state::access::{Identity, Privileges, Token, User, normalize};

/// `GET /access/domains`.
pub(super) fn domains(call: &Call) -> Outcome {
    let set = call.node.store.view().access.domains.clone();
    let usual = [("pam", "Linux PAM standard authentication"), ("pve", "Proxmox VE authentication server")];
    let mut all: BTreeMap<String, Value> = usual
        .map(|(realm, comment)| {
            (realm.to_owned(), json!({ "realm": realm, "type": realm, "comment": comment }))
        })
        .into();
    for (realm, fields) in set {
        let mut entry = json!(fields);
        entry["realm"] = json!(realm);
        all.insert(realm, entry);
    }
    Ok(Value::Array(all.into_values().collect()).into())
}

/// `POST /access/ticket`.
pub(super) fn ticket(call: &Call) -> Outcome {
    let name = call.params.need("username");
    let user = match call.params.get("realm") {
        Some(realm) if !name.contains('@') => format!("{name}@{realm}"),
        _ => name.to_owned(),
    };
    if !password_holds(&call.node, &user, call.params.need("password")) {
        return Err(ApiError::Status(401, "authentication failure".into()));
    }
    let at = now();
    let who = Identity { user: user.clone(), token: None };
    let access = &call.node.store.view().access;
    let mut cap: BTreeMap<&str, Map<String, Value>> =
        ["vms", "storage", "access", "nodes", "dc", "sdn", "mapping"].map(|k| (k, Map::new())).into();
    for (path, group, stem) in [
        ("/vms", "vms", "VM."),
        ("/storage", "storage", "Datastore."),
        ("/access", "access", "User."),
        ("/nodes", "nodes", "Sys."),
        ("/", "dc", "Sys."),
        ("/", "dc", "SDN."),
        ("/sdn", "sdn", "SDN."),
        ("/mapping", "mapping", "Mapping."),
    ] {
        for privilege in access.privileges(&who, path).into_keys().filter(|p| p.starts_with(stem)) {
            cap.entry(group).or_default().insert(privilege, json!(1));
        }
    }
    Ok(json!({
        "username": user, "ticket": call.node.key.ticket(&user, at),
        "CSRFPreventionToken": call.node.key.csrf(&user, at), "cap": cap,
    })
    .into())
}

/// `GET /access/permissions`.
pub(super) fn permissions(call: &Call) -> Outcome {
    let mut who = call.who.clone();
    if let Some(asked) = call.params.get("userid").filter(|asked| *asked != call.who.id()) {
        let own_token = asked.starts_with(&format!("{}!", call.who.user)) && call.who.token.is_none();
        if !own_token {
            call.check("/access", &["Sys.Audit"])?;
        }
        who = match asked.split_once('!') {
            Some((user, token)) => Identity { user: user.into(), token: Some(token.into()) },
            None => Identity { user: asked.into(), token: None },
        };
    }
    let access = &call.node.store.view().access;
    let shown = |privileges: Privileges| {
        privileges
            .into_iter()
            .map(|(name, propagate)| (name, json!(u8::from(propagate))))
            .collect::<Map<_, _>>()
    };
    let mut result = Map::new();
    if let Some(path) = call.params.get("path") {
        let path = normalize(path);
        result.insert(path.clone(), Value::Object(shown(access.privileges(&who, &path))));
        return Ok(Value::Object(result).into());
    }
    let tops = ["/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms"];
    let mut paths: BTreeSet<String> = tops.map(str::to_owned).into();
    paths.extend(access.rules.iter().map(|r| r.path.clone()));
    for path in paths {
        let privileges = access.privileges(&who, &path);
        if !privileges.is_empty() {
            result.insert(path, Value::Object(shown(privileges)));
        }
    }
    Ok(Value::Object(result).into())
}

fn realm(user: &str) -> &str {
    user.rsplit_once('@').map_or("", |(_, realm)| realm)
}

fn token_entry(name: &str, token: &Token) -> Value {
    let mut entry = json!({ "tokenid": name, "privsep": u8::from(token.privsep), "expire": token.expire });
    if let Some(comment) = &token.comment {
        entry["comment"] = json!(comment);
    }
    entry
}

/// `GET /access/users`: those the caller may see, and itself.
pub(super) fn users(call: &Call) -> Outcome {
    let all = call.check_any("/access/groups", &["User.Modify", "Sys.Audit"]).is_ok();
    let full = call.params.is_set("full");
    let state = call.node.store.view();
    let listed: Vec<Value> = state
        .access
        .users
        .iter()
        .filter(|(id, _)| all || **id == call.who.user)
        .map(|(id, user)| {
            let mut entry = json!({
                "userid": id, "enable": u8::from(user.enable), "expire": user.expire, "realm-type": realm(id),
            });
            if let Some(comment) = &user.comment {
                entry["comment"] = json!(comment);
            }
            for (key, value) in &user.details {
                entry[key] = json!(value);
            }
            if full {
                let tokens: Vec<Value> = user.tokens.iter().map(|(name, t)| token_entry(name, t)).collect();
                entry["groups"] = json!("");
                entry["tokens"] = if tokens.is_empty() { Value::Null } else { json!(tokens) };
            }
            entry
        })
        .collect();
    Ok(json!(listed).into())
}

fn no_user(id: &str) -> ApiError {
    ApiError::died(format!("no such user ('{id}')"))
}

/// `GET /access/users/{userid}`.
pub(super) fn user(call: &Call) -> Outcome {
    let id = call.params.need("userid");
    let state = call.node.store.view();
    let user = state.access.users.get(id).ok_or_else(|| no_user(id))?;
    let tokens: Map<String, Value> = user
        .tokens
        .iter()
        .map(|(name, t)| (name.clone(), json!({ "privsep": u8::from(t.privsep), "expire": t.expire })))
        .collect();
    Ok(json!({ "enable": u8::from(user.enable), "expire": user.expire, "groups": [], "tokens": tokens })
        .into())
}

/// `POST /access/users`.
pub(super) fn create_user(call: &Call) -> Outcome {
    let id = call.params.need("userid").to_owned();
    if !matches!(realm(&id), "pam" | "pve") {
        return Err(ApiError::died(format!("create user failed: domain '{}' does not exist", realm(&id))));
    }
    let user = User {
        enable: call.params.flag("enable").unwrap_or(true),
        expire: call.params.number("expire").map_or(0, |n| n.cast_signed()),
        comment: call.params.get("comment").map(str::to_owned),
        password: call.params.get("password").map(str::to_owned),
        tokens: BTreeMap::new(),
        details: ["email", "firstname", "lastname", "keys"]
            .iter()
            .filter_map(|k| Some(((*k).to_owned(), call.params.get(k)?.to_owned())))
            .collect(),
    };
    call.node.change(|state| {
        if state.access.users.contains_key(&id) {
            return Err(ApiError::died(format!("create user failed: user '{id}' already exists")));
        }
        state.access.users.insert(id, user);
        Ok(())
    })?;
    Ok(Value::Null.into())
}

/// `PUT /access/users/{userid}`.
pub(super) fn change_user(call: &Call) -> Outcome {
    let id = call.params.need("userid");
    call.node.change(|state| {
        let absent = || ApiError::died(format!("update user failed: {}", no_user(id)));
        let user = state.access.users.get_mut(id).ok_or_else(absent)?;
        for key in ["email", "firstname", "lastname", "keys"] {
            user.details.extend(call.params.get(key).map(|value| (key.to_owned(), value.to_owned())));
        }
        if let Some(enable) = call.params.flag("enable") {
            user.enable = enable;
        }
        if let Some(expire) = call.params.number("expire") {
            user.expire = expire.cast_signed();
        }
        if let Some(comment) = call.params.get("comment") {
            user.comment = Some(comment.to_owned());
        }
        Ok(())
    })?;
    Ok(Value::Null.into())
}

/// `DELETE /access/users/{userid}`.
pub(super) fn delete_user(call: &Call) -> Outcome {
    let id = call.params.need("userid");
    call.node.change(|state| {
        if state.access.users.remove(id).is_none() {
            return Err(ApiError::died(format!("delete user failed: user '{id}' does not exist")));
        }
        state.access.rules.retain(|r| r.who != id && !r.who.starts_with(&format!("{id}!")));
        Ok(())
    })?;
    Ok(Value::Null.into())
}

/// `GET /access/users/{userid}/token`.
pub(super) fn tokens(call: &Call) -> Outcome {
    let id = call.params.need("userid");
    let state = call.node.store.view();
    let user = state.access.users.get(id).ok_or_else(|| no_user(id))?;
    Ok(json!(user.tokens.iter().map(|(name, t)| token_entry(name, t)).collect::<Vec<_>>()).into())
}

fn no_token(id: &str, name: &str) -> ApiError {
    ApiError::died(format!("no such token '{name}' for user '{id}'"))
}

/// `GET /access/users/{userid}/token/{tokenid}`.
pub(super) fn token(call: &Call) -> Outcome {
    let (id, name) = (call.params.need("userid"), call.params.need("tokenid"));
    let state = call.node.store.view();
    let user = state.access.users.get(id).ok_or_else(|| no_user(id))?;
    let token = user.tokens.get(name).ok_or_else(|| no_token(id, name))?;
    Ok(json!({ "privsep": u8::from(token.privsep), "expire": token.expire }).into())
}

/// `POST /access/users/{userid}/token/{tokenid}`: the only time the secret is shown.
pub(super) fn create_token(call: &Call) -> Outcome {
    let (id, name) = (call.params.need("userid"), call.params.need("tokenid"));
    let token = Token {
        secret: crate::serve::secret(),
        privsep: call.params.flag("privsep").unwrap_or(true),
        expire: call.params.number("expire").map_or(0, |n| n.cast_signed()),
        comment: call.params.get("comment").map(str::to_owned),
    };
    let mut info = json!({ "privsep": u8::from(token.privsep).to_string() });
    for given in ["expire", "comment"] {
        if let Some(text) = call.params.get(given) {
            info[given] = json!(text);
        }
    }
    let answer = json!({ "full-tokenid": format!("{id}!{name}"), "value": token.secret, "info": info });
    call.node.change(|state| {
        let user = state.access.users.get_mut(id).ok_or_else(|| no_user(id))?;
        if user.tokens.contains_key(name) {
            return Err(ApiError::parameter("tokenid", "Token already exists."));
        }
        user.tokens.insert(name.to_owned(), token);
        Ok(())
    })?;
    Ok(answer.into())
}

/// `PUT /access/users/{userid}/token/{tokenid}`.
pub(super) fn change_token(call: &Call) -> Outcome {
    let (id, name) = (call.params.need("userid"), call.params.need("tokenid"));
    let shown = call.node.change(|state| {
        let user = state.access.users.get_mut(id).ok_or_else(|| no_user(id))?;
        let token = user.tokens.get_mut(name).ok_or_else(|| no_token(id, name))?;
        if let Some(privsep) = call.params.flag("privsep") {
            token.privsep = privsep;
        }
        if let Some(expire) = call.params.number("expire") {
            token.expire = expire.cast_signed();
        }
        if let Some(comment) = call.params.get("comment") {
            token.comment = Some(comment.to_owned());
        }
        let mut shown = token_entry(name, token);
        if let Some(map) = shown.as_object_mut() {
            map.remove("tokenid");
        }
        Ok(shown)
    })?;
    Ok(shown.into())
}

/// `DELETE /access/users/{userid}/token/{tokenid}`.
pub(super) fn delete_token(call: &Call) -> Outcome {
    let (id, name) = (call.params.need("userid"), call.params.need("tokenid"));
    call.node.change(|state| {
        let user = state.access.users.get_mut(id).ok_or_else(|| no_user(id))?;
        user.tokens.remove(name).ok_or_else(|| no_token(id, name))?;
        state.access.rules.retain(|r| r.who != format!("{id}!{name}"));
        Ok(())
    })?;
    Ok(Value::Null.into())
}
