//! `net0`, `net1`, …: a container's network interfaces.
//!
//! Whether the bridge exists is left to Proxmox VE, which finds out only when the container starts.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::{Pairs, Property, PropertyError, error};
use crate::lenient::Lenient;

/// How an interface gets its address, in `ip` and `ip6`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IpConfig {
    /// From a DHCP server.
    Dhcp,
    /// Not by Proxmox VE.
    Manual,
    /// By router advertisement; IPv6 only.
    Auto,
    /// A fixed address.
    Cidr(IpAddr, u8),
    /// Something this crate does not know.
    Other(String),
}

impl IpConfig {
    /// The fixed address, if it is one.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Cidr(address, _) => Some(*address),
            _ => None,
        }
    }
}

impl fmt::Display for IpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dhcp => f.write_str("dhcp"),
            Self::Manual => f.write_str("manual"),
            Self::Auto => f.write_str("auto"),
            Self::Cidr(address, prefix) => write!(f, "{address}/{prefix}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl From<&str> for IpConfig {
    fn from(text: &str) -> Self {
        match text {
            "dhcp" => return Self::Dhcp,
            "manual" => return Self::Manual,
            "auto" => return Self::Auto,
            _ => {}
        }
        let cidr = text.split_once('/').and_then(|(address, prefix)| {
            let address: IpAddr = address.parse().ok()?;
            let longest = if address.is_ipv4() { 32 } else { 128 };
            let prefix = prefix.parse().ok().filter(|p| *p <= longest)?;
            Some(Self::Cidr(address, prefix))
        });
        cidr.unwrap_or_else(|| Self::Other(text.to_owned()))
    }
}

impl Lenient for IpConfig {
    fn from_text(text: &str) -> Option<Self> {
        Some(Self::from(text))
    }
}

impl Lenient for IpAddr {
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// A network interface. `None` leaves a setting to Proxmox VE.
#[derive(Debug, Clone, PartialEq)]
pub struct Net {
    /// The name inside the container, such as `eth0`.
    pub name: String,
    /// The bridge on the node.
    pub bridge: Option<String>,
    /// The IPv4 configuration.
    pub ip: Option<IpConfig>,
    /// The IPv4 gateway.
    pub gw: Option<IpAddr>,
    /// The IPv6 configuration.
    pub ip6: Option<IpConfig>,
    /// The IPv6 gateway.
    pub gw6: Option<IpAddr>,
    /// The MAC address; made by Proxmox VE when absent.
    pub hwaddr: Option<String>,
    /// The VLAN, 1 to 4094.
    pub tag: Option<u16>,
    /// Whether Proxmox VE's firewall applies.
    pub firewall: Option<bool>,
    /// The MTU in bytes.
    pub mtu: Option<u32>,
    /// The rate limit in MB/s.
    pub rate: Option<f64>,
    /// Whether the link is down.
    pub link_down: Option<bool>,
    /// Whether the host configures the interface (9.1 and later).
    pub host_managed: Option<bool>,
    /// The kind of interface; always `veth`.
    pub kind: Option<String>,
    /// Keys this crate does not know.
    pub rest: Vec<(String, String)>,
}

impl Net {
    /// An interface with nothing but its name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            bridge: None,
            ip: None,
            gw: None,
            ip6: None,
            gw6: None,
            hwaddr: None,
            tag: None,
            firewall: None,
            mtu: None,
            rate: None,
            link_down: None,
            host_managed: None,
            kind: None,
            rest: Vec::new(),
        }
    }

    /// An interface on a bridge, configured by DHCP.
    pub fn dhcp(name: impl Into<String>, bridge: impl Into<String>) -> Self {
        Self { bridge: Some(bridge.into()), ip: Some(IpConfig::Dhcp), ..Self::new(name) }
    }
}

impl Property for Net {
    fn pairs(&self) -> Pairs {
        let mut pairs = Pairs::default();
        pairs.push("name", &self.name);
        pairs.push_opt("bridge", self.bridge.as_ref());
        pairs.push_flag("firewall", self.firewall);
        pairs.push_opt("gw", self.gw);
        pairs.push_opt("gw6", self.gw6);
        pairs.push_flag("host-managed", self.host_managed);
        pairs.push_opt("hwaddr", self.hwaddr.as_ref());
        pairs.push_opt("ip", self.ip.as_ref());
        pairs.push_opt("ip6", self.ip6.as_ref());
        pairs.push_flag("link_down", self.link_down);
        pairs.push_opt("mtu", self.mtu);
        pairs.push_opt("rate", self.rate);
        pairs.push_opt("tag", self.tag);
        pairs.push_opt("type", self.kind.as_ref());
        pairs.extend(&self.rest);
        pairs
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pairs().fmt(f)
    }
}

impl FromStr for Net {
    type Err = PropertyError;

    fn from_str(text: &str) -> Result<Self, PropertyError> {
        let mut pairs = Pairs::parse("network interface", text, None)?;
        let name = pairs.take("name").ok_or_else(|| error("network interface", text, "it has no name"))?;
        Ok(Self {
            name,
            bridge: pairs.take("bridge"),
            ip: pairs.take_as("ip"),
            gw: pairs.take_as("gw"),
            ip6: pairs.take_as("ip6"),
            gw6: pairs.take_as("gw6"),
            hwaddr: pairs.take("hwaddr"),
            tag: pairs.take_as("tag"),
            firewall: pairs.take_as("firewall"),
            mtu: pairs.take_as("mtu"),
            rate: pairs.take_as("rate"),
            link_down: pairs.take_as("link_down"),
            host_managed: pairs.take_as("host-managed"),
            kind: pairs.take("type"),
            rest: pairs.rest(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::option::of;
    use proptest::prelude::*;

    #[test]
    fn a_recorded_interface_is_read_whole() {
        let text = "name=eth0,bridge=vmbr0,firewall=1,gw=10.99.0.1,hwaddr=BC:24:11:AE:03:85,ip=10.99.0.200/24,type=veth";
        let net: Net = text.parse().unwrap();
        assert_eq!(net.bridge.as_deref(), Some("vmbr0"));
        assert_eq!(net.ip.as_ref().unwrap().address(), Some("10.99.0.200".parse().unwrap()));
        assert_eq!(net.firewall, Some(true));
        assert!(net.rest.is_empty());
        assert_eq!(net.to_string(), text);
    }

    #[test]
    fn values_of_another_shape_and_unknown_keys_survive() {
        let net: Net = "name=eth0,trunks=2;3,tag=weird,new=x".parse().unwrap();
        assert_eq!(net.tag, None);
        assert_eq!(net.to_string(), "name=eth0,trunks=2;3,tag=weird,new=x");
        assert!("bridge=vmbr0".parse::<Net>().is_err());
        assert!("name=a,name=b".parse::<Net>().is_err());
    }

    fn ip() -> impl Strategy<Value = IpConfig> {
        prop_oneof![
            Just(IpConfig::Dhcp),
            Just(IpConfig::Manual),
            Just(IpConfig::Auto),
            (any::<[u8; 4]>(), 0u8..=32).prop_map(|(a, p)| IpConfig::Cidr(a.into(), p)),
            (any::<[u8; 16]>(), 0u8..=128).prop_map(|(a, p)| IpConfig::Cidr(a.into(), p)),
        ]
    }

    proptest! {
        #[test]
        fn printing_and_parsing_agree(
            name in "[a-z]{1,5}[0-9]", bridge in of("vmbr[0-9]{1,3}"), ip in of(ip()), ip6 in of(ip()),
            gw in of(any::<[u8; 4]>()), hwaddr in of("([0-9A-F]{2}:){5}[0-9A-F]{2}"),
            tag in of(1u16..4095), flags in any::<[Option<bool>; 3]>(), mtu in of(64u32..65535),
            rate in of(0.0f64..10000.0), value in "[a-z0-9;:/]{0,8}",
        ) {
            let net = Net {
                name, bridge, ip, gw: gw.map(IpAddr::from), ip6, gw6: None, hwaddr, tag,
                firewall: flags[0], mtu, rate, link_down: flags[1], host_managed: flags[2],
                kind: Some("veth".to_owned()), rest: vec![("new-key".to_owned(), value)],
            };
            prop_assert_eq!(net.to_string().parse::<Net>().unwrap(), net);
        }
    }
}
