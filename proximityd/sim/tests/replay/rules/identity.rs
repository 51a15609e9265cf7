//! Who asks, and what they may.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::exchange::{Auth, Exchange};
use super::super::world::{PRIVILEGES, ROLE, USER, World};
use super::between;

/// `Permission check failed (/path, A|B)` in a message: the path and the privileges.
pub(crate) fn missing(text: &str) -> Option<(String, BTreeSet<String>)> {
    let inside = between(text, "Permission check failed (/", ")")?;
    let (path, wanted) = inside.split_once(", ")?;
    let wanted = wanted.split('|').map(str::to_owned).collect();
    Some((format!("/{path}"), wanted))
}

/// The privileges that the schema's rule of a method names.
fn named(rule: &Value, found: &mut BTreeSet<String>) {
    match rule {
        Value::String(text) if text.contains('.') && !text.contains('/') => {
            found.insert(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| named(item, found)),
        Value::Object(fields) => fields.values().for_each(|item| named(item, found)),
        _ => {}
    }
}

/// The rule of the request's method in the schema, and the values of the names in its path.
fn rule_of(exchange: &Exchange) -> (Value, BTreeMap<String, String>) {
    let api: Value =
        serde_json::from_str(include_str!("../../../data/api.json")).expect("the schema is JSON");
    let segments = exchange.segments();
    for (template, methods) in api.as_object().into_iter().flatten() {
        let parts: Vec<&str> = template.split('/').filter(|s| !s.is_empty()).collect();
        let fits = parts.len() == segments.len()
            && parts.iter().zip(&segments).all(|(part, segment)| part.starts_with('{') || part == segment);
        let rule = &methods[&exchange.method]["permissions"];
        if fits && !rule.is_null() {
            let name = |part: &str| part.trim_matches(['{', '}']).to_owned();
            let values = parts.iter().zip(&segments).map(|(part, segment)| (name(part), segment.clone()));
            return (rule.clone(), values.collect());
        }
    }
    (Value::Null, BTreeMap::new())
}

/// What the method's rule in the schema names.
fn wanted_by_schema(exchange: &Exchange) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    named(&rule_of(exchange).0, &mut found);
    found
}

/// The privileges of a rule's alternatives.
fn either(rule: &Value, found: &mut BTreeSet<String>) {
    match rule {
        Value::Object(fields) => fields.values().for_each(|r| either(r, found)),
        Value::Array(items) if items.first().is_some_and(|f| f == "or") => named(rule, found),
        Value::Array(items) => items.iter().for_each(|r| either(r, found)),
        _ => {}
    }
}

/// The paths that the method's rule in the schema names, with the privileges wanted on each.
fn paths_of_schema(exchange: &Exchange) -> Vec<(String, BTreeSet<String>)> {
    fn walk(rule: &Value, values: &BTreeMap<String, String>, found: &mut Vec<(String, BTreeSet<String>)>) {
        match rule {
            Value::Object(fields) => fields.values().for_each(|r| walk(r, values, found)),
            Value::Array(items) if items.first().is_some_and(|f| f == "perm") => {
                let mut path = items[1].as_str().unwrap_or("/").to_owned();
                for (name, value) in values {
                    path = path.replace(&format!("{{{name}}}"), value);
                }
                let mut privileges = BTreeSet::new();
                named(&items[2], &mut privileges);
                found.push((path, privileges));
            }
            Value::Array(items) => items.iter().for_each(|r| walk(r, values, found)),
            _ => {}
        }
    }
    let (rule, values) = rule_of(exchange);
    let mut found = Vec::new();
    walk(&rule, &values, &mut found);
    found
}

pub(super) fn apply(exchange: &Exchange, world: &mut World) {
    let Auth::Token(id, _) = &exchange.auth else { return };
    let Some((user, token)) = id.split_once('!') else { return };
    // A refused login: the user, the token or its secret is not what it should be; here the secret is.
    world.token(user, token);
    if user == "root@pam" {
        world.rule("/", user, "Administrator", true);
        return;
    }
    if lists_privileges(exchange, world, user) {
        return;
    }
    if user != USER {
        let role = format!("Role-{}", user.replace('@', "-"));
        world.role(&role, []);
        if sees_little(exchange) {
            return see_what_is_listed(exchange, world, user);
        }
        grant(exchange, world, user, &role);
    } else {
        grant(exchange, world, user, ROLE);
    }
}

/// A role on `/`, less what the reply says was missing.
fn grant(exchange: &Exchange, world: &mut World, user: &str, role: &str) {
    let needed = wanted_by_schema(exchange);
    let mut may: BTreeSet<String> = if exchange.method == "GET" && exchange.status == 200 {
        PRIVILEGES.iter().map(|p| (*p).to_owned()).chain(needed.clone()).collect()
    } else {
        world.all_privileges()
    };
    let words = [exchange.name.as_str()];
    let told =
        words.iter().flat_map(|w| w.split("without-").skip(1)).map(|w| w.split('-').next().unwrap_or(w));
    may.retain(|p| !told.clone().any(|t| t == p));
    if let Some((path, missing)) = missing(&exchange.complaint()) {
        // Only on that path: elsewhere everything is there, so that the right one is named.
        let less: BTreeSet<String> = may.iter().filter(|p| !missing.contains(*p)).cloned().collect();
        if path == "/" {
            may = less;
        } else {
            let there = format!("{role}-there");
            world.role(&there, less);
            world.rule(&path, user, &there, true);
            // A guest's pool gives what is given on the pool.
            for pool in pools_of(exchange, world, &path) {
                world.rule(&format!("/pool/{pool}"), user, &there, true);
            }
        }
    } else if exchange.message() == "Permission check failed" {
        // The sentence alone: none of several ways was open, or what the method asks for itself was not there.
        let mut ways = BTreeSet::new();
        either(&rule_of(exchange).0, &mut ways);
        let missing = if ways.is_empty() { &needed } else { &ways };
        may.retain(|p| !missing.contains(p));
        if missing.is_empty() {
            may.remove("VM.Allocate");
            may.remove("VM.Backup");
        }
    }
    if !(exchange.got("/access/roles") || exchange.got("/access/acl")) {
        world.role(role, may);
    }
    world.rule("/", user, role, true);
}

/// The pools that a guest's path is in, or is about to join.
fn pools_of(exchange: &Exchange, world: &World, path: &str) -> Vec<String> {
    let Some(vmid) = path.strip_prefix("/vms/").and_then(|v| v.parse::<u32>().ok()) else {
        return Vec::new();
    };
    let pools = world.state["access"]["pools"].as_object();
    let holds = |pool: &Value| pool["vms"].as_array().is_some_and(|vms| vms.iter().any(|v| *v == vmid));
    let mut found: Vec<String> =
        pools.into_iter().flatten().filter(|(_, pool)| holds(pool)).map(|(id, _)| id.clone()).collect();
    found.extend(exchange.param("pool"));
    found
}

/// Whether the reply is a list cut down to what its reader may see.
fn sees_little(exchange: &Exchange) -> bool {
    exchange.method == "GET" && exchange.status == 200 && exchange.data().is_array()
}

/// Privileges for exactly what is listed.
fn see_what_is_listed(exchange: &Exchange, world: &mut World, user: &str) {
    let mut give = |path: String, privilege: &str| {
        let role = format!("Only{}", privilege.replace('.', ""));
        world.role(&role, [privilege.to_owned()]);
        // What holds on a path does not reach below it, so that nothing else is seen.
        world.rule(&path, user, &role, false);
    };
    // The list itself was given, which its own rule must allow.
    for (path, privileges) in paths_of_schema(exchange) {
        privileges.iter().for_each(|privilege| give(path.clone(), privilege));
    }
    for entry in exchange.list() {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        match text("type").as_str() {
            "lxc" | "qemu" if entry.get("vmid").is_some() => {
                give(format!("/vms/{}", entry["vmid"]), "VM.Audit")
            }
            "node" if entry.get("maxmem").is_some() => give(format!("/nodes/{}", text("node")), "Sys.Audit"),
            "storage" => give(format!("/storage/{}", text("storage")), "Datastore.Audit"),
            "pool" => give(format!("/pool/{}", text("pool")), "Pool.Audit"),
            "network" => give(format!("/sdn/zones/{}", text("network")), "SDN.Audit"),
            _ => {}
        }
        if entry["content"] == "backup" && entry.get("vmid").is_some() {
            give(format!("/vms/{}", entry["vmid"]), "VM.Backup");
        }
        if exchange.got("/pools") {
            give(format!("/pool/{}", text("poolid")), "Pool.Audit");
        }
        if exchange.plain_path().ends_with("/storage") {
            give(format!("/storage/{}", text("storage")), "Datastore.Audit");
        }
    }
}

/// `GET /access/permissions` lists them itself.
fn lists_privileges(exchange: &Exchange, world: &mut World, user: &str) -> bool {
    if !exchange.got("/access/permissions") {
        return false;
    }
    let of = exchange.param("userid").unwrap_or_else(|| user.to_owned());
    let of_user = of.split('!').next().unwrap_or(user).to_owned();
    let mut held: Option<Vec<String>> = None;
    world.forget_rules(&of_user);
    for (index, (path, privileges)) in exchange.data().as_object().into_iter().flatten().enumerate() {
        let names: Vec<String> =
            privileges.as_object().into_iter().flatten().map(|(k, _)| k.clone()).collect();
        let propagate = privileges.as_object().into_iter().flatten().all(|(_, v)| *v == 1);
        // What holds everywhere is given once, on `/`.
        if path == "/" {
            held = Some(names.clone());
        }
        if path != "/" && held.as_ref() == Some(&names) {
            continue;
        }
        let role = if path == "/" { ROLE.to_owned() } else { format!("Role{index}") };
        world.role(&role, names);
        world.rule(path, &of_user, &role, propagate);
    }
    if of_user != user {
        world.user(&of_user);
        world.role("Auditing", ["Sys.Audit".to_owned()]);
        world.rule("/access", user, "Auditing", true);
    }
    true
}
