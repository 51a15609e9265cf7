//! A container's configuration: reading it, changing it, what waits for the next start.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::power::tell_engine;
use super::rights::{Change, new_disk};
use super::{complete_net, guest, guest_mut, lock_file, unique_tags, unlocked};
use crate::call::Call;
use crate::reply::{ApiError, Outcome};
use crate::schema::{Api, numbered, print_size, split_list};
use crate::state::State;
use crate::state::guest::{Config, Guest, MountPoint, is_numbered, mount_points, parse_option};
use crate::state::storage::Volume;

/// Options that change in place, running or not.
const LIVE: &[&str] = &[
    "description",
    "onboot",
    "startup",
    "protection",
    "hostname",
    "hookscript",
    "cores",
    "tags",
    "lock",
    "memory",
    "swap",
    "cpulimit",
    "cpuunits",
];

/// An option as JSON: numbers are numbers, the rest is text.
pub(super) fn typed(option: &str, value: &str) -> Value {
    let method = Api::get().method("POST", "/nodes/{node}/lxc").expect("the data holds the create method");
    match numbered(&method.parameters, option).map(|p| p.kind.as_str()) {
        Some("integer" | "boolean") => value.parse::<i64>().map_or_else(|_| json!(value), |n| json!(n)),
        Some("number") => value.parse::<f64>().map_or_else(
            |_| json!(value),
            |n| {
                if n.fract() == 0.0 {
                    value.parse::<i64>().map_or_else(|_| json!(n), |i| json!(i))
                } else {
                    json!(n)
                }
            },
        ),
        _ => json!(value),
    }
}

/// `GET …/config`.
pub(in crate::api) fn get(call: &Call) -> Outcome {
    let vmid = call.vmid();
    let state = call.node.store.view();
    let found = guest(&state, &call.host, vmid)?;
    let config = match call.params.get("snapshot") {
        Some(name) => {
            if call.params.is_set("current") {
                let text = "cannot use 'snapshot' parameter with 'current'";
                let both = ["snapshot", "current"].map(|n| (n.to_owned(), text.to_owned()));
                return Err(ApiError::Parameters(BTreeMap::from(both)));
            }
            let snapshot = found.snapshots.get(name);
            snapshot
                .ok_or_else(|| ApiError::died(format!("snapshot '{name}' does not exist")))?
                .config
                .clone()
        }
        None if call.params.is_set("current") => found.config.clone(),
        None => found.with_pending(),
    };
    let (digest, parent, raw) = (found.digest(), found.parent.clone(), found.raw.clone());
    drop(state);
    let mut shown = shown(call, vmid, &config);
    shown.insert("digest".into(), json!(digest));
    if !raw.is_empty() {
        shown.insert("lxc".into(), json!(raw));
    }
    if let Some(parent) = parent {
        shown.insert("parent".into(), json!(parent));
    }
    Ok(Value::Object(shown).into())
}

/// A configuration as it is shown to this caller.
pub(super) fn shown(call: &Call, vmid: u32, config: &Config) -> Map<String, Value> {
    let hidden = |key: &str| key == "env" && !call.may(&format!("/vms/{vmid}"), "VM.Config.Options");
    config
        .iter()
        .filter(|(key, _)| !hidden(key))
        .map(|(key, value)| (key.clone(), typed(key, value)))
        .collect()
}

/// `GET …/pending`.
pub(in crate::api) fn pending(call: &Call) -> Outcome {
    let vmid = call.vmid();
    let found = guest(&call.node.store.view(), &call.host, vmid)?.clone();
    let current = shown(call, vmid, &found.config);
    let waiting = shown(call, vmid, &found.pending);
    let mut entries = Vec::new();
    for (key, value) in &current {
        let mut entry = json!({ "key": key, "value": value });
        if let Some(next) = waiting.get(key) {
            entry["pending"] = next.clone();
        }
        if found.pending_delete.contains(key) {
            entry["delete"] = json!(1);
        }
        entries.push(entry);
    }
    let only_waiting = waiting.iter().filter(|(key, _)| !current.contains_key(*key));
    entries.extend(only_waiting.map(|(key, value)| json!({ "key": key, "pending": value })));
    entries.push(json!({ "key": "digest", "value": found.digest() }));
    Ok(json!(entries).into())
}

/// `PUT …/config`.
pub(in crate::api) async fn put(mut call: Call) -> Outcome {
    let vmid = call.vmid();
    let digest = call.params.take("digest");
    call.params.take("node");
    call.params.take("vmid");
    if call.params.is_empty() {
        return Err(ApiError::died("no options specified"));
    }
    let delete = call.params.take("delete").unwrap_or_default();
    let revert = call.params.take("revert").unwrap_or_default();
    let (delete, revert) = (split_list(&delete), split_list(&revert));
    let set: Config = call.params.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let _guard = lock_file(&call.node, vmid).await?;
    let old = guest(&call.node.store.view(), &call.host, vmid)?.clone();
    unlocked(&old)?;
    if digest.is_some_and(|d| d != old.digest()) {
        return Err(stale());
    }
    let unprivileged = old.config.get("unprivileged").is_some_and(|u| u == "1");
    let change = Change { vmid, pool: None, old: Some(&old.config), unprivileged };
    change.check(&call, &Config::new(), &delete)?;
    change.check(&call, &Config::new(), &revert)?;
    contradictions(&set, &delete, &revert)?;
    change.check(&call, &set, &[])?;
    let host = call.host.clone();
    call.node.change(|state| {
        let mut next = guest(state, &host, vmid)?.clone();
        update(vmid, &mut next, &set, &delete, &revert)?;
        let chosen: BTreeSet<&str> = set.keys().map(String::as_str).chain(delete.iter().copied()).collect();
        apply(state, &host, vmid, &mut next, &chosen)?;

        *guest_mut(state, &host, vmid)? = next;
        Ok(())
    })?;
    tell_engine(&call, vmid).await?;
    Ok(Value::Null.into())
}

/// A digest that is no longer the configuration's.
pub(in crate::api) fn stale() -> ApiError {
    ApiError::died("detected modified configuration - file changed by other user? Try again.")
}

fn contradictions(set: &Config, delete: &[&str], revert: &[&str]) -> Result<(), ApiError> {
    let method = Api::get().method("POST", "/nodes/{node}/lxc").expect("the data holds the create method");
    let known = |option: &str| numbered(&method.parameters, option).is_some();
    for option in revert {
        if !known(option) {
            return Err(ApiError::parameter("revert", format!("unknown option '{option}'")));
        }
        if set.contains_key(*option) {
            let text = format!("you can't use '-{option}' and '-revert {option}' at the same time");
            return Err(ApiError::parameter("revert", text));
        }
    }
    for option in delete {
        if !known(option) {
            return Err(ApiError::parameter("delete", format!("unknown option '{option}'")));
        }
        if set.contains_key(*option) {
            // The lone quote is Proxmox VE's own.
            let text = format!("you can't use '-{option}' and -delete {option}' at the same time");
            return Err(ApiError::parameter("delete", text));
        }
        if revert.contains(option) {
            let text = format!("you can't use '-delete {option}' and '-revert {option}' at the same time");
            return Err(ApiError::parameter("delete", text));
        }
    }
    Ok(())
}

/// Notes every change as pending.
fn update(
    vmid: u32,
    guest: &mut Guest,
    set: &Config,
    delete: &[&str],
    revert: &[&str],
) -> Result<(), ApiError> {
    for option in revert {
        guest.pending.remove(*option);
        guest.pending_delete.remove(*option);
    }
    for option in delete {
        if !guest.config.contains_key(*option) && !guest.pending.contains_key(*option) {
            continue;
        }
        match *option {
            "memory" | "rootfs" | "ostype" => {
                return Err(ApiError::died(format!("unable to delete required option '{option}'")));
            }
            "unprivileged" => {
                return Err(ApiError::died(format!("unable to delete read-only option: '{option}'")));
            }
            _ if is_numbered(option, "unused") || is_numbered(option, "mp") => {
                protected(guest, &format!("can't remove CT {vmid} drive '{option}'"))?;
            }
            _ => {}
        }
        guest.pending.remove(*option);
        guest.pending_delete.insert((*option).to_owned());
    }
    for (option, value) in set {
        if option == "unprivileged" {
            return Err(ApiError::died(format!("unable to modify read-only option: '{option}'")));
        }
        if option == "rootfs" || is_numbered(option, "mp") {
            protected(guest, &format!("can't update CT {vmid} drive '{option}'"))?;
        }
        let value = match option.as_str() {
            "tags" => unique_tags(value),
            "description" if !value.is_empty() && !value.ends_with('\n') => format!("{value}\n"),
            _ if is_numbered(option, "net") => complete_net(value, false),
            _ => value.clone(),
        };
        guest.pending_delete.remove(option);
        if guest.config.get(option) == Some(&value) {
            guest.pending.remove(option);
        } else {
            guest.pending.insert(option.clone(), value);
        }
    }
    Ok(())
}

/// Applies what of the chosen options can be applied now; the rest stays pending.
fn apply(
    state: &mut State,
    host: &str,
    vmid: u32,
    guest: &mut Guest,
    chosen: &BTreeSet<&str>,
) -> Result<(), ApiError> {
    let running = guest.running;
    let now = |guest: &Guest, option: &str| {
        let new_mount = is_numbered(option, "mp") && !guest.config.contains_key(option);
        !running || LIVE.contains(&option) || is_numbered(option, "net") || new_mount
    };
    let chosen = |key: &&String| chosen.contains(key.as_str());
    let removed: Vec<String> = guest.pending_delete.iter().filter(chosen).cloned().collect();
    for option in removed {
        let live = !running || LIVE.contains(&option.as_str()) || is_numbered(&option, "net");
        if is_numbered(&option, "unused") {
            if let Some(volid) = guest.config.get(&option) {
                state.remove_volume(host, volid);
            }
        } else if !live {
            continue;
        }
        guest.pending_delete.remove(&option);
        let old = guest.config.remove(&option);
        if let Some(old) = old.filter(|_| is_numbered(&option, "mp")) {
            unuse(guest, &option, &old);
        }
    }
    let set: Vec<String> = guest.pending.keys().filter(chosen).cloned().collect();
    for option in set {
        if !now(guest, &option) {
            continue;
        }
        let value = guest.pending.remove(&option).unwrap_or_default();
        let value = if option == "rootfs" || is_numbered(&option, "mp") {
            mount(state, host, vmid, &option, &value)?
        } else {
            value
        };
        guest.config.insert(option, value);
    }
    Ok(())
}

/// That a container is not protected from what is about to be done to it.
pub(super) fn protected(guest: &Guest, what: &str) -> Result<(), ApiError> {
    if guest.config.get("protection").is_some_and(|p| p == "1") {
        return Err(ApiError::died(format!("{what} - protection mode enabled")));
    }
    Ok(())
}

/// Keeps a volume that is no longer mounted as unused.
pub(super) fn unuse(guest: &mut Guest, option: &str, old: &str) {
    let mount = MountPoint { key: option.to_owned(), parts: parse_option(option, old) };
    if mount.kind() == "volume" {
        let free = (0..).map(|n| format!("unused{n}")).find(|key| !guest.config.contains_key(key));
        guest.config.insert(free.expect("the numbers do not end"), mount.volume().to_owned());
    }
}

fn mount(state: &mut State, host: &str, vmid: u32, option: &str, value: &str) -> Result<String, ApiError> {
    let mut mount = MountPoint { key: option.to_owned(), parts: parse_option(option, value) };
    let Some((storage, size)) = new_disk(mount.volume()).map(|(s, n)| (s.to_owned(), n)) else {
        return Ok(value.to_owned());
    };
    let known = state
        .storages
        .get(&storage)
        .ok_or_else(|| ApiError::died(format!("storage '{storage}' does not exist")))?;
    if !known.takes("rootdir") {
        return Err(ApiError::died(format!(
            "storage '{storage}' does not allow content type 'rootdir' (Container)"
        )));
    }
    if state.free(host, &storage) < size {
        let text = format!("unable to hotplug {option}: No space left on device\n");
        return Err(ApiError::parameter(option, text));
    }
    let volid = state.new_disk(host, &storage, vmid);
    state.put_volume(Volume {
        node: host.to_owned(),
        storage,
        volid: volid.clone(),
        content: "rootdir".into(),
        format: "raw".into(),
        size,
        vmid: Some(vmid),
        ctime: crate::node::now(),
        ..Volume::default()
    });
    mount.parts.insert("volume".into(), volid);
    mount.parts.insert("size".into(), print_size(size));
    Ok(mount.print())
}

/// The volumes of a configuration by id.
pub(super) fn volumes_of(config: &Config) -> Vec<String> {
    let unused = config.iter().filter(|(key, _)| is_numbered(key, "unused")).map(|(_, volid)| volid.clone());
    let mounted =
        mount_points(config).into_iter().filter(|m| m.kind() == "volume").map(|m| m.volume().to_owned());
    mounted.chain(unused).collect()
}
