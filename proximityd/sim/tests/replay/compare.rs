//! What a reply must have in common with the recorded one.
//!
//! Status, reason phrase, `message` and `errors` are equal. In `data` the keys and the JSON types are equal,
//! and so are the values, but for those named here, which no two nodes share.

use serde_json::{Map, Value};

/// What was answered.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) body: Value,
}

/// Keys whose values only share their type: times, sizes, load, random names, what tells one machine from another.
const NOT_EQUAL: &[&str] = &[
    // Times.
    "time",
    "localtime",
    "ctime",
    "snaptime",
    "starttime",
    "endtime",
    "next-run",
    "uptime",
    // Random, or of one process.
    "digest",
    "pid",
    "pstart",
    "ticket",
    "cert",
    "CSRFPreventionToken",
    "value:uuid",
    "value:digest",
    "ssl_fingerprint",
    "port",
    // Load and sizes.
    "cpu",
    "mem",
    "memhost",
    "maxmem:node",
    "maxcpu:node",
    "disk",
    "maxdisk",
    "diskread",
    "diskwrite",
    "netin",
    "netout",
    "swap",
    "wait",
    "idle",
    "loadavg",
    "size",
    "used",
    "avail",
    "total:bytes",
    "used_fraction",
    "free",
    "available",
    "shared:bytes",
    // The machine.
    "cpuinfo",
    "kversion",
    "current-kernel",
    "boot-info",
    "cgroup-mode",
    "ip:node",
];

/// Compares; what differs is told in words, one difference each.
pub(crate) fn differences(expected: &Answered, got: &Answered) -> Vec<String> {
    let mut found = Vec::new();
    if expected.status != got.status {
        found.push(format!("status: recorded {}, answered {}", expected.status, got.status));
    }
    if expected.reason != got.reason {
        found.push(format!("reason: recorded {:?}, answered {:?}", expected.reason, got.reason));
    }
    compare("body", &expected.body, &got.body, &mut found);
    found
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(160) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn compare(path: &str, expected: &Value, got: &Value, found: &mut Vec<String>) {
    if super::differences::same_on_purpose(path, expected, got) {
        return;
    }
    if kind(expected) != kind(got) {
        found.push(format!(
            "{path}: recorded {} {}, answered {} {}",
            kind(expected),
            short(expected),
            kind(got),
            short(got)
        ));
        return;
    }
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => objects(path, expected, got, found),
        (Value::Array(expected), Value::Array(got)) => lists(path, expected, got, found),
        (Value::String(e), Value::String(g)) if normal(e) == normal(g) => {}
        (Value::String(e), Value::String(g)) if path.ends_with(".content") && words(e) == words(g) => {}
        (e, g) if e == g => {}
        _ => found.push(format!("{path}: recorded {}, answered {}", short(expected), short(got))),
    }
}

/// Whether a key's values need not be equal, given the object around it.
fn only_type(key: &str, around: &Map<String, Value>) -> bool {
    let is_node = around.get("type").is_some_and(|t| t == "node");
    NOT_EQUAL.iter().any(|entry| match entry.split_once(':') {
        None => *entry == key,
        Some((name, "node")) => name == key && is_node,
        Some((name, "bytes")) => name == key && (around.contains_key("used") || around.contains_key("free")),
        Some((name, "digest")) => name == key && around.get("key").is_some_and(|k| k == "digest"),
        Some((name, "uuid")) => name == key && around.contains_key("full-tokenid"),
        Some(_) => false,
    })
}

fn objects(path: &str, expected: &Map<String, Value>, got: &Map<String, Value>, found: &mut Vec<String>) {
    for (key, value) in expected {
        let here = format!("{path}.{key}");
        let Some(answer) = got.get(key) else {
            if !super::differences::absent_on_purpose(&here, value) {
                found.push(format!("{here}: recorded {}, missing", short(value)));
            }
            continue;
        };
        // What a refusal says of a parameter is told whole, whatever the parameter is called.
        if path == "body.errors" || !only_type(key, expected) {
            compare(&here, value, answer, found);
        } else if kind(value) != kind(answer) && !super::differences::same_on_purpose(&here, value, answer) {
            found.push(format!("{here}: recorded {}, answered {}", kind(value), kind(answer)));
        } else if let (Value::Object(value), Value::Object(answer)) = (value, answer) {
            keys_and_types(&here, value, answer, found);
        } else if let (Value::Array(value), Value::Array(answer)) = (value, answer) {
            let kinds = |list: &[Value]| list.iter().map(kind).collect::<Vec<_>>();
            if kinds(value) != kinds(answer) {
                found.push(format!("{here}: recorded {:?}, answered {:?}", kinds(value), kinds(answer)));
            }
        }
    }
    for (key, value) in got {
        let here = format!("{path}.{key}");
        if !expected.contains_key(key) && !super::differences::extra_on_purpose(&here, value) {
            found.push(format!("{here}: not recorded, answered {}", short(value)));
        }
    }
}

/// Of a machine's own figures the keys and types must agree.
fn keys_and_types(
    path: &str,
    expected: &Map<String, Value>,
    got: &Map<String, Value>,
    found: &mut Vec<String>,
) {
    for (key, value) in expected {
        match got.get(key) {
            None => found.push(format!("{path}.{key}: recorded {}, missing", short(value))),
            Some(answer) if kind(answer) != kind(value) => {
                found.push(format!("{path}.{key}: recorded {}, answered {}", kind(value), kind(answer)));
            }
            Some(_) => {}
        }
    }
    for key in got.keys().filter(|key| !expected.contains_key(*key)) {
        found.push(format!("{path}.{key}: not recorded"));
    }
}

/// What tells one entry of a list from another; lists of such entries have no order of their own.
fn identity(value: &Value) -> Option<String> {
    let object = value.as_object()?;
    let keys = [
        "upid", "volid", "id", "vmid", "userid", "tokenid", "roleid", "poolid", "realm", "storage", "sid",
        "zone", "vnet", "subnet", "iface", "key", "name", "node",
    ];
    let path = object.get("path").map(ToString::to_string).unwrap_or_default();
    let who = object.get("ugid").map(ToString::to_string).unwrap_or_default();
    let first = keys.iter().find_map(|key| object.get(*key).map(|v| format!("{key}={v}")))?;
    Some(format!("{first}{path}{who}"))
}

fn lists(path: &str, expected: &[Value], got: &[Value], found: &mut Vec<String>) {
    // A series of points in time and lists with an order of their own are compared in order.
    let ordered = |list: &[Value]| list.iter().any(|v| v.get("n").is_some() || v.get("pos").is_some());
    let known = |list: &[Value]| !list.is_empty() && list.iter().all(|v| identity(v).is_some());
    if expected.iter().all(|v| v.get("time").is_some()) && !expected.is_empty() {
        return series(path, expected, got, found);
    }
    if known(expected) && known(got) && !ordered(expected) {
        for value in expected {
            let id = identity(value);
            match got.iter().find(|g| identity(g) == id) {
                Some(answer) => compare(&format!("{path}[{}]", id.unwrap_or_default()), value, answer, found),
                None => found.push(format!("{path}: recorded {}, missing", short(value))),
            }
        }
        for value in got.iter().filter(|g| !expected.iter().any(|e| identity(e) == identity(g))) {
            found.push(format!("{path}: not recorded, answered {}", short(value)));
        }
        return;
    }
    if expected.len() != got.len() {
        found.push(format!(
            "{path}: recorded {} entries, answered {}: {}",
            expected.len(),
            got.len(),
            short(&Value::Array(got.to_vec()))
        ));
        return;
    }
    for (index, (value, answer)) in expected.iter().zip(got).enumerate() {
        compare(&format!("{path}[{index}]"), value, answer, found);
    }
}

/// Points in time: as many, as far apart; what was measured has the same names, whenever it was.
fn series(path: &str, expected: &[Value], got: &[Value], found: &mut Vec<String>) {
    let step = |list: &[Value]| {
        let time = |i: usize| list.get(i).and_then(|v| v["time"].as_i64());
        Some(time(1)? - time(0)?)
    };
    // The collector cuts a series at full points, so that one more or less comes out.
    if expected.len().abs_diff(got.len()) > 1 || step(expected) != step(got) {
        found.push(format!("{path}: recorded {} points, answered {}", expected.len(), got.len()));
        return;
    }
    let names = |list: &[Value]| {
        let mut all: Vec<(String, &'static str)> = Vec::new();
        for (key, value) in list.iter().filter_map(Value::as_object).flatten() {
            if !all.iter().any(|(k, _)| k == key) {
                all.push((key.clone(), kind(value)));
            }
        }
        all.sort();
        all
    };
    let (recorded, answered) = (names(expected), names(got));
    for name in recorded.iter().filter(|n| !answered.contains(n)) {
        found.push(format!("{path}: recorded {name:?}, missing"));
    }
    for name in answered.iter().filter(|n| !recorded.contains(n)) {
        found.push(format!("{path}: not recorded, answered {name:?}"));
    }
}

/// The words of a list whose order is chance.
fn words(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = text.split(',').collect();
    words.sort_unstable();
    words
}

/// A text without what no two nodes share: the parts of a task's name that are times and processes.
fn normal(text: &str) -> String {
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        ["UPID", node, _, _, _, rest @ ..] => format!("UPID:{node}:*:*:*:{}", rest.join(":")),
        _ => text.to_owned(),
    }
}
