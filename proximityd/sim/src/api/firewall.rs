//! Firewalls of the cluster, of nodes and of guests: kept and told, never enforced.

mod sets;

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::edit::{change, check_digest, given, shown};
use crate::call::Call;
use crate::reply::{Answer, ApiError, Outcome};
use crate::schema::split_list;
use crate::state::sections::{Firewall, Section, digest};

/// The protocols whose packets have ports, by name and number.
const PROTOCOLS_WITH_PORTS: &[&str] = &[
    "udp",
    "17",
    "udplite",
    "136",
    "tcp",
    "6",
    "dccp",
    "33",
    "sctp",
    "132",
    "icmp",
    "1",
    "ipv6-icmp",
    "icmpv6",
    "58",
];

/// Whose firewall a call is about, and the methods' common beginning.
struct Place<'a> {
    call: &'a Call,
    /// As it is kept: `cluster`, `node/pve1`, `lxc/100`, `group/web`.
    scope: String,
    /// `/cluster/firewall`, …
    base: &'static str,
}

/// Answers a firewall method; none if this node does not serve it.
pub(super) fn route(method: &str, template: &str, call: &Call) -> Option<Outcome> {
    let bases = ["/nodes/{node}/lxc/{vmid}/firewall", "/nodes/{node}/firewall", "/cluster/firewall"];
    let base = *bases.iter().find(|base| template.starts_with(**base))?;
    let rest = &template[base.len()..];
    let scope = match base {
        "/cluster/firewall" => "cluster".to_owned(),
        "/nodes/{node}/firewall" => format!("node/{}", call.host),
        _ => format!("lxc/{}", call.vmid()),
    };
    let mut place = Place { call, scope, base };
    if let Some(rest) = rest.strip_prefix("/groups") {
        return sets::groups(&mut place, method, rest);
    }
    match (method, rest) {
        ("GET", "") => Some(place.index()),
        ("GET", "/options") => Some(place.options()),
        ("PUT", "/options") => Some(place.set_options()),
        ("GET", "/log") => Some(log()),
        ("GET", "/refs") => Some(place.refs()),
        _ if rest.starts_with("/rules") => place.rules(method, &rest["/rules".len()..]),
        _ if rest.starts_with("/aliases") => place.aliases(method, &rest["/aliases".len()..]),
        _ if rest.starts_with("/ipset") => place.ipsets(method, &rest["/ipset".len()..]),
        _ => None,
    }
}

/// No packet is ever logged.
fn log() -> Outcome {
    let line = json!([{ "n": 1, "t": "unable to open file - No such file or directory" }]);
    Ok(Answer { data: line, total: Some(1) })
}

/// 4 or 6, of an address, a network or a range.
fn ip_version(text: &str) -> Option<u8> {
    let first = split_list(text).first()?.split(['/', '-']).next()?.to_owned();
    match first.parse::<IpAddr>().ok()? {
        IpAddr::V4(_) => Some(4),
        IpAddr::V6(_) => Some(6),
    }
}

/// What a rule may not be.
fn check_rule(rule: &Section, is_group: impl Fn(&str) -> bool) -> Result<(), ApiError> {
    let get = |key: &str| rule.get(key).map_or("", String::as_str);
    if get("type") == "group" {
        if !is_group(get("action")) {
            let text = format!("no such security group '{}'", get("action"));
            return Err(ApiError::parameter("action", text));
        }
    } else if !["ACCEPT", "DROP", "REJECT"].contains(&get("action")) {
        return Err(ApiError::parameter("action", format!("unknown action '{}'", get("action"))));
    }
    for port in ["dport", "sport", "icmp-type"].into_iter().filter(|port| rule.contains_key(*port)) {
        match get("proto") {
            "" => {
                let text = format!("missing property - '{port}' requires this property");
                return Err(ApiError::parameter("proto", text));
            }
            proto if port == "icmp-type" && !proto.contains("icmp") => {
                return Err(ApiError::parameter("icmp-type", format!("not valid for protocol '{proto}'")));
            }
            proto if port != "icmp-type" && !PROTOCOLS_WITH_PORTS.contains(&proto) => {
                return Err(ApiError::parameter(port, format!("protocol '{proto}' does not support ports")));
            }
            _ => {}
        }
    }
    Ok(())
}

impl Place<'_> {
    fn view(&self) -> Firewall {
        self.call.node.store.view().firewall.get(&self.scope).cloned().unwrap_or_default()
    }

    /// Changes the firewall after the call's digest was compared; one that is empty again is not kept.
    fn edit<T>(&self, change: impl FnOnce(&mut Firewall) -> Result<T, ApiError>) -> Result<T, ApiError> {
        self.call.node.change(|state| {
            let firewall = state.firewall.entry(self.scope.clone()).or_default();
            check_digest(self.call, &digest(firewall))?;
            let result = change(firewall)?;
            if *firewall == Firewall::default() && !self.scope.starts_with("group/") {
                state.firewall.remove(&self.scope);
            }
            Ok(result)
        })
    }

    fn index(&self) -> Outcome {
        let names: &[&str] = match self.base {
            "/cluster/firewall" => &["aliases", "rules", "options", "groups", "ipset", "macros", "refs"],
            "/nodes/{node}/firewall" => &["rules", "options"],
            _ => &["rules", "aliases", "ipset", "refs", "options"],
        };
        super::index("name", names)
    }

    fn options(&self) -> Outcome {
        let firewall = self.view();
        let mut map = shown(&firewall.options, "PUT", &format!("{}/options", self.base), &[]);
        map.insert("digest".into(), json!(digest(&firewall)));
        Ok(Value::Object(map).into())
    }

    fn set_options(&self) -> Outcome {
        self.edit(|firewall| {
            change(self.call, &mut firewall.options, &["vmid"]);
            Ok(())
        })?;
        Ok(Value::Null.into())
    }

    fn shown_rule(&self, rule: &Section, digest: &str) -> Map<String, Value> {
        let mut map = shown(rule, "POST", "/cluster/firewall/rules", &[]);
        let version = ["source", "dest"].iter().find_map(|key| ip_version(rule.get(*key)?));
        if let Some(version) = version {
            map.insert("ipversion".into(), json!(version));
        }
        map.insert("digest".into(), json!(digest));
        map
    }

    fn rules(&self, method: &str, rest: &str) -> Option<Outcome> {
        Some(match (method, rest) {
            ("GET", "") => self.list_rules(),
            ("POST", "") => self.create_rule(),
            ("GET", "/{pos}") => self.rule(),
            ("PUT", "/{pos}") => self.change_rule(),
            ("DELETE", "/{pos}") => self.delete_rule(),
            _ => return None,
        })
    }

    fn list_rules(&self) -> Outcome {
        let firewall = self.view();
        let digest = digest(&firewall);
        let listed = firewall.rules.iter().enumerate().map(|(pos, rule)| {
            let mut map = self.shown_rule(rule, &digest);
            map.insert("pos".into(), json!(pos));
            Value::Object(map)
        });
        Ok(Value::Array(listed.collect()).into())
    }

    /// The place a path names, if there is a rule.
    fn position(&self, rules: &[Section]) -> Result<usize, ApiError> {
        let pos = self.call.params.number("pos").and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        if pos < rules.len() {
            return Ok(pos);
        }
        Err(ApiError::died(format!("no rule at position {pos}")))
    }

    fn rule(&self) -> Outcome {
        let firewall = self.view();
        let pos = self.position(&firewall.rules)?;
        let mut map = self.shown_rule(&firewall.rules[pos], &digest(&firewall));
        // As it stood in the path, not as a number.
        map.insert("pos".into(), json!(pos.to_string()));
        Ok(Value::Object(map).into())
    }

    /// The security groups there are.
    fn groups(&self) -> BTreeSet<String> {
        let state = self.call.node.store.view();
        state.firewall.keys().filter_map(|scope| scope.strip_prefix("group/")).map(str::to_owned).collect()
    }

    fn create_rule(&self) -> Outcome {
        let mut rule = given(self.call, &["vmid", "pos", "group"]);
        rule.retain(|_, value| !value.is_empty() && value != "-");
        rule.entry("enable".into()).or_insert_with(|| "0".into());
        let groups = self.groups();
        check_rule(&rule, |group| groups.contains(group))?;
        self.edit(|firewall| {
            // A new rule comes first, whatever `pos` says.
            firewall.rules.insert(0, rule);
            Ok(())
        })?;
        Ok(Value::Null.into())
    }

    fn change_rule(&self) -> Outcome {
        let groups = self.groups();
        self.edit(|firewall| {
            let pos = self.position(&firewall.rules)?;
            let moveto = self.call.params.number("moveto").and_then(|n| usize::try_from(n).ok());
            if let Some(to) = moveto.filter(|to| *to != pos) {
                let rule = firewall.rules.remove(pos);
                // The place is counted with the rule still where it was.
                let to = if to > pos { to - 1 } else { to };
                firewall.rules.insert(to.min(firewall.rules.len()), rule);
                return Ok(());
            }
            let rule = &mut firewall.rules[pos];
            change(self.call, rule, &["vmid", "pos", "moveto", "group"]);
            rule.retain(|_, value| !value.is_empty() && value != "-");
            check_rule(rule, |group| groups.contains(group))
        })?;
        Ok(Value::Null.into())
    }

    fn delete_rule(&self) -> Outcome {
        self.edit(|firewall| {
            let pos = self.position(&firewall.rules)?;
            firewall.rules.remove(pos);
            Ok(())
        })?;
        Ok(Value::Null.into())
    }
}
