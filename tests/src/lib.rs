//! What the end-to-end tests stand on: they run `proximityd`, `proximityctl` and `proximity-sim` as a person does.
//!
//! Nothing here knows the programs from inside. A test sees what they print, what the socket answers, what the node
//! holds, and what is on the disk. Every daemon lives in a directory of its own and leaves no process behind.

mod daemon;
mod http;
mod node;
mod output;
mod processes;
mod programs;
mod stream;

pub use daemon::{Daemon, Setup};
pub use http::{Reply, get_url, request};
pub use node::{Node, SecondHost};
pub use output::Output;
pub use processes::{Process, processes_of};
pub use programs::{Program, command};
pub use stream::EventStream;

use std::time::{Duration, Instant};

/// How long a condition may take on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Looks until a condition holds, where there is no event to wait for.
///
/// # Panics
/// When it does not hold in time.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "it did not happen in {PATIENCE:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
