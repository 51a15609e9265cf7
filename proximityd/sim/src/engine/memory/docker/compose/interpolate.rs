//! `$VAR`, `${VAR:-default}` and their like in Compose files.

use serde_json::Value;

/// Replaces variables in one text; names that are not set are added to `unset`.
pub(super) fn text(
    source: &str,
    look: &dyn Fn(&str) -> Option<String>,
    unset: &mut Vec<String>,
) -> Result<String, String> {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(body) = rest.strip_prefix('{') {
            let end = closing(body).ok_or_else(|| invalid(source))?;
            out.push_str(&braced(&body[..end], look, unset, source)?);
            rest = &body[end + 1..];
        } else {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let name = &rest[..end];
            if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
                return Err(invalid(source));
            }
            out.push_str(&plain(name, look, unset));
            rest = &rest[end..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn invalid(source: &str) -> String {
    format!("invalid interpolation format for \"{source}\".\nYou may need to escape any $ with another $")
}

fn plain(name: &str, look: &dyn Fn(&str) -> Option<String>, unset: &mut Vec<String>) -> String {
    look(name).unwrap_or_else(|| {
        if !unset.iter().any(|known| known == name) {
            unset.push(name.to_owned());
        }
        String::new()
    })
}

/// Where the brace that was opened closes.
fn closing(body: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut previous = ' ';
    for (at, c) in body.char_indices() {
        match c {
            '{' if previous == '$' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
        previous = c;
    }
    None
}

fn braced(
    body: &str,
    look: &dyn Fn(&str) -> Option<String>,
    unset: &mut Vec<String>,
    source: &str,
) -> Result<String, String> {
    let end = body.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(body.len());
    let (name, rest) = body.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(invalid(source));
    }
    if rest.is_empty() {
        return Ok(plain(name, look, unset));
    }
    let (empty_too, rest) = rest.strip_prefix(':').map_or((false, rest), |rest| (true, rest));
    let mut chars = rest.chars();
    let operator = chars.next().ok_or_else(|| invalid(source))?;
    let word = chars.as_str();
    let value = look(name).filter(|value| !(empty_too && value.is_empty()));
    match (operator, value) {
        ('-' | '?', Some(value)) => Ok(value),
        ('-', None) => text(word, look, unset),
        ('?', None) => {
            let message = text(word, look, unset)?;
            Err(format!("required variable {name} is missing a value: {message}"))
        }
        ('+', Some(_)) => text(word, look, unset),
        ('+', None) => Ok(String::new()),
        _ => Err(invalid(source)),
    }
}

/// Replaces variables in all texts of a document; keys stay.
pub(super) fn document(
    value: &mut Value,
    path: &str,
    look: &dyn Fn(&str) -> Option<String>,
    unset: &mut Vec<String>,
) -> Result<(), String> {
    match value {
        Value::String(source) if source.contains('$') => {
            *source = text(source, look, unset)
                .map_err(|error| format!("error while interpolating {path}: {error}"))?;
        }
        Value::Array(items) => {
            for item in items {
                document(item, &format!("{path}.[]"), look, unset)?;
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                document(item, &below, look, unset)?;
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_reference_is_replaced() {
        let look = |name: &str| match name {
            "A" => Some("1".to_owned()),
            "E" => Some(String::new()),
            _ => None,
        };
        let got = |source: &str| text(source, &look, &mut Vec::new());
        assert_eq!(got("$A-${A}-$$A").unwrap(), "1-1-$A");
        assert_eq!(got("${E:-d} ${E-d} ${X:-${A}b}").unwrap(), "d  1b");
        assert_eq!(got("${A:+y}${X:+y}").unwrap(), "y");
        assert!(got("${X:?need it}").unwrap_err().contains("need it"));
        assert!(got("${A").is_err());
        assert!(got("$%").is_err());
    }
}
