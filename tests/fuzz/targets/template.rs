//! A template of the catalog.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proximity_catalog::Template;

fuzz_target!(|text: &str| {
    let _ = Template::parse(text, "app.toml");
});
