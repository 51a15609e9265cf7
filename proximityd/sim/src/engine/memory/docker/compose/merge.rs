//! Laying an override file over a Compose file.

use serde_json::{Map, Value};

/// Lists that are replaced as a whole; all others grow.
const REPLACED: &[&str] = &["command", "entrypoint", "test"];
/// Maps that may be written as lists of `KEY=VALUE`.
const PAIRS: &[&str] = &["environment", "labels", "args", "annotations", "extra_hosts", "sysctls"];

/// `KEY=VALUE` lists as maps.
pub(super) fn pairs(value: &Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map.clone(),
        Value::Array(items) => items
            .iter()
            .filter_map(Value::as_str)
            .map(|item| match item.split_once('=') {
                Some((key, value)) => (key.to_owned(), Value::String(value.to_owned())),
                None => (item.to_owned(), Value::Null),
            })
            .collect(),
        _ => Map::new(),
    }
}

/// Lays `over` on `base`.
pub(super) fn merge(base: &mut Value, over: Value, key: &str) {
    if PAIRS.contains(&key) {
        let mut map = pairs(base);
        map.extend(pairs(&over));
        *base = Value::Object(map);
        return;
    }
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                match base.get_mut(&key) {
                    Some(old) => merge(old, value, &key),
                    None => _ = base.insert(key, value),
                }
            }
        }
        (Value::Array(base), Value::Array(over)) if !REPLACED.contains(&key) => {
            for item in over {
                // A volume with the same target replaces the old one.
                let target = |v: &Value| v.as_str().and_then(|s| s.split(':').nth(1).map(str::to_owned));
                if key == "volumes" && target(&item).is_some() {
                    base.retain(|old| target(old) != target(&item));
                }
                if !base.contains(&item) {
                    base.push(item);
                }
            }
        }
        (_, Value::Null) => {}
        (base, over) => *base = over,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_override_adds_to_lists_and_replaces_commands() {
        let mut base =
            json!({"image": "a", "ports": ["80:80"], "command": ["x"], "environment": ["A=1", "B=2"]});
        let over = json!({"image": "b", "ports": ["81:81"], "command": ["y"], "environment": {"B": "3"}});
        merge(&mut base, over, "");
        assert_eq!(
            base,
            json!({"image": "b", "ports": ["80:80", "81:81"], "command": ["y"], "environment": {"A": "1", "B": "3"}})
        );
    }
}
