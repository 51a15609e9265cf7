//! The API's schema in brief (`tests/data/api-schema.json`): for each call of the client its
//! parameters with type, limits and, for property strings, keys. Names and limits are those of the
//! API viewer of Proxmox VE 9.2.
//!
//! Patterns and formats are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, Mutex};

use percent_encoding::percent_decode_str;
use proximity_pve::RecordedRequest;
use serde::Deserialize;

#[derive(Deserialize)]
struct Parameter {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    required: bool,
    #[serde(default, rename = "enum")]
    words: Vec<String>,
    min: Option<f64>,
    max: Option<f64>,
    min_len: Option<usize>,
    max_len: Option<usize>,
    #[serde(default)]
    keys: BTreeMap<String, Key>,
}

#[derive(Deserialize)]
struct Key {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    bare: bool,
}

type Calls = BTreeMap<String, BTreeMap<String, Parameter>>;

static CALLS: LazyLock<Calls> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../data/api-schema.json")).unwrap());

static CALLED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The calls of the schema that were not made by this process.
pub(crate) fn never_called() -> Vec<String> {
    let called = CALLED.lock().unwrap();
    CALLS.keys().filter(|c| !called.contains(*c)).cloned().collect()
}

/// Panics when a request is not what the API takes.
pub(crate) fn check(request: &RecordedRequest<'_>) {
    if let Err(problem) = find_problem(request) {
        panic!("{} {}: {problem}", request.method, request.path);
    }
}

fn find_problem(request: &RecordedRequest<'_>) -> Result<(), String> {
    let (call, parameters) = CALLS
        .iter()
        .filter(|(call, _)| {
            let (method, template) = call.split_once(' ').unwrap();
            method == request.method && fits(template, request.path)
        })
        // A literal path comes before one with placeholders.
        .min_by_key(|(call, _)| call.matches('{').count())
        .ok_or("there is no such call")?;
    CALLED.lock().unwrap().insert(call.clone());
    let mut given = BTreeSet::new();
    for (name, value) in request.params.iter() {
        if !given.insert(name) {
            return Err(format!("{name} is given twice"));
        }
        let generic = format!("{}[n]", name.trim_end_matches(|c: char| c.is_ascii_digit()));
        let parameter =
            parameters.get(name).or_else(|| parameters.get(&generic)).ok_or(format!("{name} is unknown"))?;
        parameter.check(value).map_err(|problem| format!("{name}={value:?}: {problem}"))?;
    }
    match parameters.iter().find(|(name, p)| p.required && !given.contains(name.as_str())) {
        Some((name, _)) => Err(format!("{name} is missing")),
        None => Ok(()),
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(path).all(|(t, p)| {
            let decoded = percent_decode_str(p).decode_utf8().unwrap();
            t.starts_with('{') && !p.is_empty() || *t == decoded
        })
}

impl Parameter {
    fn check(&self, value: &str) -> Result<(), String> {
        check_type(&self.kind, value)?;
        if let Ok(number) = value.parse::<f64>()
            && matches!(self.kind.as_str(), "integer" | "number")
            && (self.min.is_some_and(|m| number < m) || self.max.is_some_and(|m| number > m))
        {
            return Err("out of range".to_owned());
        }
        let length = value.chars().count();
        if self.min_len.is_some_and(|m| length < m) || self.max_len.is_some_and(|m| length > m) {
            return Err("of a wrong length".to_owned());
        }
        let generic = format!("{}[n]", value.trim_end_matches(|c: char| c.is_ascii_digit()));
        if !self.words.is_empty() && !self.words.iter().any(|w| w == value || *w == generic) {
            return Err(format!("not one of {:?}", self.words));
        }
        if self.keys.is_empty() { Ok(()) } else { self.check_keys(value) }
    }

    fn check_keys(&self, value: &str) -> Result<(), String> {
        let mut given = BTreeSet::new();
        for part in value.split(',') {
            let (name, value) = match part.split_once('=') {
                Some(pair) => pair,
                None => {
                    let bare = self.keys.iter().find(|(_, k)| k.bare).ok_or(format!("{part} has no key"))?;
                    (bare.0.as_str(), part)
                }
            };
            let key = self.keys.get(name).ok_or(format!("key {name} is unknown"))?;
            check_type(&key.kind, value)?;
            given.insert(name);
        }
        match self.keys.iter().find(|(name, k)| k.required && !given.contains(name.as_str())) {
            Some((name, _)) => Err(format!("key {name} is missing")),
            None => Ok(()),
        }
    }
}

fn check_type(kind: &str, value: &str) -> Result<(), String> {
    let right = match kind {
        "boolean" => matches!(value, "0" | "1"),
        "integer" => value.parse::<i64>().is_ok(),
        "number" => value.parse::<f64>().is_ok(),
        _ => true,
    };
    if right { Ok(()) } else { Err(format!("not of type {kind}")) }
}
