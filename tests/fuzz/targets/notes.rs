//! The machine-readable block in a container's notes: read from any notes, written beside any words of a person.
#![no_main]

use libfuzzer_sys::fuzz_target;

// The module by itself: the daemon's other dependencies would take minutes to build with the fuzzer's instrumentation.
#[path = "../../../proximityd/src/model/notes.rs"]
#[allow(dead_code)]
mod notes;
use notes::{MAX_NOTES, Notes};

fuzz_target!(|texts: (&str, &str)| {
    let (notes, words) = texts;
    if let Some(read) = Notes::read(notes) {
        let written = read.text(words);
        if written.len() <= MAX_NOTES {
            assert_eq!(Notes::read(&written), Some(read));
        }
    }
});
