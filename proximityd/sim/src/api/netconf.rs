//! A node's own network, name servers and time zone.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::edit::{given, shown};
use crate::call::Call;
use crate::node::now;
use crate::reply::{ApiError, Outcome};
use crate::state::State;
use crate::state::defaults::BRIDGE;
use crate::state::sections::{Section, Sections};
use crate::tasks::Start;

/// The interfaces of a node that was told no others.
fn usual() -> Sections {
    let options =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let bridge = [
        ("type", "bridge"),
        ("autostart", "1"),
        ("cidr", "10.99.0.1/24"),
        ("bridge_ports", ""),
        ("bridge_stp", "off"),
        ("bridge_fd", "0"),
    ];
    BTreeMap::from([("eth0".to_owned(), options(&[("type", "eth")])), (BRIDGE.to_owned(), options(&bridge))])
}

/// The interfaces of a node.
pub(super) fn interfaces(state: &State, host: &str) -> Sections {
    state.networks.get(host).cloned().unwrap_or_else(usual)
}

/// How an interface is shown: its options, and what follows from them.
fn entry(interface: &Section) -> Map<String, Value> {
    let mut map = shown(interface, "POST", "/nodes/{node}/network", &[]);
    let mut put = |key: &str, value: Value| map.insert(key.to_owned(), value);
    put("active", json!(1));
    if interface.get("type").is_some_and(|kind| kind == "eth") {
        put("exists", json!(1));
    }
    // What stands in the file has a place in it.
    if interface.contains_key("autostart") {
        put("priority", json!(3));
    }
    let mut families = Vec::new();
    for (family, cidr, address, netmask, method) in [
        ("inet", "cidr", "address", "netmask", "method"),
        ("inet6", "cidr6", "address6", "netmask6", "method6"),
    ] {
        let told = interface.get(cidr).and_then(|text| text.split_once('/'));
        let told =
            told.or_else(|| Some((interface.get(address)?.as_str(), interface.get(netmask)?.as_str())));
        let way = interface.get(method).map(String::as_str);
        put(method, json!(way.unwrap_or(if told.is_some() { "static" } else { "manual" })));
        if let Some((ip, mask)) = told {
            put(address, json!(ip));
            put(netmask, json!(mask));
            put(cidr, json!(format!("{ip}/{mask}")));
        }
        if told.is_some() || family == "inet" {
            families.push(family);
        }
    }
    put("families", json!(families));
    map
}

/// `GET /nodes/{node}/network`.
pub(super) fn list(call: &Call) -> Outcome {
    let asked = call.params.get("type");
    let wanted = |kind: &str| match asked {
        None => true,
        Some("any_bridge" | "any_local_bridge") => matches!(kind, "bridge" | "OVSBridge"),
        Some("include_sdn") => true,
        Some(asked) => asked == kind,
    };
    let all = interfaces(&call.node.store.view(), &call.host);
    let mut listed = Vec::new();
    for (name, interface) in all {
        let kind = interface.get("type").cloned().unwrap_or_else(|| "unknown".into());
        let path = format!("/sdn/zones/localnetwork/{name}");
        let seen = kind != "bridge" || call.check_any(&path, &["SDN.Audit", "SDN.Use"]).is_ok();
        if wanted(&kind) && seen {
            let mut map = entry(&interface);
            map.insert("iface".into(), json!(name));
            listed.push(Value::Object(map));
        }
    }
    Ok(Value::Array(listed).into())
}

fn absent() -> ApiError {
    ApiError::parameter("iface", "interface does not exist")
}

/// `GET /nodes/{node}/network/{iface}`.
pub(super) fn one(call: &Call) -> Outcome {
    let name = call.params.need("iface");
    let all = interfaces(&call.node.store.view(), &call.host);
    Ok(Value::Object(entry(all.get(name).ok_or_else(absent)?)).into())
}

fn change(call: &Call, edit: impl FnOnce(&mut Sections) -> Result<(), ApiError>) -> Outcome {
    call.node.change(|state| {
        let mut all = interfaces(state, &call.host);
        edit(&mut all)?;
        state.networks.insert(call.host.clone(), all);
        Ok(())
    })?;
    Ok(Value::Null.into())
}

/// `POST /nodes/{node}/network`.
pub(super) fn create(call: &Call) -> Outcome {
    let name = call.params.need("iface").to_owned();
    let interface = given(call, &["iface"]);
    change(call, |all| {
        if all.contains_key(&name) {
            return Err(ApiError::parameter("iface", "interface already exists"));
        }
        all.insert(name, interface);
        Ok(())
    })
}

/// `PUT /nodes/{node}/network/{iface}`.
pub(super) fn update(call: &Call) -> Outcome {
    let name = call.params.need("iface");
    change(call, |all| {
        let interface = all.get_mut(name).ok_or_else(absent)?;
        super::edit::change(call, interface, &["iface"]);
        Ok(())
    })
}

/// `DELETE /nodes/{node}/network/{iface}`.
pub(super) fn delete(call: &Call) -> Outcome {
    let name = call.params.need("iface");
    change(call, |all| all.remove(name).map(drop).ok_or_else(absent))
}

/// `PUT /nodes/{node}/network`: nothing is pending here, so nothing changes.
pub(super) fn reload(call: &Call) -> Outcome {
    let start = Start { node: &call.host, kind: "srvreload", id: "networking".into(), who: &call.who };
    let task = call.node.tasks.start(&call.node, &start, |_| async { Ok(()) })?;
    Ok(json!(task.upid.to_string()).into())
}

/// `GET /nodes/{node}/dns`.
pub(super) fn dns(call: &Call) -> Outcome {
    match call.node.store.view().dns.get(&call.host) {
        Some(dns) => Ok(json!(dns).into()),
        None => Ok(json!({ "dns1": "10.99.0.1", "search": "home.arpa" }).into()),
    }
}

/// `PUT /nodes/{node}/dns`.
pub(super) fn set_dns(call: &Call) -> Outcome {
    let dns = given(call, &[]);
    call.node.change(|state| {
        state.dns.insert(call.host.clone(), dns);
        Ok(())
    })?;
    Ok(Value::Null.into())
}

/// `GET /nodes/{node}/time`.
pub(super) fn time(call: &Call) -> Outcome {
    let zone = call.node.store.view().timezones.get(&call.host).cloned().unwrap_or_else(|| "Etc/UTC".into());
    let at = jiff::Timestamp::from_second(now()).unwrap_or_default();
    let offset = jiff::tz::TimeZone::get(&zone).map_or(0, |tz| tz.to_offset(at).seconds());
    Ok(json!({ "time": now(), "localtime": now() + i64::from(offset), "timezone": zone }).into())
}

/// `PUT /nodes/{node}/time`.
pub(super) fn set_time(call: &Call) -> Outcome {
    let zone = call.params.need("timezone").to_owned();
    if zone != "UTC" && jiff::tz::TimeZone::get(&zone).is_err() {
        return Err(ApiError::died("No such timezone."));
    }
    call.node.change(|state| {
        state.timezones.insert(call.host.clone(), zone);
        Ok(())
    })?;
    Ok(Value::Null.into())
}
