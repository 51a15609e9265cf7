//! Names of nodes, storages, pools, snapshots and volumes; container ids, endpoints, fingerprints.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use libfuzzer_sys::fuzz_target;
use proximity_pve::{Endpoint, Fingerprint, NodeName, PoolId, SnapshotName, StorageId, Vmid, Volid};

fn again<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        let printed = read.to_string();
        assert_eq!(printed.parse::<T>().ok().as_ref(), Some(&read), "{printed:?}");
    }
}

fuzz_target!(|text: &str| {
    again::<NodeName>(text);
    again::<StorageId>(text);
    again::<PoolId>(text);
    again::<SnapshotName>(text);
    again::<Volid>(text);
    again::<Vmid>(text);
    again::<Endpoint>(text);
    again::<Fingerprint>(text);
});
