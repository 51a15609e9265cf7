//! A container's environment: `NAME=value` pairs separated by NUL characters on the wire.
//!
//! Values can be secrets, so `Debug` shows the names only.

use std::fmt;

use crate::lenient::Lenient;
use crate::params::ParamValue;

/// Environment variables of a container's first process (9.1 and later). Setting them replaces
/// all.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Env(Vec<(String, String)>);

impl Env {
    /// No variables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a variable, in the place of one of the same name.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(n, _)| *n == name) {
            Some(pair) => pair.1 = value,
            None => self.0.push((name, value)),
        }
    }

    /// A variable's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// Why it cannot be sent: values hold no control characters but tab (API schema, `env`).
    pub(crate) fn problem(&self) -> Option<String> {
        let word = |n: &str| !n.is_empty() && n.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let bad = |v: &str| v.chars().any(|c| c != '\t' && (c < ' ' || c == '\x7f'));
        let (name, _) = self.0.iter().find(|(n, v)| !word(n) || bad(v))?;
        Some(format!("env: {name:?} has a name or value that Proxmox VE does not take"))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut env = Self::new();
        for (name, value) in pairs {
            env.set(name, value);
        }
        env
    }
}

impl Lenient for Env {
    fn from_text(text: &str) -> Option<Self> {
        Some(text.split('\0').filter_map(|pair| pair.split_once('=')).collect())
    }
}

impl ParamValue for Env {
    fn to_param(&self) -> String {
        let pairs: Vec<String> = self.0.iter().map(|(n, v)| format!("{n}={v}")).collect();
        pairs.join("\0")
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_separated_by_nul_and_keep_their_equals_signs() {
        let env = Env::from_text("PATH=/bin\0A=b=c d;e").unwrap();
        assert_eq!(env.get("A"), Some("b=c d;e"));
        assert_eq!(env.to_param(), "PATH=/bin\0A=b=c d;e");
    }

    #[test]
    fn what_the_server_would_refuse_is_refused_here() {
        assert!(Env::from_iter([("A", "line\nbreak")]).problem().is_some());
        assert!(Env::from_iter([("A B", "x")]).problem().is_some());
        assert!(Env::from_iter([("A", "tab\t")]).problem().is_none());
    }

    #[test]
    fn debug_shows_no_value() {
        let env = Env::from_iter([("TOKEN", "hunter2")]);
        assert_eq!(format!("{env:?}"), r#"{"TOKEN"}"#);
    }
}
