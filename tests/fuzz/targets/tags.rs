//! A container's tags, in whichever of Proxmox VE's separators.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proximity_pve::Tags;

fuzz_target!(|text: &str| {
    let tags = Tags::from(text);
    assert_eq!(Tags::from(tags.to_string().as_str()), tags);
    for tag in tags.iter() {
        assert!(tags.contains(tag));
    }
});
