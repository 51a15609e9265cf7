//! When to ask for a task next: after a tenth of the time that it has run, so that its end is seen at most so much
//! late; at least 50 ms, at most a second; up to five seconds while Proxmox VE does not answer.

use std::time::Duration;

use tokio::time::Instant;

/// A start from a snapshot or a delete can end within 100 ms.
const FIRST: Duration = Duration::from_millis(50);
/// The slowest rhythm while all is well.
const SLOWEST: Duration = Duration::from_secs(1);
/// The slowest rhythm while nothing answers.
const SLOWEST_DOWN: Duration = Duration::from_secs(5);
/// How long a list's word that a task runs is taken for: a node writes its list of active tasks
/// only when tasks begin and end.
const LIST_TRUSTED: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub(super) struct Schedule {
    pub(super) due: Instant,
    begun: Instant,
    interval: Duration,
    /// When the task itself was last asked for.
    asked: Instant,
    /// It runs though the node's list does not show it to us.
    pub(super) unlisted: bool,
}

impl Schedule {
    pub(super) fn new(now: Instant) -> Self {
        // A task is never over at once, so the first question waits.
        Self { due: now + FIRST / 2, begun: now, interval: FIRST, asked: now, unlisted: false }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due <= now
    }

    /// The list said that it runs.
    pub(super) fn listed(&mut self, now: Instant) {
        self.next(now);
    }

    /// The task itself said that it runs.
    pub(super) fn asked(&mut self, now: Instant) {
        self.asked = now;
        self.next(now);
    }

    /// Whether a list's word is enough this time.
    pub(super) fn trusts_list(&self, now: Instant) -> bool {
        !self.unlisted && now.saturating_duration_since(self.asked) < LIST_TRUSTED
    }

    fn next(&mut self, now: Instant) {
        self.due = now + self.interval;
        self.interval = (now.saturating_duration_since(self.begun) / 10).clamp(FIRST, SLOWEST);
    }

    /// Nothing answered.
    pub(super) fn failed(&mut self, now: Instant) {
        self.interval = (self.interval * 2).clamp(Duration::from_millis(200), SLOWEST_DOWN);
        self.due = now + self.interval;
    }

    /// Something answers again.
    pub(super) fn recovered(&mut self) {
        self.interval = self.interval.min(SLOWEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_is_asked_for_often_at_first_and_then_once_a_second() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start);
        let mut asked = Vec::new();
        while schedule.due < start + Duration::from_secs(20) {
            let now = schedule.due;
            asked.push(now - start);
            schedule.asked(now);
        }
        let within = |limit| asked.iter().filter(|a| **a <= Duration::from_millis(limit)).count();
        assert!(within(100) >= 2, "{asked:?}");
        assert!(within(1000) <= 18, "{asked:?}");
        assert!(within(10_000) <= 44, "{asked:?}");
        assert_eq!(asked[asked.len() - 1] - asked[asked.len() - 2], SLOWEST);
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_is_seen_at_most_a_tenth_or_the_least_pause_late() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start);
        while schedule.due < start + Duration::from_secs(10) {
            let now = schedule.due;
            schedule.asked(now);
            let latest = ((now - start) / 10).max(FIRST);
            assert!(schedule.due - now <= latest, "{:?} after {:?}", schedule.due - now, now - start);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_slows_the_asking_and_its_end_quickens_it() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now);
        for _ in 0..10 {
            schedule.failed(now);
        }
        assert_eq!(schedule.due - now, SLOWEST_DOWN);
        schedule.recovered();
        schedule.asked(now);
        assert_eq!(schedule.due - now, SLOWEST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_is_not_believed_for_ever() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now);
        assert!(schedule.trusts_list(now + Duration::from_secs(4)));
        schedule.listed(now + Duration::from_secs(4));
        assert!(!schedule.trusts_list(now + Duration::from_secs(5)));
        schedule.asked(now + Duration::from_secs(5));
        assert!(schedule.trusts_list(now + Duration::from_secs(6)));
        schedule.unlisted = true;
        assert!(!schedule.trusts_list(now + Duration::from_secs(6)));
    }
}
