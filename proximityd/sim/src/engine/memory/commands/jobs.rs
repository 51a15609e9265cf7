//! Time and processes: `sleep`, `kill`, `ps`, `true`, `false`, `yes`.

use std::time::Duration;

use super::Ctx;

pub(super) async fn yes_status(_: &mut Ctx) -> i32 {
    0
}

pub(super) async fn no_status(_: &mut Ctx) -> i32 {
    1
}

/// Seconds of `1`, `0.5`, `2m`, `infinity`.
pub(crate) fn seconds(text: &str) -> Option<f64> {
    let (number, unit) = match text.char_indices().last()? {
        (at, 's') => (&text[..at], 1.0),
        (at, 'm') => (&text[..at], 60.0),
        (at, 'h') => (&text[..at], 3600.0),
        (at, 'd') => (&text[..at], 86400.0),
        _ => (text, 1.0),
    };
    if text.starts_with("inf") {
        return Some(f64::from(u32::MAX));
    }
    number
        .parse::<f64>()
        .ok()
        .filter(|n| *n >= 0.0 && n.is_finite())
        .map(|n| (n * unit).min(f64::from(u32::MAX)))
}

pub(super) async fn sleep(ctx: &mut Ctx) -> i32 {
    let mut total = 0.0;
    if ctx.args.len() < 2 {
        return ctx.complain("missing operand");
    }
    for arg in ctx.arguments() {
        match seconds(&arg) {
            Some(time) => total += time,
            None => return ctx.complain(format!("invalid time interval ‘{arg}’")),
        }
    }
    tokio::time::sleep(Duration::from_secs_f64(total)).await;
    0
}

pub(super) async fn kill(ctx: &mut Ctx) -> i32 {
    let mut status = 0;
    let (mut probe, mut over) = (false, false);
    let mut args = ctx.arguments();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-0" if !over => probe = true,
            "-s" | "-n" if !over => probe = args.next().as_deref() == Some("0"),
            "-l" if !over => {
                ctx.say("HUP INT QUIT KILL TERM");
                return 0;
            }
            "--" => over = true,
            // The first number behind a dash is a signal, a later one a process group.
            signal if !over && signal.starts_with('-') => over = true,
            pid => {
                let id: u32 = pid.trim_start_matches('-').parse().unwrap_or(0);
                let guest = ctx.guest();
                let found = match guest.running().as_mut() {
                    Some(running) if probe => running.processes.list().contains_key(&id) || id == 1,
                    Some(running) => running.processes.kill(id),
                    None => false,
                };
                if !found {
                    ctx.fail(format!("bash: kill: ({pid}) - No such process"));
                    status = 1;
                }
            }
        }
    }
    tokio::task::yield_now().await;
    status
}

fn processes(ctx: &Ctx) -> Vec<(u32, String)> {
    let guest = ctx.guest();
    let mut all = vec![(1, "/sbin/init".to_owned())];
    if super::systemd::is_active(&guest, "docker") {
        all.push((210, "/usr/sbin/dockerd -H fd://".to_owned()));
    }
    if let Some(running) = guest.running().as_mut() {
        all.extend(running.processes.list().into_iter().map(|(pid, name)| (pid, name.replace('\n', " "))));
    }
    all
}

pub(super) async fn ps(ctx: &mut Ctx) -> i32 {
    ctx.say("    PID TTY          TIME CMD");
    for (pid, name) in processes(ctx) {
        ctx.say(format!("{pid:>7} ?        00:00:00 {name}"));
    }
    0
}

pub(super) async fn pgrep(ctx: &mut Ctx) -> i32 {
    let (_, operands) = ctx.simple_args();
    let Some(wanted) = operands.last().cloned() else { return 2 };
    let found: Vec<String> = processes(ctx)
        .into_iter()
        .filter(|(_, name)| name.contains(&wanted))
        .map(|(pid, _)| pid.to_string())
        .collect();
    if found.is_empty() {
        return 1;
    }
    let separator = if ctx.name() == "pidof" { " " } else { "\n" };
    ctx.say(found.join(separator));
    0
}

pub(super) async fn yes(ctx: &mut Ctx) -> i32 {
    let word = if ctx.args.len() > 1 { ctx.args[1..].join(" ") } else { "y".to_owned() };
    let block = format!("{word}\n").repeat(512);
    loop {
        ctx.emit(block.as_bytes());
        if !ctx.flush().await {
            return super::SIGPIPE;
        }
        tokio::task::yield_now().await;
    }
}
