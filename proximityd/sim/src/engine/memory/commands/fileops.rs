//! Changing files: `mkdir`, `rm`, `mv`, `cp`, `ln`, `chmod`, `chown`, `touch`.

use super::Ctx;
use crate::engine::memory::world::files::base_name;
use crate::engine::memory::world::vfs::{FsError, Kind, now};

pub(super) async fn mkdir(ctx: &mut Ctx) -> i32 {
    let (mut parents, mut mode, mut operands) = (false, 0o777 & !ctx.umask, Vec::new());
    let mut args = ctx.arguments();
    while let Some(arg) = args.next() {
        let text = match arg.as_str() {
            "-m" | "--mode" | "-pm" => {
                parents |= arg == "-pm";
                args.next()
            }
            other if other.starts_with("--mode=") => Some(other[7..].to_owned()),
            other if other.starts_with("-m") => Some(other[2..].to_owned()),
            "--parents" => {
                parents = true;
                None
            }
            other if other.starts_with('-') && other.len() > 1 => {
                parents |= other.contains('p');
                None
            }
            _ => {
                operands.push(arg);
                None
            }
        };
        if let Some(text) = text {
            mode = new_mode(&text, 0o777, true).unwrap_or(mode);
        }
    }
    let mut status = 0;
    for path in operands {
        let full = ctx.path(&path);
        let made = match parents {
            true => ctx.files.mkdir_all(&full, mode),
            false => ctx.files.change(&full, true, |vfs, key| vfs.mkdir(key, mode)),
        };
        if let Err(error) = made {
            status = ctx.complain(format!("cannot create directory ‘{path}’: {error}"));
        }
    }
    status
}

pub(super) async fn rmdir(ctx: &mut Ctx) -> i32 {
    let (_, operands) = ctx.simple_args();
    let mut status = 0;
    for path in operands {
        let gone =
            ctx.files.change(&ctx.path(&path), false, |vfs, key| match vfs.entry(key).map(|e| &e.kind) {
                Some(Kind::Dir) => vfs.remove(key),
                Some(_) => Err(FsError::NotDir),
                None => Err(FsError::NotFound),
            });
        if let Err(error) = gone {
            status = ctx.complain(format!("failed to remove '{path}': {error}"));
        }
    }
    status
}

pub(super) async fn rm(ctx: &mut Ctx) -> i32 {
    let (flags, operands) = ctx.simple_args();
    let mut status = 0;
    for path in operands {
        let full = ctx.path(&path);
        if matches!(base_name(&path), "." | "..") || path == "/" {
            status = ctx.complain(format!("it is dangerous to operate recursively on '{path}'"));
            continue;
        }
        let recursive = flags.contains(['r', 'R']);
        let gone = ctx.files.change(&full, false, |vfs, key| match vfs.entry(key).map(|e| &e.kind) {
            Some(Kind::Dir) if recursive => {
                vfs.remove_all(key);
                Ok(())
            }
            Some(Kind::Dir) => Err(FsError::IsDir),
            _ => vfs.remove(key),
        });
        match gone {
            Err(FsError::NotFound | FsError::NotDir) if flags.contains('f') => {}
            Err(error) => status = ctx.complain(format!("cannot remove '{path}': {error}")),
            Ok(()) => {}
        }
    }
    status
}

/// Splits operands into sources and the target; the target's full path for each source.
pub(super) fn targets(
    ctx: &mut Ctx,
    operands: &[String],
    to_dir: Option<&str>,
    plain: bool,
) -> Option<Vec<(String, String)>> {
    let (sources, target) = match to_dir {
        Some(dir) => (operands, dir.to_owned()),
        None => match operands.split_last() {
            Some((target, sources)) if !sources.is_empty() => (sources, target.clone()),
            _ => {
                ctx.complain("missing file operand");
                return None;
            }
        },
    };
    let full = ctx.path(&target);
    let into = !plain && (ctx.files.is_dir(&full) || to_dir.is_some());
    if sources.len() > 1 && !into {
        ctx.complain(format!("target '{target}': No such file or directory"));
        return None;
    }
    Some(
        sources
            .iter()
            .map(|source| {
                let to = match into {
                    true => format!("{}/{}", full.trim_end_matches('/'), base_name(source)),
                    false => full.trim_end_matches('/').to_owned(),
                };
                (ctx.path(source), to)
            })
            .collect(),
    )
}

/// Options with a value (`-t DIR`) apart, the rest as [`Ctx::simple_args`].
fn with_target(ctx: &mut Ctx) -> (String, Vec<String>, Option<String>) {
    let mut dir = None;
    if let Some(at) = ctx.args.iter().position(|a| a == "-t") {
        ctx.args.remove(at);
        if at < ctx.args.len() {
            dir = Some(ctx.args.remove(at));
        }
    }
    let (flags, operands) = ctx.simple_args();
    (flags, operands, dir)
}

pub(super) async fn mv(ctx: &mut Ctx) -> i32 {
    let (flags, operands, dir) = with_target(ctx);
    let Some(pairs) = targets(ctx, &operands, dir.as_deref(), flags.contains('T')) else { return 1 };
    let mut status = 0;
    for (from, to) in pairs {
        if flags.contains('n') && ctx.files.exists(&to) {
            continue;
        }
        let files = ctx.files.clone();
        let moved = files
            .with(&from, false, |_, key| Ok(key.to_owned()))
            .and_then(|source| files.change(&to, false, |vfs, target| vfs.rename(&source, target)));
        if let Err(error) = moved {
            let what = match error {
                FsError::NotFound if ctx.files.stat(&from, false).is_err() => format!("cannot stat '{from}'"),
                _ => format!("cannot move '{from}' to '{to}'"),
            };
            status = ctx.complain(format!("{what}: {error}"));
        }
    }
    status
}

/// Copies one entry; directories with all below them.
fn copy(ctx: &Ctx, from: &str, to: &str, flags: &str) -> Result<(), FsError> {
    let keep = flags.contains(['a', 'p']);
    let follow = !flags.contains(['a', 'd', 'P', 'r', 'R']);
    let (entry, _) = ctx.files.stat(from, follow)?;
    match &entry.kind {
        Kind::Dir => {
            if !flags.contains(['r', 'R', 'a']) {
                return Err(FsError::IsDir);
            }
            ctx.files.mkdir_all(to, entry.mode)?;
            for name in ctx.files.list(from)? {
                copy(ctx, &format!("{from}/{name}"), &format!("{to}/{name}"), flags)?;
            }
        }
        Kind::Link(target) => {
            ctx.files.change(to, false, |vfs, key| {
                let _ = vfs.remove(key);
                vfs.symlink(key, target)
            })?;
            return Ok(());
        }
        _ => {
            let data = ctx.files.read(from)?;
            ctx.files.write(to, data.as_ref().clone(), entry.mode & !if keep { 0 } else { ctx.umask })?;
        }
    }
    if keep {
        ctx.files.change(to, true, |vfs, key| {
            if let Some(copy) = vfs.entry_mut(key) {
                (copy.mode, copy.uid, copy.gid, copy.mtime) = (entry.mode, entry.uid, entry.gid, entry.mtime);
            }
            Ok(())
        })?;
    }
    Ok(())
}

pub(super) async fn cp(ctx: &mut Ctx) -> i32 {
    let (flags, operands, dir) = with_target(ctx);
    let contents_only = operands.len() == 2 && operands[0].ends_with("/.");
    let Some(pairs) = targets(ctx, &operands, dir.as_deref(), flags.contains('T') || contents_only) else {
        return 1;
    };
    let mut status = 0;
    for (from, to) in pairs {
        if flags.contains('n') && ctx.files.exists(&to) {
            continue;
        }
        if format!("{to}/").starts_with(&format!("{from}/")) && ctx.files.is_dir(&from) {
            status = ctx.complain(format!("cannot copy a directory, '{from}', into itself, '{to}'"));
            continue;
        }
        match copy(ctx, &from, &to, &flags) {
            Ok(()) => {}
            Err(FsError::IsDir) => {
                status = ctx.complain(format!("-r not specified; omitting directory '{from}'"))
            }
            Err(error) => status = ctx.complain(format!("cannot copy '{from}' to '{to}': {error}")),
        }
    }
    status
}

pub(super) async fn ln(ctx: &mut Ctx) -> i32 {
    let (flags, mut operands, dir) = with_target(ctx);
    if operands.len() == 1 && dir.is_none() {
        operands.push(".".to_owned());
    }
    let plain = flags.contains(['T', 'n']);
    let Some(pairs) = targets(ctx, &operands, dir.as_deref(), plain) else { return 1 };
    let mut status = 0;
    for ((from, to), written) in pairs.into_iter().zip(&operands) {
        let files = ctx.files.clone();
        if flags.contains('f') {
            let _ = files.change(&to, false, |vfs, key| match vfs.entry(key).map(|e| &e.kind) {
                Some(Kind::Dir) | None => Ok(()),
                Some(_) => vfs.remove(key),
            });
        }
        let made = match flags.contains('s') {
            true => files.change(&to, false, |vfs, key| vfs.symlink(key, written)),
            false => files
                .with(&from, true, |_, key| Ok(key.to_owned()))
                .and_then(|source| files.change(&to, false, |vfs, key| vfs.hard_link(&source, key))),
        };
        if let Err(error) = made {
            status = ctx.complain(format!("failed to create link '{to}': {error}"));
        }
    }
    status
}

/// A mode written in octal or symbols, applied to `old`.
pub(super) fn new_mode(text: &str, old: u32, is_dir: bool) -> Option<u32> {
    if let Ok(mode) = u32::from_str_radix(text, 8) {
        return (mode <= 0o7777).then_some(mode);
    }
    let mut mode = old;
    for clause in text.split(',') {
        let at = clause.find(['+', '-', '='])?;
        let (who, rest) = clause.split_at(at);
        let mut mask = 0;
        for c in who.chars() {
            mask |= match c {
                'u' => 0o4700,
                'g' => 0o2070,
                'o' => 0o1007,
                'a' => 0o7777,
                _ => return None,
            };
        }
        if who.is_empty() {
            mask = 0o7777;
        }
        let mut bits = 0;
        for c in rest[1..].chars() {
            bits |= match c {
                'r' => 0o444,
                'w' => 0o222,
                'x' => 0o111,
                'X' if is_dir || old & 0o111 != 0 => 0o111,
                'X' => 0,
                's' => 0o6000,
                't' => 0o1000,
                _ => return None,
            };
        }
        bits &= mask;
        mode = match rest.as_bytes()[0] {
            b'+' => mode | bits,
            b'-' => mode & !bits,
            _ => mode & !mask | bits,
        };
    }
    Some(mode)
}

/// A path and, when `recursive`, all below it.
fn tree(ctx: &Ctx, path: &str, recursive: bool) -> Vec<String> {
    let mut all = vec![path.to_owned()];
    if recursive && ctx.files.is_dir(path) {
        for name in ctx.files.list(path).unwrap_or_default() {
            all.extend(tree(ctx, &format!("{}/{name}", path.trim_end_matches('/')), true));
        }
    }
    all
}

pub(super) async fn chmod(ctx: &mut Ctx) -> i32 {
    let mut args: Vec<String> = ctx.args[1..].to_vec();
    let option = |a: &String| a.starts_with("--") || a == "-R" || a == "-v" || a == "-f" || a == "-c";
    let recursive = args.iter().any(|a| a == "-R" || a == "--recursive");
    args.retain(|a| !option(a));
    if args.len() < 2 {
        return ctx.complain("missing operand");
    }
    let text = args.remove(0);
    let mut status = 0;
    for path in args {
        for full in tree(ctx, &ctx.path(&path), recursive) {
            let done = ctx.files.change(&full, true, |vfs, key| {
                let entry = vfs.entry_mut(key).ok_or(FsError::NotFound)?;
                let is_dir = entry.kind == Kind::Dir;
                entry.mode = new_mode(&text, entry.mode, is_dir).ok_or(FsError::Invalid)?;
                Ok(())
            });
            match done {
                Err(FsError::Invalid) => return ctx.complain(format!("invalid mode: ‘{text}’")),
                Err(error) => status = ctx.complain(format!("cannot access '{path}': {error}")),
                Ok(()) => {}
            }
        }
    }
    status
}

fn owner(text: &str) -> Option<u32> {
    match text {
        "root" => Some(0),
        "www-data" => Some(33),
        "nobody" | "nogroup" => Some(65534),
        "daemon" => Some(1),
        other => other.parse().ok(),
    }
}

pub(super) async fn chown(ctx: &mut Ctx) -> i32 {
    let (flags, mut operands) = ctx.simple_args();
    if operands.len() < 2 {
        return ctx.complain("missing operand");
    }
    let spec = operands.remove(0);
    let (user, group) = match spec.split_once([':', '.']) {
        Some((user, group)) => (user.to_owned(), group.to_owned()),
        None if ctx.name() == "chgrp" => (String::new(), spec.clone()),
        None => (spec.clone(), String::new()),
    };
    for part in [&user, &group] {
        if !part.is_empty() && owner(part).is_none() {
            return ctx.complain(format!("invalid user: ‘{spec}’"));
        }
    }
    let mut status = 0;
    for path in operands {
        for full in tree(ctx, &ctx.path(&path), flags.contains(['R', 'r'])) {
            let done = ctx.files.change(&full, !flags.contains('h'), |vfs, key| {
                let entry = vfs.entry_mut(key).ok_or(FsError::NotFound)?;
                entry.uid = owner(&user).unwrap_or(entry.uid);
                entry.gid = owner(&group).unwrap_or(entry.gid);
                Ok(())
            });
            if let Err(error) = done {
                status = ctx.complain(format!("cannot access '{path}': {error}"));
            }
        }
    }
    status
}

pub(super) async fn touch(ctx: &mut Ctx) -> i32 {
    let (flags, mut operands) = ctx.simple_args();
    if flags.contains(['d', 'r', 't']) && operands.len() > 1 {
        operands.remove(0);
    }
    let mut status = 0;
    for path in operands {
        let mode = 0o666 & !ctx.umask;
        let done = ctx.files.change(&ctx.path(&path), true, |vfs, key| {
            if vfs.entry(key).is_none() && !flags.contains('c') {
                vfs.open(key, mode, false)?;
            }
            if let Some(entry) = vfs.entry_mut(key) {
                entry.mtime = now();
            }
            Ok(())
        });
        if let Err(error) = done {
            status = ctx.complain(format!("cannot touch '{path}': {error}"));
        }
    }
    status
}
