//! Compose's variables: `$NAME`, `${NAME}`, `${NAME:-default}` and their kin.
//!
//! Follows the Compose specification's chapter on interpolation. Which variables may be used is decided by
//! the rules for templates and for plain Compose files.

use serde::Serialize;

/// A use of a variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VariableUse {
    /// The variable.
    pub name: String,
    /// Its value when it is not set, as written: from `${NAME:-default}` or `${NAME-default}`.
    pub default: Option<String>,
    /// Whether the document demands a value: `${NAME:?message}` or `${NAME?message}`.
    pub required: bool,
    /// Whether the document copes without a value: it has a default, or is `${NAME:+other}`.
    pub optional: bool,
    #[serde(skip)]
    pub(crate) at: usize,
}

/// A piece of a text with variables. `dollar` counts the dollar signs of the text before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Variable { name: String, operator: Option<Operator>, word: Vec<Piece>, written: String, dollar: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    /// `:-` (true: also for an empty value) and `-`.
    Default(bool),
    /// `:?` and `?`.
    Demand(bool),
    /// `:+` and `+`.
    Replace(bool),
}

/// A dollar sign that begins nothing; the number of dollar signs before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StrayDollar(pub(crate) usize);

/// How deeply defaults may nest.
const MAX_NESTING: usize = 16;

/// Splits a text into its pieces.
pub(crate) fn split(text: &str) -> Result<Vec<Piece>, StrayDollar> {
    let mut dollars = 0;
    let (pieces, _) = pieces(text, &mut dollars, 0)?;
    Ok(pieces)
}

/// Reads pieces up to the end, or, below the top level, up to the closing brace; returns what is left.
fn pieces<'a>(
    mut rest: &'a str,
    dollars: &mut usize,
    nesting: usize,
) -> Result<(Vec<Piece>, &'a str), StrayDollar> {
    let mut found = Vec::new();
    let mut text = String::new();
    loop {
        let stop = rest.find(|c| c == '$' || (nesting > 0 && c == '}')).unwrap_or(rest.len());
        text.push_str(&rest[..stop]);
        rest = &rest[stop..];
        if !rest.starts_with('$') {
            if !text.is_empty() {
                found.push(Piece::Text(text));
            }
            return Ok((found, rest));
        }
        let dollar = *dollars;
        *dollars += 1;
        let after = &rest[1..];
        if let Some(after) = after.strip_prefix('$') {
            *dollars += 1;
            text.push('$');
            rest = after;
            continue;
        }
        if !text.is_empty() {
            found.push(Piece::Text(std::mem::take(&mut text)));
        }
        let (piece, left) = match after.strip_prefix('{') {
            Some(braced) => variable(braced, dollar, dollars, nesting)?,
            None => {
                let name = name_of(after).ok_or(StrayDollar(dollar))?;
                let piece = Piece::Variable {
                    name: name.to_owned(),
                    operator: None,
                    word: Vec::new(),
                    written: String::new(),
                    dollar,
                };
                (piece, &after[name.len()..])
            }
        };
        found.push(piece);
        rest = left;
    }
}

/// Reads what follows `${`, with the closing brace.
fn variable<'a>(
    braced: &'a str,
    dollar: usize,
    dollars: &mut usize,
    nesting: usize,
) -> Result<(Piece, &'a str), StrayDollar> {
    let stray = StrayDollar(dollar);
    let name = name_of(braced).ok_or(stray)?;
    let rest = &braced[name.len()..];
    let (operator, rest) = match rest.as_bytes() {
        [b'}', ..] => (None, rest),
        [b':', b'-', ..] => (Some(Operator::Default(true)), &rest[2..]),
        [b':', b'?', ..] => (Some(Operator::Demand(true)), &rest[2..]),
        [b':', b'+', ..] => (Some(Operator::Replace(true)), &rest[2..]),
        [b'-', ..] => (Some(Operator::Default(false)), &rest[1..]),
        [b'?', ..] => (Some(Operator::Demand(false)), &rest[1..]),
        [b'+', ..] => (Some(Operator::Replace(false)), &rest[1..]),
        _ => return Err(stray),
    };
    if nesting >= MAX_NESTING {
        return Err(stray);
    }
    let (word, left) = pieces(rest, dollars, nesting + 1)?;
    let written = rest[..rest.len() - left.len()].to_owned();
    let left = left.strip_prefix('}').ok_or(stray)?;
    Ok((Piece::Variable { name: name.to_owned(), operator, word, written, dollar }, left))
}

fn name_of(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let name = &text[..end];
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_').then_some(name)
}

/// Fills in the variables; `None` when one is needed that has no value.
pub(crate) fn fill(pieces: &[Piece], lookup: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut filled = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Variable { name, operator, word, .. } => {
                let value = lookup(name);
                let given = |also_empty: bool| value.clone().filter(|v| !(also_empty && v.is_empty()));
                filled.push_str(&match operator {
                    None => value?,
                    Some(Operator::Demand(also_empty)) => given(*also_empty)?,
                    Some(Operator::Default(also_empty)) => match given(*also_empty) {
                        Some(value) => value,
                        None => fill(word, lookup)?,
                    },
                    Some(Operator::Replace(also_empty)) => match given(*also_empty) {
                        Some(_) => fill(word, lookup)?,
                        None => String::new(),
                    },
                });
            }
        }
    }
    Some(filled)
}

/// Every variable in the pieces, the inner ones too. `place` turns a count of dollar signs into an offset.
pub(crate) fn uses(pieces: &[Piece], place: &dyn Fn(usize) -> usize, found: &mut Vec<VariableUse>) {
    for piece in pieces {
        if let Piece::Variable { name, operator, word, written, dollar } = piece {
            found.push(VariableUse {
                name: name.clone(),
                default: matches!(operator, Some(Operator::Default(_))).then(|| written.clone()),
                required: matches!(operator, Some(Operator::Demand(_))),
                optional: matches!(operator, Some(Operator::Default(_) | Operator::Replace(_))),
                at: place(*dollar),
            });
            uses(word, place, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(text: &str) -> Option<String> {
        let lookup = |name: &str| match name {
            "SET" => Some("value".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        fill(&split(text).unwrap(), &lookup)
    }

    #[test]
    fn variables_are_filled_in_as_compose_does_it() {
        for (text, expected) in [
            ("a $SET b ${SET}", Some("a value b value")),
            ("$$SET $${SET}", Some("$SET ${SET}")),
            ("${NONE:-x}", Some("x")),
            ("${EMPTY:-x}${EMPTY-y}", Some("x")),
            ("${NONE:-${SET}}", Some("value")),
            ("${NONE:-${ALSO:-deep}}!", Some("deep!")),
            ("${SET:+there}${NONE:+not}", Some("there")),
            ("${EMPTY:+not}${EMPTY+there}", Some("there")),
            ("${NONE}", None),
            ("${NONE:?tell}", None),
            ("${SET:?tell}", Some("value")),
            ("${NONE:-a}}", Some("a}")),
        ] {
            assert_eq!(filled(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_dollar_sign_that_begins_nothing_is_found() {
        assert_eq!(split("$$ok $1"), Err(StrayDollar(2)));
        assert_eq!(split("${"), Err(StrayDollar(0)));
        assert_eq!(split("${A"), Err(StrayDollar(0)));
        assert_eq!(split("${A:x}"), Err(StrayDollar(0)));
        assert_eq!(split("price: 5$"), Err(StrayDollar(0)));
    }

    #[test]
    fn inner_variables_are_found_too() {
        let mut found = Vec::new();
        uses(&split("${A:-${B}} ${C:?no}").unwrap(), &|dollar| dollar, &mut found);
        let seen: Vec<_> = found.iter().map(|v| (v.name.as_str(), v.at, v.optional, v.required)).collect();
        assert_eq!(seen, [("A", 0, true, false), ("B", 1, false, false), ("C", 2, false, true)]);
        assert_eq!(found[0].default.as_deref(), Some("${B}"));
    }

    proptest! {
        #[test]
        fn a_text_with_doubled_dollars_arrives_whole(text in "[ -~]{0,40}") {
            let pieces = split(&text.replace('$', "$$")).unwrap();
            prop_assert_eq!(fill(&pieces, &|_| None), Some(text));
        }

        #[test]
        fn no_text_breaks_the_reader(text in "[${}:?+A-C -]{0,60}") {
            let _ = split(&text);
        }
    }
}
