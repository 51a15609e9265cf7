//! Alters a recorded reply, so that a replay that looks must report it.

use serde_json::{Value, json};

use super::exchange::Exchange;

/// What is altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Status,
    Reason,
    /// A value's JSON type, in `data`.
    Type,
    /// A key of `data`, left out.
    Key,
    /// A text in `message` or `errors`.
    Text,
}

pub(crate) const KINDS: [Kind; 5] = [Kind::Status, Kind::Reason, Kind::Type, Kind::Key, Kind::Text];

/// All ways to alter a reply in this respect.
pub(crate) fn altered(exchange: &Exchange, kind: Kind) -> Vec<Exchange> {
    let with = |change: &dyn Fn(&mut Exchange)| {
        let mut other = exchange.clone();
        change(&mut other);
        other
    };
    match kind {
        Kind::Status => {
            let status = if exchange.status == 200 { 202 } else { exchange.status + 1 };
            vec![with(&|e| e.status = status)]
        }
        Kind::Reason => vec![with(&|e| e.reason.push_str(" altered"))],
        Kind::Type => places(exchange.data())
            .iter()
            .filter_map(|place| {
                let value = exchange.data().pointer(place)?;
                let other = other_type(value)?;
                Some(with(&|e| {
                    if let Some(slot) = e.reply["data"].pointer_mut(place) {
                        *slot = other.clone();
                    }
                }))
            })
            .collect(),
        Kind::Key => places(exchange.data())
            .iter()
            .filter_map(|place| {
                let (around, key) = place.rsplit_once('/')?;
                exchange.data().pointer(around)?.as_object()?;
                let key = key.replace("~1", "/").replace("~0", "~");
                Some(with(&|e| {
                    let around = e.reply["data"].pointer_mut(around).and_then(Value::as_object_mut);
                    around.map(|map| map.remove(&key));
                }))
            })
            .collect(),
        Kind::Text => ["/message"]
            .into_iter()
            .filter(|place| exchange.reply.pointer(place).is_some_and(Value::is_string))
            .map(|place| {
                with(&|e| {
                    if let Some(slot) = e.reply.pointer_mut(place) {
                        *slot = json!("something else\n");
                    }
                })
            })
            .chain(
                exchange.reply["errors"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(key, _)| with(&|e| e.reply["errors"][key] = json!("something else"))),
            )
            .collect(),
    }
}

/// Where there are plain values in the first entry of lists and in objects; at most a dozen.
fn places(data: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(data, String::new(), &mut found);
    found.truncate(12);
    found
}

fn walk(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            walk(value, format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), found);
        }),
        Value::Array(items) => items.iter().take(1).for_each(|item| walk(item, format!("{at}/0"), found)),
        Value::Null => {}
        _ if at.is_empty() => found.push(at),
        _ => found.push(at),
    }
}

fn other_type(value: &Value) -> Option<Value> {
    match value {
        Value::Number(n) => Some(json!(n.to_string())),
        Value::String(_) => Some(json!(17)),
        Value::Bool(_) => Some(json!("yes")),
        _ => None,
    }
}
