//! Sizes as Proxmox VE writes disks, and as people and templates write them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proximity_catalog::Size;
use proximity_pve::DiskSize;

fuzz_target!(|text: &str| {
    if let Ok(size) = text.parse::<DiskSize>() {
        assert_eq!(size.to_string().parse::<DiskSize>().ok(), Some(size));
    }
    if let Ok(size) = text.parse::<Size>() {
        assert_eq!(size.to_string().parse::<Size>().ok(), Some(size));
    }
});
