//! A YAML document as a tree that knows where each node stands.
//!
//! Resolves anchors, aliases and merge keys. What the nodes mean is left to the Compose reader.

use std::collections::HashMap;
use std::ops::Range;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle};

/// More nodes than any honest Compose file has; aliases could multiply a small text without end.
const MAX_NODES: usize = 50_000;
/// Deeper than any honest Compose file nests.
const MAX_DEPTH: usize = 64;

/// A finding in a document, at a byte offset of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) severity: crate::Severity,
    pub(crate) at: usize,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Finding {
    pub(crate) fn error(at: usize, message: impl Into<String>) -> Finding {
        Finding { severity: crate::Severity::Error, at, message: message.into(), hint: None }
    }

    pub(crate) fn warning(at: usize, message: impl Into<String>) -> Finding {
        Finding { severity: crate::Severity::Warning, at, message: message.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Finding {
        self.hint = Some(hint.into());
        self
    }
}

/// A node and its bytes in the text.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) value: Value,
    /// How many nodes it is, with everything below it.
    size: usize,
    depth: usize,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Scalar { text: String, plain: bool },
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    pub(crate) fn at(&self) -> usize {
        self.span.start
    }

    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether Compose may take it as true: its parser reads the words of YAML 1.1 where a boolean is expected, and so
    /// anything but a plain no counts.
    pub(crate) fn is_true(&self) -> bool {
        const NO: [&str; 5] = ["false", "no", "off", "n", ""];
        matches!(&self.value, Value::Scalar { text, .. } if !NO.iter().any(|no| text.eq_ignore_ascii_case(no)))
    }

    pub(crate) fn entries(&self) -> Option<&[(Node, Node)]> {
        match &self.value {
            Value::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    pub(crate) fn items(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The value of a mapping's key.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?.iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// Calls `visit` with every scalar that is a value or an item, not with keys.
    pub(crate) fn for_each_scalar(&self, visit: &mut dyn FnMut(&Node)) {
        match &self.value {
            Value::Null => {}
            Value::Scalar { .. } => visit(self),
            Value::Sequence(items) => items.iter().for_each(|item| item.for_each_scalar(visit)),
            Value::Mapping(entries) => entries.iter().for_each(|(_, value)| value.for_each_scalar(visit)),
        }
    }
}

struct Open {
    start: usize,
    anchor: usize,
    mapping: bool,
    children: Vec<Node>,
}

/// Reads the one document of a text.
pub(crate) fn parse(text: &str) -> Result<Node, Finding> {
    let mut open: Vec<Open> = Vec::new();
    let mut anchors: HashMap<usize, Node> = HashMap::new();
    let mut root: Option<Node> = None;
    let mut nodes = 0;
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let at = error.marker().byte_offset().unwrap_or_default();
            Finding::error(at, format!("this is not valid YAML: {}", error.info()))
        })?;
        let span = span.byte_range().unwrap_or(0..0);
        let (node, anchor) = match event {
            Event::DocumentStart(..) => {
                documents += 1;
                if documents > 1 {
                    return Err(Finding::error(span.start, "the file holds more than one YAML document"));
                }
                continue;
            }
            Event::Scalar(value, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let null = plain && matches!(value.as_ref(), "" | "~" | "null" | "Null" | "NULL");
                let value =
                    if null { Value::Null } else { Value::Scalar { text: value.into_owned(), plain } };
                (Node { span, value, size: 1, depth: 1 }, anchor)
            }
            Event::SequenceStart(_, anchor, _) | Event::MappingStart(_, anchor, _) => {
                if open.len() >= MAX_DEPTH {
                    return Err(Finding::error(span.start, "the file is nested too deeply"));
                }
                let mapping = matches!(event, Event::MappingStart(..));
                open.push(Open { start: span.start, anchor, mapping, children: Vec::new() });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let done = open.pop().expect("the parser closes only what it opened");
                let anchor = done.anchor;
                (close(done, span.end)?, anchor)
            }
            Event::Alias(id) => {
                // An alias inside its own anchor has no node yet.
                let target = anchors.get(&id).cloned().ok_or_else(|| {
                    Finding::error(span.start, "this alias refers to the node that it is a part of")
                })?;
                (target, 0)
            }
            _ => continue,
        };
        nodes += node.size;
        if nodes > MAX_NODES * MAX_DEPTH || node.size > MAX_NODES {
            return Err(Finding::error(node.at(), "the file has too many nodes"));
        }
        if node.depth + open.len() > MAX_DEPTH {
            return Err(Finding::error(node.at(), "the file is nested too deeply"));
        }
        if anchor != 0 {
            anchors.insert(anchor, node.clone());
        }
        match open.last_mut() {
            Some(parent) => parent.children.push(node),
            None => root = Some(node),
        }
    }
    root.ok_or_else(|| Finding::error(0, "the file is empty"))
}

fn close(done: Open, end: usize) -> Result<Node, Finding> {
    let size = 1 + done.children.iter().map(|child| child.size).sum::<usize>();
    let depth = 1 + done.children.iter().map(|child| child.depth).max().unwrap_or(0);
    let span = done.start..end.max(done.start);
    if !done.mapping {
        return Ok(Node { span, value: Value::Sequence(done.children), size, depth });
    }
    let mut entries: Vec<(Node, Node)> = Vec::new();
    let mut merged = Vec::new();
    let mut children = done.children.into_iter();
    while let (Some(key), Some(value)) = (children.next(), children.next()) {
        let Some(name) = key.text() else {
            return Err(Finding::error(key.at(), "a key must be a text"));
        };
        if name == "<<" && matches!(key.value, Value::Scalar { plain: true, .. }) {
            merged.push(value);
        } else if entries.iter().any(|(known, _)| known.text() == Some(name)) {
            return Err(Finding::error(key.at(), format!("the key `{name}` is given twice")));
        } else {
            entries.push((key, value));
        }
    }
    for source in merged {
        merge(&mut entries, &source)?;
    }
    Ok(Node { span, value: Value::Mapping(entries), size, depth })
}

/// Adds what a merge key (`<<`) names; what is there already stays.
fn merge(entries: &mut Vec<(Node, Node)>, source: &Node) -> Result<(), Finding> {
    match &source.value {
        Value::Mapping(more) => {
            for (key, value) in more {
                if !entries.iter().any(|(known, _)| known.text() == key.text()) {
                    entries.push((key.clone(), value.clone()));
                }
            }
            Ok(())
        }
        Value::Sequence(sources) => sources.iter().try_for_each(|source| merge(entries, source)),
        _ => Err(Finding::error(source.at(), "only mappings can be merged with `<<`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_node_knows_its_bytes() {
        let text = "a: 1\nb:\n  - \"x y\"\n  - {c: d}\n";
        let root = parse(text).unwrap();
        let items = root.get("b").unwrap().items().unwrap();
        assert_eq!(&text[items[0].span.clone()], "\"x y\"");
        assert_eq!(items[0].text(), Some("x y"));
        assert_eq!(&text[items[1].get("c").unwrap().span.clone()], "d");
    }

    #[test]
    fn anchors_and_merge_keys_are_resolved_and_what_is_written_wins() {
        let root = parse("x: &base {a: 1, b: 2}\ny:\n  <<: *base\n  b: 3\nz: *base\n").unwrap();
        assert_eq!(root.get("y").unwrap().get("a").unwrap().text(), Some("1"));
        assert_eq!(root.get("y").unwrap().get("b").unwrap().text(), Some("3"));
        assert_eq!(root.get("z").unwrap().get("b").unwrap().text(), Some("2"));
    }

    #[test]
    fn aliases_cannot_multiply_without_end() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..9 {
            let items = vec![format!("*a{}", i - 1); 10].join(", ");
            text += &format!("a{i}: &a{i} [{items}]\n");
        }
        assert_eq!(parse(&text).unwrap_err().message, "the file has too many nodes");
    }

    #[test]
    fn a_key_given_twice_is_an_error_at_the_second() {
        let found = parse("a: 1\na: 2\n").unwrap_err();
        assert_eq!((found.at, found.message.as_str()), (5, "the key `a` is given twice"));
    }

    #[test]
    fn broken_yaml_is_an_error_with_a_place() {
        for text in ["a: [1, 2\n", "a: 'x", "a:\n  - b\n c: d\n", "", "a: *nobody\n", "a: &x [*x]\n"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        assert!(parse(&"[".repeat(500)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in "[ -~\n\t]{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn no_yaml_like_text_breaks_the_reader(
            parts in prop::collection::vec(prop::sample::select(vec![
                "a", ":", " ", "\n", "  ", "- ", "&x ", "*x", "<<: ", "[", "]", "{", "}", "'", "\"", "|", "é", "#", "!t ",
            ]), 0..60)
        ) {
            let _ = parse(&parts.concat());
        }
    }
}
