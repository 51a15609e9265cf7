//! Regular expressions at work: `grep`, `sed`, and `cmp`/`diff`.

use regex::{Regex, RegexBuilder};

use super::Ctx;
use crate::engine::memory::world::bytes::{decode, encode};

/// A POSIX basic regular expression in this library's syntax.
pub(super) fn basic(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut chars = pattern.chars().peekable();
    let mut start = true;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(special @ ('(' | ')' | '{' | '}' | '|' | '+' | '?')) => out.push(special),
                Some('<' | '>') => out.push_str("\\b"),
                Some(other) => {
                    out.push('\\');
                    out.push(other);
                }
                None => out.push_str("\\\\"),
            },
            '(' | ')' | '{' | '}' | '|' | '+' | '?' => {
                out.push('\\');
                out.push(c);
            }
            '*' if start => out.push_str("\\*"),
            '[' => {
                out.push('[');
                bracket(&mut chars, &mut out);
            }
            _ => out.push(c),
        }
        start = out.is_empty() || c == '^' || out.ends_with('(');
    }
    out
}

/// An extended expression: only its brackets differ.
fn extended(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        match c {
            '\\' => match chars.next() {
                Some('<' | '>') => out.push('b'),
                other => out.extend(other),
            },
            '[' => bracket(&mut chars, &mut out),
            _ => {}
        }
    }
    out
}

/// Copies a bracket expression, in which a backslash is literal.
fn bracket(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    let mut first = true;
    let mut class = false;
    while let Some(c) = chars.next() {
        match c {
            '^' if first => {
                out.push('^');
                continue;
            }
            ']' if first => out.push_str("\\]"),
            ']' if class => {
                class = false;
                out.push(']');
            }
            ']' => {
                out.push(']');
                return;
            }
            '[' if chars.peek() == Some(&':') => {
                class = true;
                out.push('[');
            }
            '[' | '\\' | '&' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
        first = false;
    }
}

fn compile(patterns: &[String], fixed: bool, is_extended: bool, flags: &str) -> Result<Regex, regex::Error> {
    let one = |pattern: &str| {
        let body = if fixed {
            regex::escape(pattern)
        } else if is_extended {
            extended(pattern)
        } else {
            basic(pattern)
        };
        match (flags.contains('x'), flags.contains('w')) {
            (true, _) => format!("^(?:{body})$"),
            (_, true) => format!(r"\b(?:{body})\b"),
            _ => format!("(?:{body})"),
        }
    };
    let all: Vec<String> = patterns.iter().flat_map(|p| p.split('\n')).map(one).collect();
    RegexBuilder::new(&all.join("|")).case_insensitive(flags.contains('i')).size_limit(4 << 20).build()
}

pub(super) async fn grep(ctx: &mut Ctx) -> i32 {
    let (mut flags, mut patterns, mut operands, mut most) =
        (String::new(), Vec::new(), Vec::new(), usize::MAX);
    let mut context = (0_usize, 0_usize);
    let mut args = ctx.arguments();
    let mut over = false;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--" if !over => over = true,
            "-e" | "--regexp" => patterns.extend(args.next()),
            "-f" => {
                let path = args.next().unwrap_or_default();
                let Some(data) = ctx.input(&path).await else { return 2 };
                patterns.extend(decode(&data).lines().map(str::to_owned));
            }
            "-m" => most = args.next().and_then(|n| n.parse().ok()).unwrap_or(usize::MAX),
            "-A" => context.1 = args.next().and_then(|n| n.parse().ok()).unwrap_or(0),
            "-B" => context.0 = args.next().and_then(|n| n.parse().ok()).unwrap_or(0),
            "--quiet" | "--silent" => flags.push('q'),
            long if long.starts_with("--") && !over => {}
            short if short.starts_with('-') && short.len() > 1 && !over => {
                if let Some(number) = short.strip_prefix("-m").and_then(|n| n.parse().ok()) {
                    most = number;
                } else if let Some(body) = short[1..].strip_suffix('e') {
                    flags.push_str(body);
                    patterns.extend(args.next());
                } else {
                    flags.push_str(&short[1..]);
                }
            }
            _ => operands.push(arg),
        }
    }
    if patterns.is_empty() {
        if operands.is_empty() {
            ctx.fail("Usage: grep [OPTION]... PATTERNS [FILE]...");
            return 2;
        }
        patterns.push(operands.remove(0));
    }
    let name = ctx.name();
    let fixed = flags.contains('F') || name == "fgrep";
    let is_extended = flags.contains(['E', 'P']) || name == "egrep";
    let regex = match compile(&patterns, fixed, is_extended, &flags) {
        Ok(regex) => regex,
        Err(_) => {
            ctx.complain(format!("Invalid regular expression: {}", patterns.join("|")));
            return 2;
        }
    };
    if flags.contains(['r', 'R']) {
        let roots = if operands.is_empty() { vec![".".to_owned()] } else { operands };
        operands = roots.iter().flat_map(|root| super::listing::files_below(ctx, root)).collect();
    }
    let named = (operands.len() > 1 || flags.contains(['r', 'R', 'H'])) && !flags.contains('h');
    if operands.is_empty() {
        operands.push("-".to_owned());
    }
    let (mut found, mut failed) = (false, false);
    for path in operands {
        let data = if path != "-" && flags.contains('s') && !ctx.files.exists(&ctx.path(&path)) {
            failed = true;
            continue;
        } else {
            ctx.input(&path).await
        };
        let Some(data) = data else {
            failed = true;
            continue;
        };
        let text = decode(&data);
        let lines: Vec<&str> = text.lines().collect();
        let hits: Vec<usize> = (0..lines.len())
            .filter(|i| regex.is_match(lines[*i]) != flags.contains('v'))
            .take(most)
            .collect();
        found |= !hits.is_empty();
        if flags.contains('q') {
            if found {
                return 0;
            }
            continue;
        }
        if flags.contains('l') {
            if !hits.is_empty() {
                ctx.say(&path);
            }
            continue;
        }
        let prefix = if named { format!("{path}:") } else { String::new() };
        if flags.contains('c') {
            ctx.say(format!("{prefix}{}", hits.len()));
            continue;
        }
        let mut shown = None;
        for hit in &hits {
            let first = hit.saturating_sub(context.0).max(shown.map_or(0, |s: usize| s + 1));
            for (index, line) in lines.iter().enumerate().take(hit + context.1 + 1).skip(first) {
                let number = if flags.contains('n') { format!("{}:", index + 1) } else { String::new() };
                if flags.contains('o') {
                    for part in regex.find_iter(line).filter(|m| !m.is_empty()) {
                        ctx.say(format!("{prefix}{number}{}", part.as_str()));
                    }
                } else {
                    ctx.say(format!("{prefix}{number}{line}"));
                }
                shown = Some(index);
            }
        }
    }
    match (found, failed) {
        (_, true) => 2,
        (true, _) => 0,
        (false, _) => 1,
    }
}

#[derive(Debug)]
enum Address {
    Line(usize),
    Last,
    Match(Regex),
}

#[derive(Debug)]
enum Action {
    Substitute { regex: Regex, with: String, global: bool, print: bool },
    Delete,
    Print,
    Quit,
    Append(String),
    Insert(String),
    Change(String),
    Translate(Vec<char>, Vec<char>),
}

#[derive(Debug)]
struct Edit {
    from: Option<Address>,
    to: Option<Address>,
    negated: bool,
    action: Action,
    inside: bool,
}

type Script<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn until(script: &mut Script<'_>, end: char) -> Option<String> {
    let mut out = String::new();
    loop {
        match script.next()? {
            '\\' => match script.next()? {
                c if c == end => out.push(c),
                'n' if end != 'n' => out.push_str("\\n"),
                c => {
                    out.push('\\');
                    out.push(c);
                }
            },
            c if c == end => return Some(out),
            c => out.push(c),
        }
    }
}

fn sed_regex(pattern: &str, is_extended: bool, insensitive: bool) -> Option<Regex> {
    let body = if is_extended { extended(pattern) } else { basic(pattern) };
    RegexBuilder::new(&body).case_insensitive(insensitive).size_limit(4 << 20).build().ok()
}

fn address(script: &mut Script<'_>, is_extended: bool) -> Option<Option<Address>> {
    Some(match script.peek() {
        Some('$') => {
            script.next();
            Some(Address::Last)
        }
        Some(c) if c.is_ascii_digit() => {
            let mut number = 0_usize;
            while let Some(digit) = script.peek().and_then(|c| c.to_digit(10)) {
                number = number.saturating_mul(10).saturating_add(digit as usize);
                script.next();
            }
            Some(Address::Line(number))
        }
        Some('/') => {
            script.next();
            Some(Address::Match(sed_regex(&until(script, '/')?, is_extended, false)?))
        }
        Some('\\') => {
            script.next();
            let end = script.next()?;
            Some(Address::Match(sed_regex(&until(script, end)?, is_extended, false)?))
        }
        _ => None,
    })
}

fn parse_sed(source: &str, is_extended: bool) -> Option<Vec<Edit>> {
    let mut edits = Vec::new();
    let mut script = source.chars().peekable();
    loop {
        while script.next_if(|c| c.is_whitespace() || *c == ';').is_some() {}
        if script.peek().is_none() {
            return Some(edits);
        }
        let from = address(&mut script, is_extended)?;
        let to = match script.next_if_eq(&',') {
            Some(_) => address(&mut script, is_extended)?,
            None => None,
        };
        while script.next_if_eq(&' ').is_some() {}
        let negated = script.next_if_eq(&'!').is_some();
        let action = match script.next()? {
            's' => {
                let end = script.next()?;
                let pattern = until(&mut script, end)?;
                let with = until(&mut script, end)?;
                let mut flags = String::new();
                while let Some(flag) = script.next_if(|c| c.is_alphanumeric()) {
                    flags.push(flag);
                }
                let regex = sed_regex(&pattern, is_extended, flags.contains(['i', 'I']))?;
                Action::Substitute { regex, with, global: flags.contains('g'), print: flags.contains('p') }
            }
            'y' => {
                let end = script.next()?;
                let from = until(&mut script, end)?;
                Action::Translate(from.chars().collect(), until(&mut script, end)?.chars().collect())
            }
            'd' => Action::Delete,
            'p' => Action::Print,
            'q' => Action::Quit,
            kind @ ('a' | 'i' | 'c') => {
                script.next_if_eq(&'\\');
                let text: String = std::iter::from_fn(|| script.next_if(|c| *c != '\n')).collect();
                let text = text.trim_start().to_owned();
                match kind {
                    'a' => Action::Append(text),
                    'i' => Action::Insert(text),
                    _ => Action::Change(text),
                }
            }
            _ => return None,
        };
        edits.push(Edit { from, to, negated, action, inside: false });
    }
}

impl Edit {
    fn applies(&mut self, line: &str, number: usize, last: bool) -> bool {
        let hit = |address: &Address| match address {
            Address::Line(n) => *n == number,
            Address::Last => last,
            Address::Match(regex) => regex.is_match(line),
        };
        let chosen = match (&self.from, &self.to) {
            (None, _) => true,
            (Some(from), None) => hit(from),
            (Some(from), Some(to)) => {
                if self.inside {
                    self.inside = !(hit(to) || matches!(to, Address::Line(n) if *n <= number));
                    true
                } else if hit(from) {
                    self.inside = !matches!(to, Address::Line(n) if *n <= number);
                    true
                } else {
                    false
                }
            }
        };
        chosen != self.negated
    }
}

fn replacement(found: &regex::Captures<'_>, with: &str) -> String {
    let mut out = String::new();
    let mut chars = with.chars();
    while let Some(c) = chars.next() {
        match c {
            '&' => out.push_str(&found[0]),
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(digit) if digit.is_ascii_digit() => {
                    let group = digit.to_digit(10).unwrap_or(0) as usize;
                    out.push_str(found.get(group).map_or("", |m| m.as_str()));
                }
                other => out.extend(other),
            },
            c => out.push(c),
        }
    }
    out
}

fn edit(edits: &mut [Edit], text: &str, quiet: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let lines: Vec<&str> = text.lines().collect();
    'lines: for (index, line) in lines.iter().enumerate() {
        let mut space = (*line).to_owned();
        let mut after = String::new();
        let mut quit = false;
        for edit in edits.iter_mut() {
            if !edit.applies(&space, index + 1, index + 1 == lines.len()) {
                continue;
            }
            match &edit.action {
                Action::Substitute { regex, with, global, print } => {
                    let limit = usize::from(!global);
                    let changed =
                        regex.replacen(&space, limit, |found: &regex::Captures<'_>| replacement(found, with));
                    let differs = regex.is_match(&space);
                    space = changed.into_owned();
                    if *print && differs {
                        out.push_str(&space);
                        out.push('\n');
                    }
                }
                Action::Translate(from, to) => {
                    space = space
                        .chars()
                        .map(|c| {
                            from.iter().position(|f| *f == c).and_then(|i| to.get(i)).copied().unwrap_or(c)
                        })
                        .collect();
                }
                Action::Delete => continue 'lines,
                Action::Print => {
                    out.push_str(&space);
                    out.push('\n');
                }
                Action::Quit => {
                    quit = true;
                    break;
                }
                Action::Append(text) => after = format!("{after}{text}\n"),
                Action::Insert(text) => {
                    out.push_str(text);
                    out.push('\n');
                }
                Action::Change(text) => {
                    out.push_str(text);
                    out.push('\n');
                    continue 'lines;
                }
            }
        }
        if !quiet {
            out.push_str(&space);
            out.push('\n');
        }
        out.push_str(&after);
        if quit {
            break;
        }
    }
    if !text.ends_with('\n') && out.ends_with('\n') {
        out.pop();
    }
    out
}

pub(super) async fn sed(ctx: &mut Ctx) -> i32 {
    let (mut quiet, mut is_extended, mut in_place, mut scripts, mut operands) =
        (false, false, false, Vec::new(), Vec::new());
    let mut args = ctx.arguments();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-e" | "--expression" => scripts.extend(args.next()),
            "-n" | "--quiet" => quiet = true,
            "-E" | "-r" => is_extended = true,
            "-ne" => {
                quiet = true;
                scripts.extend(args.next());
            }
            "-nE" | "-En" | "-nr" => (quiet, is_extended) = (true, true),
            "-Ei" | "-ri" => (is_extended, in_place) = (true, true),
            flag if flag.starts_with("-i") || flag == "--in-place" => in_place = true,
            _ => operands.push(arg),
        }
    }
    if scripts.is_empty() {
        if operands.is_empty() {
            ctx.fail("Usage: sed [OPTION]... {script-only-if-no-other-script} [input-file]...");
            return 1;
        }
        scripts.push(operands.remove(0));
    }
    let script = scripts.join("\n");
    let Some(mut edits) = parse_sed(&script, is_extended) else {
        return ctx.complain(format!("-e expression #1: unknown or unsupported command in ‘{script}’"));
    };
    if !in_place {
        let (data, status) = ctx.inputs(&operands).await;
        let out = edit(&mut edits, &decode(&data), quiet);
        ctx.emit(&encode(&out));
        return status;
    }
    let mut status = 0;
    for path in operands {
        let Some(data) = ctx.input(&path).await else {
            status = 1;
            continue;
        };
        let out = edit(&mut edits, &decode(&data), quiet);
        let full = ctx.path(&path);
        if let Err(error) = ctx.files.write(&full, encode(&out), 0o644) {
            status = ctx.complain(format!("{path}: {error}"));
        }
    }
    status
}

pub(super) async fn compare(ctx: &mut Ctx) -> i32 {
    let (flags, operands) = ctx.simple_args();
    let [left, right] = operands.as_slice() else {
        ctx.complain("missing operand");
        return 2;
    };
    let (Some(a), Some(b)) = (ctx.input(left).await, ctx.input(right).await) else { return 2 };
    if a == b {
        return 0;
    }
    if !flags.contains(['q', 's']) {
        if ctx.name() == "cmp" {
            let at = a.iter().zip(&b).position(|(x, y)| x != y).unwrap_or(a.len().min(b.len()));
            let line = a[..at].iter().filter(|c| **c == b'\n').count() + 1;
            ctx.say(format!("{left} {right} differ: byte {}, line {line}", at + 1));
        } else {
            let (a, b) = (decode(&a), decode(&b));
            for line in a.lines().filter(|line| !b.lines().any(|other| other == *line)) {
                ctx.say(format!("< {line}"));
            }
            for line in b.lines().filter(|line| !a.lines().any(|other| other == *line)) {
                ctx.say(format!("> {line}"));
            }
        }
    } else if flags.contains('q') {
        ctx.say(format!("Files {left} and {right} differ"));
    }
    1
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn sed_text(script: &str, text: &str) -> String {
        edit(&mut parse_sed(script, false).unwrap(), text, false)
    }

    #[test]
    fn sed_substitutes_deletes_and_addresses_lines() {
        assert_eq!(sed_text("s/a\\(.\\)/<\\1&>/", "xab\n"), "x<bab>\n");
        assert_eq!(sed_text("s|/|-|g", "/a/b\n"), "-a-b\n");
        assert_eq!(sed_text("2d", "1\n2\n3\n"), "1\n3\n");
        assert_eq!(sed_text("/b/,$d", "a\nb\nc\n"), "a\n");
        assert_eq!(sed_text("s/^#*Port.*/Port 22/", "#Port 2222\n"), "Port 22\n");
    }
}
