//! `tar`, and the compressors as far as the format allows: none is implemented, so archives stay plain.

use super::Ctx;
use crate::engine::memory::world::files::Open;
use crate::engine::memory::world::tar as format;
use crate::engine::memory::world::vfs::{Kind, absolute};

fn add(ctx: &Ctx, out: &mut Vec<u8>, dir: &str, name: &str) -> Result<(), String> {
    let path = absolute(dir, name);
    let member = ctx
        .files
        .with(&path, false, |vfs, key| {
            let entry = vfs.entry(key).ok_or(crate::engine::memory::world::vfs::FsError::NotFound)?;
            Ok(format::member(vfs, key, name.trim_start_matches('/').to_owned(), entry))
        })
        .map_err(|error| format!("{name}: Cannot stat: {error}"))?;
    if let Some(member) = member {
        format::append(out, &member);
    }
    if ctx.files.stat(&path, false).is_ok_and(|(entry, _)| entry.kind == Kind::Dir) {
        for child in ctx.files.list(&path).unwrap_or_default() {
            add(ctx, out, dir, &format!("{}/{child}", name.trim_end_matches('/')))?;
        }
    }
    Ok(())
}

pub(super) async fn tar(ctx: &mut Ctx) -> i32 {
    let (mut mode, mut file, mut dir, mut names, mut strip) =
        (' ', None, ctx.cwd.clone(), Vec::new(), 0_usize);
    let (mut verbose, mut first) = (false, true);
    let mut args = ctx.arguments();
    while let Some(arg) = args.next() {
        let flags = match arg.strip_prefix('-') {
            Some(long) if long.starts_with('-') => {
                if let Some(n) = long.strip_prefix("-strip-components=") {
                    strip = n.parse().unwrap_or(0);
                } else if let Some(path) = long.strip_prefix("-directory=") {
                    dir = ctx.path(path);
                } else if let Some(path) = long.strip_prefix("-file=") {
                    file = Some(path.to_owned());
                }
                continue;
            }
            Some(short) if !short.is_empty() => short.to_owned(),
            _ if first => arg.clone(),
            _ => {
                names.push(arg);
                continue;
            }
        };
        first = false;
        for flag in flags.chars() {
            match flag {
                'c' | 'x' | 't' => mode = flag,
                'f' => file = args.next(),
                'C' => dir = args.next().map(|d| ctx.path(&d)).unwrap_or(dir),
                'v' => verbose = true,
                _ => {}
            }
        }
    }
    let file = file.filter(|path| path != "-");
    match mode {
        'c' => {
            let mut out = Vec::new();
            let mut status = 0;
            for name in &names {
                if let Err(error) = add(ctx, &mut out, &dir, name) {
                    ctx.complain(error);
                    status = 2;
                }
            }
            format::finish(&mut out);
            match file {
                None => ctx.emit(&out),
                Some(path) => {
                    let full = ctx.path(&path);
                    if let Err(error) = ctx.files.write(&full, out, 0o644) {
                        ctx.complain(format!("{path}: Cannot open: {error}"));
                        return 2;
                    }
                }
            }
            status
        }
        'x' | 't' => {
            let Some(data) = ctx.input(file.as_deref().unwrap_or("-")).await else { return 2 };
            let Ok(members) = format::members(&data) else {
                ctx.complain("This does not look like a tar archive");
                return 2;
            };
            for mut member in members {
                let wanted = names.is_empty()
                    || names.iter().any(|name| {
                        let name = name.trim_end_matches('/');
                        member.name.trim_end_matches('/') == name
                            || member.name.starts_with(&format!("{name}/"))
                    });
                if !wanted {
                    continue;
                }
                if mode == 't' || verbose {
                    ctx.say(&member.name);
                }
                if mode == 'x' {
                    let stripped: Vec<&str> =
                        member.name.split('/').filter(|p| *p != ".").skip(strip).collect();
                    member.name = stripped.join("/");
                    let path = absolute(&dir, &absolute("/", &member.name)[1..]);
                    let _ = ctx.files.change(&path, false, |vfs, key| {
                        format::place(vfs, key, member);
                        Ok(())
                    });
                }
            }
            0
        }
        _ => {
            ctx.complain("You must specify one of the '-Acdtrux' options");
            2
        }
    }
}

/// Copies: a compressed stream of this world is the stream itself.
pub(super) async fn compress(ctx: &mut Ctx) -> i32 {
    let (flags, operands) = ctx.simple_args();
    if operands.is_empty() || flags.contains('c') || ctx.name() == "zcat" {
        let (data, status) = ctx.inputs(&operands).await;
        ctx.emit(&data);
        return status;
    }
    let suffix = if ctx.name() == "zstd" { ".zst" } else { ".gz" };
    let unpack = ctx.name() == "gunzip" || flags.contains('d');
    for path in operands {
        let target = match unpack {
            true => path.strip_suffix(suffix).unwrap_or(&path).to_owned(),
            false => format!("{path}{suffix}"),
        };
        let Some(data) = ctx.input(&path).await else { return 1 };
        let full = ctx.path(&target);
        match ctx.files.open(&full, Open::Write, 0o644, None) {
            Ok(stream) => _ = stream.write(&data).await,
            Err(error) => return ctx.complain(format!("{target}: {error}")),
        }
        if suffix == ".gz" && !flags.contains('k') {
            let _ = ctx.files.change(&ctx.path(&path), false, |vfs, key| vfs.remove(key));
        }
    }
    0
}
