//! Names of nodes, storages, pools, snapshots and volumes; container ids, endpoints, fingerprints.
#![no_main]

mod again;

use again::again;
use libfuzzer_sys::fuzz_target;
use proximity_pve::{Endpoint, Fingerprint, NodeName, PoolId, SnapshotName, StorageId, Vmid, Volid};

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
