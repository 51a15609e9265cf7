//! The part of Go's templates that `--format` is used with: paths, `json`, `index`, `if`, `range`, `println`,
//! comparisons, and a few functions on text.

use serde_json::Value;

#[derive(Debug)]
enum Node {
    Text(String),
    Print(String),
    If(Vec<(String, Vec<Node>)>, Vec<Node>),
    Range(String, Vec<Node>),
}

fn parse<'a>(mut source: &'a str, nodes: &mut Vec<Node>, depth: u32) -> Result<(&'a str, String), String> {
    if depth > 16 {
        return Err("template: nested too deeply".to_owned());
    }
    loop {
        let Some(at) = source.find("{{") else {
            nodes.push(Node::Text(source.to_owned()));
            return Ok(("", String::new()));
        };
        nodes.push(Node::Text(source[..at].to_owned()));
        let end = source[at..].find("}}").ok_or("template parsing error: template: :1: unclosed action")?;
        let action = source[at + 2..at + end].trim_matches(['-', ' ']).to_owned();
        source = &source[at + end + 2..];
        let (verb, rest) = action.split_once(' ').unwrap_or((&action, ""));
        match verb {
            "end" | "else" => return Ok((source, action)),
            "range" => {
                let mut body = Vec::new();
                source = parse(source, &mut body, depth + 1)?.0;
                let over = rest.split(":=").last().unwrap_or_default().trim().to_owned();
                nodes.push(Node::Range(over, body));
            }
            "if" | "with" => {
                let (mut arms, mut otherwise, mut condition) = (Vec::new(), Vec::new(), rest.to_owned());
                loop {
                    let mut body = Vec::new();
                    let (next, closed) = parse(source, &mut body, depth + 1)?;
                    source = next;
                    arms.push((condition, body));
                    match closed.strip_prefix("else").map(str::trim) {
                        Some("") => {
                            source = parse(source, &mut otherwise, depth + 1)?.0;
                            break;
                        }
                        Some(more) if more.starts_with("if ") => condition = more[3..].to_owned(),
                        _ => break,
                    }
                }
                nodes.push(Node::If(arms, otherwise));
            }
            _ => nodes.push(Node::Print(action)),
        }
    }
}

fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut depth) = (Vec::new(), String::new(), false, 0);
    for c in text.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                word.push(c);
            }
            '(' if !quoted => {
                depth += 1;
                word.push(c);
            }
            ')' if !quoted => {
                depth -= 1;
                word.push(c);
            }
            c if c.is_whitespace() && !quoted && depth == 0 => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Number(n) => n.as_f64() != Some(0.0),
        Value::String(s) => !s.is_empty(),
        Value::Array(a) => !a.is_empty(),
        Value::Object(o) => !o.is_empty(),
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            format!(
                "map[{}]",
                map.iter().map(|(k, v)| format!("{k}:{}", show(v))).collect::<Vec<_>>().join(" ")
            )
        }
        other => other.to_string(),
    }
}

fn path(data: &Value, text: &str) -> Result<Value, String> {
    let mut at = data;
    let mut walked = String::new();
    for part in text.split('.').filter(|p| !p.is_empty()) {
        walked = format!("{walked}.{part}");
        at = match at {
            Value::Object(map) => match map.get(part) {
                Some(value) => value,
                None => {
                    return Err(format!(
                        "template: :1:2: executing \"\" at <{walked}>: map has no entry for key \"{part}\""
                    ));
                }
            },
            Value::Null => {
                return Err(format!("template: :1:2: executing \"\" at <{walked}>: nil pointer evaluating"));
            }
            _ => {
                return Err(format!(
                    "template: :1:2: executing \"\" at <{walked}>: can't evaluate field {part}"
                ));
            }
        };
    }
    Ok(at.clone())
}

fn value(data: &Value, root: &Value, word: &str) -> Result<Value, String> {
    if let Some(inner) = word.strip_prefix('(').and_then(|w| w.strip_suffix(')')) {
        return evaluate(data, root, inner);
    }
    if let Some(text) = word.strip_prefix('"').and_then(|w| w.strip_suffix('"')) {
        return Ok(Value::String(text.replace("\\n", "\n").replace("\\t", "\t")));
    }
    if let Some(rest) = word.strip_prefix('$') {
        return match rest.split_once('.') {
            Some(("", below)) => path(root, below),
            Some((_, below)) => path(data, below),
            None if rest.is_empty() => Ok(root.clone()),
            None => Ok(data.clone()),
        };
    }
    if word.starts_with('.') {
        return path(data, word);
    }
    serde_json::from_str(word)
        .map_err(|_| format!("template parsing error: template: :1: function \"{word}\" not defined"))
}

fn evaluate(data: &Value, root: &Value, action: &str) -> Result<Value, String> {
    let mut result = None;
    for stage in action.split('|') {
        let words = words(stage);
        let Some((first, rest)) = words.split_first() else {
            return Err("template parsing error: missing value for command".to_owned());
        };
        let mut args = Vec::new();
        for word in rest {
            args.push(value(data, root, word)?);
        }
        args.extend(result.take());
        let text = |at: usize| args.get(at).map(show).unwrap_or_default();
        result = Some(match first.as_str() {
            "json" => Value::String(args.first().map(Value::to_string).unwrap_or_default()),
            "index" => {
                let mut at = args.first().cloned().unwrap_or(Value::Null);
                for key in &args[1.min(args.len())..] {
                    at = match (&at, key) {
                        (Value::Array(items), Value::Number(n)) => {
                            let n = usize::try_from(n.as_u64().unwrap_or(0)).unwrap_or(usize::MAX);
                            items.get(n).cloned().ok_or(format!(
                                "template: :1:2: error calling index: index out of range: {n}"
                            ))?
                        }
                        (Value::Object(map), key) => {
                            map.get(&show(key)).cloned().unwrap_or_else(|| Value::String(String::new()))
                        }
                        _ => Value::String(String::new()),
                    };
                }
                at
            }
            "println" => Value::String(args.iter().map(show).collect::<Vec<_>>().join(" ") + "\n"),
            "print" => Value::String(args.iter().map(show).collect()),
            "printf" => {
                let mut out = text(0);
                for at in 1..args.len() {
                    for mark in ["%s", "%d", "%v"] {
                        if out.contains(mark) {
                            out = out.replacen(mark, &text(at), 1);
                            break;
                        }
                    }
                }
                Value::String(out)
            }
            "len" => match args.first() {
                Some(Value::Array(items)) => items.len().into(),
                Some(Value::Object(map)) => map.len().into(),
                other => other.map(show).unwrap_or_default().len().into(),
            },
            "eq" => (args.first() == args.get(1)).into(),
            "ne" => (args.first() != args.get(1)).into(),
            "not" => (!args.first().is_some_and(truth)).into(),
            "and" => args.iter().find(|v| !truth(v)).or(args.last()).cloned().unwrap_or(Value::Null),
            "or" => args.iter().find(|v| truth(v)).or(args.last()).cloned().unwrap_or(Value::Null),
            "lower" => Value::String(text(0).to_lowercase()),
            "upper" => Value::String(text(0).to_uppercase()),
            "truncate" => {
                Value::String(text(0).chars().take(text(1).parse().unwrap_or(usize::MAX)).collect())
            }
            "join" => match args.first() {
                Some(Value::Array(items)) => {
                    Value::String(items.iter().map(show).collect::<Vec<_>>().join(&text(1)))
                }
                _ => Value::String(String::new()),
            },
            operand => value(data, root, operand)?,
        });
    }
    Ok(result.unwrap_or(Value::Null))
}

fn run(nodes: &[Node], data: &Value, root: &Value, out: &mut String) -> Result<(), String> {
    for node in nodes {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Print(action) => out.push_str(&show(&evaluate(data, root, action)?)),
            Node::If(arms, otherwise) => {
                let mut taken = false;
                for (condition, body) in arms {
                    // A field that is not there is false, as a nil pointer is.
                    if evaluate(data, root, condition).is_ok_and(|value| truth(&value)) {
                        run(body, data, root, out)?;
                        taken = true;
                        break;
                    }
                }
                if !taken {
                    run(otherwise, data, root, out)?;
                }
            }
            Node::Range(over, body) => match evaluate(data, root, over)? {
                Value::Array(items) => {
                    for item in &items {
                        run(body, item, root, out)?;
                    }
                }
                Value::Object(map) => {
                    for item in map.values() {
                        run(body, item, root, out)?;
                    }
                }
                _ => {}
            },
        }
    }
    Ok(())
}

/// Renders a template with a document.
pub(super) fn render(template: &str, data: &Value) -> Result<String, String> {
    let template = template.replace("\\t", "\t").replace("\\n", "\n");
    let mut nodes = Vec::new();
    parse(&template, &mut nodes, 0)?;
    let mut out = String::new();
    run(&nodes, data, data, &mut out)?;
    Ok(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_usual_formats_render() {
        let data = json!({"State": {"Status": "running", "ExitCode": 0}, "L": ["a", "b"], "M": {"k.x": "v"}});
        let got = |t: &str| render(t, &data).unwrap();
        assert_eq!(got("{{.State.Status}}-{{ .State.ExitCode }}"), "running-0");
        assert_eq!(got("{{json .L}}"), r#"["a","b"]"#);
        assert_eq!(got("{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}"), "none");
        assert_eq!(got("{{range .L}}<{{.}}>{{end}}"), "<a><b>");
        assert_eq!(got("{{index .M \"k.x\"}} {{len .L}} {{index .L 1}}"), "v 2 b");
        assert!(render("{{.Nope}}", &data).is_err());
    }
}
