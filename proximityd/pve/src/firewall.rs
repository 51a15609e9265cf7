//! A container's firewall: rules, options and IP sets.
//!
//! Reading needs VM.Audit, writing VM.Config.Network. Which rules an app needs is left to the
//! caller.

use reqwest::Method;
use serde::Deserialize;

use crate::client::Client;
use crate::error::Error;
use crate::ids::{Digest, NodeName, Vmid};
use crate::params::{Params, Segment, path};

/// A rule as it is. Its position changes when rules before it come and go.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FirewallRule {
    /// Its position, from 0.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub pos: u32,
    /// `in`, `out`, `forward` or `group`.
    #[serde(rename = "type", default, deserialize_with = "crate::lenient::or_default")]
    pub kind: String,
    /// `ACCEPT`, `DROP`, `REJECT`, or a group's name.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub action: String,
    /// Whether it applies.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub enable: bool,
    /// The protocol.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub proto: Option<String>,
    /// Destination ports.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub dport: Option<String>,
    /// Source ports.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub sport: Option<String>,
    /// Source addresses.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub source: Option<String>,
    /// Destination addresses.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub dest: Option<String>,
    /// The interface, such as `net0`.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub iface: Option<String>,
    /// A macro, such as `SSH`.
    #[serde(default, rename = "macro", deserialize_with = "crate::lenient::opt")]
    pub macro_name: Option<String>,
    /// A remark.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub comment: Option<String>,
    /// The hash of all rules.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub digest: Option<Digest>,
}

/// A rule to be. New rules go to the front unless a position is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewFirewallRule {
    /// `in`, `out` or `group`.
    pub kind: String,
    /// `ACCEPT`, `DROP`, `REJECT`, or a group's name.
    pub action: String,
    /// Whether it applies; a rule without it is stored but off.
    pub enable: bool,
    /// The protocol; ports need one.
    pub proto: Option<String>,
    /// Destination ports.
    pub dport: Option<String>,
    /// Source ports.
    pub sport: Option<String>,
    /// Source addresses.
    pub source: Option<String>,
    /// Destination addresses.
    pub dest: Option<String>,
    /// The interface, such as `net0`.
    pub iface: Option<String>,
    /// A macro, such as `SSH`.
    pub macro_name: Option<String>,
    /// A remark.
    pub comment: Option<String>,
    /// The position.
    pub pos: Option<u32>,
}

impl NewFirewallRule {
    /// Lets traffic in to a port.
    pub fn accept_in(proto: &str, dport: &str) -> Self {
        Self {
            kind: "in".to_owned(),
            action: "ACCEPT".to_owned(),
            enable: true,
            proto: Some(proto.to_owned()),
            dport: Some(dport.to_owned()),
            ..Self::default()
        }
    }
}

/// The options.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct FirewallOptions {
    /// Whether the firewall is on.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub enable: Option<bool>,
    /// What happens to incoming traffic that no rule names: `ACCEPT`, `DROP`, `REJECT`.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub policy_in: Option<String>,
    /// The same for outgoing traffic.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub policy_out: Option<String>,
    /// Whether DHCP is let through.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub dhcp: Option<bool>,
    /// Whether addresses other than the guest's own are refused.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub ipfilter: Option<bool>,
    /// Whether MAC addresses other than the guest's own are refused.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub macfilter: Option<bool>,
    /// The hash of the configuration.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub digest: Option<Digest>,
}

/// A change of the options; `None` leaves as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetFirewallOptions {
    /// Whether the firewall is on.
    pub enable: Option<bool>,
    /// What happens to incoming traffic that no rule names.
    pub policy_in: Option<String>,
    /// The same for outgoing traffic.
    pub policy_out: Option<String>,
    /// Whether DHCP is let through.
    pub dhcp: Option<bool>,
    /// Whether addresses other than the guest's own are refused.
    pub ipfilter: Option<bool>,
    /// Whether MAC addresses other than the guest's own are refused.
    pub macfilter: Option<bool>,
    /// Refuse when the configuration changed since.
    pub digest: Option<Digest>,
}

/// An IP set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct IpSet {
    /// Its name; `ipfilter-net0` lists what `net0` may use.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub name: String,
    /// A remark.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub comment: Option<String>,
}

/// An address in an IP set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct IpSetEntry {
    /// The address or network.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub cidr: String,
    /// A remark.
    #[serde(default, deserialize_with = "crate::lenient::opt")]
    pub comment: Option<String>,
    /// Whether it is excluded.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub nomatch: bool,
}

fn base(node: &NodeName, vmid: Vmid, rest: &[Segment<'_>]) -> String {
    let head: [Segment<'_>; 5] = [&"nodes", node, &"lxc", &vmid, &"firewall"];
    path(&[&head, rest].concat())
}

impl Client {
    /// A container's rules in order.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn firewall_rules(&self, node: &NodeName, vmid: Vmid) -> Result<Vec<FirewallRule>, Error> {
        self.get_list(base(node, vmid, &[&"rules"]), Params::new()).await
    }

    /// Adds a rule.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn add_firewall_rule(
        &self,
        node: &NodeName,
        vmid: Vmid,
        rule: &NewFirewallRule,
    ) -> Result<(), Error> {
        let params = Params::new()
            .with("type", &rule.kind)
            .with("action", &rule.action)
            .with("enable", rule.enable)
            .opt("proto", rule.proto.as_ref())
            .opt("dport", rule.dport.as_ref())
            .opt("sport", rule.sport.as_ref())
            .opt("source", rule.source.as_ref())
            .opt("dest", rule.dest.as_ref())
            .opt("iface", rule.iface.as_ref())
            .opt("macro", rule.macro_name.as_ref())
            .opt("comment", rule.comment.as_ref())
            .opt("pos", rule.pos);
        self.write_unit(Method::POST, base(node, vmid, &[&"rules"]), params).await
    }

    /// Removes the rule at a position. Give the digest of the list that the position is from.
    ///
    /// # Errors
    /// [`crate::ErrorKind::ConfigModified`] when the rules changed since, or any other [`Error`].
    pub async fn delete_firewall_rule(
        &self,
        node: &NodeName,
        vmid: Vmid,
        pos: u32,
        digest: Option<&Digest>,
    ) -> Result<(), Error> {
        let params = Params::new().opt("digest", digest);
        self.write_unit(Method::DELETE, base(node, vmid, &[&"rules", &pos]), params).await
    }

    /// A container's firewall options.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn firewall_options(&self, node: &NodeName, vmid: Vmid) -> Result<FirewallOptions, Error> {
        self.get(base(node, vmid, &[&"options"]), Params::new()).await
    }

    /// Changes a container's firewall options.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn set_firewall_options(
        &self,
        node: &NodeName,
        vmid: Vmid,
        options: &SetFirewallOptions,
    ) -> Result<(), Error> {
        let params = Params::new()
            .opt("enable", options.enable)
            .opt("policy_in", options.policy_in.as_ref())
            .opt("policy_out", options.policy_out.as_ref())
            .opt("dhcp", options.dhcp)
            .opt("ipfilter", options.ipfilter)
            .opt("macfilter", options.macfilter)
            .opt("digest", options.digest.as_ref());
        self.write_unit(Method::PUT, base(node, vmid, &[&"options"]), params).await
    }

    /// A container's IP sets.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn ipsets(&self, node: &NodeName, vmid: Vmid) -> Result<Vec<IpSet>, Error> {
        self.get_list(base(node, vmid, &[&"ipset"]), Params::new()).await
    }

    /// Makes an IP set.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn create_ipset(&self, node: &NodeName, vmid: Vmid, name: &str) -> Result<(), Error> {
        let params = Params::new().with("name", name);
        self.write_unit(Method::POST, base(node, vmid, &[&"ipset"]), params).await
    }

    /// Removes an IP set with all its addresses.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn delete_ipset(&self, node: &NodeName, vmid: Vmid, name: &str) -> Result<(), Error> {
        let params = Params::new().with("force", true);
        self.write_unit(Method::DELETE, base(node, vmid, &[&"ipset", &name]), params).await
    }

    /// The addresses of an IP set.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn ipset(&self, node: &NodeName, vmid: Vmid, name: &str) -> Result<Vec<IpSetEntry>, Error> {
        self.get_list(base(node, vmid, &[&"ipset", &name]), Params::new()).await
    }

    /// Adds an address to an IP set.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn add_to_ipset(
        &self,
        node: &NodeName,
        vmid: Vmid,
        name: &str,
        cidr: &str,
    ) -> Result<(), Error> {
        let params = Params::new().with("cidr", cidr);
        self.write_unit(Method::POST, base(node, vmid, &[&"ipset", &name]), params).await
    }

    /// Takes an address out of an IP set.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn remove_from_ipset(
        &self,
        node: &NodeName,
        vmid: Vmid,
        name: &str,
        cidr: &str,
    ) -> Result<(), Error> {
        let path = base(node, vmid, &[&"ipset", &name, &cidr]);
        self.write_unit(Method::DELETE, path, Params::new()).await
    }
}
