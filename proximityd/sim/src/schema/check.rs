//! Checks parameters against the schema; the message texts are Proxmox VE's.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use super::{Format, Property, format, parse_property_string};

const UNKNOWN: &str = "property is not defined in schema and the schema does not allow additional properties";
const MISSING: &str = "property is missing and it is not optional";

/// Checks a call's parameters. JSON `null` counts as left out.
///
/// # Errors
/// Every refused parameter with its text.
pub(crate) fn check_parameters(
    properties: &BTreeMap<String, Property>,
    values: &Map<String, Value>,
) -> Result<(), BTreeMap<String, String>> {
    let errors = check_object(properties, values, "");
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// The schema entry of a name that may be numbered: `net0` is described by `net[n]`.
pub(crate) fn numbered<'a>(properties: &'a BTreeMap<String, Property>, name: &str) -> Option<&'a Property> {
    if let Some(property) = properties.get(name).filter(|_| !name.contains('[')) {
        return Some(property);
    }
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &name[stem.len()..];
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    let most = if stem == "net" { 31 } else { 255 };
    digits.parse::<u32>().ok().filter(|n| *n <= most)?;
    properties.get(&format!("{stem}[n]"))
}

pub(super) fn check_object(
    properties: &BTreeMap<String, Property>,
    values: &Map<String, Value>,
    path: &str,
) -> BTreeMap<String, String> {
    let mut errors = BTreeMap::new();
    let full = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for (name, property) in properties {
        let absent = values.get(name).is_none_or(Value::is_null);
        if absent && !property.optional && property.one_of.is_none() && !name.ends_with("[n]") {
            errors.insert(full(name), MISSING.to_owned());
        }
    }
    for (name, value) in values.iter().filter(|(_, v)| !v.is_null()) {
        let Some(property) = numbered(properties, name) else {
            errors.insert(full(name), UNKNOWN.to_owned());
            continue;
        };
        if let Err(text) = check_value(property, value, &full(name)) {
            errors.insert(full(name), text);
            continue;
        }
        if let Some(Value::String(other)) = &property.requires
            && values.get(other).is_none_or(Value::is_null)
        {
            errors.insert(full(other), format!("missing property - '{}' requires this property", full(name)));
        }
    }
    errors
}

fn check_value(property: &Property, value: &Value, path: &str) -> Result<(), String> {
    if let Some(alternatives) = &property.one_of {
        let mut last = Ok(());
        for alternative in alternatives {
            last = check_value(alternative, value, path);
            if last.is_ok() {
                return last;
            }
        }
        return last;
    }
    if let Value::Array(items) = value
        && property.kind != "array"
        && matches!(&property.format, Some(Format::Named(f)) if f.ends_with("-list"))
    {
        return items.iter().try_for_each(|item| check_value(property, item, path));
    }
    check_type(&property.kind, value)?;
    if let Value::Array(items) = value {
        let Some(element) = &property.items else { return Ok(()) };
        return items.iter().try_for_each(|item| check_value(element, item, path));
    }
    let text = text(value);
    match &property.format {
        Some(Format::Named(name)) => {
            format::check(name, &text).map_err(|e| format!("invalid format - {e}"))?;
        }
        Some(Format::Keys(keys)) => {
            parse_property_string(keys, &text, path).map_err(|errors| describe(&errors))?;
        }
        None => {}
    }
    check_limits(property, &text)
}

fn describe(errors: &BTreeMap<String, String>) -> String {
    if let Some(whole) = errors.get("") {
        return format!("invalid format - {whole}");
    }
    let lines: String = errors.iter().map(|(key, text)| format!("{key}: {text}\n")).collect();
    format!("invalid format - format error\n{lines}")
}

fn check_type(kind: &str, value: &Value) -> Result<(), String> {
    let refused = |got: &str| Err(format!("type check ('{kind}') failed - got {got}"));
    match (kind, value) {
        ("array", Value::Array(_)) | ("object", Value::Object(_)) | ("boolean", Value::Bool(_)) => Ok(()),
        ("array" | "object", _) => Err(format!("type check ('{kind}') failed")),
        (_, Value::Array(_)) => refused("ARRAY"),
        (_, Value::Object(_)) => refused("HASH"),
        ("string", Value::Bool(_)) => Ok(()),
        (_, Value::Bool(_)) => refused("JSON::PP::Boolean"),
        _ => {
            let text = text(value);
            let ok = match kind {
                "boolean" => matches!(text.as_str(), "0" | "1"),
                "integer" => is_integer(&text),
                "number" => text.parse::<f64>().is_ok_and(f64::is_finite),
                _ => true,
            };
            if ok { Ok(()) } else { refused(&format!("'{text}'")) }
        }
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// A scalar as Perl would see it.
fn text(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Bool(b) => u8::from(*b).to_string(),
        other => other.to_string(),
    }
}

fn check_limits(property: &Property, text: &str) -> Result<(), String> {
    let length = text.chars().count();
    if let Some(most) = property.max_length.filter(|m| length > *m) {
        return Err(format!("value may only be {most} characters long"));
    }
    if let Some(least) = property.min_length.filter(|m| length < *m) {
        return Err(format!("value must be at least {least} characters long"));
    }
    if let Ok(number) = text.parse::<f64>()
        && matches!(property.kind.as_str(), "integer" | "number")
    {
        if let Some(least) = property.minimum.filter(|m| number < *m) {
            return Err(format!("value must have a minimum value of {least}"));
        }
        if let Some(most) = property.maximum.filter(|m| number > *m) {
            return Err(format!("value must have a maximum value of {most}"));
        }
    }
    if let Some(pattern) = &property.pattern
        && !matches_pattern(pattern, text)
    {
        return Err("value does not match the regex pattern".to_owned());
    }
    if let Some(choices) = &property.choices
        && !choices.iter().any(|c| self::text(c) == text)
    {
        let listed: Vec<String> = choices.iter().map(self::text).collect();
        return Err(format!(
            "value '{text}' does not have a value in the enumeration '{}'",
            listed.join(", ")
        ));
    }
    Ok(())
}

/// Matches a Perl pattern on the whole value. A pattern this engine of expressions cannot read lets all pass.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    static COMPILED: OnceLock<Mutex<HashMap<String, Option<Regex>>>> = OnceLock::new();
    let mut compiled = COMPILED.get_or_init(Mutex::default).lock().expect("no panic holds the lock");
    let regex = compiled.entry(pattern.to_owned()).or_insert_with(|| {
        // The greatest of the API's patterns repeats a class 256 times.
        RegexBuilder::new(&translate(pattern)).size_limit(64 << 20).build().ok()
    });
    regex.as_ref().is_none_or(|r| r.is_match(text))
}

/// What Perl writes otherwise: `(?^i:`, `\/`, `\0`, and `{,8}`.
fn translate(pattern: &str) -> String {
    let plain = pattern.replace("(?^", "(?").replace(r"\/", "/").replace(r"\0", r"\x00").replace("{,", "{0,");
    format!(r"^(?:{plain})\z")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::Api;

    fn errors(method: &str, template: &str, values: Value) -> BTreeMap<String, String> {
        let method = Api::get().method(method, template).expect("the method is known");
        let Value::Object(values) = values else { panic!("parameters are an object") };
        check_parameters(&method.parameters, &values).err().unwrap_or_default()
    }

    #[test]
    fn missing_unknown_and_mistyped_parameters_are_all_reported() {
        let found =
            errors("POST", "/nodes/{node}/lxc", json!({"node": "pve1", "memory": "lots", "nosuch": "1"}));
        assert_eq!(found["vmid"], MISSING);
        assert_eq!(found["nosuch"], UNKNOWN);
        assert_eq!(found["memory"], "type check ('integer') failed - got 'lots'");
    }

    #[test]
    fn booleans_of_a_form_are_one_and_zero_only() {
        for bad in ["true", "yes", "on", "", "2"] {
            let found = errors(
                "PUT",
                "/nodes/{node}/lxc/{vmid}/config",
                json!({"node": "a", "vmid": "100", "onboot": bad}),
            );
            assert_eq!(found["onboot"], format!("type check ('boolean') failed - got '{bad}'"));
        }
        let found = errors(
            "PUT",
            "/nodes/{node}/lxc/{vmid}/config",
            json!({"node": "a", "vmid": "100", "onboot": true}),
        );
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn every_pattern_of_the_api_can_be_read() {
        let data: Value = serde_json::from_str(include_str!("../../data/api.json")).unwrap();
        let mut unread = Vec::new();
        fn walk(value: &Value, unread: &mut Vec<String>) {
            match value {
                Value::Object(map) => {
                    if let Some(Value::String(p)) = map.get("pattern")
                        && RegexBuilder::new(&translate(p)).size_limit(64 << 20).build().is_err()
                    {
                        unread.push(p.clone());
                    }
                    map.values().for_each(|v| walk(v, unread));
                }
                Value::Array(items) => items.iter().for_each(|v| walk(v, unread)),
                _ => {}
            }
        }
        walk(&data, &mut unread);
        assert!(unread.is_empty(), "{unread:?}");
    }

    #[test]
    fn a_numbered_name_has_no_leading_zero_and_a_limit() {
        let method = Api::get().method("POST", "/nodes/{node}/lxc").expect("the method is known");
        assert!(numbered(&method.parameters, "net0").is_some());
        assert!(numbered(&method.parameters, "net32").is_none());
        assert!(numbered(&method.parameters, "net01").is_none());
        assert!(numbered(&method.parameters, "net[n]").is_none());
    }
}
