//! Making files: `mktemp`, `install`, `truncate`, `dd`, and `sync`.

use std::sync::Arc;

use super::Ctx;
use super::fileops::{new_mode, targets};
use super::text::count;
use crate::engine::memory::world::files::Open;

pub(super) async fn mktemp(ctx: &mut Ctx) -> i32 {
    let (mut dir, mut parent, mut template) = (false, None, None);
    let mut args = ctx.arguments();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-d" | "--directory" => dir = true,
            "-p" | "--tmpdir" => parent = args.next(),
            "-dp" => (dir, parent) = (true, args.next()),
            "-t" | "-q" | "-u" => {}
            other if other.starts_with("--tmpdir=") => parent = Some(other[9..].to_owned()),
            _ => template = Some(arg),
        }
    }
    let base = parent.or_else(|| ctx.env.get("TMPDIR").cloned()).unwrap_or_else(|| "/tmp".to_owned());
    let template = template.unwrap_or_else(|| format!("{base}/tmp.XXXXXXXXXX"));
    let Some(start) = template.find("XXX") else {
        return ctx.complain(format!("too few X's in template ‘{template}’"));
    };
    let count = template[start..].chars().take_while(|c| *c == 'X').count();
    let letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let random: String =
        (0..count).map(|_| char::from(letters[rand::random::<u8>() as usize % 62])).collect();
    let path = format!("{}{random}{}", &template[..start], &template[start + count..]);
    let full = ctx.path(&path);
    let made = match dir {
        true => ctx.files.change(&full, true, |vfs, key| vfs.mkdir(key, 0o700)),
        false => ctx.files.write(&full, Vec::new(), 0o600),
    };
    if let Err(error) = made {
        return ctx.complain(format!(
            "failed to create {} via template ‘{template}’: {error}",
            if dir { "directory" } else { "file" }
        ));
    }
    ctx.say(path);
    0
}

pub(super) async fn install(ctx: &mut Ctx) -> i32 {
    let (mut dirs, mut parents, mut mode, mut into, mut operands) = (false, false, 0o755, None, Vec::new());
    let mut args = ctx.arguments();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-m" | "-dm" | "-Dm" | "-Dpm" => {
                dirs |= arg.contains('d');
                parents |= arg.contains('D');
                let text = args.next().unwrap_or_default();
                match new_mode(&text, 0, false) {
                    Some(new) => mode = new,
                    None => return ctx.complain(format!("invalid mode ‘{text}’")),
                }
            }
            "-o" | "-g" => _ = args.next(),
            "-t" => into = args.next(),
            other if other.starts_with("-m") && other.len() > 2 => {
                mode = new_mode(&other[2..], 0, false).unwrap_or(mode)
            }
            other if other.starts_with('-') && other.len() > 1 => {
                dirs |= other.contains('d');
                parents |= other.contains('D');
            }
            _ => operands.push(arg),
        }
    }
    if dirs {
        for path in operands {
            let full = ctx.path(&path);
            if let Err(error) = ctx.files.mkdir_all(&full, mode) {
                return ctx.complain(format!("cannot create directory ‘{path}’: {error}"));
            }
            let _ = ctx.files.change(&full, true, |vfs, key| {
                if let Some(entry) = vfs.entry_mut(key) {
                    entry.mode = mode;
                }
                Ok(())
            });
        }
        return 0;
    }
    let Some(pairs) = targets(ctx, &operands, into.as_deref(), false) else { return 1 };
    for (from, to) in pairs {
        if parents {
            let _ = ctx.files.mkdir_all(crate::engine::memory::world::vfs::parent(&to), 0o755);
        }
        let data = match from.as_str() {
            "/dev/stdin" => Arc::new(ctx.fds.get(0).read_all(super::INPUT_LIMIT).await),
            _ => match ctx.files.read(&from) {
                Ok(data) => data,
                Err(error) => return ctx.complain(format!("cannot stat '{from}': {error}")),
            },
        };
        let done = ctx.files.write(&to, data.as_ref().clone(), mode).and_then(|()| {
            ctx.files.change(&to, true, |vfs, key| {
                if let Some(entry) = vfs.entry_mut(key) {
                    entry.mode = mode;
                }
                Ok(())
            })
        });
        if let Err(error) = done {
            return ctx.complain(format!("cannot create regular file '{to}': {error}"));
        }
    }
    0
}

pub(super) async fn truncate(ctx: &mut Ctx) -> i32 {
    let (mut size, mut operands) = (None, Vec::new());
    let mut args = ctx.arguments();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-s" => size = args.next().and_then(|t| count(&t)),
            other => match other.strip_prefix("-s").or_else(|| other.strip_prefix("--size=")) {
                Some(text) => size = count(text),
                None => operands.push(arg),
            },
        }
    }
    let Some(size) = size else {
        return ctx.complain("you must specify either ‘--size’ or ‘--reference’");
    };
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    for path in operands {
        let done = ctx.files.change(&ctx.path(&path), true, |vfs, key| {
            let inode = vfs.open(key, 0o644, false)?;
            vfs.resize(inode, size)
        });
        if let Err(error) = done {
            return ctx.complain(format!("cannot open '{path}' for writing: {error}"));
        }
    }
    0
}

pub(super) async fn dd(ctx: &mut Ctx) -> i32 {
    let (mut input, mut output, mut block, mut blocks, mut skip) = (None, None, 512_u64, u64::MAX, 0_u64);
    let mut quiet = false;
    let mut keep = false;
    for arg in ctx.arguments() {
        let Some((key, value)) = arg.split_once('=') else { continue };
        match key {
            "if" => input = Some(value.to_owned()),
            "of" => output = Some(value.to_owned()),
            "bs" | "ibs" | "obs" => block = count(value).unwrap_or(512).clamp(1, 64 << 20),
            "count" => blocks = count(value).unwrap_or(u64::MAX),
            "skip" => skip = count(value).unwrap_or(0),
            "status" => quiet = value == "none",
            "conv" => keep = value.contains("notrunc"),
            _ => {}
        }
    }
    let source = match &input {
        None => ctx.fds.get(0),
        Some(path) => match ctx.files.open(&ctx.path(path), Open::Read, 0, ctx.tty.as_ref()) {
            Ok(stream) => stream,
            Err(error) => return ctx.complain(format!("failed to open '{path}': {error}")),
        },
    };
    let target = match &output {
        None => ctx.fds.get(1),
        Some(path) => {
            let how = if keep { Open::Both } else { Open::Write };
            match ctx.files.open(&ctx.path(path), how, 0o644, ctx.tty.as_ref()) {
                Ok(stream) => stream,
                Err(error) => return ctx.complain(format!("failed to open '{path}': {error}")),
            }
        }
    };
    let mut dropped = skip.saturating_mul(block);
    let mut left = blocks.saturating_mul(block);
    let mut total = 0_u64;
    while left > 0 {
        let wanted = if dropped > 0 { dropped } else { left };
        let data = source.read(usize::try_from(wanted).unwrap_or(usize::MAX), None).await;
        if data.is_empty() {
            break;
        }
        if dropped > 0 {
            dropped -= data.len() as u64;
            continue;
        }
        left -= data.len() as u64;
        total += data.len() as u64;
        if let Err(error) = target.write(&data).await {
            return ctx.complain(format!("error writing '{}': {error}", output.unwrap_or_default()));
        }
        tokio::task::yield_now().await;
    }
    if !quiet {
        let (whole, part) = (total / block, u8::from(!total.is_multiple_of(block)));
        ctx.fail(format!("{whole}+{part} records in\n{whole}+{part} records out\n{total} bytes copied"));
    }
    0
}

pub(super) async fn sync(ctx: &mut Ctx) -> i32 {
    ctx.guest().save_if_stale().await;
    0
}
