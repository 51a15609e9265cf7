//! Names and values below each other: one thing, looked at closely.

use crate::printable;

/// Names with values, in sections.
#[derive(Debug, Default)]
pub struct Facts(Vec<Item>);

#[derive(Debug)]
enum Item {
    Fact(String, String),
    Heading(String),
    Paragraph(String),
}

impl Facts {
    /// No facts yet.
    pub fn new() -> Facts {
        Facts::default()
    }

    /// Adds a fact.
    pub fn add(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push(Item::Fact(name.into(), value.into()));
    }

    /// Adds a fact if there is one.
    pub fn add_some(&mut self, name: impl Into<String>, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    /// Begins a section, with an empty line above.
    pub fn heading(&mut self, text: &str) {
        self.0.push(Item::Heading(text.into()));
    }

    /// Adds text of its own.
    pub fn paragraph(&mut self, text: &str) {
        self.0.push(Item::Paragraph(text.into()));
    }

    /// The lines: in each section the values begin in one column.
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        for (index, section) in self.0.split(|item| matches!(item, Item::Heading(_))).enumerate() {
            if index > 0 {
                let heading = self.0.iter().filter_map(|item| match item {
                    Item::Heading(text) => Some(text),
                    _ => None,
                });
                let heading =
                    heading.skip(index - 1).map(|text| printable::line(text)).next().unwrap_or_default();
                lines.push(format!("\n{heading}:"));
            }
            let indent = if index > 0 { "  " } else { "" };
            write_section(section, indent, &mut lines);
        }
        lines.join("\n")
    }
}

fn write_section(section: &[Item], indent: &str, lines: &mut Vec<String>) {
    let width = |name: &str| name.chars().count();
    let names = section.iter().filter_map(|item| match item {
        Item::Fact(name, _) => Some(width(name)),
        _ => None,
    });
    let widest = names.max().unwrap_or(0);
    for item in section {
        match item {
            Item::Fact(name, value) => {
                let gap = " ".repeat(widest - width(name) + 2);
                // A value of several lines stays in its column.
                let below = format!("\n{indent}{}", " ".repeat(widest + 2));
                let value = printable::lines(value).replace('\n', &below);
                lines.push(format!("{indent}{}{gap}{value}", printable::line(name)).trim_end().to_string());
            }
            Item::Paragraph(text) => {
                lines.extend(text.lines().map(|line| format!("{indent}{}", printable::line(line))));
            }
            Item::Heading(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_begin_in_one_column() {
        let mut facts = Facts::new();
        facts.add("Name", "web");
        facts.add_some("Address", Some("192.0.2.7"));
        facts.add_some("URL", None::<String>);
        facts.heading("Notes");
        facts.add("first", "one\ntwo");
        facts.paragraph("free\ntext");
        insta::assert_snapshot!(facts.text(), @r"
        Name     web
        Address  192.0.2.7

        Notes:
          first  one
                 two
          free
          text
        ");
    }
}
