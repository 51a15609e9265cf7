//! High availability: what is in its care and by which rules. One node, or a few in one process, never fail over.

use serde_json::{Value, json};

use super::edit::{change, check_digest, given, shown};
use crate::Version;
use crate::call::Call;
use crate::reply::{ApiError, Outcome};
use crate::state::sections::{Section, Sections, digest};

/// Answers a method below `/cluster/ha`; none if this node does not serve it.
pub(super) fn route(method: &str, template: &str, call: &Call) -> Option<Outcome> {
    let migrated = call.node.version() >= Version::V9_0;
    Some(match (method, template.strip_prefix("/cluster/ha")?) {
        ("GET", "") => super::index("id", &["status", "resources", "groups", "rules"]),
        ("GET", "/status") => super::index("name", &["current", "manager_status"]),
        ("GET", "/status/current") => status(call),
        ("GET", "/status/manager_status") => manager(call),
        ("POST", "/status/arm-ha" | "/status/disarm-ha") => Ok(Value::Null.into()),
        ("GET", "/resources") => resources(call),
        ("POST", "/resources") => create(call),
        ("GET", "/resources/{sid}") => resource(call),
        ("PUT", "/resources/{sid}") => update(call),
        ("DELETE", "/resources/{sid}") => delete(call),
        ("GET", "/groups") if migrated => {
            Err(ApiError::died("cannot index groups: ha groups have been migrated to rules"))
        }
        ("GET", "/groups/{group}") if migrated => {
            Err(ApiError::died("cannot read group: ha groups have been migrated to rules"))
        }
        ("POST", "/groups") if migrated => {
            Err(ApiError::died("cannot create group: ha groups have been migrated to rules"))
        }
        ("GET", "/groups") => Ok(json!([]).into()),
        ("GET", "/rules") => rules(call),
        ("POST", "/rules") => create_rule(call),
        ("GET", "/rules/{rule}") => rule(call),
        ("PUT", "/rules/{rule}") => update_rule(call),
        ("DELETE", "/rules/{rule}") => delete_rule(call),
        _ => return None,
    })
}

/// `ct:100`, of that or of a bare id.
fn sid(call: &Call) -> String {
    let given = call.params.need("sid");
    if given.contains(':') { given.to_owned() } else { format!("ct:{given}") }
}

/// The guest of a service id.
fn vmid(sid: &str) -> Option<u32> {
    sid.split_once(':')?.1.parse().ok()
}

fn entry(sid: &str, resource: &Section, all: &Sections) -> Value {
    let mut map = shown(resource, "POST", "/cluster/ha/resources", &[]);
    map.insert("sid".into(), json!(sid));
    map.insert("type".into(), json!(sid.split(':').next().unwrap_or("ct")));
    map.insert("digest".into(), json!(digest(all)));
    Value::Object(map)
}

fn resources(call: &Call) -> Outcome {
    let kind = call.params.get("type");
    let state = call.node.store.view();
    let all = &state.ha.resources;
    let wanted = all.iter().filter(|(sid, _)| kind.is_none_or(|k| sid.starts_with(&format!("{k}:"))));
    Ok(Value::Array(wanted.map(|(sid, resource)| entry(sid, resource, all)).collect()).into())
}

fn resource(call: &Call) -> Outcome {
    let sid = sid(call);
    let state = call.node.store.view();
    match state.ha.resources.get(&sid) {
        Some(resource) => Ok(entry(&sid, resource, &state.ha.resources).into()),
        None => Err(ApiError::died(format!("no such resource '{sid}'"))),
    }
}

fn create(call: &Call) -> Outcome {
    let sid = sid(call);
    let section = given(call, &["sid", "type"]);
    call.node.change(|state| {
        if vmid(&sid).is_none_or(|id| !state.guests.contains_key(&id)) {
            return Err(ApiError::died(format!("resource '{sid}' does not exist in cluster")));
        }
        if state.ha.resources.contains_key(&sid) {
            let text = format!("create resource failed: resource ID '{sid}' already defined");
            return Err(ApiError::died(text));
        }
        state.ha.resources.insert(sid, section);
        Ok(())
    })?;
    Ok(Value::Null.into())
}

fn update(call: &Call) -> Outcome {
    let sid = sid(call);
    call.node.change(|state| {
        check_digest(call, &digest(&state.ha.resources))?;
        let resource = state.ha.resources.get_mut(&sid);
        let resource = resource.ok_or_else(|| ApiError::died(format!("no such resource '{sid}'")))?;
        change(call, resource, &["sid"]);
        Ok(())
    })?;
    Ok(Value::Null.into())
}

fn delete(call: &Call) -> Outcome {
    let sid = sid(call);
    call.node.change(|state| match state.ha.resources.remove(&sid) {
        Some(_) => Ok(()),
        None => Err(ApiError::died(format!("cannot delete service '{sid}', not HA managed!"))),
    })?;
    Ok(Value::Null.into())
}

fn status(call: &Call) -> Outcome {
    let state = call.node.store.view();
    let first = &state.nodes[0];
    let mut all =
        vec![json!({ "id": "quorum", "type": "quorum", "node": first, "status": "OK", "quorate": 1 })];
    if call.node.version() >= Version::V9_2 {
        all.push(json!({
            "id": "fencing", "type": "fencing", "node": first, "armed-state": "standby",
            "status": "standby (CRM watchdog standby)",
        }));
    }
    for (sid, resource) in &state.ha.resources {
        let node = vmid(sid).and_then(|id| state.guests.get(&id)).map_or(first, |g| &g.node);
        let wanted = resource.get("state").map_or("started", String::as_str);
        all.push(json!({
            "id": format!("service:{sid}"), "sid": sid, "type": "service", "node": node, "state": "queued",
            "request_state": wanted, "crm_state": "queued", "status": format!("{sid} ({node}, queued)"),
        }));
    }
    Ok(Value::Array(all).into())
}

/// Nothing manages anything here; only the quorum is known.
fn manager(call: &Call) -> Outcome {
    let state = call.node.store.view();
    let quorum = json!({ "node": state.nodes[0], "quorate": "1" });
    Ok(json!({ "manager_status": {}, "lrm_status": {}, "quorum": quorum }).into())
}

fn rule_entry(id: &str, rule: &Section, all: &Sections) -> Value {
    let mut map = shown(rule, "POST", "/cluster/ha/rules", &[]);
    map.insert("rule".into(), json!(id));
    map.insert("digest".into(), json!(digest(all)));
    Value::Object(map)
}

fn rules(call: &Call) -> Outcome {
    let (kind, resource) = (call.params.get("type"), call.params.get("resource"));
    let state = call.node.store.view();
    let all = &state.ha.rules;
    let holds = |rule: &Section, key: &str, wanted: Option<&str>, list: bool| {
        wanted.is_none_or(|w| {
            rule.get(key).is_some_and(|v| if list { v.split(',').any(|one| one == w) } else { v == w })
        })
    };
    let wanted =
        all.iter().filter(|(_, r)| holds(r, "type", kind, false) && holds(r, "resources", resource, true));
    Ok(Value::Array(wanted.map(|(id, rule)| rule_entry(id, rule, all)).collect()).into())
}

fn no_rule(id: &str) -> ApiError {
    ApiError::died(format!("no such ha rule '{id}'"))
}

fn rule(call: &Call) -> Outcome {
    let id = call.params.need("rule");
    let state = call.node.store.view();
    let rule = state.ha.rules.get(id).ok_or_else(|| no_rule(id))?;
    Ok(rule_entry(id, rule, &state.ha.rules).into())
}

fn create_rule(call: &Call) -> Outcome {
    let id = call.params.need("rule").to_owned();
    let section = given(call, &["rule"]);
    call.node.change(|state| {
        if state.ha.rules.contains_key(&id) {
            return Err(ApiError::died(format!("HA rule '{id}' already defined")));
        }
        state.ha.rules.insert(id, section);
        Ok(())
    })?;
    Ok(Value::Null.into())
}

fn update_rule(call: &Call) -> Outcome {
    let id = call.params.need("rule");
    call.node.change(|state| {
        check_digest(call, &digest(&state.ha.rules))?;
        change(call, state.ha.rules.get_mut(id).ok_or_else(|| no_rule(id))?, &["rule"]);
        Ok(())
    })?;
    Ok(Value::Null.into())
}

fn delete_rule(call: &Call) -> Outcome {
    let id = call.params.need("rule");
    call.node.change(|state| {
        state.ha.rules.remove(id);
        Ok(())
    })?;
    Ok(Value::Null.into())
}
