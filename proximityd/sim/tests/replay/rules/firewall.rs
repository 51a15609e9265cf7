//! Firewalls of the cluster, of nodes and of guests.

use serde_json::{Map, Value, json};

use super::super::exchange::{Exchange, plain};
use super::super::world::World;

pub(super) fn apply(exchange: &Exchange, world: &mut World) {
    let segments = exchange.segments();
    let Some(at) = segments.iter().position(|s| s == "firewall") else { return };
    let scope = match &segments[..at] {
        [_, node, kind, vmid] => {
            let _ = node;
            format!("{kind}/{vmid}")
        }
        [_, node] => format!("node/{node}"),
        _ => "cluster".to_owned(),
    };
    let rest: Vec<&str> = segments[at + 1..].iter().map(String::as_str).collect();
    let read = exchange.method == "GET" && exchange.status == 200;
    let made = exchange.method == "POST" && exchange.status == 200;
    let data = exchange.data().clone();
    match rest.as_slice() {
        ["options"] if read => {
            let options = without(&data, &["digest"]);
            world.state["firewall"][&scope]["options"] = texts(&options);
        }
        ["rules"] if read => {
            world.state["firewall"][&scope]["rules"] = rules(&exchange.list());
        }
        ["rules", position] => position_of(exchange, world, &scope, position),
        ["groups"] if read => groups(exchange, world),
        ["groups", group] => {
            group_of(world, group);
            if read {
                let scope = format!("group/{group}");
                world.state["firewall"][&scope]["rules"] = rules(&exchange.list());
            }
        }
        ["groups", group, position] => {
            group_of(world, group);
            position_of(exchange, world, &format!("group/{group}"), position);
        }
        ["aliases"] if read => {
            for entry in exchange.list() {
                alias(world, &scope, &entry);
            }
        }
        ["aliases", name] if !exchange.complains("no such alias") => {
            let entry = if read { data } else { json!({ "name": name, "cidr": "10.0.0.1" }) };
            alias(world, &scope, &entry);
        }
        ["aliases"] if exchange.complains("already exists") => {
            alias(world, &scope, &json!({ "name": exchange.param("name"), "cidr": "10.0.0.1" }));
        }
        ["ipset"] if read => {
            for entry in exchange.list() {
                ipset(world, &scope, &plain(&entry["name"]), entry.get("comment"));
            }
        }
        ["ipset"] if !made && exchange.complains("already exists") => {
            ipset(world, &scope, &exchange.param("name").unwrap_or_default(), None);
        }
        ["ipset", name] if !exchange.complains("no such IPSet") => {
            ipset(world, &scope, name, None);
            if read {
                for entry in exchange.list() {
                    member(world, &scope, name, &entry);
                }
            } else if exchange.complains("already exists") {
                member(world, &scope, name, &json!({ "cidr": exchange.param("cidr") }));
            } else if exchange.complains("not empty") {
                member(world, &scope, name, &json!({ "cidr": "10.0.0.1" }));
            }
        }
        ["ipset", name, cidr @ ..] => {
            ipset(world, &scope, name, None);
            let cidr = cidr.join("/");
            if !exchange.complains("no such") {
                let entry = if read { data } else { json!({ "cidr": cidr }) };
                member(world, &scope, name, &entry);
            }
        }
        ["refs"] if read => {
            for entry in exchange.list() {
                match entry["type"].as_str() {
                    Some("ipset") => {
                        ipset(world, &scope_of(&entry, &scope), &plain(&entry["name"]), entry.get("comment"))
                    }
                    _ => {
                        let mut alias_entry = entry.clone();
                        alias_entry["cidr"] = json!("10.0.0.1");
                        alias(world, &scope_of(&entry, &scope), &alias_entry);
                    }
                }
            }
        }
        _ => {}
    }
}

fn scope_of(entry: &Value, own: &str) -> String {
    if entry["scope"] == "dc" { "cluster".to_owned() } else { own.to_owned() }
}

fn without(value: &Value, keys: &[&str]) -> Map<String, Value> {
    let fields = value.as_object().cloned().unwrap_or_default();
    fields.into_iter().filter(|(k, _)| !keys.contains(&k.as_str())).collect()
}

fn texts(fields: &Map<String, Value>) -> Value {
    Value::Object(fields.iter().map(|(k, v)| (k.clone(), json!(plain(v)))).collect())
}

fn rules(list: &[Value]) -> Value {
    json!(list.iter().map(rule).collect::<Vec<_>>())
}

/// A rule as it is kept, with what every rule has.
fn rule(shown: &Value) -> Value {
    let mut fields = without(shown, &["digest", "pos", "ipversion"]);
    for (key, value) in [("type", "in"), ("action", "ACCEPT"), ("enable", "0")] {
        fields.entry(key).or_insert_with(|| json!(value));
    }
    texts(&fields)
}

/// As many rules as it takes for one to be at a place.
fn position_of(exchange: &Exchange, world: &mut World, scope: &str, position: &str) {
    if exchange.complains("no rule at position") {
        return;
    }
    let number = |text: &str| text.parse::<usize>().unwrap_or(0);
    let last = exchange.param("moveto").map_or(0, |m| number(&m)).max(number(position));
    let plain_rule = json!({ "type": "in", "action": "ACCEPT", "enable": "1" });
    let mut all = vec![plain_rule; last + 1];
    if exchange.method == "GET" && exchange.status == 200 {
        all[number(position)] = rule(exchange.data());
    }
    world.state["firewall"][scope]["rules"] = json!(all);
}

fn alias(world: &mut World, scope: &str, entry: &Value) {
    let comment = entry.get("comment").map(plain);
    world.state["firewall"][scope]["aliases"][plain(&entry["name"])] =
        json!({ "cidr": plain(&entry["cidr"]), "comment": comment });
}

fn ipset(world: &mut World, scope: &str, name: &str, comment: Option<&Value>) {
    if world.state["firewall"][scope]["ipsets"][name].is_null() {
        world.state["firewall"][scope]["ipsets"][name] =
            json!({ "comment": comment.map(plain), "entries": {} });
    }
}

fn member(world: &mut World, scope: &str, name: &str, entry: &Value) {
    world.state["firewall"][scope]["ipsets"][name]["entries"][plain(&entry["cidr"])] =
        json!({ "comment": entry.get("comment").map(plain), "nomatch": entry["nomatch"] == 1 });
}

fn group_of(world: &mut World, group: &str) {
    world.state["firewall"][format!("group/{group}")]["rules"] = json!([]);
}

fn groups(exchange: &Exchange, world: &mut World) {
    for entry in exchange.list() {
        let scope = format!("group/{}", plain(&entry["group"]));
        world.state["firewall"][&scope]["comment"] = json!(entry.get("comment").map(plain));
    }
}
