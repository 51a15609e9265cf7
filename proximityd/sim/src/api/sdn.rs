//! Software-defined networks: configured, shown with what is pending, and applied in name only.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::edit::{change, check_digest, given, shown};
use crate::Version;
use crate::call::Call;
use crate::reply::{ApiError, Outcome};
use crate::state::sections::{Networks, Section, Sections, digest};
use crate::tasks::Start;

/// A kind of object: the word in messages, its key, its path.
#[derive(Clone, Copy)]
struct Kind {
    word: &'static str,
    key: &'static str,
    path: &'static str,
}

const ZONES: Kind = Kind { word: "zone", key: "zone", path: "/cluster/sdn/zones" };
const VNETS: Kind = Kind { word: "vnet", key: "vnet", path: "/cluster/sdn/vnets" };
const SUBNETS: Kind = Kind { word: "subnet", key: "subnet", path: "/cluster/sdn/vnets/{vnet}/subnets" };

/// Answers a method below `/cluster/sdn`; none if this node does not serve it.
pub(super) fn route(method: &str, template: &str, call: &Call) -> Option<Outcome> {
    let rest = template.strip_prefix("/cluster/sdn")?;
    Some(match (method, rest) {
        ("GET", "") => index(call),
        ("PUT", "") => apply(call),
        ("GET", "/controllers" | "/dns") => Ok(json!([]).into()),
        ("GET", "/ipams") => Ok(json!([{ "ipam": "pve", "type": "pve" }]).into()),
        ("GET", "/fabrics") => super::index("subdir", &["fabric", "node", "all"]),
        ("GET", "/fabrics/all") => Ok(json!({ "fabrics": [], "nodes": [] }).into()),
        ("GET", "/fabrics/fabric" | "/fabrics/node") => Ok(json!([]).into()),
        ("GET", "/zones") => list(call, ZONES),
        ("POST", "/zones") => create(call, ZONES, call.params.need("zone").to_owned()),
        ("GET", "/zones/{zone}") => one(call, ZONES),
        ("PUT", "/zones/{zone}") => update(call, ZONES),
        ("DELETE", "/zones/{zone}") => delete(call, ZONES),
        ("GET", "/vnets") => list(call, VNETS),
        ("POST", "/vnets") => create(call, VNETS, call.params.need("vnet").to_owned()),
        ("GET", "/vnets/{vnet}") => one(call, VNETS),
        ("PUT", "/vnets/{vnet}") => update(call, VNETS),
        ("DELETE", "/vnets/{vnet}") => delete(call, VNETS),
        ("GET", "/vnets/{vnet}/subnets") => list(call, SUBNETS),
        ("POST", "/vnets/{vnet}/subnets") => create_subnet(call),
        ("GET", "/vnets/{vnet}/subnets/{subnet}") => one(call, SUBNETS),
        ("PUT", "/vnets/{vnet}/subnets/{subnet}") => update(call, SUBNETS),
        ("DELETE", "/vnets/{vnet}/subnets/{subnet}") => delete(call, SUBNETS),
        _ => return None,
    })
}

fn index(call: &Call) -> Outcome {
    let mut names = vec!["vnets", "zones", "controllers", "ipams", "dns"];
    if call.node.version() >= Version::V9_0 {
        names.push("fabrics");
    }
    super::index("id", &names)
}

fn sections(networks: &Networks, kind: Kind) -> &Sections {
    match kind.word {
        "zone" => &networks.zones,
        "vnet" => &networks.vnets,
        _ => &networks.subnets,
    }
}

fn sections_mut(networks: &mut Networks, kind: Kind) -> &mut Sections {
    match kind.word {
        "zone" => &mut networks.zones,
        "vnet" => &mut networks.vnets,
        _ => &mut networks.subnets,
    }
}

/// The access path of an object.
fn access_path(networks: &Networks, kind: Kind, id: &str) -> String {
    let zone_of =
        |vnet: &str| networks.vnets.get(vnet).and_then(|v| v.get("zone")).cloned().unwrap_or_default();
    match kind.word {
        "zone" => format!("/sdn/zones/{id}"),
        "vnet" => format!("/sdn/zones/{}/{id}", zone_of(id)),
        _ => {
            let vnet = networks.subnets.get(id).and_then(|s| s.get("vnet")).cloned().unwrap_or_default();
            format!("/sdn/zones/{}/{vnet}", zone_of(&vnet))
        }
    }
}

fn snapshot(call: &Call) -> Networks {
    call.node.store.view().sdn.clone()
}

fn defined(networks: &Networks, kind: Kind, id: &str) -> Result<(), ApiError> {
    if sections(networks, kind).contains_key(id) {
        return Ok(());
    }
    Err(ApiError::died(format!("sdn '{id}' does not exist")))
}

/// An object's options with what follows from its name.
fn options(networks: &Networks, kind: Kind, id: &str, section: &Section) -> Map<String, Value> {
    let mut map = shown(section, "POST", kind.path, &[]);
    map.insert(kind.key.into(), json!(id));
    if kind.word != "subnet" {
        return map;
    }
    let zone = section.get("vnet").and_then(|v| networks.vnets.get(v)).and_then(|v| v.get("zone"));
    let mut parts = id.rsplitn(3, '-');
    let (mask, network) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    for (key, value) in [
        ("id", json!(id)),
        ("type", json!("subnet")),
        ("zone", json!(zone)),
        ("network", json!(network)),
        ("mask", json!(mask)),
        ("cidr", json!(format!("{network}/{mask}"))),
    ] {
        map.insert(key.into(), value);
    }
    let ranges = section.get("dhcp-range").map(|r| r.split(';').map(str::to_owned).collect::<Vec<_>>());
    map.insert("dhcp-range".into(), json!(ranges.unwrap_or_default()));
    map
}

/// An object beside what was last applied.
fn with_pending(networks: &Networks, kind: Kind, id: &str) -> Value {
    let empty = Sections::new();
    let applied = networks.applied.get(kind.word).unwrap_or(&empty);
    let (now, before) = (sections(networks, kind).get(id), applied.get(id));
    let own = ["type", kind.key, "vnet"];
    let mut map = options(networks, kind, id, before.or(now).unwrap_or(&Section::new()));
    map.insert("digest".into(), Value::Null);
    let (state, pending): (&str, Map<String, Value>) = match (now, before) {
        (Some(now), None) => {
            map.retain(|key, _| own.contains(&key.as_str()) || key == "digest");
            let pending = shown(now, "POST", kind.path, &[]);
            ("new", pending.into_iter().filter(|(k, _)| !own.contains(&k.as_str())).collect())
        }
        (None, Some(_)) => ("deleted", Map::new()),
        (Some(now), Some(before)) => {
            let all = shown(now, "POST", kind.path, &[]);
            let changed: Map<_, _> =
                all.into_iter().filter(|(key, _)| now.get(key) != before.get(key)).collect();
            if changed.is_empty() && now == before {
                return Value::Object(map);
            }
            ("changed", changed)
        }
        (None, None) => return Value::Null,
    };
    map.insert("state".into(), json!(state));
    map.insert("pending".into(), Value::Object(pending));
    Value::Object(map)
}

fn list(call: &Call, kind: Kind) -> Outcome {
    let networks = snapshot(call);
    if kind.word == "subnet" {
        defined(&networks, VNETS, call.params.need("vnet"))?;
    }
    let empty = Sections::new();
    let applied = networks.applied.get(kind.word).unwrap_or(&empty);
    let all = sections(&networks, kind);
    let shown_now = if call.params.is_set("running") { applied } else { all };
    let mut ids: Vec<&String> = shown_now.keys().collect();
    if call.params.is_set("pending") {
        ids.extend(applied.keys().filter(|id| !all.contains_key(*id)));
    }
    let of_vnet = |id: &str| {
        let section = all.get(id).or_else(|| applied.get(id));
        kind.word != "subnet"
            || section.and_then(|s| s.get("vnet")).map(String::as_str) == call.params.get("vnet")
    };
    let may = |id: &str| {
        let path = access_path(&networks, kind, id);
        call.check_any(&path, &["SDN.Audit", "SDN.Use", "SDN.Allocate"]).is_ok()
    };
    let of_type = |id: &str| {
        let wanted = call.params.get("type").filter(|_| kind.word == "zone");
        wanted.is_none_or(|w| all.get(id).and_then(|s| s.get("type")).is_some_and(|t| t == w))
    };
    let digest = digest(all);
    let listed = ids.into_iter().filter(|id| of_vnet(id) && of_type(id) && may(id)).map(|id| {
        if call.params.is_set("pending") {
            return with_pending(&networks, kind, id);
        }
        let mut map = options(&networks, kind, id, &shown_now[id]);
        map.insert("digest".into(), json!(digest));
        Value::Object(map)
    });
    Ok(Value::Array(listed.collect()).into())
}

fn one(call: &Call, kind: Kind) -> Outcome {
    let id = call.params.need(kind.key);
    let networks = snapshot(call);
    call.check_any(&access_path(&networks, kind, id), &["SDN.Audit", "SDN.Allocate"])?;
    defined(&networks, kind, id)?;
    if call.params.is_set("pending") {
        return Ok(with_pending(&networks, kind, id).into());
    }
    let all = sections(&networks, kind);
    let mut map = options(&networks, kind, id, &all[id]);
    map.insert("digest".into(), json!(digest(all)));
    Ok(Value::Object(map).into())
}

fn create(call: &Call, kind: Kind, id: String) -> Outcome {
    let mut section = given(call, &[kind.key, "vnet"]);
    section.entry("type".into()).or_insert_with(|| kind.word.into());
    if kind.word == "subnet" {
        section.insert("vnet".into(), call.params.need("vnet").to_owned());
    }
    call.node.change(|state| {
        if let Some(zone) = section.get("zone").filter(|_| kind.word == "vnet")
            && !state.sdn.zones.contains_key(zone)
        {
            return Err(ApiError::died(format!("zone '{zone}' does not exist")));
        }
        let all = sections_mut(&mut state.sdn, kind);
        if all.contains_key(&id) {
            return Err(ApiError::died(format!("sdn {} object ID '{id}' already defined", kind.word)));
        }
        all.insert(id, section);
        Ok(())
    })?;
    Ok(Value::Null.into())
}

fn create_subnet(call: &Call) -> Outcome {
    let networks = snapshot(call);
    let vnet = call.params.need("vnet");
    call.check(&access_path(&networks, VNETS, vnet), &["SDN.Allocate"])?;
    defined(&networks, VNETS, vnet)?;
    let zone = networks.vnets[vnet].get("zone").cloned().unwrap_or_default();
    let (network, mask) =
        call.params.need("subnet").split_once('/').unwrap_or((call.params.need("subnet"), "32"));
    create(call, SUBNETS, format!("{zone}-{network}-{mask}"))
}

fn update(call: &Call, kind: Kind) -> Outcome {
    let id = call.params.need(kind.key);
    let networks = snapshot(call);
    call.check(&access_path(&networks, kind, id), &["SDN.Allocate"])?;
    defined(&networks, kind, id)?;
    call.node.change(|state| {
        check_digest(call, &digest(sections(&state.sdn, kind)))?;
        if let Some(section) = sections_mut(&mut state.sdn, kind).get_mut(id) {
            change(call, section, &[kind.key, "vnet"]);
        }
        Ok(())
    })?;
    Ok(Value::Null.into())
}

fn delete(call: &Call, kind: Kind) -> Outcome {
    let id = call.params.need(kind.key);
    let networks = snapshot(call);
    call.check(&access_path(&networks, kind, id), &["SDN.Allocate"])?;
    defined(&networks, kind, id)?;
    call.node.change(|state| {
        let used = |all: &Sections, key: &str| {
            all.iter().find(|(_, s)| s.get(key).is_some_and(|v| v == id)).map(|(k, _)| k.clone())
        };
        match kind.word {
            "zone" => {
                if let Some(vnet) = used(&state.sdn.vnets, "zone") {
                    return Err(ApiError::died(format!("zone {id} is used by vnet {vnet}")));
                }
            }
            "vnet" if used(&state.sdn.subnets, "vnet").is_some() => {
                return Err(ApiError::died("cannot delete vnet if subnets exists".to_owned()));
            }
            _ => {}
        }
        sections_mut(&mut state.sdn, kind).remove(id);
        Ok(())
    })?;
    Ok(Value::Null.into())
}

/// `PUT /cluster/sdn`: what is configured is in force from now on.
fn apply(call: &Call) -> Outcome {
    let start = Start { node: &call.host, kind: "reloadnetworkall", id: String::new(), who: &call.who };
    let (node, hosts) = (std::sync::Arc::clone(&call.node), call.node.options.nodes.clone());
    let task = call.node.tasks.start(&call.node, &start, move |task| async move {
        node.change(|state| {
            let sdn = &mut state.sdn;
            sdn.applied = BTreeMap::from([
                ("zone".to_owned(), sdn.zones.clone()),
                ("vnet".to_owned(), sdn.vnets.clone()),
                ("subnet".to_owned(), sdn.subnets.clone()),
            ]);
            Ok(())
        })?;
        hosts.iter().for_each(|host| task.log(format!("{host}: reloading network config")));
        Ok(())
    })?;
    Ok(json!(task.upid.to_string()).into())
}
