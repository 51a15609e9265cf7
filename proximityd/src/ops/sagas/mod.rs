//! Every kind of operation there is. A new one is added to [`all`], and everything that walks sagas finds it there.

pub mod deploy;
pub mod golden;
pub mod place;
pub mod remove;
pub mod start;
pub mod stop;

use super::saga::Saga;

/// All sagas.
pub fn all() -> &'static [&'static dyn Saga] {
    &[
        &deploy::Deploy,
        &golden::Golden,
        &start::Start,
        &start::Address,
        &stop::Stop,
        &stop::Restart,
        &remove::Remove,
    ]
}

/// The saga of a kind.
pub fn by_kind(kind: &str) -> Option<&'static dyn Saga> {
    all().iter().copied().find(|saga| saga.kind() == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_step_names_are_unique_and_pivots_are_steps() {
        let mut kinds = std::collections::BTreeSet::new();
        for saga in all() {
            assert!(kinds.insert(saga.kind()), "{}", saga.kind());
            let names: std::collections::BTreeSet<_> = saga.steps().iter().map(|step| step.name).collect();
            assert_eq!(names.len(), saga.steps().len(), "{}", saga.kind());
            assert!(saga.pivot().is_none_or(|pivot| names.contains(pivot)), "{}", saga.kind());
        }
    }
}
