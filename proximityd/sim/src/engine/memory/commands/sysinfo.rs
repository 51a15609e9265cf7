//! What the system says of itself.

use super::Ctx;
use jiff::Zoned;

/// The kernel every guest reports.
pub(crate) const KERNEL: &str = "6.14.11-3-pve";

/// `date`'s format.
pub(super) fn format_time(format: &str, time: &Zoned) -> String {
    let nanos = format!("{:09}", time.subsec_nanosecond());
    let format = format
        .replace("%N", &nanos)
        .replace("%3N", &nanos[..3])
        .replace("%s", &time.timestamp().as_second().to_string());
    jiff::fmt::strtime::format(&format, time).unwrap_or(format)
}

pub(super) async fn date(ctx: &mut Ctx) -> i32 {
    let mut time = Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC);
    let mut format = "%a %b %e %H:%M:%S UTC %Y".to_owned();
    let mut args = ctx.arguments();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-u" | "--utc" => {}
            "-d" | "--date" => {
                let text = args.next().unwrap_or_default();
                let at = match text.strip_prefix('@') {
                    Some(seconds) => seconds.parse().ok().and_then(|s| jiff::Timestamp::from_second(s).ok()),
                    None if text == "now" => Some(time.timestamp()),
                    None => text.parse().ok(),
                };
                match at {
                    Some(at) => time = at.to_zoned(jiff::tz::TimeZone::UTC),
                    None => return ctx.complain(format!("invalid date ‘{text}’")),
                }
            }
            "-Is" | "-Iseconds" | "--iso-8601=seconds" => format = "%Y-%m-%dT%H:%M:%S+00:00".to_owned(),
            "-I" => format = "%Y-%m-%d".to_owned(),
            "-R" => format = "%a, %d %b %Y %H:%M:%S +0000".to_owned(),
            other => match other.strip_prefix('+') {
                Some(text) => format = text.to_owned(),
                None => return ctx.complain("cannot set date: Operation not permitted"),
            },
        }
    }
    let text = format_time(&format, &time);
    ctx.say(text);
    0
}

pub(super) async fn id(ctx: &mut Ctx) -> i32 {
    let (flags, operands) = ctx.simple_args();
    if let Some(user) = operands.first().filter(|u| *u != "root") {
        let known = ctx.files.read("/etc/passwd").unwrap_or_default();
        let text = String::from_utf8_lossy(&known).into_owned();
        let Some(line) = text.lines().find(|l| l.starts_with(&format!("{user}:"))) else {
            return ctx.complain(format!("‘{user}’: no such user"));
        };
        let uid = line.split(':').nth(2).unwrap_or("65534").to_owned();
        ctx.say(if flags.contains(['u', 'g']) {
            uid
        } else {
            format!("uid={uid}({user}) gid={uid}({user}) groups={uid}({user})")
        });
        return 0;
    }
    let text = match (flags.contains(['u', 'g', 'G']), flags.contains('n')) {
        (true, true) => "root",
        (true, false) => "0",
        _ => "uid=0(root) gid=0(root) groups=0(root)",
    };
    ctx.say(text);
    0
}

pub(super) async fn whoami(ctx: &mut Ctx) -> i32 {
    ctx.say("root");
    0
}

fn node_name(ctx: &Ctx) -> String {
    match &ctx.place {
        super::Place::Guest => ctx.guest().hostname(),
        super::Place::Service(id) => id[..id.len().min(12)].to_owned(),
    }
}

pub(super) async fn uname(ctx: &mut Ctx) -> i32 {
    let (flags, _) = ctx.simple_args();
    let host = node_name(ctx);
    let parts = [
        ('s', "Linux"),
        ('n', host.as_str()),
        ('r', KERNEL),
        ('v', "#1 SMP PREEMPT_DYNAMIC PMX 6.14.11-3"),
        ('m', "x86_64"),
        ('o', "GNU/Linux"),
    ];
    let chosen: Vec<&str> = parts
        .iter()
        .filter(|(flag, _)| {
            flags.contains('a') || flags.contains(*flag) || (flags.is_empty() && *flag == 's')
        })
        .map(|(_, text)| *text)
        .collect();
    let line = chosen.join(" ");
    ctx.say(line);
    0
}

pub(super) async fn arch(ctx: &mut Ctx) -> i32 {
    ctx.say("x86_64");
    0
}

pub(super) async fn hostname(ctx: &mut Ctx) -> i32 {
    let (flags, _) = ctx.simple_args();
    let text = match flags.contains(['I', 'i']) {
        true => ctx.guest().address().map(|a| a.to_string()).unwrap_or_default(),
        false => node_name(ctx),
    };
    ctx.say(text);
    0
}

pub(super) async fn nproc(ctx: &mut Ctx) -> i32 {
    let cores = ctx.guest().cores();
    ctx.say(cores.to_string());
    0
}

pub(super) async fn free(ctx: &mut Ctx) -> i32 {
    let (flags, _) = ctx.simple_args();
    let guest = ctx.guest();
    let total = guest.memory_mib() << 20;
    let used = crate::engine::memory::usage::memory(&guest).min(total);
    let show = |bytes: u64| match () {
        () if flags.contains('h') => super::listing::human(bytes) + "i",
        () if flags.contains('b') => bytes.to_string(),
        () if flags.contains('m') => (bytes >> 20).to_string(),
        () if flags.contains('g') => (bytes >> 30).to_string(),
        () => (bytes >> 10).to_string(),
    };
    let free = total - used;
    ctx.say("               total        used        free      shared  buff/cache   available");
    ctx.say(format!(
        "Mem:  {:>14} {:>11} {:>11} {:>11} {:>11} {:>11}",
        show(total),
        show(used),
        show(free),
        show(0),
        show(0),
        show(free)
    ));
    ctx.say(format!("Swap: {:>14} {:>11} {:>11}", show(0), show(0), show(0)));
    0
}

pub(super) async fn uptime(ctx: &mut Ctx) -> i32 {
    let seconds = crate::engine::memory::usage::uptime(&ctx.guest());
    let text = match ctx.args.get(1).map(String::as_str) {
        Some("-s") => {
            let since = jiff::Timestamp::now().as_second() - i64::try_from(seconds).unwrap_or(0);
            let since = jiff::Timestamp::from_second(since).unwrap_or_default();
            since.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string()
        }
        Some("-p") => format!("up {} minutes", seconds / 60),
        _ => format!(" up {} min,  0 users,  load average: 0.00, 0.01, 0.00", seconds / 60),
    };
    ctx.say(text);
    0
}

pub(super) async fn lsb_release(ctx: &mut Ctx) -> i32 {
    let (flags, _) = ctx.simple_args();
    let text = match () {
        () if flags.contains('c') => "trixie",
        () if flags.contains('i') => "Debian",
        () if flags.contains('r') => "13",
        () => "Debian GNU/Linux 13 (trixie)",
    };
    ctx.say(text);
    0
}

/// Accounts: accepted, since root is the only one that ever logs in.
pub(super) async fn accounts(ctx: &mut Ctx) -> i32 {
    if ctx.name() == "useradd"
        && let Some(name) = ctx.args.last().cloned()
        && ctx.args.len() > 1
    {
        let mut text = ctx.files.read("/etc/passwd").unwrap_or_default().as_ref().clone();
        if String::from_utf8_lossy(&text).lines().any(|l| l.starts_with(&format!("{name}:"))) {
            ctx.complain(format!("user '{name}' already exists"));
            return 9;
        }
        let id = 1000 + text.iter().filter(|b| **b == b'\n').count();
        text.extend_from_slice(format!("{name}:x:{id}:{id}::/home/{name}:/bin/sh\n").as_bytes());
        let _ = ctx.files.write("/etc/passwd", text, 0o644);
    }
    0
}

pub(super) async fn mount(ctx: &mut Ctx) -> i32 {
    if ctx.args.len() == 1 || ctx.name() == "findmnt" {
        ctx.say("rootfs on / type ext4 (rw,relatime)");
        ctx.say("tmpfs on /run type tmpfs (rw,nosuid,nodev)");
        return 0;
    }
    ctx.complain("permission denied.");
    32
}
