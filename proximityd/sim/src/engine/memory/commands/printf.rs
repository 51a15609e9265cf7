//! `echo`, `printf`, `seq`, `test`, `expr`, and path words.

use super::Ctx;
use crate::engine::memory::world::bytes::{decode, encode};
use crate::engine::memory::world::files::base_name;

/// Backslash escapes as `echo -e`, `printf` and `$'…'` know them; the second part says that `\c` ended it.
pub(crate) fn escapes(text: &str, ansi: bool) -> (Vec<u8>, bool) {
    let mut out = Vec::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut buffer = [0; 4];
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend_from_slice(&encode(c.encode_utf8(&mut buffer)));
            continue;
        }
        let number =
            |chars: &mut std::iter::Peekable<std::str::Chars<'_>>, radix: u32, most: usize, first: u32| {
                let mut value = first;
                for _ in 0..most {
                    let Some(digit) = chars.peek().and_then(|c| c.to_digit(radix)) else { break };
                    value = value * radix + digit;
                    chars.next();
                }
                value
            };
        match chars.next() {
            Some('n') => out.push(b'\n'),
            Some('t') => out.push(b'\t'),
            Some('r') => out.push(b'\r'),
            Some('a') => out.push(7),
            Some('b') => out.push(8),
            Some('f') => out.push(12),
            Some('v') => out.push(11),
            Some('e' | 'E') => out.push(27),
            Some('\\') => out.push(b'\\'),
            Some(quote @ ('\'' | '"')) if ansi => out.push(quote as u8),
            Some('c') if !ansi => return (out, true),
            Some('x') => out.push(number(&mut chars, 16, 2, 0) as u8),
            Some('u') => {
                let c = char::from_u32(number(&mut chars, 16, 4, 0)).unwrap_or('\u{fffd}');
                out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            }
            Some(digit @ '0'..='7') => {
                let most = if digit == '0' { 3 } else { 2 };
                out.push(number(&mut chars, 8, most, digit.to_digit(8).unwrap_or(0)) as u8);
            }
            Some(other) => {
                out.push(b'\\');
                out.extend_from_slice(&encode(other.encode_utf8(&mut buffer)));
            }
            None => out.push(b'\\'),
        }
    }
    (out, false)
}

/// A word quoted so that a shell reads it back (`%q`).
pub(crate) fn quote(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./:=@%+,".contains(c);
    if text.is_empty() {
        "''".to_owned()
    } else if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

pub(super) async fn echo(ctx: &mut Ctx) -> i32 {
    let (mut newline, mut interpret, mut at) = (true, false, 1);
    while let Some(arg) = ctx.args.get(at) {
        let flags = arg.strip_prefix('-').filter(|f| !f.is_empty() && f.chars().all(|c| "neE".contains(c)));
        let Some(flags) = flags else { break };
        for flag in flags.chars() {
            match flag {
                'n' => newline = false,
                flag => interpret = flag == 'e',
            }
        }
        at += 1;
    }
    let text = ctx.args[at..].join(" ");
    if interpret {
        let (bytes, ended) = escapes(&text, false);
        ctx.emit(&bytes);
        newline &= !ended;
    } else {
        ctx.emit(&encode(&text));
    }
    if newline {
        ctx.emit(b"\n");
    }
    0
}

fn pad(text: Vec<u8>, width: i64, zero: bool) -> Vec<u8> {
    let columns = decode(&text).chars().count();
    let missing = usize::try_from(width.unsigned_abs()).unwrap_or(0).min(100_000).saturating_sub(columns);
    if missing == 0 {
        return text;
    }
    if width < 0 {
        return [text, vec![b' '; missing]].concat();
    }
    if zero {
        let sign = usize::from(text.first() == Some(&b'-'));
        return [&text[..sign], &vec![b'0'; missing], &text[sign..]].concat();
    }
    [vec![b' '; missing], text].concat()
}

fn integer(text: &str) -> Result<i64, i64> {
    let text = text.trim();
    if let Some(c) = text.strip_prefix(['\'', '"']) {
        return Ok(c.chars().next().map_or(0, |c| i64::from(u32::from(c))));
    }
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let parsed = if let Some(hex) = digits.strip_prefix("0x") {
        i64::from_str_radix(hex, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits, 8)
    } else if digits.is_empty() {
        Ok(0)
    } else {
        digits.trim_start_matches('+').parse()
    };
    parsed.map(|n| n * sign).map_err(|_| {
        let lead: String = digits.chars().take_while(char::is_ascii_digit).collect();
        lead.parse::<i64>().unwrap_or(0) * sign
    })
}

pub(super) async fn printf(ctx: &mut Ctx) -> i32 {
    let mut at = 1;
    if ctx.args.get(at).map(String::as_str) == Some("--") {
        at += 1;
    }
    let Some(format) = ctx.args.get(at).cloned() else {
        ctx.complain("usage: printf [-v var] format [arguments]");
        return 2;
    };
    let values: Vec<String> = ctx.args[at + 1..].to_vec();
    let mut status = 0;
    let mut next = 0;
    loop {
        let before = next;
        let mut chars = format.chars().peekable();
        let mut literal = String::new();
        while let Some(c) = chars.next() {
            if c == '\\' {
                literal.push(c);
                literal.extend(chars.next());
                continue;
            }
            if c != '%' {
                literal.push(c);
                continue;
            }
            let (bytes, ended) = escapes(&std::mem::take(&mut literal), false);
            ctx.emit(&bytes);
            if ended {
                return status;
            }
            if chars.peek() == Some(&'%') {
                chars.next();
                ctx.emit(b"%");
                continue;
            }
            let (mut zero, mut left, mut plus, mut hash) = (false, false, false, false);
            while let Some(flag) = chars.next_if(|c| "0-+ #".contains(*c)) {
                match flag {
                    '0' => zero = true,
                    '-' => left = true,
                    '+' => plus = true,
                    '#' => hash = true,
                    _ => {}
                }
            }
            let mut take = || {
                next += 1;
                values.get(next - 1).cloned()
            };
            let mut width: i64 = 0;
            if chars.next_if_eq(&'*').is_some() {
                width = take().and_then(|v| v.parse().ok()).unwrap_or(0);
            }
            while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                width = (width * 10 + i64::from(digit)).min(100_000);
                chars.next();
            }
            let mut precision: Option<usize> = None;
            if chars.next_if_eq(&'.').is_some() {
                let mut value = 0;
                if chars.next_if_eq(&'*').is_some() {
                    value = take().and_then(|v| v.parse().ok()).unwrap_or(0);
                }
                while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                    value = (value * 10 + digit as usize).min(1000);
                    chars.next();
                }
                precision = Some(value);
            }
            if left {
                width = -width;
            }
            let conversion = chars.next().unwrap_or('%');
            let value = take();
            let text = value.clone().unwrap_or_default();
            let mut bad = false;
            let bytes = match conversion {
                's' => {
                    let cut: String = match precision {
                        Some(most) => text.chars().take(most).collect(),
                        None => text,
                    };
                    encode(&cut)
                }
                'b' => {
                    let (bytes, ended) = escapes(&text, false);
                    if ended {
                        ctx.emit(&bytes);
                        return status;
                    }
                    bytes
                }
                'q' => quote(&text).into_bytes(),
                'c' => text.chars().next().map(|c| encode(&c.to_string())).unwrap_or_default(),
                'd' | 'i' | 'u' | 'x' | 'X' | 'o' => {
                    let number = integer(&text).unwrap_or_else(|lead| {
                        bad = true;
                        lead
                    });
                    let mut digits = match conversion {
                        'x' => format!("{}{number:x}", if hash { "0x" } else { "" }),
                        'X' => format!("{number:X}"),
                        'o' => format!("{number:o}"),
                        'u' => (number as u64).to_string(),
                        _ if plus => format!("{number:+}"),
                        _ => number.to_string(),
                    };
                    if let Some(least) = precision {
                        digits = format!("{digits:0>least$}");
                    }
                    digits.into_bytes()
                }
                'f' | 'F' | 'g' | 'e' => {
                    let number: f64 = text.trim().parse().unwrap_or_else(|_| {
                        bad = !text.is_empty();
                        0.0
                    });
                    match conversion {
                        'g' => format!("{number}").into_bytes(),
                        'e' => format!("{number:.*e}", precision.unwrap_or(6)).into_bytes(),
                        _ => format!("{number:.*}", precision.unwrap_or(6)).into_bytes(),
                    }
                }
                '(' => {
                    let pattern: String = chars.by_ref().take_while(|c| *c != ')').collect();
                    chars.next();
                    super::sysinfo::format_time(
                        &pattern,
                        &jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC),
                    )
                    .into_bytes()
                }
                other => {
                    ctx.complain(format!("`{other}': invalid format character"));
                    return 1;
                }
            };
            if bad {
                ctx.complain(format!("{}: invalid number", value.unwrap_or_default()));
                status = 1;
            }
            ctx.emit(&pad(bytes, width, zero && !left));
        }
        let (bytes, ended) = escapes(&literal, false);
        ctx.emit(&bytes);
        if ended || next >= values.len() || next == before {
            return status;
        }
    }
}

pub(super) async fn seq(ctx: &mut Ctx) -> i32 {
    let (mut separator, mut wide) = ("\n".to_owned(), false);
    let mut numbers = Vec::new();
    let mut args = ctx.arguments();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-s" => separator = args.next().unwrap_or_default(),
            "-w" => wide = true,
            other => match other.parse::<i64>() {
                Ok(number) => numbers.push(number),
                Err(_) => return ctx.complain(format!("invalid floating point argument: ‘{other}’")),
            },
        }
    }
    let (first, step, last) = match numbers.as_slice() {
        [last] => (1, 1, *last),
        [first, last] => (*first, 1, *last),
        [first, step, last] => (*first, *step, *last),
        _ => return ctx.complain("missing operand"),
    };
    if step == 0 {
        return ctx.complain("invalid Zero increment value: ‘0’");
    }
    let width = if wide { first.to_string().len().max(last.to_string().len()) } else { 0 };
    let mut value = first;
    let mut begun = false;
    while if step > 0 { value <= last } else { value >= last } {
        if begun {
            ctx.emit(separator.as_bytes());
        }
        begun = true;
        ctx.emit(format!("{value:0width$}").as_bytes());
        value = match value.checked_add(step) {
            Some(next) => next,
            None => break,
        };
        if ctx.buffered() > 32 * 1024 && !ctx.flush().await {
            return super::SIGPIPE;
        }
    }
    if begun {
        ctx.emit(b"\n");
    }
    0
}

pub(super) async fn test(ctx: &mut Ctx) -> i32 {
    let mut args = ctx.args[1..].to_vec();
    if ctx.args[0] == "[" && args.pop().as_deref() != Some("]") {
        ctx.fail(format!("{}: [: missing `]'", ctx.shell_name));
        return 2;
    }
    match crate::engine::memory::shell::evaluate_test(&args, &ctx.files, &ctx.cwd, &ctx.fds) {
        Ok(truth) => i32::from(!truth),
        Err(error) => {
            ctx.fail(format!("{}: {}: {error}", ctx.shell_name, ctx.args[0]));
            2
        }
    }
}

pub(super) async fn expr(ctx: &mut Ctx) -> i32 {
    let words: Vec<&str> = ctx.args[1..].iter().map(String::as_str).collect();
    let value = match words.as_slice() {
        [one] => (*one).to_owned(),
        ["length", text] => text.chars().count().to_string(),
        [text, ":", pattern] => {
            match regex::Regex::new(&format!("^(?:{})", super::editing::basic(pattern))) {
                Ok(regex) => match regex.captures(text) {
                    Some(found) => match found.get(1) {
                        Some(group) => group.as_str().to_owned(),
                        None => found[0].chars().count().to_string(),
                    },
                    None => "0".to_owned(),
                },
                Err(_) => String::new(),
            }
        }
        [left, op, right] => match (left.parse::<i64>(), right.parse::<i64>(), *op) {
            (Ok(a), Ok(b), "+") => a.wrapping_add(b).to_string(),
            (Ok(a), Ok(b), "-") => a.wrapping_sub(b).to_string(),
            (Ok(a), Ok(b), "*") => a.wrapping_mul(b).to_string(),
            (Ok(_), Ok(0), "/" | "%") => {
                ctx.complain("division by zero");
                return 2;
            }
            (Ok(a), Ok(b), "/") => a.wrapping_div(b).to_string(),
            (Ok(a), Ok(b), "%") => a.wrapping_rem(b).to_string(),
            (Ok(a), Ok(b), "<") => u8::from(a < b).to_string(),
            (Ok(a), Ok(b), ">") => u8::from(a > b).to_string(),
            (_, _, "=") => u8::from(left == right).to_string(),
            (_, _, "!=") => u8::from(left != right).to_string(),
            _ => {
                ctx.complain("non-integer argument");
                return 2;
            }
        },
        _ => {
            ctx.complain("syntax error");
            return 2;
        }
    };
    let status = i32::from(value.is_empty() || value == "0");
    ctx.say(value);
    status
}

pub(super) async fn basename(ctx: &mut Ctx) -> i32 {
    let (_, operands) = ctx.simple_args();
    let Some(path) = operands.first() else { return ctx.complain("missing operand") };
    let mut name = base_name(path);
    if let Some(suffix) = operands.get(1) {
        name = name.strip_suffix(suffix.as_str()).filter(|n| !n.is_empty()).unwrap_or(name);
    }
    let name = name.to_owned();
    ctx.say(name);
    0
}

pub(super) async fn dirname(ctx: &mut Ctx) -> i32 {
    let (_, operands) = ctx.simple_args();
    for path in operands {
        let trimmed = path.trim_end_matches('/');
        let dir = match trimmed.rfind('/') {
            Some(0) => "/",
            Some(at) => trimmed[..at].trim_end_matches('/'),
            None if trimmed.is_empty() => "/",
            None => ".",
        };
        ctx.say(dir);
    }
    0
}
