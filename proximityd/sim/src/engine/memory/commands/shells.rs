//! Programs that run programs: `sh`, `env`, `xargs`, `timeout`, `setsid` and their like.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::{Ctx, run};
use crate::engine::memory::guest::Guest;
use crate::engine::memory::shell::{Program, Shell};
use crate::engine::memory::world::bytes::decode;
use crate::engine::memory::world::files::base_name;
use crate::engine::memory::world::vfs::absolute;

fn shell(ctx: &Ctx, name: &str) -> Shell {
    let mut shell = Shell::new(ctx.files.clone(), ctx.place.clone(), &ctx.env, &ctx.cwd, ctx.fds.clone());
    shell.tty.clone_from(&ctx.tty);
    shell.depth = ctx.depth;
    shell.umask = ctx.umask;
    shell.name = name.to_owned();
    shell
}

/// Runs a file that is a script.
pub(super) async fn script(ctx: &mut Ctx, path: &str, content: &[u8]) -> i32 {
    if content.iter().take(512).any(|b| *b == 0) {
        ctx.fail(format!("{}: {path}: cannot execute binary file: Exec format error", ctx.shell_name));
        return 126;
    }
    let text = decode(content);
    if let Some(line) = text.strip_prefix("#!") {
        let words: Vec<&str> = line.lines().next().unwrap_or_default().split_whitespace().collect();
        let interpreter = match words.as_slice() {
            [env, name, ..] if base_name(env) == "env" => base_name(name),
            [name, ..] => base_name(name),
            [] => "sh",
        };
        if !matches!(interpreter, "sh" | "bash" | "dash" | "ash") {
            ctx.fail(format!(
                "{}: {path}: {interpreter}: bad interpreter: No such file or directory",
                ctx.shell_name
            ));
            return 127;
        }
    }
    let mut shell = shell(ctx, path);
    shell.positional = ctx.args[1..].to_vec();
    finish(ctx, shell, &text).await
}

/// A shell in the process table, for as long as it lives.
struct Entered {
    guest: Arc<Guest>,
    pid: u32,
    killed: Arc<Notify>,
}

impl Entered {
    fn new(ctx: &Ctx, pid: u32) -> Self {
        let guest = ctx.guest();
        let name = ctx.args.join(" ").chars().take(200).collect::<String>();
        let killed = guest.running().as_mut().map(|r| r.processes.enter(pid, &name)).unwrap_or_default();
        Self { guest, pid, killed }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(running) = self.guest.running().as_mut() {
            running.processes.leave(self.pid);
        }
    }
}

/// Status of a shell that a signal ended (128 + SIGKILL).
const KILLED: i32 = 137;

async fn finish(ctx: &mut Ctx, mut shell: Shell, text: &str) -> i32 {
    let status = match Program::parse(text) {
        Ok(program) => {
            let entered = Entered::new(ctx, shell.pid());
            tokio::select! {
                biased;
                () = entered.killed.notified() => KILLED,
                status = shell.run_to_end(&program) => status,
            }
        }
        Err(error) => {
            ctx.fail(format!("{}: {error}", shell.name));
            2
        }
    };
    drop(shell);
    ctx.guest().save_if_stale().await;
    status
}

pub(super) async fn sh(ctx: &mut Ctx) -> i32 {
    let args = ctx.args[1..].to_vec();
    let mut shell = shell(ctx, &ctx.name());
    let (mut at, mut command, mut from_input) = (0, false, false);
    while let Some(arg) = args.get(at) {
        match arg.as_str() {
            "--version" => {
                ctx.say("GNU bash, version 5.2.37(1)-release (x86_64-pc-linux-gnu)");
                return 0;
            }
            "--" => {
                at += 1;
                break;
            }
            long if long.starts_with("--") => at += 1,
            short if short.len() > 1 && (short.starts_with('-') || short.starts_with('+')) => {
                command |= short.starts_with('-') && short.contains('c');
                from_input |= short.starts_with('-') && short.contains('s');
                let kept: String = short.chars().filter(|c| !matches!(c, 'c' | 's' | 'l' | 'i')).collect();
                let mut words = vec![kept];
                words.extend(args.get(at + 1).cloned());
                at += shell.apply_options(&words).max(1);
            }
            _ => break,
        }
    }
    let rest = &args[at..];
    if command {
        let Some(text) = rest.first() else {
            ctx.fail(format!("{}: -c: option requires an argument", ctx.name()));
            return 2;
        };
        if let Some(name) = rest.get(1) {
            shell.name.clone_from(name);
            shell.positional = rest[2..].to_vec();
        }
        return finish(ctx, shell, text).await;
    }
    if let Some(path) = rest.first().filter(|_| !from_input) {
        let content = match ctx.files.read(&ctx.path(path)) {
            Ok(content) => content,
            Err(error) => {
                ctx.fail(format!("{}: {path}: {error}", ctx.name()));
                return 127;
            }
        };
        shell.name.clone_from(path);
        shell.positional = rest[1..].to_vec();
        return finish(ctx, shell, &decode(&content)).await;
    }
    shell.positional = rest.to_vec();
    interactive(ctx, shell).await
}

/// Commands from standard input, a line at a time: what runs may read the lines behind it.
async fn interactive(ctx: &mut Ctx, mut shell: Shell) -> i32 {
    let input = ctx.fds.get(0);
    let mut pending = String::new();
    let mut outcome;
    loop {
        if input.is_tty() {
            let prompt = if pending.is_empty() { shell.prompt() } else { "> ".to_owned() };
            let _ = ctx.fds.get(2).write(prompt.as_bytes()).await;
        }
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') && line.len() < super::INPUT_LIMIT {
            let bytes = input.read(usize::MAX, Some(b'\n')).await;
            if bytes.is_empty() {
                break;
            }
            line.extend_from_slice(&bytes);
        }
        let last = line.is_empty();
        pending.push_str(&decode(&line));
        match Program::parse(&pending) {
            Err(error) if error.incomplete && !last => continue,
            Err(error) => {
                ctx.fail(format!("{}: {error}", shell.name));
                ctx.flush().await;
                outcome = Ok(2);
            }
            Ok(program) => outcome = shell.run(&program).await,
        }
        pending.clear();
        if last || outcome.is_err() && !input.is_tty() {
            break;
        }
        if let Err(crate::engine::memory::shell::Flow::Exit(_)) = outcome {
            break;
        }
    }
    let empty = Program::parse("").expect("nothing parses");
    let status = match outcome {
        Ok(_) => shell.run_to_end(&empty).await,
        Err(flow) => shell.end_with(flow).await,
    };
    drop(shell);
    ctx.guest().save_if_stale().await;
    status
}

impl Shell {
    /// Ends with a flow, the EXIT trap run.
    async fn end_with(&mut self, flow: crate::engine::memory::shell::Flow) -> i32 {
        use crate::engine::memory::shell::Flow;
        let status = match flow {
            Flow::Exit(status) | Flow::Return(status) | Flow::Abort(status) => status,
            Flow::Break(_) | Flow::Continue(_) => 0,
        };
        self.set_status(status);
        let exit = Program::parse(&format!("exit {status}")).expect("a number is a fine status");
        self.run_to_end(&exit).await
    }
}

pub(super) async fn env(ctx: &mut Ctx) -> i32 {
    let mut child = ctx.child(Vec::new());
    let mut args = ctx.arguments().peekable();
    while let Some(arg) = args.peek() {
        match arg.as_str() {
            "-i" | "-" | "--ignore-environment" => child.env.clear(),
            "-u" => {
                args.next();
                if let Some(name) = args.peek() {
                    child.env.remove(name);
                }
            }
            "--" => {
                args.next();
                break;
            }
            other => match other.split_once('=') {
                Some((name, value)) => _ = child.env.insert(name.to_owned(), value.to_owned()),
                None => break,
            },
        }
        args.next();
    }
    child.args = args.collect();
    if child.args.is_empty() {
        for (name, value) in child.env {
            ctx.say(format!("{name}={value}"));
        }
        return 0;
    }
    run(child).await
}

pub(super) async fn printenv(ctx: &mut Ctx) -> i32 {
    if ctx.args.len() < 2 {
        return env(ctx).await;
    }
    match ctx.env.get(&ctx.args[1]).cloned() {
        Some(value) => {
            ctx.say(value);
            0
        }
        None => 1,
    }
}

/// `nohup`, `setsid`, `nice` and others that only change how a program runs.
pub(super) async fn prefix(ctx: &mut Ctx) -> i32 {
    let takes_value = |flag: &str| matches!(flag, "-n" | "-c" | "-p" | "-o" | "-e" | "-i");
    let mut args = ctx.arguments().peekable();
    while let Some(arg) = args.next_if(|a| a.starts_with('-')) {
        if takes_value(&arg) && ctx.name() != "setsid" {
            args.next();
        }
    }
    let args: Vec<String> = args.collect();
    if args.is_empty() {
        return ctx.complain("missing operand");
    }
    run(ctx.child(args)).await
}

pub(super) async fn timeout(ctx: &mut Ctx) -> i32 {
    let mut args = ctx.arguments().peekable();
    while let Some(arg) = args.next_if(|a| a.starts_with('-')) {
        if matches!(arg.as_str(), "-k" | "-s") {
            args.next();
        }
    }
    let Some(limit) = args.next().and_then(|a| super::jobs::seconds(&a)) else {
        ctx.complain("invalid time interval");
        return 125;
    };
    let args: Vec<String> = args.collect();
    if args.is_empty() {
        ctx.complain("missing operand");
        return 125;
    }
    let child = run(ctx.child(args));
    if limit == 0.0 {
        return child.await;
    }
    tokio::time::timeout(Duration::from_secs_f64(limit), child).await.unwrap_or(124)
}

pub(super) async fn xargs(ctx: &mut Ctx) -> i32 {
    let (mut per_call, mut replace, mut null, mut skip_empty) = (usize::MAX, None, false, false);
    let mut args = ctx.arguments().peekable();
    while let Some(arg) = args.next_if(|a| a.starts_with('-')) {
        match arg.as_str() {
            "-0" | "--null" => null = true,
            "-r" | "--no-run-if-empty" => skip_empty = true,
            "-I" => replace = args.next(),
            "-n" | "-L" | "-P" => {
                let number = args.next().and_then(|n| n.parse().ok());
                if arg != "-P" {
                    per_call = number.unwrap_or(1).max(1);
                }
            }
            _ => {
                if let Some(n) = arg.strip_prefix("-n").and_then(|n| n.parse().ok()) {
                    per_call = n;
                }
            }
        }
    }
    let mut command: Vec<String> = args.collect();
    if command.is_empty() {
        command.push("echo".to_owned());
    }
    let input = decode(&ctx.input("-").await.unwrap_or_default());
    let items: Vec<String> = if null {
        input.split('\0').filter(|s| !s.is_empty()).map(str::to_owned).collect()
    } else if replace.is_some() {
        input.lines().map(|l| l.trim().to_owned()).filter(|l| !l.is_empty()).collect()
    } else {
        input.split_whitespace().map(|s| s.trim_matches(['"', '\'']).to_owned()).collect()
    };
    let mut calls: Vec<Vec<String>> = Vec::new();
    if let Some(mark) = replace {
        for item in items {
            calls.push(command.iter().map(|word| word.replace(&mark, &item)).collect());
        }
    } else {
        for chunk in items.chunks(per_call.min(5000)) {
            calls.push(command.iter().chain(chunk).cloned().collect());
        }
        if calls.is_empty() && !skip_empty {
            calls.push(command);
        }
    }
    let mut status = 0;
    for call in calls {
        let mut child = ctx.child(call);
        child.fds.set(0, crate::engine::memory::world::stream::Stream::null());
        match run(child).await {
            0 => {}
            failed @ (126 | 127) => return failed,
            _ => status = 123,
        }
    }
    status
}

/// Locks are per command and always free: nothing else in a guest holds one for long.
pub(super) async fn flock(ctx: &mut Ctx) -> i32 {
    let mut args = ctx.arguments().peekable();
    while let Some(arg) = args.next_if(|a| a.starts_with('-') && a != "-c") {
        if matches!(arg.as_str(), "-w" | "-E" | "--timeout") {
            args.next();
        }
    }
    let Some(file) = args.next() else {
        return ctx.complain("requires a file, directory or file descriptor");
    };
    let mut command: Vec<String> = args.collect();
    if command.is_empty() {
        return 0;
    }
    let path = absolute(&ctx.cwd, &file);
    if !ctx.files.exists(&path) {
        let _ = ctx.files.write(&path, Vec::new(), 0o644);
    }
    if command[0] == "-c" {
        command.insert(0, "sh".to_owned());
    }
    run(ctx.child(command)).await
}
