//! Form encoding: what the client encodes, the embedded node decodes to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proximity_pve::Params;
use proximity_sim::decode_form;

fuzz_target!(|texts: (&str, &str, &str)| {
    let (raw, name, value) = texts;
    // Any bytes are decoded to something.
    decode_form(raw);
    if name.is_empty() {
        return;
    }
    let params = Params::from_iter([(name, value)]);
    let decoded = decode_form(&params.encode());
    assert_eq!(decoded.get(name).and_then(|found| found.as_str()), Some(value));
});
