//! The named formats of the schema, with the words Proxmox VE uses when a value does not fit.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;

use regex::Regex;

fn matches(cell: &'static OnceLock<Regex>, pattern: &str, value: &str) -> bool {
    cell.get_or_init(|| Regex::new(pattern).expect("the pattern is fixed and valid")).is_match(value)
}

macro_rules! is_match {
    ($pattern:expr, $value:expr) => {{
        static CELL: OnceLock<Regex> = OnceLock::new();
        matches(&CELL, $pattern, $value)
    }};
}

/// Checks a value against a named format; `-list` and `-opt` endings are understood.
///
/// # Errors
/// The message as Proxmox VE prints it, with its final newline.
pub(super) fn check(format: &str, value: &str) -> Result<(), String> {
    if let Some(element) = format.strip_suffix("-list") {
        return split_list(value).into_iter().try_for_each(|v| single(element, v));
    }
    match format.strip_suffix("-opt") {
        Some(_) if value.is_empty() => Ok(()),
        Some(element) => single(element, value),
        None => single(format, value),
    }
}

fn looks(ok: bool, what: &str) -> Result<(), String> {
    if ok { Ok(()) } else { Err(format!("value does not look like a valid {what}\n")) }
}

fn id(value: &str, what: &str) -> Result<(), String> {
    if value.len() < 2 {
        return Err(format!("{what} ID '{value}' cannot be shorter than 2 characters\n"));
    }
    if is_match!(r"^(?i)[a-z][a-z0-9\-_.]*[a-z0-9]$", value) {
        Ok(())
    } else {
        Err(format!("{what} ID '{value}' contains illegal characters\n"))
    }
}

fn single(format: &str, value: &str) -> Result<(), String> {
    match format {
        "pve-vmid" => looks(is_match!(r"^[1-9][0-9]{2,8}$", value), "VM ID"),
        "pve-node" => looks(is_match!(r"^[a-zA-Z0-9]([a-zA-Z0-9\-]*[a-zA-Z0-9])?$", value), "node name"),
        "pve-storage-id" => id(value, "storage"),
        "pve-configid" if is_match!(r"^(?i)[a-z][a-z0-9_-]+$", value) => Ok(()),
        "pve-configid" => Err(format!("invalid configuration ID '{value}'\n")),
        "pve-poolid" if is_match!(r"^[A-Za-z][A-Za-z0-9.\-_]*(/[A-Za-z0-9.\-_]+){0,2}$", value) => Ok(()),
        "pve-poolid" => Err(format!("pool name '{value}' contains invalid characters\n")),
        "pve-roleid" if is_match!(r"^[A-Za-z0-9.\-_]+$", value) => Ok(()),
        "pve-roleid" => Err(format!("role name '{value}' contains invalid characters\n")),
        "pve-groupid" if is_match!(r"^[A-Za-z0-9.\-_]+$", value) => Ok(()),
        "pve-groupid" => Err(format!("group name '{value}' contains invalid characters\n")),
        "pve-realm" if is_match!(r"^[A-Za-z][A-Za-z0-9.\-_]+$", value) => Ok(()),
        "pve-realm" => Err("value does not look like a valid realm\n".to_owned()),
        "pve-userid" => userid(value),
        "pve-tokenid"
            if is_match!(r"^[^\s:/@]+@[A-Za-z][A-Za-z0-9.\-_]+![A-Za-z][A-Za-z0-9.\-_]+$", value) =>
        {
            Ok(())
        }
        "pve-tokenid" => Err(format!("value '{value}' does not look like a valid token ID\n")),
        "dns-name" => looks(dns_name(value), "DNS name"),
        "ipv4" => looks(ipv4(value), "IPv4 address"),
        "ipv6" => looks(ipv6(value), "IPv6 address"),
        "ip" => looks(ipv4(value) || ipv6(value), "IP address"),
        "address" => looks(ipv4(value) || ipv6(value) || dns_name(value), "address"),
        "lxc-ip-with-ll-iface" => {
            let bare = value.split_once('%').map_or(value, |(ip, _)| ip);
            looks(value == "host" || ipv4(value) || ipv6(bare), "IP address")
        }
        "CIDRv4" => looks(cidr4(value), "IPv4 CIDR network"),
        "CIDRv6" => looks(cidr6(value), "IPv6 CIDR network"),
        "CIDR" => looks(cidr4(value) || cidr6(value), "CIDR network"),
        "pve-ipv4-config" => {
            looks(matches!(value, "dhcp" | "manual") || cidr4(value), "ipv4 network configuration")
        }
        "pve-ipv6-config" => {
            looks(matches!(value, "auto" | "dhcp" | "manual") || cidr6(value), "ipv6 network configuration")
        }
        "mac-addr" => {
            looks(is_match!(r"^(?i)[a-f0-9][02468ace](:[a-f0-9]{2}){5}$", value), "unicast MAC address")
        }
        "pve-tag" if is_match!(r"^(?i)[a-z0-9_][a-z0-9_\-+.]*$", value) => Ok(()),
        "pve-tag" => Err("invalid characters in tag\n".to_owned()),
        "pve-bridge-id" if is_match!(r"^[-_.\w\d]+$", value) => Ok(()),
        "pve-bridge-id" => Err(format!("invalid bridge ID '{value}'\n")),
        "pve-iface" if is_match!(r"^(?i)[a-z][a-z0-9_]{1,20}([:.]\d+)?$", value) => Ok(()),
        "pve-iface" => Err(format!("invalid network interface name '{value}'\n")),
        "pve-volume-id" if volume_id(value) => Ok(()),
        "pve-volume-id" => Err(format!("unable to parse volume ID '{value}'\n")),
        "pve-storage-content"
            if is_match!(r"^(images|rootdir|vztmpl|iso|backup|snippets|import|none)$", value) =>
        {
            Ok(())
        }
        "pve-storage-content" => Err(format!("invalid content type '{value}'\n")),
        "disk-size" => looks(parse_size(value).is_some(), "disk size")
            .map_err(|_| "value does not look like a valid disk size\n".to_owned()),
        "pve-startup-order"
            if is_match!(r"^((order=)?\d+|up=\d+|down=\d+)(,((order=)?\d+|up=\d+|down=\d+))*$", value) =>
        {
            Ok(())
        }
        "pve-startup-order" => Err(format!("value '{value}' does not look like a valid startup order\n")),
        "pve-ct-timezone"
            if value == "host" || is_match!(r"^[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+)*$", value) =>
        {
            Ok(())
        }
        "pve-ct-timezone" => Err(format!("invalid time zone '{value}'\n")),
        "email-or-username" | "email" => looks(
            is_match!(r"^[\w+\-~]+(\.[\w+\-~]+)*(@[a-zA-Z0-9\-]+(\.[a-zA-Z0-9\-]+)*)?$", value),
            "email address",
        ),
        "urlencoded" if is_match!(r"^[-%a-zA-Z0-9_.!~*'()]*$", value) => Ok(()),
        "urlencoded" => Err(format!("invalid urlencoded string: {value}\n")),
        // A port, a range of ports, a service name, or a list of those.
        "pve-fw-dport-spec" | "pve-fw-sport-spec" => ports(value),
        // Formats of parts of Proxmox VE that are not served here pass.
        _ => super::places::check(format, value).unwrap_or(Ok(())),
    }
}

fn userid(value: &str) -> Result<(), String> {
    let bad = || Err(format!("value '{value}' does not look like a valid user name\n"));
    if value.len() < 3 {
        return Err("user name '".to_owned() + value + "' is too short\n");
    }
    if is_match!(r"^[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+$", value) { Ok(()) } else { bad() }
}

fn dns_name(value: &str) -> bool {
    is_match!(r"^([a-zA-Z0-9]([a-zA-Z0-9\-]*[a-zA-Z0-9])?\.)*[a-zA-Z0-9]([a-zA-Z0-9\-]*[a-zA-Z0-9])?$", value)
}

fn ipv4(value: &str) -> bool {
    value.parse::<Ipv4Addr>().is_ok()
}

fn ipv6(value: &str) -> bool {
    value.parse::<Ipv6Addr>().is_ok()
}

fn prefix(value: &str, address: impl Fn(&str) -> bool, most: u8) -> bool {
    value
        .split_once('/')
        .is_some_and(|(ip, bits)| address(ip) && bits.parse::<u8>().is_ok_and(|b| b > 7 && b <= most))
}

fn cidr4(value: &str) -> bool {
    prefix(value, ipv4, 32)
}

fn cidr6(value: &str) -> bool {
    prefix(value, ipv6, 128)
}

/// `storage:volume`.
pub(crate) fn volume_id(value: &str) -> bool {
    is_match!(r"^(?i)[a-z][a-z0-9\-_.]*[a-z0-9]:.+$", value)
}

fn ports(value: &str) -> Result<(), String> {
    for item in value.split(',') {
        for port in item.splitn(2, ':') {
            if port.chars().all(|c| c.is_ascii_digit()) && !port.parse::<u32>().is_ok_and(|p| p <= 65535) {
                return Err(format!("invalid port '{port}'\n"));
            }
        }
    }
    Ok(())
}

/// Splits a list as Proxmox VE does: at commas, semicolons, spaces and NULs.
pub(crate) fn split_list(value: &str) -> Vec<&str> {
    value.split([',', ';', ' ', '\t', '\n', '\0']).filter(|s| !s.is_empty()).collect()
}

/// A size such as `8G`, in bytes.
pub(crate) fn parse_size(value: &str) -> Option<u64> {
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 = digits.parse().ok()?;
    if digits.starts_with(['+', '-']) || digits.is_empty() {
        return None;
    }
    let unit: u64 = match &value[digits.len()..] {
        "" => 1,
        "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        "T" | "TiB" => 1 << 40,
        _ => return None,
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    Some((number * unit as f64) as u64)
}

/// A number of bytes with the greatest unit that leaves no rest: `8G`, `8704M`.
pub(crate) fn print_size(bytes: u64) -> String {
    let mut number = bytes;
    let mut unit = "";
    for next in ["K", "M", "G", "T"] {
        if number == 0 || !number.is_multiple_of(1024) {
            break;
        }
        number /= 1024;
        unit = next;
    }
    format!("{number}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_printed_as_proxmox_does() {
        assert_eq!(parse_size("8G"), Some(8 << 30));
        assert_eq!(parse_size("0.5G"), Some(512 << 20));
        assert_eq!(parse_size("big"), None);
        assert_eq!(print_size(8704 << 20), "8704M");
        assert_eq!(print_size(1 << 40), "1T");
    }

    #[test]
    fn formats_answer_in_proxmox_words() {
        assert_eq!(check("pve-vmid", "99").unwrap_err(), "value does not look like a valid VM ID\n");
        assert_eq!(
            check("dns-name", "bad_host!").unwrap_err(),
            "value does not look like a valid DNS name\n"
        );
        assert_eq!(check("pve-configid", "1 bad").unwrap_err(), "invalid configuration ID '1 bad'\n");
        assert!(check("pve-ipv4-config", "10.0.0.2/24").is_ok());
        assert!(check("pve-ipv4-config", "10.0.0.2").is_err());
    }

    #[test]
    fn every_element_of_a_list_is_checked() {
        assert!(check("pve-vmid-list", "100,101 102").is_ok());
        assert!(check("pve-vmid-list", "100,x").is_err());
    }
}
