//! A Compose file that somebody hands in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proximity_catalog::Template;

fuzz_target!(|text: &str| {
    let _ = Template::from_compose("app", text);
});
