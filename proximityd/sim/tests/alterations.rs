//! A recorded reply that is altered is reported: in every family, whatever is altered.
//!
//! The replay itself is `recordings.rs`; this shows that it looks.

#![allow(clippy::unwrap_used)]
// The replay prints what differs.
#![allow(clippy::print_stdout)]

mod replay;
mod support;

use std::collections::BTreeMap;

use replay::exchange::Exchange;
use replay::mutate::{KINDS, Kind, altered};
use replay::player::play;
use replay::{Recording, from_lines};

const FIXTURES: &str = include_str!("data/recordings.ndjson");

/// Whether one of a family's recordings, altered in this respect, is reported; none if none can be altered so.
async fn reported(family: &[Exchange], kind: Kind) -> Option<bool> {
    let mut tried = 0;
    for exchange in family {
        for other in altered(exchange, kind) {
            tried += 1;
            if !play(&other).await.is_empty() {
                return Some(true);
            }
            // A value that the state is free to have shows nothing; not all of them are.
            if tried == 20 || matches!(kind, Kind::Status | Kind::Reason | Kind::Text) {
                return Some(false);
            }
        }
    }
    (tried > 0).then_some(false)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_altered_reply_is_reported_in_every_family() {
    let mut families: BTreeMap<String, Vec<Exchange>> = BTreeMap::new();
    for recording in from_lines(FIXTURES) {
        if let Recording::Exchange(exchange) = recording {
            families.entry(exchange.family().to_owned()).or_default().push(exchange);
        }
    }
    assert!(families.len() > 15, "only {} families", families.len());
    let mut missed = Vec::new();
    for (family, exchanges) in &families {
        for kind in KINDS {
            if reported(exchanges, kind).await == Some(false) {
                missed.push(format!("{family}: {kind:?}"));
            }
        }
    }
    assert!(missed.is_empty(), "altered and not reported: {missed:?}");
}
