//! The container's address: waited for as the container itself reports it, not for a time.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use proto_json::{Code, Problem};
use proximity_pve as pve;

use super::container::Container;
use super::context::Context;
use super::failure::StepError;

/// Time for the container's network to come up; DHCP servers answer within seconds.
const PATIENCE: Duration = Duration::from_secs(120);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// An IPv6 address is taken only when no IPv4 address came in this time.
const PREFER_IPV4: Duration = Duration::from_secs(10);

/// A container's network card: `ip` is `dhcp`, or an address in CIDR notation.
pub fn card(bridge: &str, ip: &str, gateway: Option<&str>) -> pve::Net {
    let mut net = pve::Net::dhcp("eth0", bridge);
    if ip != "dhcp" {
        net.ip = Some(pve::IpConfig::from(ip));
        net.gw = gateway.and_then(|gateway| gateway.parse().ok());
    }
    net
}

/// Its address now, if it has one: that of its first interface that is no loopback; IPv4 first.
///
/// # Errors
/// Proxmox VE's.
pub async fn address(container: &Container) -> Result<(Option<IpAddr>, Option<IpAddr>), StepError> {
    let interfaces = container.host.client.lxc_interfaces(&container.node, container.vmid).await?;
    // Docker's bridges are in the container's list too; the ones that Proxmox VE gave it are named eth0 and on.
    let addresses: Vec<IpAddr> = interfaces
        .iter()
        .filter(|interface| interface.name.starts_with("eth"))
        .flat_map(|interface| interface.addresses.iter().map(|address| address.address))
        .collect();
    let v4 = addresses.iter().find(|address| address.is_ipv4()).copied();
    let v6 = addresses
        .iter()
        .find(|address| matches!(address, IpAddr::V6(v6) if !v6.is_unicast_link_local() && !v6.is_loopback()))
        .copied();
    Ok((v4, v6))
}

/// Waits until it has an address.
///
/// # Errors
/// [`Code::Timeout`] when none comes.
pub async fn wait(cx: &Context, container: &Container) -> Result<String, StepError> {
    let begun = Instant::now();
    loop {
        match address(container).await? {
            (Some(v4), _) => return Ok(v4.to_string()),
            (None, Some(v6)) if begun.elapsed() >= PREFER_IPV4 => return Ok(v6.to_string()),
            _ => {}
        }
        if begun.elapsed() >= PATIENCE {
            let message =
                format!("container {} got no address within {} s", container.vmid, PATIENCE.as_secs());
            return Err(StepError::failed(
                Problem::new(Code::Timeout, message)
                    .hint("check that a DHCP server answers on the bridge, or give a static address with --ip and --gateway"),
            ));
        }
        // A tenth of the time waited so far: an address is found at most so much later than it is there.
        cx.pause((begun.elapsed() / 10).clamp(FIRST_PAUSE, LONGEST_PAUSE)).await?;
    }
}
