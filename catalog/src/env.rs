//! The `.env` file beside a Compose document.
//!
//! Writes values so that Docker Compose reads back exactly what was meant, and reads such files by the same
//! rules. The rules are those of Compose's own reader (the `dotenv` package of `compose-spec/compose-go`).
//! Keeping the file private (mode 0600) is left to whoever writes it to disk.

use std::collections::BTreeMap;

use crate::compose::{fill, split};

/// Why a value cannot stand in a `.env` file, or a file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvError {
    /// A variable's name is not `[A-Za-z_][A-Za-z0-9_]*`.
    #[error("`{0}` cannot be the name of a variable")]
    Name(String),
    /// A value holds the character NUL, which no environment can hold.
    #[error("the value of `{0}` holds a NUL character")]
    Nul(String),
    /// A quoted value has no end.
    #[error("line {line}: the quoted value of `{key}` does not end")]
    Unterminated {
        /// Line, counted from 1.
        line: usize,
        /// The variable.
        key: String,
    },
    /// A line is no assignment.
    #[error("line {line}: this is not `NAME=value`")]
    Syntax {
        /// Line, counted from 1.
        line: usize,
    },
    /// A value has a `$` that begins no variable, or names one that no line before it gives a value. Neither the
    /// name nor the value is told: a password with a `$` in it looks the same.
    #[error("line {line}: the value of `{key}` has a `$` that stands for nothing in this file")]
    Variable {
        /// Line, counted from 1.
        line: usize,
        /// The variable.
        key: String,
    },
}

/// Writes a `.env` file, one line for each pair, in their order.
pub fn render_env<K: AsRef<str>, V: AsRef<str>>(
    pairs: impl IntoIterator<Item = (K, V)>,
) -> Result<String, EnvError> {
    let mut file = String::new();
    for (key, value) in pairs {
        let (key, value) = (key.as_ref(), value.as_ref());
        if !is_name(key) {
            return Err(EnvError::Name(key.to_owned()));
        }
        if value.contains('\0') {
            return Err(EnvError::Nul(key.to_owned()));
        }
        file.push_str(key);
        file.push('=');
        file.push_str(&quote(value));
        file.push('\n');
    }
    Ok(file)
}

/// The plainest spelling that Compose reads back as the value.
fn quote(value: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,=".contains(c);
    if value.chars().all(bare) {
        return value.to_owned();
    }
    // Between single quotes everything stands for itself, but for the quote and a backslash before it.
    if !value.contains(['\'', '\\', '\n', '\r']) {
        return format!("'{value}'");
    }
    let mut quoted = String::from("\"");
    for c in value.chars() {
        match c {
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            '$' => quoted.push_str("\\$"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn is_name(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Reads a `.env` file. A later line wins; a name without `=` is passed over, as there is no environment to
/// take its value from. For the same reason a variable without a default that no line before it sets is an error
/// here; Compose would warn, and leave it empty.
pub fn read_env(text: &str) -> Result<BTreeMap<String, String>, EnvError> {
    let mut found = BTreeMap::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(found);
        }
        if rest.starts_with('#') {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
            continue;
        }
        let line = 1 + text[..text.len() - rest.len()].matches('\n').count();
        let exported = rest.strip_prefix("export").filter(|after| after.starts_with([' ', '\t']));
        let start = exported.map_or(rest, |after| after.trim_start_matches([' ', '\t']));
        let end = start.find(['=', ':', '\n']).unwrap_or(start.len());
        let key = start[..end].trim_end();
        if !is_name(key) {
            return Err(EnvError::Syntax { line });
        }
        if !start[end..].starts_with(['=', ':']) {
            rest = &start[end..];
            continue;
        }
        let value = start[end + 1..].trim_start_matches([' ', '\t', '\r']);
        let (value, left, expand) = match value.as_bytes().first() {
            Some(quote @ (b'\'' | b'"')) => {
                let (value, left) = quoted(&value[1..], char::from(*quote))
                    .ok_or_else(|| EnvError::Unterminated { line, key: key.to_owned() })?;
                if *quote == b'"' { (unescape(&value), left, true) } else { (value, left, false) }
            }
            _ => {
                let (value, left) = value.split_once('\n').unwrap_or((value, ""));
                let value = value.split_once(" #").map_or(value, |(value, _)| value);
                (value.trim_end().to_owned(), left, true)
            }
        };
        let value = if expand {
            let pieces = split(&value).ok();
            let lookup = |name: &str| found.get(name).cloned();
            pieces
                .and_then(|pieces| fill(&pieces, &lookup))
                .ok_or_else(|| EnvError::Variable { line, key: key.to_owned() })?
        } else {
            value
        };
        found.insert(key.to_owned(), value);
        rest = left;
    }
}

/// The text up to the closing quote, where a backslash takes away the quote's meaning and nothing else.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Some((value, &text[at + c.len_utf8()..]));
        }
        if c == '\\' {
            let (_, next) = chars.next()?;
            if next != quote {
                value.push('\\');
            }
            value.push(next);
        } else {
            value.push(c);
        }
    }
    None
}

/// The escapes of a double-quoted value; `\$` becomes Compose's own `$$`.
fn unescape(text: &str) -> String {
    let mut value = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            value.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => value.push('\n'),
            Some('r') => value.push('\r'),
            Some('t') => value.push('\t'),
            Some('a') => value.push('\u{7}'),
            Some('b') => value.push('\u{8}'),
            Some('f') => value.push('\u{c}'),
            Some('v') => value.push('\u{b}'),
            Some('$') => value.push_str("$$"),
            Some(c @ ('"' | '\\')) => value.push(c),
            Some(c) => {
                value.push('\\');
                value.push(c);
            }
            None => value.push('\\'),
        }
    }
    value
}
