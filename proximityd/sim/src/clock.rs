//! The node's clock: how long its work takes, and what time it is there.
//!
//! Real time passes by itself. A held clock stands still until it is told to go on, so that a test can play a
//! recorded story second by second without waiting for it.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::node::now;
use crate::options::TaskTime;

/// The clock of a node.
#[derive(Debug)]
pub(crate) struct Clock {
    pace: TaskTime,
    begun: Instant,
    begun_at: i64,
    held: watch::Sender<Duration>,
    /// When those who wait for a held clock go on.
    ends: Mutex<Vec<Duration>>,
}

impl Clock {
    /// A clock that begins now.
    pub(crate) fn new(pace: TaskTime) -> Self {
        Self {
            pace,
            begun: Instant::now(),
            begun_at: now(),
            held: watch::Sender::new(Duration::ZERO),
            ends: Mutex::default(),
        }
    }

    /// How long it has run.
    pub(crate) fn elapsed(&self) -> Duration {
        match self.pace {
            TaskTime::Held => *self.held.borrow(),
            TaskTime::Instant | TaskTime::Recorded => self.begun.elapsed(),
        }
    }

    /// Seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        match self.pace {
            TaskTime::Held => self.begun_at.saturating_add_unsigned(self.elapsed().as_secs()),
            TaskTime::Instant | TaskTime::Recorded => now(),
        }
    }

    /// What is left of a time measured on a real node: nothing when work is instant.
    pub(crate) fn lasting(&self, recorded: Duration) -> Duration {
        match self.pace {
            TaskTime::Instant => Duration::ZERO,
            TaskTime::Recorded | TaskTime::Held => recorded,
        }
    }

    /// Waits for work to be over.
    pub(crate) async fn sleep(&self, time: Duration) {
        if time.is_zero() {
            return;
        }
        let _known = Known::new(self, self.elapsed() + time);
        self.limit(time).await;
    }

    /// Waits for what should not take that long; nobody lets a held clock go on for its sake.
    pub(crate) async fn limit(&self, time: Duration) {
        if self.pace != TaskTime::Held {
            tokio::time::sleep(time).await;
            return;
        }
        let end = self.elapsed() + time;
        let mut held = self.held.subscribe();
        if held.wait_for(|at| *at >= end).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// How long until the first of those who wait for work to be over goes on.
    pub(crate) fn next(&self) -> Option<Duration> {
        let ends = self.ends.lock().expect("no panic holds the clock");
        ends.iter().min().map(|end| end.saturating_sub(self.elapsed()))
    }

    /// Lets a held clock go on; any other goes by itself.
    pub(crate) fn advance(&self, time: Duration) {
        self.held.send_modify(|at| *at += time);
    }
}

/// An end that is waited for, until it is reached or nobody waits any more.
struct Known<'a> {
    clock: &'a Clock,
    end: Duration,
}

impl<'a> Known<'a> {
    fn new(clock: &'a Clock, end: Duration) -> Self {
        clock.ends.lock().expect("no panic holds the clock").push(end);
        Self { clock, end }
    }
}

impl Drop for Known<'_> {
    fn drop(&mut self) {
        let mut ends = self.clock.ends.lock().expect("no panic holds the clock");
        if let Some(at) = ends.iter().position(|end| *end == self.end) {
            ends.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_held_clock_goes_on_only_when_told() {
        let clock = Clock::new(TaskTime::Held);
        let begun = clock.now();
        let mut waiting = Box::pin(clock.sleep(Duration::from_secs(5)));
        assert!(tokio::time::timeout(Duration::ZERO, waiting.as_mut()).await.is_err());
        assert_eq!(clock.next(), Some(Duration::from_secs(5)));
        clock.advance(Duration::from_secs(4));
        assert!(tokio::time::timeout(Duration::ZERO, waiting.as_mut()).await.is_err());
        clock.advance(Duration::from_secs(1));
        waiting.await;
        assert_eq!(clock.next(), None);
        assert_eq!((clock.elapsed(), clock.now()), (Duration::from_secs(5), begun + 5));
    }

    #[test]
    fn instant_work_takes_no_time() {
        let second = Duration::from_secs(1);
        assert_eq!(Clock::new(TaskTime::Instant).lasting(second), Duration::ZERO);
        assert_eq!(Clock::new(TaskTime::Recorded).lasting(second), second);
    }
}
