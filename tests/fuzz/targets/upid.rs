//! A task's id: what is read is printed the same, byte for byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proximity_pve::Upid;

fuzz_target!(|text: &str| {
    if let Ok(upid) = text.parse::<Upid>() {
        assert_eq!(upid.to_string(), text);
        assert_eq!(upid.to_string().parse::<Upid>().as_ref(), Ok(&upid));
    }
});
