//! Addresses: every running guest has one of its own on the loopback network, which is local and needs no set-up.
//!
//! A node takes a base `127.A.B.0/24` (A in 64..=126) at random, keeps it in its state directory, and claims it
//! with a socket on the base's last address, so that another node on the same machine takes another. A guest's
//! address stays the same while the guest exists. A static address inside 127.0.0.0/8 is used as it is; any other
//! static address is reported on `eth0`, while services listen at the engine's own address.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::guest::{Guest, write_file};
use crate::engine::{EngineError, GuestInterface};

/// Port of the socket that claims a base.
const CLAIM_PORT: u16 = 48_006;
const ATTEMPTS: usize = 64;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Plan {
    bases: Vec<[u8; 2]>,
    addresses: BTreeMap<u32, Ipv4Addr>,
}

/// The node's addresses.
#[derive(Debug)]
pub(crate) struct Network {
    path: PathBuf,
    plan: Mutex<Plan>,
    claims: Mutex<Vec<UdpSocket>>,
    privileged_ports: Option<bool>,
}

fn claim(base: [u8; 2]) -> std::io::Result<UdpSocket> {
    UdpSocket::bind((Ipv4Addr::new(127, base[0], base[1], 254), CLAIM_PORT))
}

impl Network {
    /// The addresses kept in `state_dir`.
    pub(crate) fn open(state_dir: &Path, privileged_ports: Option<bool>) -> Result<Self, EngineError> {
        let path = state_dir.join("network.json");
        let plan: Plan = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|e| EngineError(format!("{} is damaged: {e}", path.display())))?,
            Err(_) => Plan::default(),
        };
        let claims = plan.bases.iter().filter_map(|base| claim(*base).ok()).collect();
        Ok(Self { path, plan: Mutex::new(plan), claims: Mutex::new(claims), privileged_ports })
    }

    /// Whether ports below 1024 can be bound; `None` to find out.
    pub(crate) fn privileged_ports(&self) -> Option<bool> {
        self.privileged_ports
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save(&self, plan: &Plan) -> Result<(), EngineError> {
        write_file(&self.path, &serde_json::to_vec(plan).expect("a plan has plain keys"))
    }

    /// The address of a guest, chosen when it has none.
    pub(crate) fn address_of(&self, vmid: u32) -> Result<Ipv4Addr, EngineError> {
        let mut plan = self.lock();
        if let Some(address) = plan.addresses.get(&vmid) {
            return Ok(*address);
        }
        loop {
            let taken: std::collections::HashSet<Ipv4Addr> = plan.addresses.values().copied().collect();
            let free = plan
                .bases
                .iter()
                .flat_map(|[a, b]| (2..=250).map(move |last| Ipv4Addr::new(127, *a, *b, last)))
                .find(|address| !taken.contains(address));
            if let Some(address) = free {
                plan.addresses.insert(vmid, address);
                self.save(&plan)?;
                return Ok(address);
            }
            let base = self.new_base(&plan.bases)?;
            plan.bases.push(base);
        }
    }

    fn new_base(&self, known: &[[u8; 2]]) -> Result<[u8; 2], EngineError> {
        for _ in 0..ATTEMPTS {
            let base = [rand::random_range(64..=126), rand::random()];
            if known.contains(&base) {
                continue;
            }
            if let Ok(socket) = claim(base) {
                self.claims.lock().unwrap_or_else(PoisonError::into_inner).push(socket);
                return Ok(base);
            }
        }
        Err(EngineError(
            "no free network in 127.64.0.0/10 and above for the containers' addresses".to_owned(),
        ))
    }

    /// Gives up a guest's address.
    pub(crate) fn release(&self, vmid: u32) -> Result<(), EngineError> {
        let mut plan = self.lock();
        if plan.addresses.remove(&vmid).is_some() { self.save(&plan) } else { Ok(()) }
    }
}

/// A comma-separated property of a `netN` line.
fn property(line: &str, key: &str) -> Option<String> {
    line.split(',').find_map(|part| part.strip_prefix(key)?.strip_prefix('=').map(str::to_owned))
}

fn net0(guest: &Guest) -> Option<(String, Option<String>)> {
    let line = guest.setting("net0")?;
    Some((property(&line, "ip").unwrap_or_else(|| "manual".to_owned()), property(&line, "hwaddr")))
}

/// The address a guest's services listen at, from its configuration.
pub(crate) fn listening_address(guest: &Guest) -> Result<Option<Ipv4Addr>, EngineError> {
    let Some((ip, _)) = net0(guest) else { return Ok(None) };
    if ip == "manual" || ip.is_empty() {
        return Ok(None);
    }
    let fixed: Option<Ipv4Addr> = ip.split('/').next().and_then(|a| a.parse().ok());
    match fixed.filter(Ipv4Addr::is_loopback) {
        Some(address) => Ok(Some(address)),
        None => guest.network.address_of(guest.vmid).map(Some),
    }
}

/// The address that an interface gives itself (RFC 4291, appendix A).
fn link_local(hwaddr: &str) -> Option<Ipv6Addr> {
    let bytes: Vec<u8> =
        hwaddr.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>().ok()?;
    let [a, b, c, d, e, f] = bytes.try_into().ok()?;
    Some(Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f]))
}

/// The interfaces of a running guest.
pub(crate) fn interfaces(guest: &Guest) -> Vec<GuestInterface> {
    if !guest.is_running() {
        return Vec::new();
    }
    let mut found = vec![GuestInterface {
        name: "lo".to_owned(),
        hwaddr: "00:00:00:00:00:00".to_owned(),
        inet: Some("127.0.0.1/8".to_owned()),
        inet6: Some("::1/128".to_owned()),
    }];
    if let Some((ip, hwaddr)) = net0(guest) {
        let inet = match guest.address() {
            Some(_) if ip != "dhcp" && !ip.starts_with("127.") => Some(ip),
            Some(address) => Some(format!("{address}/8")),
            None => None,
        };
        let line = guest.setting("net0").unwrap_or_default();
        let hwaddr = hwaddr
            .unwrap_or_else(|| {
                format!("bc:24:11:00:{:02x}:{:02x}", guest.vmid >> 8 & 0xff, guest.vmid & 0xff)
            })
            .to_lowercase();
        found.push(GuestInterface {
            name: property(&line, "name").unwrap_or_else(|| "eth0".to_owned()),
            inet6: link_local(&hwaddr).map(|address| format!("{address}/64")),
            hwaddr,
            inet,
        });
    }
    found
}
