//! Property strings: `key=value` pairs with commas in between, one key of which may go without its
//! name.
//!
//! Unknown keys are preserved, so that reading, changing and writing back loses nothing that a
//! newer release added. Which configuration entries hold which of them is left to `lxc`.

mod features;
mod mount;
mod net;
mod size;

use std::fmt;

use crate::lenient::Lenient;
use crate::params::Params;

pub use features::Features;
pub use mount::{MountPoint, RootFs, Volume};
pub use net::{IpConfig, Net};
pub use size::{DiskSize, Resize};

/// A text that is no property string of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a valid {what}: {problem}")]
pub struct PropertyError {
    /// What it was meant to be.
    pub what: &'static str,
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub problem: String,
}

/// The pairs of a property string, in order. An empty name stands for the key that goes without.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Takes a property string apart. `default_key` names the key that may go without its name.
    pub(crate) fn parse(
        what: &'static str,
        text: &str,
        default_key: Option<&str>,
    ) -> Result<Self, PropertyError> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let (key, value) = match (part.split_once('='), default_key) {
                (Some((key, _)), _) if key.trim().is_empty() => {
                    return Err(error(what, text, format!("{part:?} has no name")));
                }
                (Some((key, value)), _) => (key.trim(), value.trim()),
                (None, Some(key)) => (key, part),
                (None, None) => return Err(error(what, text, format!("{part:?} has no value"))),
            };
            if pairs.iter().any(|(k, _)| k == key) {
                return Err(error(what, text, format!("{key:?} is given twice")));
            }
            pairs.push((key.to_owned(), value.to_owned()));
        }
        Ok(Self(pairs))
    }

    pub(crate) fn take(&mut self, key: &str) -> Option<String> {
        let at = self.0.iter().position(|(k, _)| k == key)?;
        Some(self.0.remove(at).1)
    }

    /// Takes a value of a type; one that is not of the type stays among the rest.
    pub(crate) fn take_as<T: Lenient>(&mut self, key: &str) -> Option<T> {
        let at = self.0.iter().position(|(k, _)| k == key)?;
        let value = T::from_text(&self.0[at].1)?;
        self.0.remove(at);
        Some(value)
    }

    pub(crate) fn rest(self) -> Vec<(String, String)> {
        self.0
    }

    pub(crate) fn push(&mut self, key: &str, value: impl fmt::Display) {
        self.0.push((key.to_owned(), value.to_string()));
    }

    pub(crate) fn push_opt(&mut self, key: &str, value: Option<impl fmt::Display>) {
        if let Some(value) = value {
            self.push(key, value);
        }
    }

    pub(crate) fn push_flag(&mut self, key: &str, value: Option<bool>) {
        self.push_opt(key, value.map(u8::from));
    }

    pub(crate) fn extend(&mut self, rest: &[(String, String)]) {
        self.0.extend(rest.iter().cloned());
    }

    /// A value with a comma would be read as more pairs than it is.
    fn problem(&self) -> Option<String> {
        let bad = |text: &str| text.contains(|c: char| c == ',' || c.is_control());
        let (key, value) = self.0.iter().find(|(k, v)| bad(k) || k.contains('=') || bad(v))?;
        Some(format!("{key:?} cannot hold {value:?}"))
    }
}

impl fmt::Display for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (key, value)) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            if key.is_empty() {
                f.write_str(value)?;
            } else {
                write!(f, "{key}={value}")?;
            }
        }
        Ok(())
    }
}

/// A value that is written as a property string.
pub(crate) trait Property {
    fn pairs(&self) -> Pairs;
}

impl Params {
    /// Adds a property string; one that cannot be written without changing its meaning makes the
    /// request unsendable.
    pub(crate) fn property(self, name: String, value: &impl Property) -> Self {
        let pairs = value.pairs();
        match pairs.problem() {
            Some(problem) => self.refuse(format!("{name}: {problem}")),
            None => self.named(name, pairs.to_string()),
        }
    }
}

fn error(what: &'static str, text: &str, problem: impl Into<String>) -> PropertyError {
    PropertyError { what, text: text.to_owned(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_that_would_smuggle_in_a_key_is_refused() {
        let net = Net::new("eth0,bridge=evil");
        let params = Params::new().property("net0".to_owned(), &net);
        assert!(params.invalid().is_some());
        assert!(params.is_empty());
    }

    #[test]
    fn a_value_without_a_name_is_refused() {
        assert!(Pairs::parse("feature list", "nesting=1,=x", None).is_err());
        assert!(Pairs::parse("root file system", "=local:8", Some("volume")).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in ".{0,120}") {
            let _ = text.parse::<Net>();
            let _ = text.parse::<RootFs>();
            let _ = text.parse::<MountPoint>();
            let _ = text.parse::<Features>();
            let _ = text.parse::<DiskSize>();
        }
    }
}
