//! Which image tags an app may be updated to.
//!
//! Compares tags by their version number. Asking a registry for the tags, and deciding when to update, is
//! left to the daemon.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// The version in a tag: numbers joined by dots (`16`, `16.4`, `2025.1.3`).
///
/// Missing numbers count as zero when two versions are compared.
#[derive(Clone, Debug, Eq)]
pub struct Version {
    numbers: Vec<u64>,
}

impl Version {
    /// How many numbers it is written with.
    pub fn components(&self) -> usize {
        self.numbers.len()
    }

    /// The first number.
    pub fn major(&self) -> u64 {
        self.numbers[0]
    }
}

impl FromStr for Version {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Version, TagError> {
        let number = |part: &str| {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse().ok()).flatten()
        };
        let numbers: Option<Vec<u64>> = text.split('.').map(number).collect();
        numbers.map(|numbers| Version { numbers }).ok_or_else(|| TagError::Version(text.to_owned()))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<_> = self.numbers.iter().map(u64::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        let length = self.numbers.len().max(other.numbers.len());
        let at = |version: &Version, i: usize| version.numbers.get(i).copied().unwrap_or(0);
        (0..length).map(|i| at(self, i).cmp(&at(other, i))).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Version) -> bool {
        self.cmp(other).is_eq()
    }
}

/// Why a text is not a version or a range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// Not numbers joined by dots.
    #[error("`{0}` is not a version; write numbers joined by dots, such as 31.0")]
    Version(String),
    /// Not a list of comparisons.
    #[error("`{0}` is not a version range; write comparisons joined by commas, such as \">=31.0, <32\"")]
    Range(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    AtLeast,
    Above,
    AtMost,
    Below,
    Exactly,
}

const COMPARISONS: [(&str, Comparison); 5] = [
    (">=", Comparison::AtLeast),
    ("<=", Comparison::AtMost),
    (">", Comparison::Above),
    ("<", Comparison::Below),
    ("=", Comparison::Exactly),
];

/// A version range: comparisons that all hold, such as `>=31.0, <32`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRange {
    bounds: Vec<(Comparison, Version)>,
}

impl VersionRange {
    /// Whether a version is in the range.
    pub fn contains(&self, version: &Version) -> bool {
        self.bounds.iter().all(|(comparison, bound)| match comparison {
            Comparison::AtLeast => version >= bound,
            Comparison::Above => version > bound,
            Comparison::AtMost => version <= bound,
            Comparison::Below => version < bound,
            Comparison::Exactly => version == bound,
        })
    }

    /// Whether the range has an upper end, so that an update cannot jump over a major version unseen.
    pub fn has_upper_bound(&self) -> bool {
        self.bounds
            .iter()
            .any(|(c, _)| matches!(c, Comparison::Below | Comparison::AtMost | Comparison::Exactly))
    }
}

impl FromStr for VersionRange {
    type Err = TagError;

    fn from_str(text: &str) -> Result<VersionRange, TagError> {
        let bound = |part: &str| {
            let part = part.trim();
            let (comparison, rest) = COMPARISONS
                .iter()
                .find_map(|(sign, comparison)| part.strip_prefix(sign).map(|rest| (*comparison, rest)))
                .ok_or_else(|| TagError::Range(text.to_owned()))?;
            Ok((comparison, rest.trim().parse()?))
        };
        text.split(',').map(bound).collect::<Result<_, _>>().map(|bounds| VersionRange { bounds })
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (comparison, version)) in self.bounds.iter().enumerate() {
            let sign = COMPARISONS
                .iter()
                .find(|(_, c)| c == comparison)
                .map(|(sign, _)| *sign)
                .expect("every comparison has a sign");
            write!(f, "{}{sign}{version}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl Serialize for VersionRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Which tags of a repository an app may run.
///
/// A tag is `prefix`, a version in `range` with as many numbers as the tested tag has, and `suffix`. A
/// floating tag (`31-apache` beside `31.0.5-apache`) and a pre-release (`31.0.5rc1-apache`) never match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TagPolicy {
    /// The versions allowed.
    pub range: VersionRange,
    /// What stands before the version, such as `v`; may be empty.
    pub prefix: String,
    /// What stands after the version, such as `-apache`; may be empty.
    pub suffix: String,
    /// How many numbers the version has.
    pub components: usize,
}

impl TagPolicy {
    /// The version in a tag of this policy's form, in range or not.
    pub fn version(&self, tag: &str) -> Option<Version> {
        let rest = tag.strip_prefix(&self.prefix)?.strip_suffix(&self.suffix)?;
        rest.parse::<Version>().ok().filter(|version| version.components() == self.components)
    }

    /// Whether an app may run this tag.
    pub fn matches(&self, tag: &str) -> bool {
        self.version(tag).is_some_and(|version| self.range.contains(&version))
    }

    /// The newest tag the policy allows, by version number; `None` if it allows none.
    pub fn best(&self, tags: &[String]) -> Option<String> {
        let allowed = tags.iter().filter_map(|tag| {
            let version = self.version(tag)?;
            self.range.contains(&version).then_some((version, tag))
        });
        allowed.max_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, tag)| tag.clone())
    }

    /// The newest tag of this form above the range: a major version that needs a person's decision.
    pub fn beyond(&self, tags: &[String]) -> Option<String> {
        let best = self.best(tags).and_then(|tag| self.version(&tag))?;
        let newer = tags.iter().filter_map(|tag| Some((self.version(tag)?, tag))).filter(|(v, _)| *v > best);
        newer.max_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, tag)| tag.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy(range: &str, prefix: &str, suffix: &str, components: usize) -> TagPolicy {
        let range = range.parse().unwrap();
        TagPolicy { range, prefix: prefix.into(), suffix: suffix.into(), components }
    }

    fn tags(tags: &[&str]) -> Vec<String> {
        tags.iter().map(|tag| tag.to_string()).collect()
    }

    #[test]
    fn the_newest_tag_is_chosen_by_number_and_not_by_spelling() {
        let policy = policy(">=31.0, <32", "", "-apache", 3);
        let tags = tags(&[
            "31.0.9-apache",
            "31.0.10-apache",
            "31.0.2-apache",
            "32.0.0-apache",
            "31.0.11-fpm",
            "31.0.12",
        ]);
        assert_eq!(policy.best(&tags).as_deref(), Some("31.0.10-apache"));
        assert_eq!(policy.beyond(&tags).as_deref(), Some("32.0.0-apache"));
    }

    #[test]
    fn floating_tags_and_pre_releases_are_never_chosen() {
        let policy = policy(">=2025.1, <2026", "", "", 3);
        let tags = tags(&["2025", "2025.10", "stable", "latest", "2025.9.0b3", "2025.9.0-rc1", "2025.8.3"]);
        assert_eq!(policy.best(&tags).as_deref(), Some("2025.8.3"));
    }

    #[test]
    fn a_prefix_and_a_suffix_may_hold_numbers_of_their_own() {
        let policy = policy(">=0.4.3, <0.5", "14-vectorchord", "-pgvectors0.2.0", 3);
        assert!(policy.matches("14-vectorchord0.4.4-pgvectors0.2.0"));
        assert!(!policy.matches("15-vectorchord0.4.4-pgvectors0.2.0"));
        assert!(!policy.matches("14-vectorchord0.5.0-pgvectors0.2.0"));
    }

    #[test]
    fn versions_have_one_or_more_numbers() {
        assert!(policy(">=16, <17", "", "", 1).matches("16"));
        assert!(policy(">=16, <17", "", "-alpine", 2).matches("16.4-alpine"));
        assert!(policy(">=1.2.3, <2", "v", "", 3).matches("v1.2.10"));
    }

    #[test]
    fn a_range_says_what_is_wrong_with_it() {
        insta::assert_snapshot!("31".parse::<VersionRange>().unwrap_err(),
            @r#"`31` is not a version range; write comparisons joined by commas, such as ">=31.0, <32""#);
        insta::assert_snapshot!(">=x".parse::<VersionRange>().unwrap_err(),
            @"`x` is not a version; write numbers joined by dots, such as 31.0");
        assert!(!">=3".parse::<VersionRange>().unwrap().has_upper_bound());
    }

    proptest! {
        #[test]
        fn a_version_reads_back_as_it_was_printed(numbers in prop::collection::vec(any::<u64>(), 1..5)) {
            let version = Version { numbers };
            prop_assert_eq!(version.to_string().parse(), Ok(version));
        }

        #[test]
        fn the_best_tag_is_allowed_and_none_allowed_is_newer(
            numbers in prop::collection::vec((0u64..40, 0u64..20, 0u64..20), 0..30)
        ) {
            let policy = policy(">=10.0, <30", "v", "", 3);
            let tags: Vec<_> = numbers.iter().map(|(a, b, c)| format!("v{a}.{b}.{c}")).collect();
            let best = policy.best(&tags);
            prop_assert_eq!(best.is_none(), !tags.iter().any(|tag| policy.matches(tag)));
            if let Some(best) = best {
                prop_assert!(policy.matches(&best));
                let best = policy.version(&best);
                prop_assert!(tags.iter().filter(|t| policy.matches(t)).all(|t| policy.version(t) <= best));
            }
        }

        #[test]
        fn no_text_breaks_the_range_reader(text in ".*") {
            let _ = text.parse::<VersionRange>();
        }
    }
}
