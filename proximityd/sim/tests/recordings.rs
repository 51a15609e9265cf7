//! Exchanges recorded on a real node, asked of this one.
//!
//! `PVE_RECORDINGS=DIR` replays any folder of them; without it, our own fixtures are replayed.

#![allow(clippy::unwrap_used)]
// What differs is for a person to read, with `--nocapture`.
#![allow(clippy::print_stdout)]

mod replay;
mod support;

use replay::{from_folder, from_lines, play_all, report};

const FIXTURES: &str = include_str!("data/recordings.ndjson");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_answers_as_recorded() {
    let recordings = match std::env::var_os("PVE_RECORDINGS") {
        Some(folder) => from_folder(std::path::Path::new(&folder)),
        None => from_lines(FIXTURES),
    };
    assert!(!recordings.is_empty(), "there is nothing to replay");
    let wrong = report(&play_all(recordings).await);
    assert!(wrong.is_empty(), "{} differ without a reason: {}", wrong.len(), wrong.join(", "));
}
