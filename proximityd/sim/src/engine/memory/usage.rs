//! What a guest uses: computed from what runs in it, since nothing is measured.
//!
//! Memory is a base for the system, more for Docker, and a figure per running service that depends on its name
//! only; processor time follows the number of services; the disk is a base, the images and the files.

use std::sync::Arc;

use super::commands::systemd;
use super::docker::state::RunState;
use super::guest::Guest;
use crate::engine::GuestUsage;

const MIB: u64 = 1 << 20;
const SYSTEM_MEMORY: u64 = 42 * MIB;
const DOCKER_MEMORY: u64 = 96 * MIB;
const SYSTEM_DISK: u64 = 560 * MIB;
const DOCKER_DISK: u64 = 320 * MIB;

fn services(guest: &Guest) -> Vec<String> {
    let state = guest.lock();
    let running = state.meta.docker.containers.values().filter(|c| c.state == RunState::Running);
    running.map(|c| c.image.clone()).collect()
}

fn weight(name: &str) -> u64 {
    name.bytes().fold(7_u64, |sum, b| (sum * 31 + u64::from(b)) % 96)
}

/// Bytes of memory.
pub(crate) fn memory(guest: &Arc<Guest>) -> u64 {
    let docker = if systemd::is_active(guest, "docker") { DOCKER_MEMORY } else { 0 };
    let services: u64 = services(guest).iter().map(|image| (32 + weight(image)) * MIB).sum();
    (SYSTEM_MEMORY + docker + services).min(guest.memory_mib() * MIB * 95 / 100)
}

/// Bytes on disk.
pub(crate) fn disk(guest: &Arc<Guest>) -> u64 {
    let state = guest.lock();
    let docker = if state.meta.packages.contains("docker.io") { DOCKER_DISK } else { 0 };
    let images: u64 = state.meta.docker.images.values().map(|image| image.size).sum();
    let total = SYSTEM_DISK + docker + images + state.vfs.used();
    drop(state);
    total.min(guest.disk_size())
}

/// Seconds since the start; zero when it does not run.
pub(crate) fn uptime(guest: &Arc<Guest>) -> u64 {
    let running = guest.running();
    running
        .as_ref()
        .map_or(0, |r| u64::try_from((jiff::Timestamp::now().as_millisecond() - r.since) / 1000).unwrap_or(0))
}

/// All of it.
pub(crate) fn of(guest: &Arc<Guest>) -> GuestUsage {
    let disk = disk(guest);
    if !guest.is_running() {
        return GuestUsage { disk, ..GuestUsage::default() };
    }
    let (uptime, services) = (uptime(guest), services(guest).len() as u64);
    // A slow swing, so that graphs are not flat lines.
    let swing = ((uptime as f64) / 37.0 + f64::from(guest.vmid)).sin().abs();
    GuestUsage {
        pid: 10_000 + guest.vmid,
        uptime,
        cpu: 0.002 + 0.004 * services as f64 + 0.006 * swing,
        mem: memory(guest),
        disk,
        diskread: 38 * MIB + services * 24 * MIB,
        diskwrite: 6 * MIB + uptime * (900 + services * 4096),
        netin: 52_000 + uptime * (180 + services * 240),
        netout: 21_000 + uptime * (90 + services * 310),
    }
}
