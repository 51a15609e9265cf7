//! A story: where it starts, and its steps, from a recording or from this repository's own compact form.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

/// One whole story.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) name: String,
    pub(crate) start: Value,
    pub(crate) steps: Vec<Step>,
}

/// One request and what a real node answered.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// Seconds since the story began.
    pub(crate) at: f64,
    pub(crate) method: String,
    /// Percent-encoded, without `/api2/json`.
    pub(crate) path: String,
    pub(crate) params: Map<String, Value>,
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) body: Value,
}

impl Step {
    /// Whether it asks how a task ended, after it has.
    pub(crate) fn waits_for_task(&self) -> bool {
        self.path.contains("/tasks/")
            && self.path.ends_with("/status")
            && self.body["data"]["status"] == "stopped"
    }

    /// Whether it reads a task's log.
    pub(crate) fn reads_log(&self) -> bool {
        self.path.contains("/tasks/") && self.path.ends_with("/log")
    }
}

/// Where the repository's own stories are.
pub(crate) fn own() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/flows")
}

/// Reads every story of a folder, in the order of the files' names.
pub(crate) fn read_all(dir: &Path) -> Vec<Story> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap_or_else(|e| panic!("{}: {e}", dir.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    files.sort();
    files.iter().map(|file| read(file)).filter(|story| !story.steps.is_empty()).collect()
}

fn read(file: &Path) -> Story {
    let text = std::fs::read_to_string(file).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let steps = document["steps"].as_array().cloned().unwrap_or_default();
    let mut at = 0.0;
    let steps = steps
        .iter()
        .map(|step| {
            let step = if step.get("request").is_some() { recorded(step, at) } else { compact(step, at) };
            at = step.at;
            step
        })
        .collect();
    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
    Story { name, start: document["start"].clone(), steps }
}

fn params(value: &Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map.clone(),
        Value::String(form) => percent_pairs(form),
        _ => Map::new(),
    }
}

fn percent_pairs(form: &str) -> Map<String, Value> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        Value::String(percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned())
    };
    let pairs = form.split(['&', ';']).filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (decode(key).as_str().unwrap().to_owned(), decode(value))).collect()
}

fn recorded(step: &Value, before: f64) -> Step {
    let (request, response) = (&step["request"], &step["response"]);
    let path = request["path"].as_str().unwrap();
    let path = path.strip_prefix("/api2/json").unwrap_or(path);
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut given = percent_pairs(query);
    given.extend(params(&request["params"]));
    given.extend(params(&request["body"]));
    Step {
        at: step["at_s"].as_f64().unwrap_or(before),
        method: request["method"].as_str().unwrap().to_owned(),
        path: path.to_owned(),
        params: given,
        status: u16::try_from(response["status"].as_u64().unwrap()).unwrap(),
        reason: response["reason"].as_str().unwrap_or_default().to_owned(),
        body: response["body"].clone(),
    }
}

/// The compact form: `ask`, `with`, and one of `data`, `log`, `ended` or `refused` (`[status, reason, errors]`).
fn compact(step: &Value, before: f64) -> Step {
    let (method, path) = step["ask"].as_str().unwrap().split_once(' ').unwrap();
    let (status, reason, body) = if let Some(refused) = step.get("refused") {
        let reason = refused[1].as_str().unwrap();
        let mut body = json!({ "data": null, "message": format!("{reason}\n") });
        if let Some(errors) = refused.get(2) {
            body["errors"] = errors.clone();
        }
        (u16::try_from(refused[0].as_u64().unwrap()).unwrap(), reason, body)
    } else if let Some(lines) = step.get("log").and_then(Value::as_array) {
        let numbered = lines.iter().enumerate().map(|(i, text)| json!({ "n": i + 1, "t": text }));
        (200, "OK", json!({ "data": numbered.collect::<Vec<_>>(), "total": lines.len() }))
    } else if let Some(end) = step.get("ended") {
        (200, "OK", json!({ "data": ended(path, end) }))
    } else {
        (200, "OK", json!({ "data": step["data"] }))
    };
    Step {
        at: step["at"].as_f64().unwrap_or(before),
        method: method.to_owned(),
        path: path.to_owned(),
        params: params(&step["with"]),
        status,
        reason: reason.to_owned(),
        body,
    }
}

/// The status of a task that is over: its exit status, and what its name says.
fn ended(path: &str, exit: &Value) -> Value {
    let name = path.split('/').rev().nth(1).unwrap();
    let upid = percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned();
    let parts: Vec<&str> = upid.trim_end_matches(':').split(':').collect();
    let hex = |i: usize| i64::from_str_radix(parts[i], 16).unwrap();
    let (user, token) = parts[7].split_once('!').map_or((parts[7], None), |(u, t)| (u, Some(t)));
    let mut status = json!({
        "upid": upid, "node": parts[1], "pid": hex(2), "pstart": hex(3), "starttime": hex(4), "type": parts[5],
        "id": parts[6], "user": user, "status": "stopped", "exitstatus": exit,
    });
    if let Some(token) = token {
        status["tokenid"] = json!(token);
    }
    status
}
