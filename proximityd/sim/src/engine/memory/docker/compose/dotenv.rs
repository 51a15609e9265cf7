//! `.env` files by Compose's rules: `export`, comments, three ways of quoting, expansion of earlier values.

use std::collections::BTreeMap;

use super::interpolate;

/// Parses a file; `outer` is looked at first when values refer to variables.
pub(super) fn parse(
    text: &str,
    outer: &BTreeMap<String, String>,
    name: &str,
) -> Result<BTreeMap<String, String>, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut rest = text.trim_start_matches('\u{feff}');
    let mut line = 1;
    while !rest.is_empty() {
        let before = rest.len();
        let start = rest.trim_start_matches([' ', '\t', '\r']);
        if let Some(after) = start.strip_prefix('\n') {
            line += 1;
            rest = after;
            continue;
        }
        if start.is_empty() {
            break;
        }
        let end = start.find('\n').unwrap_or(start.len());
        if start.starts_with('#') {
            rest = &start[end..];
            continue;
        }
        let mut entry = start;
        if let Some(after) = entry.strip_prefix("export ") {
            entry = after.trim_start();
        }
        let key_end = entry.find(['=', ':', '\n']).unwrap_or(entry.len());
        let key = entry[..key_end].trim();
        if key.is_empty() || !key.chars().all(|c| c.is_alphanumeric() || "_.-[]".contains(c)) {
            let shown: String = entry.lines().next().unwrap_or_default().chars().take(40).collect();
            return Err(format!(
                "failed to read {name}: line {line}: unexpected character in variable name near \"{shown}\""
            ));
        }
        if entry[key_end..].is_empty() || entry[key_end..].starts_with('\n') {
            // A name alone: the value comes from outside.
            if let Some(value) = outer.get(key) {
                found.insert(key.to_owned(), value.clone());
            }
            rest = &entry[key_end..];
            continue;
        }
        let value_text = entry[key_end + 1..].trim_start_matches([' ', '\t']);
        let (value, after) = value(value_text, &found, outer)
            .map_err(|error| format!("failed to read {name}: line {line}: {error}"))?;
        found.insert(key.to_owned(), value);
        line += rest[..before - after.len()].matches('\n').count();
        rest = after;
    }
    Ok(found)
}

fn value<'a>(
    text: &'a str,
    found: &BTreeMap<String, String>,
    outer: &BTreeMap<String, String>,
) -> Result<(String, &'a str), String> {
    let look = |name: &str| outer.get(name).or_else(|| found.get(name)).cloned();
    let line_rest = |rest: &'a str| &rest[rest.find('\n').unwrap_or(rest.len())..];
    if let Some(body) = text.strip_prefix('\'') {
        let end = body.find('\'').ok_or("unterminated quoted value")?;
        return Ok((body[..end].to_owned(), line_rest(&body[end + 1..])));
    }
    if let Some(body) = text.strip_prefix('"') {
        let mut out = String::new();
        let mut chars = body.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    let expanded = interpolate::text(&out, &look, &mut Vec::new())?;
                    return Ok((expanded, line_rest(&body[at + 1..])));
                }
                '\\' => match chars.next().map(|(_, c)| c) {
                    Some('n') => out.push('\n'),
                    Some('r') => out.push('\r'),
                    Some('t') => out.push('\t'),
                    Some('"') => out.push('"'),
                    Some('\\') => out.push('\\'),
                    Some('$') => out.push_str("$$"),
                    Some(other) => {
                        out.push('\\');
                        out.push(other);
                    }
                    None => {}
                },
                c => out.push(c),
            }
        }
        return Err("unterminated quoted value".to_owned());
    }
    let end = text.find('\n').unwrap_or(text.len());
    let mut line = &text[..end];
    if let Some(at) =
        line.find(" #").or_else(|| line.find("\t#")).or_else(|| line.starts_with('#').then_some(0))
    {
        line = &line[..at];
    }
    let expanded = interpolate::text(line.trim(), &look, &mut Vec::new())?;
    Ok((expanded, &text[end..]))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn quoting_comments_and_references_are_composes_own() {
        let text = "# c\nexport A=1\nB='a $A # b' # tail\nC=\"x\\n${A}\"\nD=plain # comment\nE=a#b\nF=\nG=\"two\nlines\"\nH=$A$B\n";
        let got = parse(text, &BTreeMap::new(), ".env").unwrap();
        assert_eq!(got["A"], "1");
        assert_eq!(got["B"], "a $A # b");
        assert_eq!(got["C"], "x\n1");
        assert_eq!(got["D"], "plain");
        assert_eq!(got["E"], "a#b");
        assert_eq!(got["F"], "");
        assert_eq!(got["G"], "two\nlines");
        assert_eq!(got["H"], "1a $A # b");
        assert!(parse("BAD NAME=1\n", &BTreeMap::new(), ".env").is_err());
    }
}
