//! What is wrong with a template or a Compose file, and exactly where.
//!
//! Holds the message, its place and its rendering, and the translation of byte offsets to lines and
//! columns. What counts as wrong is decided by the modules that read the documents.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

use serde::Serialize;

/// How bad a [`Diagnostic`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The document cannot be used.
    Error,
    /// The document can be used, but a person should look at this.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

/// One finding in one document.
///
/// It prints as `file:line:column: error: message`, with an indented `hint:` line when there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// The file's name as it was given to the parser.
    pub file: String,
    /// Line, counted from 1. For a finding in the Compose document inside a template, the line of the
    /// template file.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// What is wrong: one sentence without a full stop.
    pub message: String,
    /// What to do about it, when that is known.
    pub hint: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic { severity, file, line, column, message, hint } = self;
        write!(f, "{file}:{line}:{column}: {severity}: {message}")?;
        match hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Places a byte offset of a document at a line and column.
#[derive(Clone, Debug)]
pub(crate) struct LineIndex<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> LineIndex<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        LineIndex { text, starts }
    }

    /// Line and column of a byte offset, both from 1; an offset past the end is the end.
    pub(crate) fn place(&self, offset: usize) -> (usize, usize) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.starts.partition_point(|&start| start <= offset);
        let start = self.starts[line - 1];
        (line, self.text[start..offset].chars().count() + 1)
    }
}

/// Collects the findings of one document, so that a person sees all of them at once.
///
/// Offsets given to it are offsets into the document's own text.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    file: &'a str,
    lines: LineIndex<'a>,
    found: RefCell<Vec<(usize, Diagnostic)>>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        Report { file, lines: LineIndex::new(text), found: RefCell::default() }
    }

    pub(crate) fn error(&self, at: usize, message: impl Into<String>) {
        self.push(Severity::Error, at, message.into(), None);
    }

    pub(crate) fn error_hint(&self, at: usize, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Severity::Error, at, message.into(), Some(hint.into()));
    }

    pub(crate) fn push(&self, severity: Severity, at: usize, message: String, hint: Option<String>) {
        let (line, column) = self.lines.place(at);
        let diagnostic = Diagnostic { severity, file: self.file.to_owned(), line, column, message, hint };
        let mut found = self.found.borrow_mut();
        if !found.iter().any(|(_, known)| *known == diagnostic) {
            found.push((at, diagnostic));
        }
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.found.borrow().iter().any(|(_, found)| found.severity == Severity::Error)
    }

    /// The findings in the order of the document.
    pub(crate) fn finish(self) -> Vec<Diagnostic> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|(at, found)| (*at, found.severity));
        found.into_iter().map(|(_, found)| found).collect()
    }
}

/// Carries offsets of a string value back to the document the value was written in.
///
/// A TOML string with escapes is shorter than its source; this keeps the source offset of every byte.
#[derive(Clone, Debug)]
pub(crate) struct OffsetMap {
    source_of: Vec<usize>,
}

impl OffsetMap {
    /// The map of a document that is its own source.
    pub(crate) fn identity(text: &str) -> Self {
        OffsetMap { source_of: (0..=text.len()).collect() }
    }

    /// The map of a TOML string: `source` is the document, `span` the string with its quotes, `value` what
    /// the TOML parser made of it.
    pub(crate) fn of_toml_string(source: &str, span: Range<usize>, value: &str) -> Self {
        let raw = &source[span.clone()];
        let literal = raw.starts_with('\'');
        let multi = raw.starts_with("'''") || raw.starts_with("\"\"\"");
        let mut at = span.start + if multi { 3 } else { 1 };
        if multi {
            let rest = &source[at..];
            at += if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with('\n')) };
        }
        let mut source_of = Vec::with_capacity(value.len() + 1);
        for c in value.chars() {
            let (from, next) =
                if literal { (at, at + source_len(source, at, c)) } else { unescaped(source, at, c) };
            source_of.extend(std::iter::repeat_n(from, c.len_utf8()));
            at = next;
        }
        source_of.push(at);
        OffsetMap { source_of }
    }

    /// The source offset of an offset in the value.
    pub(crate) fn source(&self, offset: usize) -> usize {
        self.source_of[offset.min(self.source_of.len() - 1)]
    }
}

/// Length in the source of a character that is written as itself. TOML reads a CR LF as one line end.
fn source_len(source: &str, at: usize, c: char) -> usize {
    if c == '\n' && source[at..].starts_with("\r\n") { 2 } else { c.len_utf8() }
}

/// Where the character `c` of a basic string starts in the source, and where the next one does.
fn unescaped(source: &str, mut at: usize, c: char) -> (usize, usize) {
    loop {
        let rest = &source.as_bytes()[at..];
        if rest.first() != Some(&b'\\') {
            return (at, at + source_len(source, at, c));
        }
        match rest.get(1) {
            Some(b'u') => return (at, at + 6),
            Some(b'U') => return (at, at + 10),
            Some(b'x') => return (at, at + 4),
            // A backslash at the end of a line swallows the white space up to the next text.
            Some(b' ' | b'\t' | b'\r' | b'\n') => {
                at += 1 + rest[1..].iter().take_while(|b| b.is_ascii_whitespace()).count();
            }
            _ => return (at, at + 2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_prints_its_place_its_message_and_its_hint() {
        let report = Report::new("app.toml", "a\nbé c\n");
        report.error_hint(6, "something is off", "mend it");
        let found = report.finish();
        insta::assert_snapshot!(found[0], @r"
        app.toml:2:4: error: something is off
          hint: mend it
        ");
    }

    #[test]
    fn findings_come_in_the_order_of_the_document() {
        let report = Report::new("f", "abcdef");
        report.error(4, "later");
        report.push(Severity::Warning, 1, "sooner".into(), None);
        let messages: Vec<_> = report.finish().into_iter().map(|d| d.message).collect();
        assert_eq!(messages, ["sooner", "later"]);
    }

    #[test]
    fn offsets_inside_an_escaped_string_point_at_the_source() {
        for (source, value, needle) in [
            ("x = \"\"\"\na\\tb \\\"q\\\" here\"\"\"\n", "a\tb \"q\" here", "here"),
            ("x = '''\nplain \\ text here'''\n", "plain \\ text here", "here"),
            ("x = \"\"\"\\\n   folded \\u00e9 here\"\"\"", "folded é here", "here"),
            ("x = 'short here'", "short here", "here"),
        ] {
            let map = OffsetMap::of_toml_string(source, 4..source.trim_end().len(), value);
            let at = map.source(value.find(needle).unwrap());
            assert_eq!(&source[at..at + needle.len()], needle, "{source:?}");
        }
    }
}
