//! Text filters. `cat`, `head` and `tee` stream; the others read everything first.

use super::Ctx;
use crate::engine::memory::world::bytes::{decode, encode};
use crate::engine::memory::world::files::Open;
use crate::engine::memory::world::stream::CHUNK;

const FOLLOW: std::time::Duration = std::time::Duration::from_millis(250);

pub(super) async fn cat(ctx: &mut Ctx) -> i32 {
    let (flags, mut operands) = ctx.simple_args();
    if operands.is_empty() {
        operands.push("-".to_owned());
    }
    let mut status = 0;
    let mut line = 0;
    for path in operands {
        let stream = if path == "-" || path == "/dev/stdin" {
            ctx.fds.get(0)
        } else if ctx.files.is_dir(&ctx.path(&path)) {
            status = ctx.complain(format!("{path}: Is a directory"));
            continue;
        } else {
            match ctx.files.open(&ctx.path(&path), Open::Read, 0, ctx.tty.as_ref()) {
                Ok(stream) => stream,
                Err(error) => {
                    status = ctx.complain(format!("{path}: {error}"));
                    continue;
                }
            }
        };
        loop {
            let bytes = stream.read(CHUNK, None).await;
            if bytes.is_empty() {
                break;
            }
            if flags.contains('n') {
                for text in bytes.split_inclusive(|b| *b == b'\n') {
                    line += 1;
                    ctx.emit(format!("{line:>6}\t").as_bytes());
                    ctx.emit(text);
                }
            } else {
                ctx.emit(&bytes);
            }
            if !ctx.flush().await {
                return super::SIGPIPE;
            }
            tokio::task::yield_now().await;
        }
    }
    status
}

/// A count such as `10`, `2K`, `1M`.
pub(super) fn count(text: &str) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..split].parse().ok()?;
    let unit = match &text[split..] {
        "" | "c" | "B" => 1,
        "b" => 512,
        "K" | "k" | "KiB" => 1 << 10,
        "kB" | "KB" => 1000,
        "M" | "MiB" => 1 << 20,
        "MB" => 1_000_000,
        "G" | "GiB" => 1 << 30,
        "T" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// `-n`/`-c` of `head` and `tail`: whether bytes, the number's text, other flags, and the operands.
fn amounts(ctx: &Ctx) -> (bool, String, String, Vec<String>) {
    let (mut bytes, mut number, mut flags, mut operands) =
        (false, "10".to_owned(), String::new(), Vec::new());
    let mut args = ctx.args[1..].iter();
    while let Some(arg) = args.next() {
        if let Some(value) = arg.strip_prefix("--bytes=") {
            (bytes, number) = (true, value.to_owned());
        } else if let Some(value) = arg.strip_prefix("--lines=") {
            number = value.to_owned();
        } else if let Some(rest) = arg.strip_prefix('-').filter(|r| !r.is_empty() && !arg.starts_with("--")) {
            if rest.starts_with(|c: char| c.is_ascii_digit()) {
                number = rest.to_owned();
                continue;
            }
            match rest.find(['n', 'c']) {
                Some(at) => {
                    bytes = rest[at..].starts_with('c');
                    flags.push_str(&rest[..at]);
                    number = match &rest[at + 1..] {
                        "" => args.next().cloned().unwrap_or_default(),
                        value => value.to_owned(),
                    };
                }
                None => flags.push_str(rest),
            }
        } else if arg == "--follow" {
            flags.push('f');
        } else {
            operands.push(arg.clone());
        }
    }
    (bytes, number, flags, operands)
}

pub(super) async fn head(ctx: &mut Ctx) -> i32 {
    let (bytes, number, flags, operands) = amounts(ctx);
    let all_but = number.starts_with('-');
    let Some(most) = count(number.trim_start_matches('-')) else {
        return ctx
            .complain(format!("invalid number of {}: ‘{number}’", if bytes { "bytes" } else { "lines" }));
    };
    if all_but {
        let (data, status) = ctx.inputs(&operands).await;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if bytes {
            ctx.emit(&data[..data.len().saturating_sub(most)]);
        } else {
            let lines: Vec<&[u8]> = data.split_inclusive(|b| *b == b'\n').collect();
            ctx.emit(&lines[..lines.len().saturating_sub(most)].concat());
        }
        return status;
    }
    let several = operands.len() > 1 && !flags.contains('q');
    let default = vec!["-".to_owned()];
    let mut status = 0;
    for path in if operands.is_empty() { &default } else { &operands } {
        let stream = if path == "-" {
            ctx.fds.get(0)
        } else {
            match ctx.files.open(&ctx.path(path), Open::Read, 0, ctx.tty.as_ref()) {
                Ok(stream) => stream,
                Err(error) => {
                    status = ctx.complain(format!("cannot open '{path}' for reading: {error}"));
                    continue;
                }
            }
        };
        if several {
            ctx.say(format!("==> {path} <=="));
        }
        let mut left = most;
        while left > 0 {
            // Never more than was asked for: whoever reads next gets the rest.
            let (max, stop) = if bytes {
                (usize::try_from(left).unwrap_or(usize::MAX), None)
            } else {
                (CHUNK, Some(b'\n'))
            };
            let data = stream.read(max, stop).await;
            if data.is_empty() {
                break;
            }
            left -= match bytes {
                true => data.len() as u64,
                false => u64::from(data.ends_with(b"\n")),
            };
            ctx.emit(&data);
            if (bytes || ctx.buffered() > CHUNK) && !ctx.flush().await {
                return super::SIGPIPE;
            }
        }
    }
    status
}

pub(super) async fn tail(ctx: &mut Ctx) -> i32 {
    let (bytes, number, flags, operands) = amounts(ctx);
    let from_start = number.starts_with('+');
    let Some(amount) = count(number.trim_start_matches(['+', '-'])) else {
        return ctx
            .complain(format!("invalid number of {}: ‘{number}’", if bytes { "bytes" } else { "lines" }));
    };
    let amount = usize::try_from(amount).unwrap_or(usize::MAX);
    let several = operands.len() > 1 && !flags.contains('q');
    let default = vec!["-".to_owned()];
    let operands = if operands.is_empty() { default } else { operands };
    let mut status = 0;
    let mut seen = 0;
    for path in &operands {
        let data = if path == "-" {
            ctx.fds.get(0).read_all(super::INPUT_LIMIT).await
        } else {
            match ctx.files.read(&ctx.path(path)) {
                Ok(data) => data.as_ref().clone(),
                Err(error) => {
                    status = ctx.complain(format!("cannot open '{path}' for reading: {error}"));
                    continue;
                }
            }
        };
        if several {
            ctx.say(format!("==> {path} <=="));
        }
        seen = data.len();
        let start = if bytes {
            if from_start {
                amount.saturating_sub(1).min(data.len())
            } else {
                data.len().saturating_sub(amount)
            }
        } else {
            let mut starts: Vec<usize> = vec![0];
            starts.extend(data.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i + 1));
            if starts.last() == Some(&data.len()) {
                starts.pop();
            }
            let index =
                if from_start { amount.saturating_sub(1) } else { starts.len().saturating_sub(amount) };
            starts.get(index).copied().unwrap_or(data.len())
        };
        ctx.emit(&data[start..]);
    }
    if flags.to_ascii_lowercase().contains('f') && operands != ["-"] {
        let path = ctx.path(&operands[operands.len() - 1]);
        loop {
            if !ctx.flush().await {
                return super::SIGPIPE;
            }
            tokio::time::sleep(FOLLOW).await;
            if let Ok(data) = ctx.files.read(&path) {
                seen = seen.min(data.len());
                ctx.emit(&data[seen..]);
                seen = data.len();
            }
        }
    }
    status
}

pub(super) async fn wc(ctx: &mut Ctx) -> i32 {
    let (flags, operands) = ctx.simple_args();
    let default = vec![String::new()];
    let mut status = 0;
    let mut totals = [0_usize; 4];
    let count = operands.len();
    for path in if operands.is_empty() { &default } else { &operands } {
        let Some(data) = ctx.input(if path.is_empty() { "-" } else { path }).await else {
            status = 1;
            continue;
        };
        let text = decode(&data);
        let figures = [
            data.iter().filter(|b| **b == b'\n').count(),
            text.split_whitespace().count(),
            text.chars().count(),
            data.len(),
        ];
        for (total, figure) in totals.iter_mut().zip(figures) {
            *total += figure;
        }
        report(ctx, &flags, figures, path);
    }
    if count > 1 {
        report(ctx, &flags, totals, "total");
    }
    status
}

fn report(ctx: &mut Ctx, flags: &str, figures: [usize; 4], path: &str) {
    let chosen: Vec<String> = "lwmc"
        .chars()
        .zip(figures)
        .filter(|(flag, _)| if flags.is_empty() { *flag != 'm' } else { flags.contains(*flag) })
        .map(|(_, figure)| figure.to_string())
        .collect();
    let text = match chosen.as_slice() {
        [one] => one.clone(),
        several => several.iter().map(|f| format!("{f:>7}")).collect::<Vec<_>>().join(" "),
    };
    ctx.say(format!("{text} {path}").trim_end());
}

/// `1,3-5,7-` as inclusive ranges from 1.
fn ranges(text: &str) -> Option<Vec<(usize, usize)>> {
    text.split(',')
        .map(|part| match part.split_once('-') {
            None => part.parse().ok().map(|n| (n, n)),
            Some((low, high)) => {
                let low = if low.is_empty() { 1 } else { low.parse().ok()? };
                let high = if high.is_empty() { usize::MAX } else { high.parse().ok()? };
                Some((low, high))
            }
        })
        .collect()
}

pub(super) async fn cut(ctx: &mut Ctx) -> i32 {
    let (mut delimiter, mut fields, mut chars, mut only, mut out_delimiter) = ('\t', None, None, false, None);
    let mut operands = Vec::new();
    let mut args = ctx.arguments();
    while let Some(arg) = args.next() {
        let mut value = |prefix: &str| {
            let rest = arg[prefix.len()..].to_owned();
            if rest.is_empty() { args.next().unwrap_or_default() } else { rest }
        };
        if arg.starts_with("-d") {
            delimiter = value("-d").chars().next().unwrap_or('\t');
        } else if arg.starts_with("-f") {
            fields = ranges(&value("-f"));
        } else if arg.starts_with("-c") || arg.starts_with("-b") {
            chars = ranges(&value("-c"));
        } else if arg == "-s" {
            only = true;
        } else if let Some(text) = arg.strip_prefix("--output-delimiter=") {
            out_delimiter = Some(text.to_owned());
        } else {
            operands.push(arg);
        }
    }
    let (data, status) = ctx.inputs(&operands).await;
    let inside =
        |list: &[(usize, usize)], n: usize| list.iter().any(|(low, high)| (*low..=*high).contains(&n));
    for line in decode(&data).lines() {
        if let Some(list) = &chars {
            let kept: String =
                line.chars().enumerate().filter(|(i, _)| inside(list, i + 1)).map(|(_, c)| c).collect();
            ctx.say(kept);
        } else if let Some(list) = &fields {
            if !line.contains(delimiter) {
                if !only {
                    ctx.say(line);
                }
                continue;
            }
            let kept: Vec<&str> = line
                .split(delimiter)
                .enumerate()
                .filter(|(i, _)| inside(list, i + 1))
                .map(|(_, f)| f)
                .collect();
            ctx.say(kept.join(out_delimiter.as_deref().unwrap_or(&delimiter.to_string())));
        } else {
            return ctx.complain("you must specify a list of bytes, characters, or fields");
        }
    }
    status
}

/// The characters of a `tr` set.
fn set(text: &str) -> Vec<char> {
    use crate::engine::memory::shell::pattern::class;
    let mut out = Vec::new();
    let text = decode(&super::printf::escapes(text, true).0);
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        if chars[at..].starts_with(&['[', ':']) {
            let rest: String = chars[at + 2..].iter().collect();
            if let Some(end) = rest.find(":]") {
                out.extend((0..=255).map(char::from).filter(|c| c.is_ascii() && class(&rest[..end], *c)));
                at += end + 4;
                continue;
            }
        }
        if chars.get(at + 1) == Some(&'-') && at + 2 < chars.len() {
            out.extend(chars[at]..=chars[at + 2]);
            at += 3;
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out
}

pub(super) async fn tr(ctx: &mut Ctx) -> i32 {
    let (flags, operands) = ctx.simple_args();
    let Some(from) = operands.first().map(|s| set(s)) else { return ctx.complain("missing operand") };
    let to = operands.get(1).map(|s| set(s)).unwrap_or_default();
    let complement = flags.contains(['c', 'C']);
    let data = ctx.input("-").await.unwrap_or_default();
    let member = |c: char| from.contains(&c) != complement;
    let squeezed = |c: char| match flags.contains('d') || !to.is_empty() {
        true => to.contains(&c),
        false => member(c),
    };
    let mut out = String::with_capacity(data.len());
    let mut last = None;
    for c in decode(&data).chars() {
        let mut c = c;
        if member(c) {
            if flags.contains('d') {
                continue;
            }
            if !to.is_empty() {
                let at =
                    if complement { to.len() - 1 } else { from.iter().position(|f| *f == c).unwrap_or(0) };
                c = to[at.min(to.len() - 1)];
            }
        }
        if flags.contains('s') && last == Some(c) && squeezed(c) {
            continue;
        }
        last = Some(c);
        out.push(c);
    }
    ctx.emit(&encode(&out));
    0
}

pub(super) async fn sort(ctx: &mut Ctx) -> i32 {
    let (mut flags, mut operands, mut key, mut separator) = (String::new(), Vec::new(), None, None);
    let mut output = None;
    let mut args = ctx.arguments();
    while let Some(arg) = args.next() {
        if arg == "-o" {
            output = args.next();
        } else if let Some(rest) = arg.strip_prefix("-k") {
            let spec = if rest.is_empty() { args.next().unwrap_or_default() } else { rest.to_owned() };
            flags.extend(spec.chars().filter(|c| "nrV".contains(*c)));
            key = spec.split(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse::<usize>().ok());
        } else if let Some(rest) = arg.strip_prefix("-t") {
            let text = if rest.is_empty() { args.next().unwrap_or_default() } else { rest.to_owned() };
            separator = text.chars().next();
        } else if arg.starts_with('-') && arg.len() > 1 {
            flags.push_str(&arg[1..]);
        } else {
            operands.push(arg);
        }
    }
    let (data, status) = ctx.inputs(&operands).await;
    let text = decode(&data);
    let zero = flags.contains('z');
    let mut lines: Vec<&str> =
        if zero { text.split_terminator('\0').collect() } else { text.lines().collect() };
    let part = |line: &str| -> String {
        match key {
            None => line.to_owned(),
            Some(n) => match separator {
                Some(c) => line.splitn(n, c).nth(n - 1).unwrap_or_default().to_owned(),
                None => line.split_whitespace().skip(n.saturating_sub(1)).collect::<Vec<_>>().join(" "),
            },
        }
    };
    let number = |text: &str| -> f64 {
        let text = text.trim_start();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-').unwrap_or(text.len());
        text[..end].parse().unwrap_or(0.0)
    };
    let version = |text: &str| -> Vec<u64> {
        text.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect()
    };
    lines.sort_by(|left, right| {
        let (a, b) = (part(left), part(right));
        let order = if flags.contains('n') || flags.contains('h') {
            number(&a).total_cmp(&number(&b))
        } else if flags.contains('V') {
            version(&a).cmp(&version(&b))
        } else if flags.contains('f') {
            a.to_lowercase().cmp(&b.to_lowercase())
        } else {
            a.cmp(&b)
        };
        let order = order.then_with(|| left.cmp(right));
        if flags.contains('r') { order.reverse() } else { order }
    });
    if flags.contains('u') {
        lines.dedup_by_key(|line| part(line));
    }
    let end = if zero { "\0" } else { "\n" };
    let sorted: String = lines.iter().flat_map(|line| [*line, end]).collect();
    match output {
        Some(path) => {
            let path = ctx.path(&path);
            if let Err(error) = ctx.files.write(&path, encode(&sorted), 0o644) {
                return ctx.complain(error.to_string());
            }
        }
        None => ctx.emit(&encode(&sorted)),
    }
    status
}

pub(super) async fn uniq(ctx: &mut Ctx) -> i32 {
    let (flags, operands) = ctx.simple_args();
    let (data, status) = ctx.inputs(&operands[..operands.len().min(1)]).await;
    let text = decode(&data);
    let mut groups: Vec<(&str, usize)> = Vec::new();
    for line in text.lines() {
        match groups.last_mut() {
            Some((last, count)) if *last == line => *count += 1,
            _ => groups.push((line, 1)),
        }
    }
    for (line, count) in groups {
        if flags.contains('d') && count < 2 || flags.contains('u') && count > 1 {
            continue;
        }
        if flags.contains('c') {
            ctx.say(format!("{count:>7} {line}"));
        } else {
            ctx.say(line);
        }
    }
    status
}

pub(super) async fn tee(ctx: &mut Ctx) -> i32 {
    let (flags, operands) = ctx.simple_args();
    let how = if flags.contains('a') { Open::Append } else { Open::Write };
    let mut outputs = Vec::new();
    let mut status = 0;
    for path in operands {
        match ctx.files.open(&ctx.path(&path), how, 0o644, ctx.tty.as_ref()) {
            Ok(stream) => outputs.push(stream),
            Err(error) => status = ctx.complain(format!("{path}: {error}")),
        }
    }
    let input = ctx.fds.get(0);
    loop {
        let data = input.read(CHUNK, None).await;
        if data.is_empty() {
            return status;
        }
        for output in &outputs {
            if let Err(error) = output.write(&data).await {
                status = ctx.complain(error.to_string());
            }
        }
        ctx.emit(&data);
        if !ctx.flush().await && outputs.is_empty() {
            return super::SIGPIPE;
        }
    }
}

pub(super) async fn tac(ctx: &mut Ctx) -> i32 {
    let (_, operands) = ctx.simple_args();
    let (data, status) = ctx.inputs(&operands).await;
    let mut lines: Vec<&[u8]> = data.split_inclusive(|b| *b == b'\n').collect();
    lines.reverse();
    ctx.emit(&lines.concat());
    status
}

pub(super) async fn rev(ctx: &mut Ctx) -> i32 {
    let (_, operands) = ctx.simple_args();
    let (data, status) = ctx.inputs(&operands).await;
    for line in decode(&data).lines() {
        ctx.say(line.chars().rev().collect::<String>());
    }
    status
}

pub(super) async fn paste(ctx: &mut Ctx) -> i32 {
    let (mut delimiter, mut serial, mut operands) = ("\t".to_owned(), false, Vec::new());
    let mut args = ctx.arguments();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-s" => serial = true,
            "-d" => delimiter = args.next().unwrap_or_default(),
            "-sd" => (serial, delimiter) = (true, args.next().unwrap_or_default()),
            _ if arg.starts_with("-sd") => (serial, delimiter) = (true, arg[3..].to_owned()),
            _ if arg.starts_with("-d") => delimiter = arg[2..].to_owned(),
            _ => operands.push(arg),
        }
    }
    if operands.is_empty() {
        operands.push("-".to_owned());
    }
    let mut columns = Vec::new();
    for path in &operands {
        let Some(data) = ctx.input(path).await else { return 1 };
        columns.push(decode(&data).lines().map(str::to_owned).collect::<Vec<_>>());
    }
    if serial {
        for column in columns {
            ctx.say(column.join(&delimiter));
        }
        return 0;
    }
    for row in 0..columns.iter().map(Vec::len).max().unwrap_or(0) {
        let cells: Vec<&str> = columns.iter().map(|c| c.get(row).map_or("", String::as_str)).collect();
        ctx.say(cells.join(&delimiter));
    }
    0
}

pub(super) async fn nl(ctx: &mut Ctx) -> i32 {
    let (_, operands) = ctx.simple_args();
    let (data, status) = ctx.inputs(&operands).await;
    let mut number = 0;
    for line in decode(&data).lines() {
        if line.is_empty() {
            ctx.say("");
        } else {
            number += 1;
            ctx.say(format!("{number:>6}\t{line}"));
        }
    }
    status
}
