//! Option strings of a container's configuration: net, rootfs, mp, features.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use libfuzzer_sys::fuzz_target;
use proximity_pve::{Features, MountPoint, Net, RootFs, Volume};

fn again<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        let printed = read.to_string();
        assert_eq!(printed.parse::<T>().ok().as_ref(), Some(&read), "{printed:?}");
    }
}

fuzz_target!(|text: &str| {
    again::<Net>(text);
    again::<RootFs>(text);
    again::<MountPoint>(text);
    again::<Features>(text);
    again::<Volume>(text);
});
