//! Looking at files: `ls`, `stat`, `find`, `du`, `df`, `readlink`.

use super::{Ctx, run};
use crate::engine::memory::shell::pattern::matches;
use crate::engine::memory::world::files::{base_name, mode_text};
use crate::engine::memory::world::vfs::{Entry, Kind, absolute, now};

fn owner_name(id: u32) -> String {
    match id {
        0 => "root".to_owned(),
        33 => "www-data".to_owned(),
        65534 => "nobody".to_owned(),
        other => other.to_string(),
    }
}

fn line(ctx: &Ctx, entry: &Entry, size: u64, name: &str) -> String {
    let time = jiff::Timestamp::from_second(entry.mtime).unwrap_or_default();
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).strftime("%b %e %H:%M").to_string();
    let arrow = match &entry.kind {
        Kind::Link(target) => format!(" -> {target}"),
        _ => String::new(),
    };
    let links = match &entry.kind {
        Kind::File(inode) => ctx.files.guest.lock().vfs.links(*inode),
        _ => 1,
    };
    let (user, group) = (owner_name(entry.uid), owner_name(entry.gid));
    format!("{} {links:>2} {user} {group} {size:>8} {time} {name}{arrow}", mode_text(entry))
}

pub(super) async fn ls(ctx: &mut Ctx) -> i32 {
    let (flags, mut operands) = ctx.simple_args();
    if operands.is_empty() {
        operands.push(".".to_owned());
    }
    let long = flags.contains('l');
    let several = operands.len() > 1;
    let mut status = 0;
    for path in operands {
        let full = ctx.path(&path);
        let (entry, size) = match ctx.files.stat(&full, !long) {
            Ok(found) => found,
            Err(error) => {
                ctx.complain(format!("cannot access '{path}': {error}"));
                status = 2;
                continue;
            }
        };
        if flags.contains('d') || entry.kind != Kind::Dir {
            let text = if long { line(ctx, &entry, size, &path) } else { path.clone() };
            ctx.say(text);
            continue;
        }
        if several {
            ctx.say(format!("{path}:"));
        }
        let mut names = ctx.files.list(&full).unwrap_or_default();
        if flags.contains('a') {
            names.splice(0..0, [".".to_owned(), "..".to_owned()]);
        } else if !flags.contains('A') {
            names.retain(|name| !name.starts_with('.'));
        }
        if flags.contains('t') {
            names.sort_by_key(|name| {
                std::cmp::Reverse(
                    ctx.files.stat(&format!("{full}/{name}"), false).map_or(0, |(e, _)| e.mtime),
                )
            });
        }
        if flags.contains('r') {
            names.reverse();
        }
        let columns = ctx.fds.get(1).is_tty() && !long && !flags.contains('1');
        if columns && !names.is_empty() {
            ctx.say(names.join("  "));
            continue;
        }
        for name in names {
            let child = absolute(&full, &name);
            let text = match ctx.files.stat(&child, false) {
                Ok((entry, size)) if long => line(ctx, &entry, size, &name),
                _ => name,
            };
            ctx.say(text);
        }
    }
    status
}

pub(super) async fn stat(ctx: &mut Ctx) -> i32 {
    let (mut format, mut follow, mut operands) = (None, false, Vec::new());
    let mut args = ctx.arguments();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-c" | "--format" => format = args.next(),
            "-L" => follow = true,
            "-Lc" => (follow, format) = (true, args.next()),
            other => match other.strip_prefix("--format=").or_else(|| other.strip_prefix("-c")) {
                Some(text) => format = Some(text.to_owned()),
                None => operands.push(arg),
            },
        }
    }
    let mut status = 0;
    for path in operands {
        let (entry, size) = match ctx.files.stat(&ctx.path(&path), follow) {
            Ok(found) => found,
            Err(error) => {
                status = ctx.complain(format!("cannot statx '{path}': {error}"));
                continue;
            }
        };
        let kind = match (&entry.kind, size) {
            (Kind::Dir, _) => "directory",
            (Kind::File(_), 0) => "regular empty file",
            (Kind::File(_), _) => "regular file",
            (Kind::Link(_), _) => "symbolic link",
            (Kind::Dev(_), _) => "character special file",
        };
        let Some(format) = &format else {
            ctx.say(format!("  File: {path}\n  Size: {size}\t{kind}"));
            ctx.say(format!(
                "Access: ({:04o}/{})  Uid: {}  Gid: {}",
                entry.mode,
                mode_text(&entry),
                entry.uid,
                entry.gid
            ));
            continue;
        };
        let mut out = String::new();
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some('s') => out.push_str(&size.to_string()),
                Some('a') => out.push_str(&format!("{:o}", entry.mode & 0o7777)),
                Some('A') => out.push_str(&mode_text(&entry)),
                Some('u') => out.push_str(&entry.uid.to_string()),
                Some('g') => out.push_str(&entry.gid.to_string()),
                Some('U') => out.push_str(&owner_name(entry.uid)),
                Some('G') => out.push_str(&owner_name(entry.gid)),
                Some('n') => out.push_str(&path),
                Some('F') => out.push_str(kind),
                Some('X' | 'Y' | 'Z' | 'W') => out.push_str(&entry.mtime.to_string()),
                Some('h') => out.push('1'),
                Some('b') => out.push_str(&size.div_ceil(512).to_string()),
                Some('B') => out.push_str("512"),
                Some('i') => out.push_str(&match entry.kind {
                    Kind::File(inode) => (inode + 1000).to_string(),
                    _ => "2".to_owned(),
                }),
                Some('m') => out.push('/'),
                other => out.extend(other),
            }
        }
        ctx.say(out);
    }
    status
}

/// Regular files at or below a path.
pub(super) fn files_below(ctx: &Ctx, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    walk(ctx, path, 0, usize::MAX, false, &mut |path, entry, _| {
        if matches!(entry.kind, Kind::File(_)) {
            found.push(path.to_owned());
        }
    });
    found
}

fn walk(
    ctx: &Ctx,
    path: &str,
    depth: usize,
    most: usize,
    depth_first: bool,
    visit: &mut dyn FnMut(&str, &Entry, usize),
) {
    let Ok((entry, _)) = ctx.files.stat(&ctx.path(path), false) else { return };
    if !depth_first {
        visit(path, &entry, depth);
    }
    if entry.kind == Kind::Dir && depth < most {
        for name in ctx.files.list(&ctx.path(path)).unwrap_or_default() {
            walk(ctx, &format!("{}/{name}", path.trim_end_matches('/')), depth + 1, most, depth_first, visit);
        }
    }
    if depth_first {
        visit(path, &entry, depth);
    }
}

#[derive(Debug)]
enum Test {
    Name(String, bool),
    Path(String),
    Kind(char),
    Empty,
    Age(char, i64, i64),
    Not(Box<Test>),
}

impl Test {
    fn holds(&self, ctx: &Ctx, path: &str, entry: &Entry) -> bool {
        match self {
            Self::Name(pattern, true) => matches(&pattern.to_lowercase(), &base_name(path).to_lowercase()),
            Self::Name(pattern, false) => matches(pattern, base_name(path)),
            Self::Path(pattern) => matches(pattern, path),
            Self::Kind(kind) => match entry.kind {
                Kind::Dir => *kind == 'd',
                Kind::File(_) => *kind == 'f',
                Kind::Link(_) => *kind == 'l',
                Kind::Dev(_) => *kind == 'c',
            },
            Self::Empty => match entry.kind {
                Kind::Dir => ctx.files.list(&ctx.path(path)).is_ok_and(|names| names.is_empty()),
                _ => ctx.files.stat(&ctx.path(path), false).is_ok_and(|(_, size)| size == 0),
            },
            Self::Age(sign, amount, unit) => {
                let age = (now() - entry.mtime) / unit;
                match sign {
                    '+' => age > *amount,
                    '-' => age < *amount,
                    _ => age == *amount,
                }
            }
            Self::Not(inner) => !inner.holds(ctx, path, entry),
        }
    }
}

pub(super) async fn find(ctx: &mut Ctx) -> i32 {
    let args = ctx.args[1..].to_vec();
    let start = args.iter().position(|a| a.starts_with('-') || a == "!" || a == "(").unwrap_or(args.len());
    let mut roots = args[..start].to_vec();
    if roots.is_empty() {
        roots.push(".".to_owned());
    }
    let (mut tests, mut least, mut most, mut delete, mut null) =
        (Vec::new(), 0_usize, usize::MAX, false, false);
    let mut exec: Option<(Vec<String>, bool)> = None;
    let mut negate = false;
    let mut rest = args[start..].iter().cloned();
    while let Some(arg) = rest.next() {
        let mut value = || rest.next().unwrap_or_default();
        let test = match arg.as_str() {
            "-name" => Some(Test::Name(value(), false)),
            "-iname" => Some(Test::Name(value(), true)),
            "-path" | "-wholename" => Some(Test::Path(value())),
            "-type" => Some(Test::Kind(value().chars().next().unwrap_or('f'))),
            "-empty" => Some(Test::Empty),
            "-mtime" | "-mmin" => {
                let text = value();
                let unit = if arg == "-mtime" { 86_400 } else { 60 };
                let sign = text.chars().next().unwrap_or('0');
                Some(Test::Age(sign, text.trim_start_matches(['+', '-']).parse().unwrap_or(0), unit))
            }
            "-maxdepth" => {
                most = value().parse().unwrap_or(most);
                None
            }
            "-mindepth" => {
                least = value().parse().unwrap_or(0);
                None
            }
            "!" | "-not" => {
                negate = !negate;
                continue;
            }
            "-delete" => {
                delete = true;
                None
            }
            "-print0" => {
                null = true;
                None
            }
            "-exec" => {
                let mut words = Vec::new();
                let mut batch = false;
                for word in rest.by_ref() {
                    match word.as_str() {
                        ";" => break,
                        "+" => {
                            batch = true;
                            break;
                        }
                        _ => words.push(word),
                    }
                }
                exec = Some((words, batch));
                None
            }
            "-print" | "-xdev" | "-depth" | "-a" | "-mount" => None,
            other => return ctx.complain(format!("unknown predicate `{other}'")),
        };
        if let Some(test) = test {
            tests.push(if std::mem::take(&mut negate) { Test::Not(Box::new(test)) } else { test });
        }
    }
    let mut status = 0;
    let mut found = Vec::new();
    for root in roots {
        if ctx.files.stat(&ctx.path(&root), false).is_err() {
            status = ctx.complain(format!("‘{root}’: No such file or directory"));
            continue;
        }
        walk(ctx, &root, 0, most, delete, &mut |path, entry, depth| {
            if depth >= least && tests.iter().all(|test| test.holds(ctx, path, entry)) {
                found.push(path.to_owned());
            }
        });
    }
    if let Some((words, batch)) = exec {
        let calls: Vec<Vec<String>> = match batch {
            true if found.is_empty() => Vec::new(),
            true => vec![words.iter().filter(|w| *w != "{}").cloned().chain(found.iter().cloned()).collect()],
            false => found.iter().map(|path| words.iter().map(|w| w.replace("{}", path)).collect()).collect(),
        };
        for call in calls {
            ctx.flush().await;
            if run(ctx.child(call)).await != 0 && batch {
                status = 1;
            }
        }
        return status;
    }
    for path in found {
        if delete {
            let _ = ctx.files.change(&ctx.path(&path), false, |vfs, key| vfs.remove(key));
        } else if null {
            ctx.emit(format!("{path}\0").as_bytes());
        } else {
            ctx.say(path);
        }
    }
    status
}

/// `1.5K` for bytes.
pub(super) fn human(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["", "K", "M", "G", "T"] {
        if value < 1024.0 || unit == "T" {
            return if unit.is_empty() || value >= 10.0 {
                format!("{}{unit}", value.ceil())
            } else {
                format!("{value:.1}{unit}")
            };
        }
        value /= 1024.0;
    }
    bytes.to_string()
}

pub(super) async fn du(ctx: &mut Ctx) -> i32 {
    let (flags, mut operands) = ctx.simple_args();
    operands.retain(|o| o.parse::<u32>().is_err());
    if operands.is_empty() {
        operands.push(".".to_owned());
    }
    let unit = if flags.contains('b') {
        1
    } else if flags.contains('m') {
        1 << 20
    } else {
        1024
    };
    for path in operands {
        let mut total = 0_u64;
        let mut missing = true;
        walk(ctx, &path, 0, usize::MAX, false, &mut |found, _, _| {
            missing = false;
            let size = ctx.files.stat(&ctx.path(found), false).map_or(0, |(_, size)| size);
            total += if unit == 1 { size } else { size.next_multiple_of(4096).max(4096) };
        });
        if missing {
            return ctx.complain(format!("cannot access '{path}': No such file or directory"));
        }
        let text = if flags.contains('h') { human(total) } else { total.div_ceil(unit).to_string() };
        ctx.say(format!("{text}\t{path}"));
    }
    0
}

pub(super) async fn df(ctx: &mut Ctx) -> i32 {
    let (flags, _) = ctx.simple_args();
    let guest = ctx.guest();
    let (size, used) = (guest.disk_size(), crate::engine::memory::usage::disk(&guest));
    let free = size.saturating_sub(used);
    let show = |bytes: u64| match flags.contains('h') {
        true => human(bytes),
        false if flags.contains('B') => bytes.to_string(),
        false => (bytes / 1024).to_string(),
    };
    let percent = used * 100 / size.max(1);
    let output = ctx.args.iter().find_map(|a| a.strip_prefix("--output=").map(str::to_owned));
    if let Some(columns) = output {
        let cells = |head: bool| {
            let cell = |name: &str| match (name, head) {
                ("avail", true) => "Avail".to_owned(),
                ("used", true) => "Used".to_owned(),
                ("size", true) => "1K-blocks".to_owned(),
                ("pcent", true) => "Use%".to_owned(),
                ("avail", false) => show(free),
                ("used", false) => show(used),
                ("size", false) => show(size),
                ("pcent", false) => format!("{percent}%"),
                (_, true) => "Mounted on".to_owned(),
                _ => "/".to_owned(),
            };
            columns.split(',').map(cell).collect::<Vec<_>>().join(" ")
        };
        ctx.say(cells(true));
        ctx.say(cells(false));
        return 0;
    }
    ctx.say("Filesystem     1K-blocks     Used Available Use% Mounted on");
    ctx.say(format!("rootfs {:>14} {:>8} {:>9} {percent:>3}% /", show(size), show(used), show(free)));
    0
}

pub(super) async fn readlink(ctx: &mut Ctx) -> i32 {
    let (flags, operands) = ctx.simple_args();
    let resolve = flags.contains(['f', 'e', 'm']) || ctx.name() == "realpath";
    let mut status = 0;
    for path in operands {
        let full = ctx.path(&path);
        if resolve {
            let prefix = ctx.files.root.prefix.clone();
            match ctx.files.with(&full, true, |_, key| Ok(key.to_owned())) {
                Ok(key) if !flags.contains('e') || ctx.files.exists(&full) => {
                    ctx.say(key.strip_prefix(&prefix).unwrap_or(&key));
                }
                _ => status = 1,
            }
        } else {
            match ctx.files.stat(&full, false) {
                Ok((Entry { kind: Kind::Link(target), .. }, _)) => ctx.say(target),
                _ => status = 1,
            }
        }
    }
    status
}
