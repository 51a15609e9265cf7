//! Decodes what a client sends as parameters, with Proxmox VE's own peculiarities.
//!
//! A raw `=` cuts a value off, `;` separates pairs like `&`, a repeated name makes an array.

use percent_encoding::percent_decode;
use serde_json::{Map, Value};

use crate::reply::ApiError;

/// Decodes a query string or a form body.
pub fn decode_form(data: &str) -> Map<String, Value> {
    let mut params = Map::new();
    for pair in data.split(['&', ';']) {
        let mut halves = pair.split('=');
        let (Some(name), Some(value)) = (halves.next(), halves.next()) else { continue };
        let value = Value::String(unescape(value));
        match params.entry(unescape(name)) {
            serde_json::map::Entry::Vacant(slot) => {
                slot.insert(value);
            }
            serde_json::map::Entry::Occupied(mut slot) => match slot.get_mut() {
                Value::Array(items) => items.push(value),
                single => *single = Value::Array(vec![single.take(), value]),
            },
        }
    }
    params
}

fn unescape(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes()).decode_utf8_lossy().into_owned()
}

/// Decodes a JSON body; it must be an object.
pub(crate) fn decode_json(data: &str) -> Result<Map<String, Value>, ApiError> {
    let at = "at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line 934.";
    match serde_json::from_str(data) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(ApiError::Text(500, format!("Not a HASH reference {at}\n"))),
        Err(_) => {
            let text = match data.strip_prefix('{') {
                Some(rest) if !rest.trim_start().starts_with(['"', '}']) => {
                    format!("'\"' expected, at character offset 1 (before \"{}\") {at}\n", short(rest))
                }
                _ => format!(
                    "malformed JSON string, neither tag, array, object, number, string or atom, \
                     at character offset 0 (before \"{}\") {at}\n",
                    short(data)
                ),
            };
            Err(ApiError::Text(500, text))
        }
    }
}

fn short(text: &str) -> String {
    match text.chars().count() {
        0 => "(end of string)".to_owned(),
        n if n > 20 => format!("{}...", text.chars().take(20).collect::<String>()),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_raw_equals_sign_cuts_the_value_off() {
        assert_eq!(Value::Object(decode_form("net0=name=eth0&a=1")), json!({"net0": "name", "a": "1"}));
    }

    #[test]
    fn a_semicolon_separates_pairs_and_a_bare_name_is_dropped() {
        assert_eq!(
            Value::Object(decode_form("description=a;memory=512;x&y=")),
            json!({"description": "a", "memory": "512", "y": ""})
        );
    }

    #[test]
    fn a_repeated_name_makes_an_array() {
        assert_eq!(Value::Object(decode_form("m=1&m=2&m=3")), json!({"m": ["1", "2", "3"]}));
    }

    #[test]
    fn malformed_json_is_a_500_in_perls_words() {
        let error = decode_json("{bad json").unwrap_err();
        assert_eq!(error.status(), 500);
        assert!(error.to_string().starts_with(r#"'"' expected, at character offset 1 (before "bad json")"#));
    }

    proptest! {
        #[test]
        fn what_is_percent_encoded_comes_back_whole(value in "\\PC*") {
            let encoded = percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC).to_string();
            let form = decode_form(&format!("k={encoded}"));
            prop_assert_eq!(form["k"].as_str(), Some(value.as_str()));
        }
    }
}
