//! Backup jobs: kept and told, never run by themselves.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

use super::edit::{change, given, shown};
use crate::call::Call;
use crate::node::now;
use crate::reply::{ApiError, Outcome};
use crate::schema::split_list;
use crate::state::sections::Section;

const OBJECTS: &[&str] = &["prune-backups", "fleecing", "performance"];

fn entry(id: &str, job: &Section) -> Value {
    let mut map = shown(job, "POST", "/cluster/backup", OBJECTS);
    map.insert("id".into(), json!(id));
    map.insert("type".into(), json!("vzdump"));
    Value::Object(map)
}

/// When a schedule of hours and minutes comes round next; others are told without a time.
fn next_run(job: &Section) -> Option<i64> {
    let schedule = job.get("schedule")?;
    let enabled = job.get("enabled").is_none_or(|e| e == "1");
    let clock = match schedule.as_str() {
        "daily" => "00:00",
        "hourly" => return enabled.then(|| now() / 3600 * 3600 + 3600),
        other => other.rsplit(' ').next()?,
    };
    let (hour, minute) = clock.split_once(':')?;
    let (hour, minute) = (hour.parse().ok()?, minute.parse().ok()?);
    let today = Timestamp::from_second(now()).ok()?.to_zoned(TimeZone::UTC);
    let at = today.with().hour(hour).minute(minute).second(0).build().ok()?;
    let at = if at > today { at } else { at.checked_add(1.day()).ok()? };
    enabled.then(|| at.timestamp().as_second())
}

/// `GET /cluster/backup`.
pub(super) fn list(call: &Call) -> Outcome {
    let state = call.node.store.view();
    let all = state.jobs.iter().map(|(id, job)| {
        let mut entry = entry(id, job);
        if let Some(at) = next_run(job) {
            entry["next-run"] = json!(at);
        }
        entry
    });
    Ok(Value::Array(all.collect()).into())
}

fn absent(id: &str) -> ApiError {
    ApiError::parameter("id", format!("No such job '{id}'"))
}

/// `GET /cluster/backup/{id}`.
pub(super) fn one(call: &Call) -> Outcome {
    let id = call.params.need("id");
    let state = call.node.store.view();
    Ok(entry(id, state.jobs.get(id).ok_or_else(|| absent(id))?).into())
}

/// Which guests a job is about must be told, and told once.
fn check_selection(job: &Section) -> Result<(), ApiError> {
    let told = |key: &str| job.get(key).is_some_and(|v| !(v.is_empty() || key == "all" && v == "0"));
    for (one, other) in [("all", "vmid"), ("pool", "vmid"), ("all", "pool")] {
        if told(one) && told(other) {
            return Err(ApiError::parameter(one, format!("option conflicts with option '{other}'")));
        }
    }
    if ["all", "vmid", "pool"].iter().any(|key| told(key)) {
        return Ok(());
    }
    Err(ApiError::parameter("vmid", "property is missing"))
}

/// `POST /cluster/backup`.
pub(super) fn create(call: &Call) -> Outcome {
    super::backup::roots_options(call)?;
    let job = given(call, &["id", "starttime", "dow"]);
    check_selection(&job)?;
    let id = call
        .params
        .get("id")
        .map_or_else(|| format!("backup-{}", &crate::serve::secret()[..13]), str::to_owned);
    call.node.change(|state| {
        if state.jobs.contains_key(&id) {
            return Err(ApiError::died(format!("Job '{id}' already exists")));
        }
        state.jobs.insert(id, job);
        Ok(())
    })?;
    Ok(Value::Null.into())
}

/// `PUT /cluster/backup/{id}`.
pub(super) fn update(call: &Call) -> Outcome {
    super::backup::roots_options(call)?;
    let id = call.params.need("id");
    call.node.change(|state| {
        let job = state.jobs.get_mut(id).ok_or_else(|| absent(id))?;
        // Another choice of guests takes the place of the one before.
        let chosen = ["all", "vmid", "pool"].into_iter().find(|key| call.params.get(key).is_some());
        if let Some(chosen) = chosen {
            job.retain(|key, _| key == chosen || !["all", "vmid", "pool"].contains(&key.as_str()));
        }
        change(call, job, &["id", "starttime", "dow"]);
        check_selection(job)
    })?;
    Ok(Value::Null.into())
}

/// `DELETE /cluster/backup/{id}`.
pub(super) fn delete(call: &Call) -> Outcome {
    let id = call.params.need("id");
    call.node.change(|state| state.jobs.remove(id).map(drop).ok_or_else(|| absent(id)))?;
    Ok(Value::Null.into())
}

/// Whether a job that is switched on backs a guest up.
fn covers(job: &Section, vmid: u32, pool: Option<&str>) -> bool {
    let listed =
        |key: &str| job.get(key).is_some_and(|ids| split_list(ids).iter().any(|id| id.parse() == Ok(vmid)));
    let all = job.get("all").is_some_and(|all| all == "1") && !listed("exclude");
    listed("vmid") || all || pool.is_some_and(|pool| job.get("pool").is_some_and(|p| p == pool))
}

/// `GET /cluster/backup-info/not-backed-up`.
pub(super) fn not_backed_up(call: &Call) -> Outcome {
    let state = call.node.store.view();
    let all: Vec<Value> = state
        .guests
        .iter()
        .filter(|(vmid, _)| !state.jobs.values().any(|job| covers(job, **vmid, state.pool_of(**vmid))))
        .map(|(vmid, g)| json!({ "vmid": vmid, "name": g.name(*vmid), "type": "lxc" }))
        .collect();
    Ok(json!(all).into())
}

/// `GET /cluster/backup/{id}/included_volumes`.
pub(super) fn included(call: &Call) -> Outcome {
    let id = call.params.need("id");
    let state = call.node.store.view();
    let job = state.jobs.get(id).ok_or_else(|| absent(id))?;
    let guests: Vec<Value> = state
        .guests
        .iter()
        .filter(|(vmid, _)| covers(job, **vmid, state.pool_of(**vmid)))
        .map(|(vmid, guest)| {
            let volumes: Vec<Value> = crate::state::guest::mount_points(&guest.config)
                .iter()
                .map(|mount| {
                    let backup = mount.parts.get("backup").is_some_and(|b| b == "1");
                    let (included, reason) = match (mount.key.as_str(), mount.kind()) {
                        ("rootfs", _) => (true, "rootfs"),
                        (_, "volume") if backup => (true, "enabled"),
                        (_, "volume") => (false, "disabled"),
                        _ => (false, "not a volume"),
                    };
                    json!({ "id": mount.key, "name": mount.volume(), "included": u8::from(included), "reason": reason })
                })
                .collect();
            json!({ "id": vmid, "name": guest.name(*vmid), "type": "lxc", "children": volumes })
        })
        .collect();
    Ok(json!({ "children": guests }).into())
}
