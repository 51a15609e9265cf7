//! Sizes as Proxmox VE writes disks, and as people and templates write them.
#![no_main]

mod again;

use again::again;
use libfuzzer_sys::fuzz_target;
use proximity_catalog::Size;
use proximity_pve::DiskSize;

fuzz_target!(|text: &str| {
    again::<DiskSize>(text);
    again::<Size>(text);
});
