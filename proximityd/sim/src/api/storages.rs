//! Storage definitions made, changed and taken away.

use serde_json::{Value, json};

use super::datastore::digest_of;
use super::edit::{check_digest, given};
use crate::call::Call;
use crate::reply::{ApiError, Outcome};
use crate::schema::split_list;
use crate::state::State;
use crate::state::sections::Section;
use crate::state::storage::Storage;

/// What a storage of a kind cannot do without.
fn required(kind: &str) -> &'static [&'static str] {
    match kind {
        "dir" | "btrfs" => &["path"],
        "lvm" => &["vgname"],
        "lvmthin" => &["vgname", "thinpool"],
        "zfspool" => &["pool"],
        "nfs" => &["server", "export"],
        "cifs" => &["server", "share"],
        "pbs" => &["server", "datastore"],
        _ => &[],
    }
}

/// What it takes when nothing is said.
fn usual_content(kind: &str) -> &'static str {
    match kind {
        "dir" | "nfs" | "cifs" => "images,rootdir,vztmpl,iso,backup,snippets",
        "pbs" => "backup",
        _ => "images,rootdir",
    }
}

/// Options that have a place of their own.
fn lay_over(storage: &mut Storage, options: Section) {
    for (name, value) in options {
        match name.as_str() {
            "content" => storage.content = split_list(&value).into_iter().map(str::to_owned).collect(),
            "path" => storage.path = Some(value),
            "vgname" => storage.vgname = Some(value),
            "thinpool" => storage.thinpool = Some(value),
            "disable" => storage.disable = value == "1",
            "prune-backups" => storage.prune_backups = Some(value),
            _ => {
                storage.options.insert(name, value);
            }
        }
    }
}

fn take_away(storage: &mut Storage, name: &str) {
    match name {
        "content" => {
            storage.content =
                split_list(usual_content(&storage.kind)).into_iter().map(str::to_owned).collect()
        }
        "disable" => storage.disable = false,
        "prune-backups" => storage.prune_backups = None,
        _ => {
            storage.options.remove(name);
        }
    }
}

/// `POST /storage`.
pub(super) fn create(call: &Call) -> Outcome {
    let (id, kind) = (call.params.need("storage").to_owned(), call.params.need("type").to_owned());
    let failed = |text: String| ApiError::died(format!("create storage failed: {text}"));
    let options = given(call, &["storage", "type"]);
    let mut storage = Storage { kind: kind.clone(), total: 100 << 30, ..Storage::default() };
    lay_over(&mut storage, Section::from([("content".to_owned(), usual_content(&kind).to_owned())]));
    let missing = required(&kind).iter().find(|name| !options.contains_key(**name));
    lay_over(&mut storage, options);
    let answer = json!({ "storage": id, "type": kind });
    call.node.change(|state| {
        if state.storages.contains_key(&id) {
            return Err(failed(format!("storage ID '{id}' already defined")));
        }
        if let Some(name) = missing {
            return Err(failed(format!("missing value for required option '{name}'")));
        }
        state.storages.insert(id, storage);
        Ok(())
    })?;
    Ok(answer.into())
}

fn known<'a>(state: &'a mut State, id: &str, what: &str) -> Result<&'a mut Storage, ApiError> {
    let absent = || ApiError::died(format!("{what} storage failed: storage '{id}' does not exist"));
    state.storages.get_mut(id).ok_or_else(absent)
}

/// `PUT /storage/{storage}`.
pub(super) fn update(call: &Call) -> Outcome {
    let id = call.params.need("storage");
    let kind = call.node.change(|state| {
        check_digest(call, &digest_of(state))?;
        let storage = known(state, id, "update")?;
        for name in split_list(call.params.need("delete")) {
            if required(&storage.kind).contains(&name) {
                return Err(ApiError::died(format!(
                    "update storage failed: unable to delete required option '{name}'"
                )));
            }
            take_away(storage, name);
        }
        lay_over(storage, given(call, &["storage"]));
        Ok(storage.kind.clone())
    })?;
    Ok(json!({ "storage": id, "type": kind }).into())
}

/// `DELETE /storage/{storage}`: what is on it stays where it is.
pub(super) fn delete(call: &Call) -> Outcome {
    let id = call.params.need("storage");
    call.node.change(|state| {
        known(state, id, "delete")?;
        if let Some((child, _)) = state
            .storages
            .iter()
            .find(|(_, s)| s.options.get("base").is_some_and(|b| b.starts_with(&format!("{id}:"))))
        {
            let text = format!(
                "delete storage failed: can't remove storage - storage is used as base of storage '{child}'"
            );
            return Err(ApiError::died(text));
        }
        state.storages.remove(id);
        Ok(())
    })?;
    Ok(Value::Null.into())
}
