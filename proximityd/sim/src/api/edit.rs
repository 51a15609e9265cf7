//! Reading and changing sections of options, as many methods do.

use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::reply::ApiError;
use crate::schema::{Api, numbered, split_list};
use crate::state::sections::Section;

/// The options a call gives, but for some.
pub(super) fn given(call: &Call, not: &[&str]) -> Section {
    let always = ["node", "digest", "delete", "lock-token"];
    let wanted = call.params.iter().filter(|(name, _)| !not.contains(name) && !always.contains(name));
    wanted.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Lays a call's options over a section and takes those away that `delete` names.
pub(super) fn change(call: &Call, section: &mut Section, not: &[&str]) {
    for name in split_list(call.params.need("delete")) {
        section.remove(name);
    }
    section.extend(given(call, not));
}

/// That a call's digest, if it gives one, is the current one.
///
/// # Errors
/// 500, in the words of a change by somebody else.
pub(super) fn check_digest(call: &Call, current: &str) -> Result<(), ApiError> {
    match call.params.get("digest") {
        Some(given) if given != current => Err(super::lxc::config::stale()),
        _ => Ok(()),
    }
}

/// A section as JSON: numbers where a method's parameters say so, objects for property strings that are shown
/// as such.
pub(super) fn shown(section: &Section, method: &str, template: &str, objects: &[&str]) -> Map<String, Value> {
    let kinds = Api::get().method(method, template).map(|m| &m.parameters);
    let typed = |name: &str, value: &str| {
        if objects.contains(&name) {
            return object(value);
        }
        match kinds.and_then(|k| numbered(k, name)).map(|p| p.kind.as_str()) {
            Some("integer" | "boolean") => value.parse::<i64>().map_or_else(|_| json!(value), |n| json!(n)),
            Some("number") => value.parse::<f64>().map_or_else(|_| json!(value), |n| json!(n)),
            _ => json!(value),
        }
    };
    section.iter().map(|(name, value)| (name.clone(), typed(name, value))).collect()
}

/// A property string as an object of texts.
pub(super) fn object(text: &str) -> Value {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    Value::Object(pairs.map(|(name, value)| (name.to_owned(), json!(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_numbers_where_the_schema_says_so() {
        let section =
            Section::from([("enable".to_owned(), "1".to_owned()), ("dport".to_owned(), "80".to_owned())]);
        let shown = shown(&section, "POST", "/cluster/firewall/rules", &[]);
        assert_eq!(Value::Object(shown), json!({ "enable": 1, "dport": "80" }));
    }

    #[test]
    fn a_property_string_is_an_object_of_texts() {
        assert_eq!(object("keep-last=3,keep-daily=7"), json!({ "keep-last": "3", "keep-daily": "7" }));
    }
}
