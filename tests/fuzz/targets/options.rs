//! Option strings of a container's configuration: net, rootfs, mp, features.
#![no_main]

mod again;

use again::again;
use libfuzzer_sys::fuzz_target;
use proximity_pve::{Features, MountPoint, Net, RootFs, Volume};

fuzz_target!(|text: &str| {
    again::<Net>(text);
    again::<RootFs>(text);
    again::<MountPoint>(text);
    again::<Features>(text);
    again::<Volume>(text);
});
