//! Takes typed fields out of a TOML document, and reports everything that does not fit, where it stands.
//!
//! Knows TOML but nothing of apps: which fields there are is said by the template reader.

use std::fmt::Display;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::Report;
use crate::words::{nearest, quoted_list};

/// A value and its byte offset in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) at: usize,
}

/// A table whose fields are taken one by one.
pub(crate) struct Fields<'a, 'd> {
    report: &'a Report<'a>,
    table: &'a DeTable<'d>,
    /// Where a missing field is reported.
    pub(crate) at: usize,
    /// What the table is called in messages, such as `[web]`; empty for the document.
    name: String,
}

impl<'a, 'd> Fields<'a, 'd> {
    /// Opens a table. Every field that is not among `known` is an error.
    pub(crate) fn open(
        report: &'a Report<'a>,
        table: &'a DeTable<'d>,
        at: usize,
        name: impl Into<String>,
        known: &[&str],
    ) -> Self {
        let fields = Fields { report, table, at, name: name.into() };
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let hint = match nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the fields are {}", quoted_list(known.iter().copied())),
                };
                let message = format!("unknown field `{name}`{}", fields.place());
                report.error_hint(key.span().start, message, hint);
            }
        }
        fields
    }

    fn place(&self) -> String {
        if self.name.is_empty() { String::new() } else { format!(" in {}", self.name) }
    }

    pub(crate) fn raw(&self, key: &str) -> Option<&'a Spanned<DeValue<'d>>> {
        self.table.iter().find(|(name, _)| name.get_ref().as_ref() == key).map(|(_, value)| value)
    }

    fn wrong_type(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) {
        let message = format!("`{key}` must be {expected}, not {}", article(value.get_ref().type_str()));
        self.report.error(value.span().start, message);
    }

    pub(crate) fn missing(&self, key: &str) {
        self.report.error(self.at, format!("the field `{key}` is missing{}", self.place()));
    }

    pub(crate) fn str(&self, key: &str) -> Option<At<String>> {
        let value = self.raw(key)?;
        match value.get_ref().as_str() {
            Some(text) => Some(At { value: text.to_owned(), at: value.span().start }),
            None => {
                self.wrong_type(key, value, "a text");
                None
            }
        }
    }

    /// A text that must be there and not be empty.
    pub(crate) fn required_str(&self, key: &str) -> Option<At<String>> {
        if self.raw(key).is_none() {
            self.missing(key);
            return None;
        }
        let text = self.str(key)?;
        if text.value.trim().is_empty() {
            self.report.error(text.at, format!("`{key}` is empty"));
            return None;
        }
        Some(text)
    }

    pub(crate) fn boolean(&self, key: &str) -> Option<At<bool>> {
        let value = self.raw(key)?;
        let found = value.get_ref().as_bool().map(|found| At { value: found, at: value.span().start });
        if found.is_none() {
            self.wrong_type(key, value, "true or false");
        }
        found
    }

    pub(crate) fn integer(&self, key: &str) -> Option<At<i64>> {
        let value = self.raw(key)?;
        let number = value
            .get_ref()
            .as_integer()
            .and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok());
        if number.is_none() {
            self.wrong_type(key, value, "a whole number");
        }
        number.map(|number| At { value: number, at: value.span().start })
    }

    /// A port, 1 to 65535.
    pub(crate) fn port(&self, key: &str) -> Option<At<u16>> {
        let number = self.integer(key)?;
        let port = u16::try_from(number.value).ok().filter(|port| *port > 0);
        if port.is_none() {
            self.report.error(number.at, format!("`{key}` must be a port, 1 to 65535"));
        }
        port.map(|port| At { value: port, at: number.at })
    }

    pub(crate) fn required_port(&self, key: &str) -> Option<At<u16>> {
        if self.raw(key).is_none() {
            self.missing(key);
        }
        self.port(key)
    }

    /// A text that is read further.
    pub(crate) fn parsed<T: FromStr>(&self, key: &str) -> Option<At<T>>
    where
        T::Err: Display,
    {
        let text = self.str(key)?;
        match text.value.parse() {
            Ok(value) => Some(At { value, at: text.at }),
            Err(error) => {
                self.report.error(text.at, format!("`{key}`: {error}"));
                None
            }
        }
    }

    /// One of a closed list of words.
    pub(crate) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<At<T>> {
        let text = self.str(key)?;
        let found = choices.iter().find(|(name, _)| *name == text.value).map(|(_, value)| *value);
        if found.is_none() {
            let names = choices.iter().map(|(name, _)| *name);
            let hint = match nearest(&text.value, names.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it is one of {}", quoted_list(names)),
            };
            self.report.error_hint(text.at, format!("`{}` is not a known `{key}`", text.value), hint);
        }
        found.map(|value| At { value, at: text.at })
    }

    pub(crate) fn required_choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<At<T>> {
        if self.raw(key).is_none() {
            self.missing(key);
        }
        self.choice(key, choices)
    }

    /// An array whose items are taken by `item`; those it refuses must be reported by it.
    pub(crate) fn array(&self, key: &str) -> Option<At<&'a [Spanned<DeValue<'d>>]>> {
        let value = self.raw(key)?;
        match value.get_ref().as_array() {
            Some(items) => Some(At { value: items, at: value.span().start }),
            None => {
                self.wrong_type(key, value, "an array");
                None
            }
        }
    }

    /// An array of texts.
    pub(crate) fn texts(&self, key: &str) -> Option<At<Vec<At<String>>>> {
        let array = self.array(key)?;
        let texts = array.value.iter().filter_map(|item| match item.get_ref().as_str() {
            Some(text) => Some(At { value: text.to_owned(), at: item.span().start }),
            None => {
                self.wrong_type(key, item, "an array of texts");
                None
            }
        });
        Some(At { value: texts.collect(), at: array.at })
    }

    /// A table inside this one, opened by its own list of fields.
    pub(crate) fn table(&self, key: &str, known: &[&str]) -> Option<Fields<'a, 'd>> {
        let value = self.raw(key)?;
        let name = self.inner_name(key);
        match value.get_ref().as_table() {
            Some(table) => {
                Some(Fields::open(self.report, table, value.span().start, format!("[{name}]"), known))
            }
            None => {
                self.wrong_type(key, value, "a table");
                None
            }
        }
    }

    pub(crate) fn required_table(&self, key: &str, known: &[&str]) -> Option<Fields<'a, 'd>> {
        if self.raw(key).is_none() {
            self.report.error(self.at, format!("the table [{}] is missing", self.inner_name(key)));
        }
        self.table(key, known)
    }

    /// The tables of an array of tables (`[[key]]`).
    pub(crate) fn tables(&self, key: &str, known: &[&str]) -> Vec<Fields<'a, 'd>> {
        let items = self.array(key).map_or(&[][..], |array| array.value);
        let open = |item: &'a Spanned<DeValue<'d>>| match item.get_ref().as_table() {
            Some(table) => {
                Some(Fields::open(self.report, table, item.span().start, format!("[[{key}]]"), known))
            }
            None => {
                self.wrong_type(key, item, "an array of tables");
                None
            }
        };
        items.iter().filter_map(open).collect()
    }

    /// The tables inside this one by name, as in `[images.app]`.
    pub(crate) fn named_tables(&self, key: &str, known: &[&str]) -> Vec<(At<String>, Fields<'a, 'd>)> {
        let Some(value) = self.raw(key) else { return Vec::new() };
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_type(key, value, "a table");
            return Vec::new();
        };
        let open = |(name, item): (&'a Spanned<std::borrow::Cow<'d, str>>, &'a Spanned<DeValue<'d>>)| {
            let key_at = At { value: name.get_ref().to_string(), at: name.span().start };
            let title = format!("[{key}.{}]", key_at.value);
            match item.get_ref().as_table() {
                Some(table) => {
                    let fields = Fields::open(self.report, table, item.span().start, title, known);
                    Some((key_at, fields))
                }
                None => {
                    self.wrong_type(&title, item, "a table");
                    None
                }
            }
        };
        table.iter().filter_map(open).collect()
    }

    fn inner_name(&self, key: &str) -> String {
        let outer = self.name.trim_matches(['[', ']']);
        if outer.is_empty() { key.to_owned() } else { format!("{outer}.{key}") }
    }
}

fn article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if vowel { "an" } else { "a" })
}
