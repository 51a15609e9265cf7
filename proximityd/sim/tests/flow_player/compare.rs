//! Compares a reply with the recorded one: keys, types, and every value that is determined.

use serde_json::{Map, Value};

use super::log;
use super::names::Names;
use super::story::Step;

/// What differs from the recorded machine on purpose, with the reason.
pub(crate) const ON_PURPOSE: &[(&str, &str)] = &[
    ("pressure*", "null on the recorded machine, whose kernel had cgroup v1; Proxmox VE 9 gives numbers"),
    ("cgroup-mode", "the same: 2 here"),
    (
        "Cannot stat file /proc/1/fd/N: Permission denied",
        "log lines of a full clone on the recorded machine, which was itself an unprivileged container",
    ),
    (
        "a running container's file system grows",
        "the recorded machine could not: its log says `Permission denied to resize filesystem`",
    ),
    (
        "trying to acquire lock...",
        "whether a worker waits for its own API call's lock file depends on the instant: the same task is recorded \
         with and without",
    ),
];

/// What cannot be foreseen: only its type is compared.
const FIGURES: &[&str] = &[
    "mem",
    "cpu",
    "disk",
    "uptime",
    "netin",
    "netout",
    "diskread",
    "diskwrite",
    "swap",
    "pid",
    "pstart",
    "starttime",
    "endtime",
    "ctime",
    "snaptime",
    "size",
    "used",
    "avail",
    "total",
    "used_fraction",
    "time",
    "cgroup-mode",
];
/// Sizes that a container's configuration determines, and that are the machine's own elsewhere.
const SIZES: &[&str] = &["maxmem", "maxdisk", "maxcpu"];
/// What tells the entries of a list apart.
const IDENTITIES: &[&str] =
    &["key", "volid", "upid", "storage", "id", "name", "vmid", "subdir", "ip-address"];

/// A reply.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) body: Value,
}

/// Compares replies of one story, one after the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Judge {
    pub(crate) names: Names,
    found: Vec<String>,
}

impl Judge {
    /// What differs between a step's recorded reply and this node's.
    pub(crate) fn step(&mut self, step: &Step, reply: &Reply) -> Vec<String> {
        self.found.clear();
        if step.status != reply.status {
            self.differs("status", &step.status.to_string(), &reply.status.to_string());
        }
        if !self.names.same(&step.reason, &reply.reason) {
            self.differs("reason", &step.reason, &reply.reason);
        }
        if step.reads_log() && step.body["data"].is_array() {
            self.log(&step.body, &reply.body);
        } else {
            self.value("", &step.body, &reply.body, None);
        }
        std::mem::take(&mut self.found)
    }

    fn differs(&mut self, what: &str, theirs: &str, ours: &str) {
        self.found.push(format!("{what}: recorded {theirs}, here {ours}"));
    }

    fn log(&mut self, theirs: &Value, ours: &Value) {
        let lines = |body: &Value| -> Vec<String> {
            let data = body["data"].as_array().into_iter().flatten();
            data.map(|line| line["t"].as_str().unwrap_or("<no text>").to_owned()).collect()
        };
        let (all_theirs, all_ours) = (lines(theirs), lines(ours));
        let numbered = ours["data"].as_array().is_some_and(|data| {
            data.windows(2).all(|w| w[1]["n"].as_u64() == w[0]["n"].as_u64().map(|n| n + 1))
        });
        let whole = |body: &Value, lines: &[String]| body["total"].as_u64() == Some(lines.len() as u64);
        if !numbered || whole(theirs, &all_theirs) != whole(ours, &all_ours) {
            self.differs("total", &theirs["total"].to_string(), &ours["total"].to_string());
        }
        let (theirs, ours) = (log::comparable(&all_theirs), log::comparable(&all_ours));
        for i in 0..theirs.len().max(ours.len()) {
            match (theirs.get(i), ours.get(i)) {
                (Some(a), Some(b)) if self.names.same(a, b) => {}
                (a, b) => {
                    let shown =
                        |line: Option<&String>| line.map_or("nothing".to_owned(), |l| format!("{l:?}"));
                    self.differs(&format!("log line {}", i + 1), &shown(a), &shown(b));
                    return;
                }
            }
        }
    }

    fn value(&mut self, at: &str, theirs: &Value, ours: &Value, inside: Option<&Map<String, Value>>) {
        let key = at.rsplit('.').next().unwrap_or_default();
        if key.starts_with("pressure") && (ours.is_number() || ours.is_null()) && theirs.is_null() {
            return;
        }
        if theirs.is_number() && ours.is_number() && undetermined(key, theirs, inside) {
            return;
        }
        match (theirs, ours) {
            (Value::Object(a), Value::Object(b)) => self.object(at, a, b),
            (Value::Array(a), Value::Array(b)) => self.list(at, a, b),
            (Value::String(a), Value::String(b)) => {
                let same = match key {
                    "digest" => b.len() == a.len() && self.names.same_when_same(a, b),
                    "content" => set(a) == set(b),
                    _ => self.names.same(a, b),
                };
                if !same {
                    self.differs(at, a, b);
                }
            }
            (a, b) if a == b || (a.is_number() && a.as_f64() == b.as_f64()) => {}
            (a, b) => self.differs(at, &a.to_string(), &b.to_string()),
        }
    }

    fn object(&mut self, at: &str, theirs: &Map<String, Value>, ours: &Map<String, Value>) {
        // An entry of a list of keys and values is as determined as the option it shows.
        let pair = theirs.get("key").and_then(Value::as_str).filter(|_| theirs.contains_key("value"));
        for (key, value) in theirs {
            let place = match pair {
                Some(option) if key != "key" => format!("{at}.{option}"),
                _ => format!("{at}.{key}"),
            };
            match ours.get(key) {
                Some(other) => self.value(&place, value, other, Some(theirs)),
                None => self.differs(&place, &value.to_string(), "no such key"),
            }
        }
        for (key, value) in ours.iter().filter(|(key, _)| !theirs.contains_key(*key)) {
            self.differs(&format!("{at}.{key}"), "no such key", &value.to_string());
        }
    }

    fn list(&mut self, at: &str, theirs: &[Value], ours: &[Value]) {
        let (theirs, ours) = (in_order(theirs), in_order(ours));
        if theirs.len() != ours.len() {
            let names = |list: &[Value]| list.iter().map(identity).collect::<Vec<_>>().join(" ");
            let text = |list: &[Value]| format!("{} [{}]", list.len(), names(list));
            self.differs(&format!("{at} (length)"), &text(&theirs), &text(&ours));
            return;
        }
        for (i, (a, b)) in theirs.iter().zip(&ours).enumerate() {
            self.value(&format!("{at}[{i}]"), a, b, None);
        }
    }
}

fn undetermined(key: &str, theirs: &Value, inside: Option<&Map<String, Value>>) -> bool {
    let has = |name: &str| inside.is_some_and(|map| map.contains_key(name));
    let is_stopped = inside.is_some_and(|map| map.get("status").is_some_and(|s| s == "stopped"));
    if key == "swap" && !has("status") {
        return false;
    }
    if FIGURES.contains(&key) {
        // What does not run uses nothing, and that is determined.
        return !(is_stopped && has("vmid") && theirs.as_f64() == Some(0.0));
    }
    SIZES.contains(&key) && (!has("vmid") || (key == "maxdisk" && !is_stopped))
}

/// Whether a value of this name may be a figure that cannot be foreseen.
pub(crate) fn is_figure(key: &str) -> bool {
    FIGURES.contains(&key) || SIZES.contains(&key) || key.starts_with("pressure")
}

fn set(text: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = text.split(',').collect();
    parts.sort_unstable();
    parts
}

fn identity(value: &Value) -> String {
    let found = IDENTITIES.iter().find_map(|key| value.get(key));
    found.map_or_else(|| value.to_string(), |id| id.as_str().map_or_else(|| id.to_string(), str::to_owned))
}

fn in_order(list: &[Value]) -> Vec<Value> {
    let mut list = list.to_vec();
    if list.iter().all(Value::is_object) {
        list.sort_by_cached_key(identity);
    }
    list
}
