//! Alters an expected reply in every way that a comparison must notice.

use serde_json::{Value, json};

use super::story::Step;

/// An altered step, and what was done to it.
#[derive(Debug)]
pub(crate) struct Alteration {
    pub(crate) what: String,
    /// The place in the body whose value was changed; none for everything else.
    pub(crate) value_at: Option<String>,
    pub(crate) step: Step,
}

/// All alterations of a step.
pub(crate) fn alterations(step: &Step) -> Vec<Alteration> {
    let mut found = Vec::new();
    let mut add = |what: String, value_at: Option<String>, change: &dyn Fn(&mut Step)| {
        let mut step = step.clone();
        change(&mut step);
        found.push(Alteration { what, value_at, step });
    };
    add("status".into(), None, &|s| s.status = if s.status == 200 { 500 } else { 200 });
    add("reason".into(), None, &|s| s.reason.push('!'));
    for pointer in pointers(&step.body) {
        let value = step.body.pointer(&pointer).unwrap();
        match value {
            Value::Object(map) => {
                let keys = map.keys().filter(|key| !(step.reads_log() && *key == "n"));
                for key in keys {
                    add(format!("{pointer} without {key}"), None, &|s| {
                        s.body.pointer_mut(&pointer).unwrap().as_object_mut().unwrap().remove(key);
                    });
                }
                if !step.reads_log() {
                    add(format!("{pointer} with one key more"), None, &|s| {
                        s.body.pointer_mut(&pointer).unwrap()["altered"] = json!("x");
                    });
                }
            }
            Value::Array(list) => {
                for i in 0..list.len() {
                    add(format!("{pointer} without entry {i}"), Some(format!("{pointer}/{i}/t")), &|s| {
                        s.body.pointer_mut(&pointer).unwrap().as_array_mut().unwrap().remove(i);
                    });
                }
            }
            leaf if !(step.reads_log() && pointer.ends_with("/n")) => {
                add(format!("{pointer} changed"), Some(pointer.clone()), &|s| {
                    *s.body.pointer_mut(&pointer).unwrap() = changed(leaf);
                });
                add(format!("{pointer} of another type"), None, &|s| {
                    *s.body.pointer_mut(&pointer).unwrap() = json!({ "altered": leaf });
                });
            }
            _ => {}
        }
    }
    found
}

fn changed(leaf: &Value) -> Value {
    match leaf {
        Value::String(text) => json!(format!("{text}x")),
        Value::Bool(flag) => json!(!flag),
        Value::Number(number) => number.as_i64().map_or_else(|| json!(0.125), |n| json!(n + 1)),
        _ => json!("x"),
    }
}

fn pointers(value: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(k, v)| (k.replace('~', "~0").replace('/', "~1"), v)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
        _ => Vec::new(),
    };
    for (key, value) in inner {
        found.extend(pointers(value).into_iter().map(|rest| format!("/{key}{rest}")));
    }
    found
}
