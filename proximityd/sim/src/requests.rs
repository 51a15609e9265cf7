//! Counts the requests by method and path template, and remembers the last ones. For tests only.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use serde_json::{Value, json};

const KEPT: usize = 500;

/// The requests since the last reset.
#[derive(Debug, Default)]
pub(crate) struct Requests(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    counts: BTreeMap<String, u64>,
    last: VecDeque<Value>,
}

impl Requests {
    /// Notes a request; parameters are noted by name only, as values may be secrets.
    pub(crate) fn note(&self, method: &str, template: &str, path: &str, status: u16, parameters: &[String]) {
        let mut seen = self.0.lock().expect("no panic holds the requests");
        *seen.counts.entry(format!("{method} {template}")).or_default() += 1;
        if seen.last.len() == KEPT {
            seen.last.pop_front();
        }
        seen.last
            .push_back(json!({ "method": method, "path": path, "status": status, "parameters": parameters }));
    }

    /// What was seen; the last `limit` requests.
    pub(crate) fn report(&self, limit: usize) -> Value {
        let seen = self.0.lock().expect("no panic holds the requests");
        let skip = seen.last.len().saturating_sub(limit);
        let total: u64 = seen.counts.values().sum();
        json!({ "total": total, "counts": seen.counts, "last": seen.last.iter().skip(skip).collect::<Vec<_>>() })
    }

    /// Forgets everything.
    pub(crate) fn reset(&self) {
        *self.0.lock().expect("no panic holds the requests") = Seen::default();
    }
}
