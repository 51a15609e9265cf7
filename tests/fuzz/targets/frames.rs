//! A JSON-RPC request body: any bytes have an answer, and what is taken is one that can be told from the others.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto_json::envelope::parse;

fuzz_target!(|body: &[u8]| {
    let once = format!("{:?}", parse(body));
    assert_eq!(once, format!("{:?}", parse(body)));
});
