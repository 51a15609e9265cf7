//! Standard output: a command's data, and nothing else.
//!
//! Everything that is not data is `ui`'s, on standard error. This and `ui` are the only modules that write.

use std::io::{self, BufWriter, IsTerminal, Write};

use clap::ValueEnum;
use serde::Serialize;

use crate::client::Answer;
use crate::error::Error;
use crate::printable;
use crate::table::Table;

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs: the stable interface.
    Json,
    /// For spreadsheets (RFC 4180).
    Csv,
}

/// Standard output.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// The format asked for.
    pub format: Format,
    terminal: bool,
}

impl Output {
    /// Standard output in a format.
    pub fn new(format: Format) -> Output {
        Output { format, terminal: io::stdout().is_terminal() }
    }

    /// Whether JSON was asked for.
    pub fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Whether a person looks at it as it comes.
    pub fn is_terminal(self) -> bool {
        self.terminal
    }

    /// Writes a line of text.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn line(self, text: &str) -> Result<(), Error> {
        self.write(|out| match self.terminal {
            true => writeln!(out, "{}", printable::lines(text)),
            false => writeln!(out, "{text}"),
        })
    }

    /// Writes text that was made safe, and maybe coloured, by who made it.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn painted(self, text: &str) -> Result<(), Error> {
        self.write(|out| writeln!(out, "{text}"))
    }

    /// Writes a value as JSON.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn json(self, value: &impl Serialize) -> Result<(), Error> {
        let text = serde_json::to_string(value).expect("the value is plain data");
        self.json_text(&text)
    }

    /// Writes JSON text: as it is into a pipe, indented on a terminal.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn json_text(self, text: &str) -> Result<(), Error> {
        self.write(|out| match self.terminal {
            true => writeln!(out, "{}", indented(text)),
            false => {
                out.write_all(text.as_bytes())?;
                out.write_all(b"\n")
            }
        })
    }

    /// Writes a call's result as JSON: as it came into a pipe, indented on a terminal.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn json_answer(self, answer: &Answer) -> Result<(), Error> {
        if self.terminal {
            return self.json_text(answer.text());
        }
        self.write(|out| {
            answer.pieces().iter().try_for_each(|piece| out.write_all(piece))?;
            out.write_all(b"\n")
        })
    }

    /// Writes a value as one line of JSON, on a terminal too: for streams.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn json_line(self, value: &impl Serialize) -> Result<(), Error> {
        let text = serde_json::to_string(value).expect("the value is plain data");
        self.write(|out| writeln!(out, "{}", escaped(&text)))
    }

    /// Writes a table, in the format asked for (JSON has its own way).
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn table(self, table: &Table<'_>) -> Result<(), Error> {
        self.write(|out| match (self.format, self.terminal) {
            (Format::Csv, _) => table.csv(out),
            (_, true) => match terminal_width() {
                Some(width) => table.fitted(width, out),
                None => table.plain(out),
            },
            (_, false) => table.plain(out),
        })
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn bytes(self, bytes: &[u8]) -> Result<(), Error> {
        self.write(|out| out.write_all(bytes))
    }

    fn write(
        self,
        write: impl FnOnce(&mut BufWriter<io::StdoutLock<'static>>) -> io::Result<()>,
    ) -> Result<(), Error> {
        let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
        write(&mut out).and_then(|()| out.flush()).map_err(Error::Output)
    }
}

/// Columns of the terminal; none for one that does not know, such as a serial line: it says 0.
fn terminal_width() -> Option<u16> {
    let columns = rustix::termios::tcgetwinsize(io::stdout()).ok()?.ws_col;
    (columns > 0).then(|| columns.max(40))
}

/// JSON text indented by two spaces, with every character that could act on a terminal escaped.
fn indented(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0;
    let mut chars = text.chars().peekable();
    let mut in_string = false;
    let newline = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    while let Some(c) = chars.next() {
        match c {
            '\\' if in_string => {
                out.push(c);
                out.extend(chars.next());
            }
            '"' => {
                in_string = !in_string;
                out.push(c);
            }
            c if in_string => push_escaped(&mut out, c),
            '{' | '[' => {
                out.push(c);
                while chars.next_if(|c| c.is_ascii_whitespace()).is_some() {}
                if let Some(end) = chars.next_if(|c| *c == '}' || *c == ']') {
                    out.push(end);
                } else {
                    depth += 1;
                    newline(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth -= 1;
                newline(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                newline(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => out.push(c),
        }
    }
    out
}

/// JSON text with every character that could act on a terminal escaped. Outside of strings JSON has none.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push_escaped(&mut out, c));
    out
}

fn push_escaped(out: &mut String, c: char) {
    if printable::is_unsafe(c) {
        out.push_str(&format!("\\u{:04x}", u32::from(c)));
    } else {
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn json_is_indented_for_people() {
        insta::assert_snapshot!(indented(r#"{"a":[1,{"b":"x, y: {"}],"c":{},"d":[ ]}"#), @r#"
        {
          "a": [
            1,
            {
              "b": "x, y: {"
            }
          ],
          "c": {},
          "d": []
        }
        "#);
    }

    proptest! {
        #[test]
        fn indenting_changes_no_value_and_lets_nothing_act_on_the_terminal(
            texts in proptest::collection::vec(any::<String>(), 0..4), number in any::<i64>(),
        ) {
            let value = serde_json::json!({"texts": texts, "number": number, "none": null, "nested": [[], {"x": texts}]});
            let shown = indented(&value.to_string());
            prop_assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
            prop_assert!(!shown.chars().any(|c| c != '\n' && printable::is_unsafe(c)));
        }
    }
}
