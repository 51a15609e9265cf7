//! Users, tokens, roles, access rules and pools.

use serde_json::{Value, json};

use super::super::exchange::{Exchange, plain};
use super::super::world::{ROLE, SECRET, USER, World};
use super::{between, list};

pub(super) fn apply(exchange: &Exchange, world: &mut World) {
    let segments = exchange.segments();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["access", "ticket"] => ticket(exchange, world),
        ["access", "users", rest @ ..] => users(exchange, world, rest),
        ["access", "roles", rest @ ..] => roles(exchange, world, rest),
        ["access", "acl"] => rules(exchange, world),
        ["access", "groups", rest @ ..] => groups(exchange, world, rest),
        ["pools", ..] => pools(exchange, world),
        ["access", "domains"] if exchange.got("/access/domains") => {
            let all = exchange.list();
            let kept = all.iter().map(|d| (plain(&d["realm"]), without(d, &["realm"])));
            world.state["access"]["domains"] = Value::Object(kept.collect());
        }
        _ => {}
    }
    for entry in exchange.list().iter().filter(|e| e["type"] == "pool") {
        world.pool(&plain(&entry["pool"]));
    }
    let pool = exchange.param("pool").filter(|p| !exchange.complains(&format!("pool '{p}' does not exist")));
    if let Some(pool) = pool {
        world.pool(&pool);
    }
}

fn without(value: &Value, keys: &[&str]) -> Value {
    let fields = value.as_object().cloned().unwrap_or_default();
    Value::Object(fields.into_iter().filter(|(k, _)| !keys.contains(&k.as_str())).collect())
}

fn ticket(exchange: &Exchange, world: &mut World) {
    let name = exchange.param("username").unwrap_or_default();
    if exchange.status == 200 && name.contains('@') {
        world.user(&name);
        if let Some(password) = exchange.param("password").filter(|p| !p.starts_with('<')) {
            world.state["access"]["users"][&name]["password"] = json!(password);
        }
        let told = exchange.data()["cap"].as_object().into_iter().flatten();
        let held =
            told.filter_map(|(_, group)| group.as_object()).flatten().map(|(privilege, _)| privilege.clone());
        if name != "root@pam" {
            world.forget_rules(&name);
            world.role(ROLE, held);
            world.rule("/", &name, ROLE, true);
        }
    }
}

/// A user as a list tells it.
fn user(world: &mut World, entry: &Value) {
    let id = plain(&entry["userid"]);
    world.user(&id);
    let user = &mut world.state["access"]["users"][&id];
    user["enable"] = json!(entry.get("enable").is_none_or(|e| *e != 0));
    for key in ["expire", "comment", "email", "firstname", "lastname"] {
        if let Some(value) = entry.get(key) {
            user[key] = value.clone();
        }
    }
    let tokens = entry["tokens"].as_array().cloned().unwrap_or_default();
    for token in &tokens {
        self::token(world, &id, &plain(&token["tokenid"]), token);
    }
}

fn token(world: &mut World, user: &str, name: &str, entry: &Value) {
    world.token(user, name);
    let token = &mut world.state["access"]["users"][user]["tokens"][name];
    *token = json!({
        "secret": SECRET, "privsep": entry["privsep"] == 1, "expire": entry["expire"].as_i64().unwrap_or(0),
        "comment": entry.get("comment"),
    });
}

fn users(exchange: &Exchange, world: &mut World, rest: &[&str]) {
    let read = exchange.method == "GET" && exchange.status == 200;
    let absent = exchange.complains("no such user");
    match rest {
        [] if read => {
            let seen: Vec<String> = exchange.list().iter().map(|e| plain(&e["userid"])).collect();
            world
                .map(&["access", "users"])
                .retain(|id, _| seen.contains(id) || id == USER || id == "root@pam");
            exchange.list().iter().for_each(|entry| user(world, entry));
        }
        [] => {
            let id = exchange.param("userid").unwrap_or_default();
            if exchange.complains("already exists") {
                world.user(&id);
            }
        }
        [id, ..] if absent => drop(world.map(&["access", "users"]).remove(*id)),
        [id] => {
            world.user(id);
            if read {
                let mut entry = exchange.data().clone();
                let tokens = entry["tokens"].as_object().cloned().unwrap_or_default();
                entry["userid"] = json!(id);
                entry["tokens"] = json!([]);
                user(world, &entry);
                for (name, fields) in tokens {
                    token(world, id, &name, &fields);
                }
            }
        }
        [id, "token"] => {
            world.user(id);
            world.state["access"]["users"][*id]["tokens"] = json!({});
            for entry in exchange.list() {
                token(world, id, &plain(&entry["tokenid"]), &entry);
            }
        }
        [id, "token", name] => {
            world.user(id);
            let made = exchange.method == "POST" && exchange.status == 200;
            if !made && !exchange.complains("no such token") {
                let told = exchange.status == 200 && exchange.data().is_object();
                token(world, id, name, if told { exchange.data() } else { &Value::Null });
            }
        }
        _ => {}
    }
}

fn roles(exchange: &Exchange, world: &mut World, rest: &[&str]) {
    let absent = exchange.complains("does not exist");
    match rest {
        [] if exchange.got("/access/roles") => {
            for entry in exchange.list().iter().filter(|e| e["special"] == 0) {
                let privileges = plain(&entry["privs"]);
                world.role(&plain(&entry["roleid"]), list(&privileges).iter().map(|p| (*p).to_owned()));
            }
        }
        [] => {
            let id = exchange.param("roleid").filter(|_| exchange.complains("already exists"));
            if let Some(id) = id {
                world.role(&id, ["VM.Audit".to_owned()]);
            }
        }
        [id] if !absent && world.state["access"]["roles"].get(*id).is_none() => {
            let read = exchange.method == "GET" && exchange.status == 200;
            let told = exchange.data().as_object().cloned().unwrap_or_default();
            let privileges =
                if read { told.into_iter().map(|(k, _)| k).collect() } else { vec!["VM.Audit".to_owned()] };
            world.role(id, privileges);
        }
        _ => {}
    }
}

fn rules(exchange: &Exchange, world: &mut World) {
    if exchange.got("/access/acl") {
        world.forget_rules(USER);
        for entry in exchange.list() {
            let (who, role) = (plain(&entry["ugid"]), plain(&entry["roleid"]));
            match who.split_once('!') {
                Some((user, token)) => world.token(user, token),
                None => world.user(&who),
            }
            if world.state["access"]["roles"].get(&role).is_none() {
                world.role(&role, ["VM.Audit".to_owned()]);
            }
            world.rule(&plain(&entry["path"]), &who, &role, entry["propagate"] == 1);
        }
        return;
    }
    for key in ["users", "tokens"] {
        for who in list(&exchange.param(key).unwrap_or_default()) {
            if exchange.complains(&format!("'{who}'")) {
                continue;
            }
            match who.split_once('!') {
                Some((user, token)) => world.token(user, token),
                None => world.user(who),
            }
        }
    }
    for role in list(&exchange.param("roles").unwrap_or_default()) {
        let known = world.state["access"]["roles"].get(role).is_some();
        if !known && !exchange.complains(&format!("role '{role}' does not exist")) {
            world.role(role, ["VM.Audit".to_owned()]);
        }
    }
    for group in list(&exchange.param("groups").unwrap_or_default()) {
        world.state["access"]["groups"][group] = json!({});
    }
}

fn groups(exchange: &Exchange, world: &mut World, rest: &[&str]) {
    for entry in exchange.list() {
        world.state["access"]["groups"][plain(&entry["groupid"])] = without(&entry, &["groupid", "users"]);
    }
    let named = rest.first().map(|g| (*g).to_owned());
    let taken = exchange.param("groupid").filter(|_| exchange.complains("already exists"));
    if let Some(group) = named.or(taken).filter(|_| !exchange.complains("does not exist")) {
        world.state["access"]["groups"][group] = json!({ "comment": exchange.data().get("comment") });
    }
}

fn pools(exchange: &Exchange, world: &mut World) {
    let read = exchange.method == "GET" && exchange.status == 200;
    let named = exchange.segments().get(1).cloned().or_else(|| exchange.param("poolid"));
    let absent = exchange.complains("does not exist");
    let makes = exchange.method == "POST" && !exchange.complains("already exists");
    if let Some(id) = named.filter(|_| !absent && !makes) {
        world.pool(&id);
        let vms = exchange.param("vms").unwrap_or_default();
        let there =
            exchange.param("delete").is_some_and(|d| d == "1") != exchange.complains("is not a pool member");
        for vmid in list(&vms).iter().filter_map(|v| v.parse().ok()) {
            if there || exchange.complains("is already a pool member") {
                world.member(&id, vmid);
            }
        }
        let complaint = exchange.complaint();
        if let Some(vmid) =
            between(&complaint, "is not empty (contains VM ", ")").and_then(|v| v.parse().ok())
        {
            world.guest(vmid);
            world.member(&id, vmid);
        }
        if let Some(storage) = between(&complaint, "is not empty (contains storage '", "'") {
            world.storage(storage);
            world.state["access"]["pools"][&id]["storages"] = json!([storage]);
        }
    }
    if !read {
        return;
    }
    let entries: Vec<Value> =
        if exchange.data().is_array() { exchange.list() } else { vec![exchange.data().clone()] };
    for entry in entries {
        let id = entry["poolid"].as_str().map(str::to_owned).or_else(|| exchange.segments().get(1).cloned());
        let Some(id) = id else { continue };
        world.pool(&id);
        world.state["access"]["pools"][&id]["comment"] = entry.get("comment").cloned().unwrap_or_default();
        for member in entry["members"].as_array().into_iter().flatten() {
            if let Some(vmid) = member["vmid"].as_u64().and_then(|v| u32::try_from(v).ok()) {
                world.member(&id, vmid);
            } else if let Some(storage) = member["storage"].as_str() {
                world.storage(storage);
                if let Some(list) = world.state["access"]["pools"][&id]["storages"].as_array_mut() {
                    list.push(json!(storage));
                }
            }
        }
    }
}
