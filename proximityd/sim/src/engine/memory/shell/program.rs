//! From text to syntax tree, with the bounds a recursive parser needs.

use std::sync::Arc;

use brush_parser::{Parser, ParserOptions, ast};

/// Deeper nesting than this is refused before parsing: the parser recurses.
const NESTING_LIMIT: usize = 60;

/// A parsed script.
#[derive(Debug, Clone)]
pub(crate) struct Program(pub(super) Arc<ast::Program>);

/// Why a script could not be parsed.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct ParseError {
    text: String,
    /// More input could complete it.
    pub incomplete: bool,
}

/// The grammar's options, the same everywhere.
pub(crate) fn options() -> ParserOptions {
    ParserOptions { enable_extended_globbing: false, ..ParserOptions::default() }
}

impl Program {
    /// Parses a script.
    pub(crate) fn parse(source: &str) -> Result<Self, ParseError> {
        if nesting(source) > NESTING_LIMIT {
            return Err(ParseError { text: "syntax error: nested too deeply".to_owned(), incomplete: false });
        }
        let mut parser = Parser::new(source.as_bytes(), &options());
        parser.parse_program().map(|program| Self(Arc::new(program))).map_err(|error| {
            let incomplete = match &error {
                brush_parser::ParseError::ParsingAtEndOfInput => true,
                brush_parser::ParseError::Tokenizing { inner, .. } => inner.is_incomplete(),
                brush_parser::ParseError::ParsingNear(_) => false,
            };
            ParseError { text: error.to_string(), incomplete }
        })
    }
}

/// An upper bound of how deep the text nests, quotes ignored.
fn nesting(source: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for word in source.split(|c: char| c.is_whitespace() || c == ';') {
        match word {
            "if" | "while" | "until" | "for" | "case" => depth += 1,
            "fi" | "done" | "esac" => depth = depth.saturating_sub(1),
            _ => {
                for c in word.chars() {
                    match c {
                        '(' | '{' => depth += 1,
                        ')' | '}' => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    deepest = deepest.max(depth);
                }
            }
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_nests_without_end_is_refused_and_a_half_one_is_incomplete() {
        assert!(!Program::parse(&"( ".repeat(100_000)).unwrap_err().incomplete);
        assert!(Program::parse("if true; then\n").unwrap_err().incomplete);
        assert!(Program::parse("echo 'a\n").unwrap_err().incomplete);
        assert!(Program::parse("cat <<EOF\na\n").is_err_and(|e| e.incomplete));
        assert!(!Program::parse("fi\n").unwrap_err().incomplete);
    }
}
