//! The time, so that tests can hold it still.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// Where the daemon gets the time from.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Clock {
        Clock(None)
    }

    /// A clock that stands still at a number of milliseconds after the epoch.
    pub fn fixed(milliseconds: i64) -> Clock {
        Clock(Some(Arc::new(AtomicI64::new(milliseconds))))
    }

    /// Moves a fixed clock on. A system clock is not moved.
    pub fn advance(&self, by: std::time::Duration) {
        if let Some(fixed) = &self.0 {
            let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
            fixed.fetch_add(by, Ordering::SeqCst);
        }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            None => Timestamp::now(),
            Some(fixed) => Timestamp::from_millisecond(fixed.load(Ordering::SeqCst)).unwrap_or_default(),
        }
    }

    /// Now, as it is stored and sent: RFC 3339 in UTC with milliseconds.
    pub fn text(&self) -> String {
        format!("{:.3}", self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_moves_only_when_told() {
        let clock = Clock::fixed(0);
        assert_eq!(clock.text(), "1970-01-01T00:00:00.000Z");
        clock.advance(std::time::Duration::from_millis(1500));
        assert_eq!(clock.text(), "1970-01-01T00:00:01.500Z");
    }
}
