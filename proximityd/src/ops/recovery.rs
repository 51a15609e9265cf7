//! What an operation has to do next, told from its journal alone: a pure function, the same after a crash as before.

use crate::model::operation::{JournalEntry, JournalKind};

/// The next thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Do this step (by its index), for the first time or again.
    Forward(usize),
    /// Undo this step.
    Backward(usize),
    /// Everything is done.
    Finish,
    /// Everything is undone.
    Undone,
    /// It failed past its pivot, or its failure is to be kept: nothing is undone.
    Keep,
}

/// What decides, beside the journal.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts {
    /// The operation has an error: it goes back.
    pub failed: bool,
    /// What a failure leaves is to be kept.
    pub keep_failed: bool,
    /// Index of the step from which on nothing is undone.
    pub pivot: Option<usize>,
}

/// Plans the next thing.
pub fn plan(steps: &[&str], journal: &[JournalEntry], facts: Facts) -> Next {
    let mut begun = vec![false; steps.len()];
    let mut done = vec![false; steps.len()];
    let mut undone = vec![false; steps.len()];
    for entry in journal {
        let Some(index) = steps.iter().position(|step| *step == entry.step) else { continue };
        match entry.kind {
            JournalKind::StepStarted => begun[index] = true,
            JournalKind::StepDone | JournalKind::StepSkipped => done[index] = true,
            JournalKind::UndoDone => undone[index] = true,
            _ => {}
        }
    }
    if !facts.failed {
        return done.iter().position(|done| !done).map_or(Next::Finish, Next::Forward);
    }
    let past_pivot = facts.pivot.is_some_and(|pivot| begun.get(pivot).copied().unwrap_or(false));
    if facts.keep_failed || past_pivot {
        return Next::Keep;
    }
    match (0..steps.len()).rev().find(|&index| begun[index] && !undone[index]) {
        Some(index) => Next::Backward(index),
        None => Next::Undone,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEPS: [&str; 4] = ["a", "b", "c", "d"];

    fn entry(step: &str, kind: JournalKind) -> JournalEntry {
        JournalEntry { seq: 0, step: step.into(), kind, data: serde_json::Value::Null, at: String::new() }
    }

    /// Runs a saga on paper: step `fails_at` fails, and before each entry the process may die and start again.
    fn walk(fails_at: Option<usize>, pivot: Option<usize>) -> (Vec<String>, Next) {
        let mut journal = Vec::new();
        let mut deeds = Vec::new();
        let mut failed = false;
        loop {
            let next = plan(&STEPS, &journal, Facts { failed, keep_failed: false, pivot });
            assert_eq!(next, plan(&STEPS, &journal, Facts { failed, keep_failed: false, pivot }));
            match next {
                Next::Forward(index) => {
                    journal.push(entry(STEPS[index], JournalKind::StepStarted));
                    deeds.push(format!("+{}", STEPS[index]));
                    if fails_at == Some(index) {
                        failed = true;
                    } else {
                        journal.push(entry(STEPS[index], JournalKind::StepDone));
                    }
                }
                Next::Backward(index) => {
                    deeds.push(format!("-{}", STEPS[index]));
                    journal.push(entry(STEPS[index], JournalKind::UndoDone));
                }
                end => return (deeds, end),
            }
        }
    }

    #[test]
    fn steps_are_done_in_order() {
        assert_eq!(walk(None, None), (["+a", "+b", "+c", "+d"].map(String::from).to_vec(), Next::Finish));
    }

    #[test]
    fn a_failure_undoes_what_was_begun_last_first() {
        let (deeds, end) = walk(Some(2), None);
        assert_eq!(deeds, ["+a", "+b", "+c", "-c", "-b", "-a"]);
        assert_eq!(end, Next::Undone);
    }

    #[test]
    fn past_the_pivot_nothing_is_undone() {
        assert_eq!(walk(Some(3), Some(2)).1, Next::Keep);
        assert_eq!(walk(Some(1), Some(2)).1, Next::Undone);
    }

    #[test]
    fn a_step_cut_off_is_done_again() {
        let journal = [entry("a", JournalKind::StepDone), entry("b", JournalKind::StepStarted)];
        assert_eq!(plan(&STEPS, &journal, Facts::default()), Next::Forward(1));
    }

    proptest! {
        #[test]
        fn every_step_begun_is_undone_exactly_once(fails_at in 0usize..4) {
            let (deeds, end) = walk(Some(fails_at), None);
            prop_assert_eq!(end, Next::Undone);
            let count = |sign: &str| deeds.iter().filter(|deed| deed.starts_with(sign)).count();
            prop_assert_eq!(count("+"), count("-"));
        }
    }
}
