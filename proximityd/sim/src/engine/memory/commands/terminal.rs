//! The terminal: `tty`, `stty`, `clear`, `tput`.

use super::Ctx;
use crate::engine::memory::console::tty::Termios;
use crate::engine::memory::world::stream::Stream;

pub(super) async fn tty(ctx: &mut Ctx) -> i32 {
    if ctx.fds.get(0).is_tty() {
        ctx.say("/dev/pts/0");
        0
    } else {
        ctx.say("not a tty");
        1
    }
}

pub(super) async fn stty(ctx: &mut Ctx) -> i32 {
    let Stream::Tty(tty) = ctx.fds.get(0) else {
        return ctx.complain("'standard input': Inappropriate ioctl for device");
    };
    let args = ctx.args[1..].to_vec();
    let now = tty.termios();
    if args.is_empty() || args == ["-a"] {
        let flag = |on: bool, name: &str| format!("{}{name}", if on { "" } else { "-" });
        ctx.say(format!("speed 38400 baud; rows {}; columns {}; line = 0;", now.rows, now.cols));
        ctx.say(format!(
            "{} {} {} {} {}",
            flag(now.icrnl, "icrnl"),
            flag(now.opost, "opost"),
            flag(now.isig, "isig"),
            flag(now.icanon, "icanon"),
            flag(now.echo, "echo")
        ));
        return 0;
    }
    let mut set = now;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let (on, name) = arg.strip_prefix('-').map_or((true, arg.as_str()), |name| (false, name));
        match name {
            "echo" => set.echo = on,
            "icanon" => set.icanon = on,
            "isig" => set.isig = on,
            "icrnl" => set.icrnl = on,
            "opost" | "onlcr" => set.opost = on,
            "sane" => set = Termios { rows: set.rows, cols: set.cols, ..Termios::default() },
            "raw" | "cooked" => {
                let cooked = (name == "cooked") == on;
                set.icanon = cooked;
                set.isig = cooked;
                set.icrnl = cooked;
                set.opost = cooked;
            }
            "cbreak" => set.icanon = !on,
            "size" => ctx.say(format!("{} {}", now.rows, now.cols)),
            "min" | "time" | "speed" | "intr" | "eof" | "erase" | "kill" => _ = args.next(),
            "rows" => set.rows = args.next().and_then(|n| n.parse().ok()).unwrap_or(set.rows),
            "cols" | "columns" => set.cols = args.next().and_then(|n| n.parse().ok()).unwrap_or(set.cols),
            "g" => {
                let bits = [now.echo, now.icanon, now.isig, now.icrnl, now.opost];
                let text: Vec<String> = bits.iter().map(|b| u8::from(*b).to_string()).collect();
                ctx.say(text.join(":"));
            }
            saved if saved.len() == 9 && saved.split(':').count() == 5 => {
                let bits: Vec<bool> = saved.split(':').map(|b| b == "1").collect();
                if let [echo, icanon, isig, icrnl, opost] = bits[..] {
                    set = Termios { echo, icanon, isig, icrnl, opost, ..set };
                }
            }
            "ixon" | "ixoff" | "iexten" | "echoe" | "echok" | "echoctl" | "inlcr" | "parenb" | "cs8" => {}
            other => return ctx.complain(format!("invalid argument ‘{other}’")),
        }
    }
    tty.set(|termios| *termios = set);
    0
}

pub(super) async fn clear(ctx: &mut Ctx) -> i32 {
    ctx.emit(b"\x1b[H\x1b[2J\x1b[3J");
    0
}

pub(super) async fn tput(ctx: &mut Ctx) -> i32 {
    let Stream::Tty(tty) = ctx.fds.get(2) else { return 0 };
    let now = tty.termios();
    match ctx.args.get(1).map(String::as_str) {
        Some("cols") => ctx.say(now.cols.to_string()),
        Some("lines") => ctx.say(now.rows.to_string()),
        _ => {}
    }
    0
}
