//! Property strings: `name=eth0,bridge=vmbr0,ip=dhcp`, read against their keys and printed in Proxmox VE's order.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Property;
use super::check::check_object;

/// The keys and values of a property string.
pub(crate) type PropertyString = BTreeMap<String, String>;

/// Reads a property string.
///
/// # Errors
/// What is wrong, by key; the key is empty for an error of the string as a whole.
pub(crate) fn parse_property_string(
    keys: &BTreeMap<String, Property>,
    text: &str,
    path: &str,
) -> Result<PropertyString, BTreeMap<String, String>> {
    let whole = |message: String| BTreeMap::from([(String::new(), message)]);
    let mut found = PropertyString::new();
    for part in text.split(',').filter(|p| !p.trim().is_empty()) {
        let (key, value) = match part.split_once('=') {
            Some((key, value)) if !key.is_empty() && !value.is_empty() => (key.to_owned(), value),
            Some(_) => return Err(whole("missing key in comma-separated list property\n".into())),
            None => match keys.iter().find(|(_, p)| p.default_key) {
                Some((key, _)) => (key.clone(), part),
                None => {
                    return Err(whole(
                        "value without key, but schema does not define a default key\n".into(),
                    ));
                }
            },
        };
        let value = match keys.get(&key) {
            Some(p) if p.kind == "boolean" => boolean(value).unwrap_or(value),
            _ => value,
        };
        if found.insert(key.clone(), value.to_owned()).is_some() {
            return Err(whole(format!("duplicate key in comma-separated list property: {key}\n")));
        }
    }
    let values = found.iter().map(|(k, v)| (k.clone(), Value::String(v.clone()))).collect();
    let errors = check_object(keys, &values, path);
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

fn boolean(value: &str) -> Option<&'static str> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "on" | "yes" | "true" => Some("1"),
        "0" | "off" | "no" | "false" => Some("0"),
        _ => None,
    }
}

/// Prints a property string: the default key bare, then required keys, then the others by name.
pub(crate) fn print_property_string(keys: &BTreeMap<String, Property>, values: &PropertyString) -> String {
    let rank = |key: &str| match keys.get(key) {
        Some(p) if p.default_key => 0,
        Some(p) if !p.optional => 1,
        _ => 2,
    };
    let mut sorted: Vec<_> = values.iter().collect();
    sorted.sort_by_key(|(key, _)| (rank(key), key.as_str()));
    let parts: Vec<String> = sorted
        .into_iter()
        .map(|(key, value)| if rank(key) == 0 { value.clone() } else { format!("{key}={value}") })
        .collect();
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Api, Format};

    fn keys(name: &str) -> &'static BTreeMap<String, Property> {
        let method = Api::get().method("POST", "/nodes/{node}/lxc").expect("the method is known");
        match method.parameters[name].format.as_ref() {
            Some(Format::Keys(keys)) => keys,
            _ => panic!("{name} is no property string"),
        }
    }

    #[test]
    fn a_network_is_printed_name_first_then_by_key() {
        let net =
            parse_property_string(keys("net[n]"), "bridge=vmbr0,name=eth0,ip=dhcp,firewall=on", "").unwrap();
        assert_eq!(print_property_string(keys("net[n]"), &net), "name=eth0,bridge=vmbr0,firewall=1,ip=dhcp");
    }

    #[test]
    fn a_volume_stands_without_its_key() {
        let mp = parse_property_string(keys("mp[n]"), "local-lvm:8,backup=1,mp=/data", "").unwrap();
        assert_eq!(mp["volume"], "local-lvm:8");
        assert_eq!(print_property_string(keys("mp[n]"), &mp), "local-lvm:8,mp=/data,backup=1");
    }

    #[test]
    fn a_missing_key_is_named() {
        let errors = parse_property_string(keys("net[n]"), "bridge=vmbr0", "net0").unwrap_err();
        assert_eq!(errors["net0.name"], "property is missing and it is not optional");
    }
}
