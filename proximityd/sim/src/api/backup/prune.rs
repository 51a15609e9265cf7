//! Which backups are kept: the retention options `keep-last`, `keep-daily` and so on.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::api::datastore::known;
use crate::api::lxc::Work;
use crate::call::Call;
use crate::node::Node;
use crate::reply::{ApiError, Outcome};
use crate::state::State;
use crate::tasks::{Start, Task};

/// What of a container's backups is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Retention {
    last: u64,
    hourly: u64,
    daily: u64,
    weekly: u64,
    monthly: u64,
    yearly: u64,
}

/// What becomes of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Keep,
    Remove,
    Protected,
}

impl Mark {
    fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Remove => "remove",
            Self::Protected => "protected",
        }
    }
}

/// A backup to be judged.
#[derive(Debug, Clone)]
struct Entry {
    volid: String,
    vmid: u32,
    ctime: i64,
    mark: Option<Mark>,
}

impl Retention {
    /// Reads `keep-last=3,keep-daily=7`; none keeps everything.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut found = Self::default();
        for (key, value) in text.split(',').filter_map(|part| part.split_once('=')) {
            let count = value.trim().parse().unwrap_or(0);
            match key.trim() {
                "keep-all" if count == 1 => return None,
                "keep-last" => found.last = count,
                "keep-hourly" => found.hourly = count,
                "keep-daily" => found.daily = count,
                "keep-weekly" => found.weekly = count,
                "keep-monthly" => found.monthly = count,
                "keep-yearly" => found.yearly = count,
                _ => {}
            }
        }
        (found != Self::default()).then_some(found)
    }

    /// How many it keeps at most.
    pub(super) fn most(&self) -> u64 {
        self.last + self.hourly + self.daily + self.weekly + self.monthly + self.yearly
    }

    fn parts(&self) -> [(&'static str, u64, &'static str); 6] {
        [
            ("keep-last", self.last, "%s"),
            ("keep-hourly", self.hourly, "%H/%d/%m/%Y"),
            ("keep-daily", self.daily, "%d/%m/%Y"),
            ("keep-weekly", self.weekly, "%V/%G"),
            ("keep-monthly", self.monthly, "%m/%Y"),
            ("keep-yearly", self.yearly, "%Y"),
        ]
    }

    /// As a log line names it.
    fn print(&self) -> String {
        let mut parts: Vec<String> =
            self.parts().iter().filter(|p| p.1 > 0).map(|(key, count, _)| format!("{key}={count}")).collect();
        parts.sort();
        parts.join(", ")
    }

    /// Marks the backups of one container, newest first: each option keeps the newest of so many periods that
    /// no option before it has kept one of.
    fn mark(&self, group: &mut [Entry]) {
        group.sort_by_key(|e| std::cmp::Reverse(e.ctime));
        for (_, count, period) in self.parts() {
            mark_periods(group, count, |at| {
                let zoned = Timestamp::from_second(at).unwrap_or_default().to_zoned(TimeZone::UTC);
                zoned.strftime(period).to_string()
            });
        }
        for entry in group {
            entry.mark.get_or_insert(Mark::Remove);
        }
    }
}

fn mark_periods(group: &mut [Entry], count: u64, period: impl Fn(i64) -> String) {
    if count == 0 {
        return;
    }
    let kept = |e: &&Entry| e.mark == Some(Mark::Keep);
    let before: HashSet<String> = group.iter().filter(kept).map(|e| period(e.ctime)).collect();
    let mut new = HashSet::new();
    for entry in group.iter_mut().filter(|e| e.mark.is_none()) {
        let id = period(entry.ctime);
        if before.contains(&id) {
            continue;
        }
        if new.contains(&id) {
            entry.mark = Some(Mark::Remove);
            continue;
        }
        if new.len() as u64 >= count {
            break;
        }
        new.insert(id);
        entry.mark = Some(Mark::Keep);
    }
}

/// Judges the backups on a storage, of one container or of all.
fn judge(
    state: &State,
    host: &str,
    storage: &str,
    vmid: Option<u32>,
    keep: Option<&Retention>,
) -> Vec<Entry> {
    let mut groups: std::collections::BTreeMap<u32, Vec<Entry>> = std::collections::BTreeMap::new();
    for volume in state.volumes_on(host, storage).filter(|v| v.content == "backup") {
        let Some(owner) = volume.vmid.filter(|v| vmid.is_none_or(|wanted| wanted == *v)) else { continue };
        groups.entry(owner).or_default().push(Entry {
            volid: volume.volid.clone(),
            vmid: owner,
            ctime: volume.ctime,
            mark: volume.protected.then_some(Mark::Protected),
        });
    }
    for group in groups.values_mut() {
        match keep {
            Some(keep) => keep.mark(group),
            None => group.iter_mut().for_each(|e| {
                e.mark.get_or_insert(Mark::Keep);
            }),
        }
    }
    groups.into_values().flatten().collect()
}

/// Removes what is not kept, and tells the log each.
fn remove(
    node: &Node,
    host: &str,
    storage: &str,
    entries: &[Entry],
    task: &Task,
    prefix: &str,
) -> Result<usize, ApiError> {
    let gone: Vec<&Entry> = entries.iter().filter(|e| e.mark == Some(Mark::Remove)).collect();
    for entry in &gone {
        task.log(format!("{prefix}removing backup '{}'", entry.volid));
        node.change(|state| Ok(state.remove_volume(host, &entry.volid)))?;
        let file = entry.volid.rsplit('/').next().unwrap_or_default();
        if let Err(error) = std::fs::remove_file(node.storage_dir(host, storage).join("dump").join(file)) {
            tracing::debug!(%error, volid = entry.volid, "the backup had no file");
        }
    }
    Ok(gone.len())
}

/// What a backup job does after each backup.
pub(super) fn after_backup(work: &Work, storage: &str, keep: &Retention) -> Result<(), ApiError> {
    work.task.log(format!("INFO: prune older backups with retention: {}", keep.print()));
    let entries = judge(&work.node.store.view(), &work.host, storage, Some(work.vmid), Some(keep));
    let count = remove(&work.node, &work.host, storage, &entries, &work.task, "INFO: ")?;
    let why = if count > 0 { " not covered by keep-retention policy" } else { "" };
    work.task.log(format!("INFO: pruned {count} backup(s){why}"));
    Ok(())
}

/// The container asked about, and the retention: the call's own, else the storage's.
fn asked(call: &Call) -> Result<(Option<u32>, Option<String>), ApiError> {
    let storage = known(call)?;
    let text = call.params.get("prune-backups").map(str::to_owned).or(storage.prune_backups);
    Ok((call.params.number("vmid").and_then(|v| u32::try_from(v).ok()), text))
}

fn retention(storage: &str, text: Option<&str>) -> Result<Option<Retention>, ApiError> {
    let none = || ApiError::died(format!("no prune-backups options configured for storage '{storage}'"));
    Ok(Retention::read(text.ok_or_else(none)?))
}

/// `GET …/storage/{storage}/prunebackups`: what a removal would do.
pub(in crate::api) fn list(call: &Call) -> Outcome {
    let (vmid, text) = asked(call)?;
    let storage = call.params.need("storage");
    let keep = retention(storage, text.as_deref())?;
    let state = call.node.store.view();
    let entries = judge(&state, &call.host, storage, vmid, keep.as_ref());
    let listed = entries.iter().map(|e| {
        json!({
            "volid": e.volid, "vmid": e.vmid, "ctime": e.ctime, "type": "lxc",
            "mark": e.mark.unwrap_or(Mark::Keep).name(),
        })
    });
    Ok(json!(listed.collect::<Vec<Value>>()).into())
}

/// `DELETE …/storage/{storage}/prunebackups`.
pub(in crate::api) fn delete(call: &Call) -> Outcome {
    let (vmid, text) = asked(call)?;
    let storage = call.params.need("storage").to_owned();
    let path = format!("/storage/{storage}");
    match vmid {
        Some(vmid) => {
            call.check(&path, &["Datastore.AllocateSpace"])?;
            call.check(&format!("/vms/{vmid}"), &["VM.Backup"])?;
        }
        None => call.check(&path, &["Datastore.Allocate"])?,
    }
    let id = vmid.map_or_else(|| storage.clone(), |vmid| format!("{vmid}@{storage}"));
    let start = Start { node: &call.host, kind: "prunebackups", id, who: &call.who };
    let (node, host) = (Arc::clone(&call.node), call.host.clone());
    let task = call.node.tasks.start(&call.node, &start, move |task| async move {
        let keep = retention(&storage, text.as_deref())?;
        let entries = judge(&node.store.view(), &host, &storage, vmid, keep.as_ref());
        remove(&node, &host, &storage, &entries, &task, "").map(drop)
    })?;
    Ok(json!(task.upid.to_string()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(keep: &str, times: &[i64]) -> Vec<&'static str> {
        let entry = |at: &i64| Entry { volid: String::new(), vmid: 100, ctime: *at, mark: None };
        let mut group: Vec<Entry> = times.iter().map(entry).collect();
        Retention::read(keep).unwrap().mark(&mut group);
        group.iter().map(|e| e.mark.unwrap().name()).collect()
    }

    #[test]
    fn the_newest_are_kept_and_one_of_each_further_day() {
        let day = 86_400;
        let times = [10 * day + 300, 10 * day + 200, 10 * day + 100, 9 * day, 8 * day, 7 * day];
        let kept = marks("keep-last=1,keep-daily=2", &times);
        // The day of the newest one is covered by keep-last already.
        assert_eq!(kept, ["keep", "remove", "remove", "keep", "keep", "remove"]);
    }

    #[test]
    fn nothing_positive_keeps_everything() {
        assert_eq!(Retention::read("keep-all=1"), None);
        assert_eq!(Retention::read("keep-last=0"), None);
        let both = Retention::read("keep-last=2,keep-daily=1").unwrap();
        assert_eq!((both.most(), both.print().as_str()), (3, "keep-daily=1, keep-last=2"));
    }
}
