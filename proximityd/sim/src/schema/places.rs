//! Formats of firewalls, storages, backups and high availability, in Proxmox VE's words.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::parse_property_string;
use super::{Format, Property};
use crate::state::access::PRIVILEGES;

/// Checks a value against one of these formats; none if it is not one of them.
pub(super) fn check(format: &str, value: &str) -> Option<Result<(), String>> {
    Some(match format {
        "IPorCIDR" => looks(ip_or_network(value), "IP address or CIDR network"),
        "IPorCIDRorAlias" => looks(alias(value) || ip_or_network(value), "IP address or CIDR network"),
        "pve-fw-addr-spec" => addresses(value),
        "ipv4mask" => looks(netmask(value), "IP netmask"),
        "pve-priv" if PRIVILEGES.contains(&value) => Ok(()),
        "pve-priv" => Err(format!("invalid privilege '{value}'\n")),
        "pve-ha-resource-id" => looks(resource(value), "ha resource id"),
        "pve-ha-resource-or-vm-id" => looks(resource(value) || number(value), "ha resource id"),
        "pve-task-status-type" => match value.to_ascii_lowercase().as_str() {
            "ok" | "error" | "warning" | "unknown" => Ok(()),
            _ => Err(format!("invalid status '{value}'\n")),
        },
        "pve-storage-path" => looks(value.starts_with('/'), "absolute path"),
        "pve-storage-server" => looks(server(value), "server name or IP address"),
        "pve-storage-vgname" if word(value) => Ok(()),
        "pve-storage-vgname" => Err(format!("lvm volume group name '{value}' contains illegal characters\n")),
        "prune-backups" => prune(value),
        "backup-performance" => {
            keys(value, &[("max-workers", "integer", 1.0), ("pbs-entries-max", "integer", 1.0)])
        }
        "backup-fleecing" => keys(value, &[("enabled", "boolean", 0.0), ("storage", "string", 0.0)]),
        _ => return None,
    })
}

fn looks(ok: bool, what: &str) -> Result<(), String> {
    if ok { Ok(()) } else { Err(format!("value does not look like a valid {what}\n")) }
}

fn number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn word(text: &str) -> bool {
    text.len() > 1 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

fn resource(text: &str) -> bool {
    text.split_once(':').is_some_and(|(kind, name)| {
        !kind.is_empty()
            && kind.bytes().all(|b| b.is_ascii_lowercase())
            && !name.is_empty()
            && !name.contains(' ')
    })
}

fn server(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || super::format::check("dns-name", text).is_ok()
}

fn ip_or_network(text: &str) -> bool {
    match text.split_once('/') {
        None => text.parse::<IpAddr>().is_ok(),
        Some((ip, bits)) => match (ip.parse(), bits.parse::<u8>()) {
            (Ok(IpAddr::V4(_)), Ok(bits)) => bits <= 32,
            (Ok(IpAddr::V6(_)), Ok(bits)) => bits <= 128,
            _ => false,
        },
    }
}

/// The name of an address, as rules may use it.
fn alias(text: &str) -> bool {
    let name = text.strip_prefix("dc/").or_else(|| text.strip_prefix("guest/")).unwrap_or(text);
    name.len() > 1
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

/// A set, an alias, or a list of addresses, networks or one range.
fn addresses(text: &str) -> Result<(), String> {
    if text.strip_prefix('+').is_some_and(|set| !set.is_empty() && !set.contains(' ')) || alias(text) {
        return Ok(());
    }
    let elements: Vec<&str> = text.split(',').collect();
    if elements.iter().any(|e| e.is_empty()) {
        return Err("extraneous commas in list\n".to_owned());
    }
    for element in &elements {
        let range = element.split_once('-');
        let good = match range {
            Some((from, to)) => from.parse::<IpAddr>().is_ok() && to.parse::<IpAddr>().is_ok(),
            None => ip_or_network(element),
        };
        if !good {
            return Err(format!("invalid IP address: Invalid prefix {element}\n"));
        }
        if range.is_some() && elements.len() > 1 {
            return Err("you can't use a range in a list\n".to_owned());
        }
    }
    let v6 = |element: &&&str| element.contains(':');
    let mixed = elements.iter().any(|e| v6(&e)) && !elements.iter().all(|e| v6(&e));
    if mixed {
        return Err(format!("detected mixed ipv4/ipv6 addresses in address list '{text}'\n"));
    }
    Ok(())
}

fn netmask(text: &str) -> bool {
    if let Ok(bits) = text.parse::<u8>() {
        return bits <= 32;
    }
    text.parse::<std::net::Ipv4Addr>()
        .is_ok_and(|mask| u32::from(mask).leading_ones() + u32::from(mask).trailing_zeros() >= 32)
}

fn prune(text: &str) -> Result<(), String> {
    let names = ["keep-last", "keep-hourly", "keep-daily", "keep-weekly", "keep-monthly", "keep-yearly"];
    let mut all: Vec<(&str, &str, f64)> = names.iter().map(|name| (*name, "integer", 0.0)).collect();
    all.push(("keep-all", "boolean", 0.0));
    keys(text, &all)?;
    if text.split(',').any(|part| part == "keep-all=1") && text.contains(',') {
        return Err("keep-all cannot be set together with other options.\n".to_owned());
    }
    Ok(())
}

/// A property string of these keys, all of which may be left out.
fn keys(text: &str, all: &[(&str, &str, f64)]) -> Result<(), String> {
    let property = |(name, kind, least): &(&str, &str, f64)| {
        let format = (*name == "storage").then(|| Format::Named("pve-storage-id".into()));
        let property = Property {
            kind: (*kind).to_owned(),
            optional: true,
            minimum: (*kind == "integer").then_some(*least),
            default_key: *name == "enabled",
            format,
            ..Property::default()
        };
        ((*name).to_owned(), property)
    };
    let properties: BTreeMap<String, Property> = all.iter().map(property).collect();
    let Err(errors) = parse_property_string(&properties, text, "") else { return Ok(()) };
    match errors.get("") {
        Some(whole) => Err(whole.clone()),
        None => Err(format!(
            "format error\n{}",
            errors.iter().map(|(k, t)| format!("{k}: {t}\n")).collect::<String>()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(format: &str, value: &str) -> String {
        check(format, value).expect("the format is known").unwrap_err()
    }

    #[test]
    fn addresses_of_rules_are_sets_names_or_lists() {
        for good in
            ["+web", "my-alias", "10.0.0.1", "10.0.0.0/24,10.1.0.0/24", "10.0.0.1-10.0.0.9", "fe80::1"]
        {
            assert_eq!(check("pve-fw-addr-spec", good), Some(Ok(())), "{good}");
        }
        assert_eq!(refused("pve-fw-addr-spec", "10.0.0.1,"), "extraneous commas in list\n");
        assert!(refused("pve-fw-addr-spec", "10.0.0.1,fe80::1").starts_with("detected mixed"));
        assert!(refused("pve-fw-addr-spec", "10.0.0.999").starts_with("invalid IP address"));
    }

    #[test]
    fn what_is_kept_of_backups_is_a_property_string() {
        assert_eq!(check("prune-backups", "keep-last=3,keep-daily=7"), Some(Ok(())));
        assert!(refused("prune-backups", "keep-some=1").contains("keep-some: property is not defined"));
        assert!(refused("prune-backups", "keep-all=1,keep-last=3").starts_with("keep-all cannot"));
    }

    #[test]
    fn an_unknown_privilege_is_named() {
        assert_eq!(refused("pve-priv", "VM.Nope"), "invalid privilege 'VM.Nope'\n");
    }

    #[test]
    fn a_service_is_a_kind_and_a_name_or_a_bare_id() {
        assert_eq!(check("pve-ha-resource-or-vm-id", "100"), Some(Ok(())));
        assert_eq!(check("pve-ha-resource-or-vm-id", "ct:100"), Some(Ok(())));
        assert_eq!(
            refused("pve-ha-resource-or-vm-id", "a b"),
            "value does not look like a valid ha resource id\n"
        );
    }
}
