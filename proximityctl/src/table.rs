//! Tables: for people, for pipes, and as CSV.
//!
//! On a terminal comfy-table fits the columns to the width. Into a pipe, and past [`PLAIN_FROM`] rows, a plain
//! writer pads the columns: it is many times faster.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::printable;

/// From this many rows on a table is written plainly.
pub const PLAIN_FROM: usize = 2000;

/// Columns between columns.
const GAP: u16 = 2;

/// No column is made narrower than this to fit.
const LEAST: usize = 6;

/// What columns are padded with, many at a time: formatting each gap would be most of the work.
const SPACES: &[u8] = &[b' '; 64];

/// Rows under a head. Cells may be borrowed: a long list is not copied to be shown.
#[derive(Debug, Default)]
pub struct Table<'a> {
    head: Vec<&'static str>,
    cells: Vec<Cow<'a, str>>,
}

impl<'a> Table<'a> {
    /// A table with these columns.
    pub fn new(head: &[&'static str]) -> Table<'a> {
        Table { head: head.to_vec(), cells: Vec::new() }
    }

    /// Adds a row: one cell for each column.
    pub fn row<T: Into<Cow<'a, str>>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.cells.extend(cells.into_iter().map(Into::into));
        debug_assert_eq!(self.cells.len() % self.head.len(), 0, "a cell for each column");
    }

    /// What each column needs.
    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.head.iter().map(|title| width(&shouted(title))).collect();
        for row in self.rows() {
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = (*widest).max(width(&printable::line(cell)));
            }
        }
        widths
    }

    fn rows(&self) -> impl Iterator<Item = &[Cow<'a, str>]> {
        self.cells.chunks(self.head.len())
    }

    /// Writes it for a terminal of a certain width.
    ///
    /// # Errors
    /// The writer's.
    pub fn fitted(&self, width: u16, out: &mut impl Write) -> io::Result<()> {
        if self.rows().count() >= PLAIN_FROM {
            return self.plain(out);
        }
        let widths = squeezed(self.widths(), usize::from(width));
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
        // The last column's gap is cut off again.
        table.set_width(width.saturating_add(GAP));
        table.set_header(self.head.iter().map(|title| shouted(title)));
        for row in self.rows() {
            table.add_row(row.iter().map(|cell| printable::line(cell).into_owned()));
        }
        for (column, width) in table.column_iter_mut().zip(widths) {
            column.set_padding((0, GAP));
            let width = u16::try_from(width).unwrap_or(u16::MAX).saturating_add(GAP);
            column.set_constraint(comfy_table::ColumnConstraint::Absolute(comfy_table::Width::Fixed(width)));
        }
        for line in table.lines() {
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    /// Writes it with padded columns, one line a row, whatever the width.
    ///
    /// # Errors
    /// The writer's.
    pub fn plain(&self, out: &mut impl Write) -> io::Result<()> {
        let head: Vec<Cow<'_, str>> = self.head.iter().map(|title| shouted(title).into()).collect();
        let cells: Vec<Cow<'_, str>> = self.cells.iter().map(|cell| printable::line(cell)).collect();
        let widths = self.widths();
        for row in head.chunks(head.len()).chain(cells.chunks(head.len())) {
            // Nothing is padded that nothing follows.
            let used = row.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1);
            for (index, (cell, widest)) in row.iter().zip(&widths).take(used).enumerate() {
                out.write_all(cell.as_bytes())?;
                if index + 1 < used {
                    let mut gap = widest - width(cell) + usize::from(GAP);
                    while gap > 0 {
                        let some = gap.min(SPACES.len());
                        out.write_all(&SPACES[..some])?;
                        gap -= some;
                    }
                }
            }
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Writes it as CSV (RFC 4180): a header line, CRLF line ends, quotes where they are needed.
    ///
    /// # Errors
    /// The writer's.
    pub fn csv(&self, out: &mut impl Write) -> io::Result<()> {
        csv_line(&mut self.head.iter().copied(), out)?;
        self.rows().try_for_each(|row| csv_line(&mut row.iter().map(AsRef::as_ref), out))
    }
}

/// Makes columns fit a width: the widest give way, and those narrower than these stay whole. A table of very many
/// columns stays wider than that.
fn squeezed(mut widths: Vec<usize>, width: usize) -> Vec<usize> {
    let room = width.saturating_sub(usize::from(GAP) * widths.len().saturating_sub(1));
    let sum = |cap: usize| widths.iter().map(|width| (*width).min(cap)).sum::<usize>();
    let widest = widths.iter().copied().max().unwrap_or(0);
    if sum(widest) <= room {
        return widths;
    }
    let cap = (LEAST..widest).rev().find(|cap| sum(*cap) <= room).unwrap_or(LEAST);
    let mut left = room.saturating_sub(sum(cap));
    for width in widths.iter_mut().filter(|width| **width > cap) {
        // What a whole column more for each would have been too much is given to the first ones.
        let more = usize::from(left > 0);
        left -= more;
        *width = cap + more;
    }
    widths
}

/// A column's title for people.
fn shouted(title: &str) -> String {
    title.to_uppercase().replace('_', " ")
}

fn width(cell: &str) -> usize {
    if cell.is_ascii() { cell.len() } else { cell.chars().count() }
}

fn csv_line(cells: &mut dyn Iterator<Item = &str>, out: &mut impl Write) -> io::Result<()> {
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        // A cell with outer spaces is quoted as well: some readers would trim it.
        let quoted = cell.bytes().any(|byte| matches!(byte, b'"' | b',' | b'\r' | b'\n'));
        if quoted || cell.starts_with(' ') || cell.ends_with(' ') {
            write!(out, "\"{}\"", cell.replace('"', "\"\""))?;
        } else {
            out.write_all(cell.as_bytes())?;
        }
    }
    out.write_all(b"\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<'static> {
        let mut table = Table::new(&["name", "state", "last_seen"]);
        table.row(["web", "running", "3m"]);
        table.row(["größe, \"x\"", "bad\u{1b}[2J", ""]);
        table
    }

    fn written(write: impl Fn(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_plain_table_pads_its_columns_and_shows_no_escape_sequence() {
        insta::assert_snapshot!(written(|out| table().plain(out)), @r#"
        NAME        STATE    LAST SEEN
        web         running  3m
        größe, "x"  bad
        "#);
    }

    #[test]
    fn a_table_for_people_fits_the_terminal() {
        let mut table = Table::new(&["name", "message"]);
        table.row(["web", "a long message that needs more than one line"]);
        insta::assert_snapshot!(written(|out| table.fitted(30, out)), @r"
        NAME  MESSAGE
        web   a long message that
              needs more than one line
        ");
    }

    #[test]
    fn the_widest_columns_give_way_and_the_others_stay_whole() {
        let mut table = Table::new(&["name", "state", "url"]);
        table.row(["web", "unreachable", "http://a-very-long-host-name.example.org:8080/path/of/the/page"]);
        insta::assert_snapshot!(written(|out| table.fitted(44, out)), @r"
        NAME  STATE        URL
        web   unreachable  http://a-very-long-host-n
                           ame.example.org:8080/path
                           /of/the/page
        ");
        assert_eq!(squeezed(vec![4, 11, 62], 44), [4, 11, 25]);
        assert_eq!(squeezed(vec![30, 31, 4], 49), [21, 20, 4]);
        assert_eq!(squeezed(vec![9, 9], 4), [6, 6], "not to nothing");
        assert_eq!(squeezed(vec![9, 9], 20), [9, 9]);
    }

    #[test]
    fn csv_quotes_what_needs_quotes_and_nothing_else() {
        let mut table = Table::new(&["a", "b"]);
        table.row(["x,y", "say \"hi\""]);
        table.row(["two\nlines", " space"]);
        assert_eq!(
            written(|out| table.csv(out)),
            "a,b\r\n\"x,y\",\"say \"\"hi\"\"\"\r\n\"two\nlines\",\" space\"\r\n"
        );
    }
}
