//! A guest's tags.
//!
//! Proxmox VE prints them separated by `;` and accepts `,`, `;` and spaces. What a tag means is
//! left to the caller.

use std::collections::BTreeSet;
use std::fmt;

use crate::lenient::Lenient;
use crate::params::ParamValue;

/// A set of tags, in lower case and sorted, as Proxmox VE keeps them by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags(BTreeSet<String>);

impl Tags {
    /// No tags.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a tag is there, in whatever case.
    pub fn contains(&self, tag: &str) -> bool {
        self.0.contains(&tag.to_lowercase())
    }

    /// Adds a tag; false when it was there.
    pub fn insert(&mut self, tag: &str) -> bool {
        !tag.is_empty() && self.0.insert(tag.to_lowercase())
    }

    /// Takes a tag out; false when it was not there.
    pub fn remove(&mut self, tag: &str) -> bool {
        self.0.remove(&tag.to_lowercase())
    }

    /// The tags in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// True without any tag.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Tags {
    fn from(text: &str) -> Self {
        text.split([';', ',', ' ']).collect()
    }
}

impl<'a> FromIterator<&'a str> for Tags {
    fn from_iter<I: IntoIterator<Item = &'a str>>(tags: I) -> Self {
        let mut set = Self::new();
        for tag in tags {
            set.insert(tag.trim());
        }
        set
    }
}

impl fmt::Display for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, tag) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(";")?;
            }
            f.write_str(tag)?;
        }
        Ok(())
    }
}

impl Lenient for Tags {
    fn from_text(text: &str) -> Option<Self> {
        Some(Self::from(text))
    }
}

impl ParamValue for Tags {
    fn to_param(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_with_any_separator_and_printed_with_one() {
        assert_eq!(Tags::from("web;Proximity, web  db").to_string(), "db;proximity;web");
        assert!(Tags::from("a;b").contains("B"));
        assert!(Tags::from("").is_empty());
    }
}
