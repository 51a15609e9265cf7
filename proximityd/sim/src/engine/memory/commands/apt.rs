//! Debian packages: a list of known names, and the set of those installed.

use std::collections::BTreeSet;

use super::Ctx;
use crate::engine::memory::docker::lifecycle;
use crate::engine::memory::guest::Guest;

/// Name and version of what can be installed.
const KNOWN: &[(&str, &str)] = &[
    ("age", "1.2.1-1"),
    ("apparmor", "4.1.0-1"),
    ("apt-transport-https", "3.0.3"),
    ("bash-completion", "1:2.16.0-7"),
    ("bzip2", "1.0.8-6"),
    ("cifs-utils", "2:7.4-1"),
    ("containerd", "1.7.24~ds1-6"),
    ("cron", "3.0pl1-197"),
    ("dnsutils", "1:9.20.11-4"),
    ("docker-buildx", "0.13.1+ds1-3"),
    ("docker-cli", "26.1.5+dfsg1-9"),
    ("docker-compose", "2.26.1-4"),
    ("docker.io", "26.1.5+dfsg1-9"),
    ("file", "1:5.46-5"),
    ("fuse-overlayfs", "1.14-1"),
    ("git", "1:2.47.3-0+deb13u1"),
    ("htop", "3.4.1-5"),
    ("iproute2", "6.15.0-1"),
    ("iptables", "1.8.11-2"),
    ("iputils-ping", "3:20240905-3"),
    ("less", "668-1"),
    ("lsof", "4.99.4+dfsg-2"),
    ("nano", "8.4-1"),
    ("needrestart", "3.11-1"),
    ("net-tools", "2.10-1.3"),
    ("nfs-common", "1:2.8.3-1"),
    ("python3", "3.13.5-1"),
    ("restic", "0.18.0-1"),
    ("rsync", "3.4.1+ds1-5"),
    ("runc", "1.1.15+ds1-2"),
    ("socat", "1.8.0.3-1"),
    ("sqlite3", "3.46.1-7"),
    ("sudo", "1.9.16p2-3"),
    ("tmux", "3.5a-3"),
    ("unattended-upgrades", "2.12"),
    ("unzip", "6.0-29"),
    ("uidmap", "1:4.17.4-2"),
    ("vim", "2:9.1.1230-2"),
    ("xz-utils", "5.8.1-1"),
    ("zip", "3.0-15"),
];

/// What the template brings.
const BASE: &[(&str, &str)] = &[
    ("apt", "3.0.3"),
    ("base-files", "13.8+deb13u1"),
    ("bash", "5.2.37-2+b5"),
    ("ca-certificates", "20250419"),
    ("coreutils", "9.7-3"),
    ("curl", "8.14.1-2"),
    ("dpkg", "1.22.21"),
    ("gnupg", "2.4.7-21"),
    ("gzip", "1.13-1"),
    ("ifupdown", "0.8.44"),
    ("iproute2", "6.15.0-1"),
    ("jq", "1.7.1-6"),
    ("locales", "2.41-12"),
    ("openssh-server", "1:10.0p1-7"),
    ("openssh-client", "1:10.0p1-7"),
    ("openssl", "3.5.1-1"),
    ("procps", "2:4.0.4-9"),
    ("systemd", "257.8-1~deb13u2"),
    ("tar", "1.35+dfsg-3.1"),
    ("tzdata", "2025b-4"),
    ("util-linux", "2.41-5"),
    ("wget", "1.25.0-2"),
    ("zstd", "1.5.7+dfsg-1"),
];

/// What a package brings with it.
fn dependencies(name: &str) -> &'static [&'static str] {
    match name {
        "docker.io" => &["containerd", "runc", "iptables"],
        "docker-compose" => &["docker-cli"],
        "docker-buildx" => &["docker-cli"],
        _ => &[],
    }
}

fn version_of(name: &str) -> Option<&'static str> {
    KNOWN.iter().chain(BASE).find(|(known, _)| *known == name).map(|(_, version)| *version)
}

fn is_installed(guest: &Guest, name: &str) -> bool {
    guest.lock().meta.packages.contains(name)
        || BASE.iter().any(|(base, _)| *base == name)
            && !guest.lock().meta.packages.contains(&format!("-{name}"))
}

pub(super) async fn apt_get(ctx: &mut Ctx) -> i32 {
    let mut words = Vec::new();
    let mut quiet = 0_usize;
    let mut simulate = false;
    let mut args = ctx.arguments();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-o" | "-t" | "-c" => _ = args.next(),
            "-s" | "--dry-run" | "--simulate" => simulate = true,
            "--quiet" => quiet += 1,
            short if short.starts_with("-q") => quiet += short.matches('q').count(),
            other if other.starts_with('-') => {}
            _ => words.push(arg),
        }
    }
    if words.is_empty() {
        ctx.say("apt 3.0.3 (amd64)");
        return 0;
    }
    let verb = words.remove(0);
    let talk = quiet < 2;
    match verb.as_str() {
        "update" => {
            if talk {
                ctx.say("Hit:1 http://deb.debian.org/debian trixie InRelease\nHit:2 http://deb.debian.org/debian trixie-updates InRelease\nReading package lists...");
            }
            let _ = ctx.files.write(
                "/var/lib/apt/lists/deb.debian.org_debian_dists_trixie_InRelease",
                b"Origin: Debian\n".to_vec(),
                0o644,
            );
            0
        }
        "install" | "reinstall" => install(ctx, &words, talk, simulate).await,
        "remove" | "purge" => {
            for word in &words {
                if version_of(word).is_none() {
                    ctx.fail(format!("E: Unable to locate package {word}"));
                    return 100;
                }
                ctx.guest().lock().meta.packages.remove(word);
                if talk {
                    ctx.say(format!("Removing {word} ..."));
                }
            }
            ctx.guest().touch();
            0
        }
        "upgrade" | "dist-upgrade" | "full-upgrade" | "autoremove" | "autopurge" => {
            if talk {
                ctx.say("Reading package lists...\nBuilding dependency tree...\nReading state information...\n0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.");
            }
            0
        }
        "clean" | "autoclean" | "check" => {
            ctx.guest().touch();
            0
        }
        other => {
            ctx.fail(format!("E: Invalid operation {other}"));
            100
        }
    }
}

async fn install(ctx: &mut Ctx, words: &[String], talk: bool, simulate: bool) -> i32 {
    let guest = ctx.guest();
    if talk {
        ctx.say("Reading package lists...\nBuilding dependency tree...\nReading state information...");
    }
    let mut missing = false;
    let mut wanted: BTreeSet<&str> = BTreeSet::new();
    for word in words {
        let name = word.split(['=', '/', ':']).next().unwrap_or_default();
        match KNOWN.iter().chain(BASE).find(|(known, _)| *known == name) {
            Some((known, _)) => {
                wanted.insert(known);
                wanted.extend(dependencies(known));
            }
            None => {
                missing = true;
                ctx.fail(format!("E: Unable to locate package {name}"));
            }
        }
    }
    if missing {
        return 100;
    }
    let new: Vec<&str> = wanted.into_iter().filter(|name| !is_installed(&guest, name)).collect();
    if talk {
        for word in words.iter().filter(|w| is_installed(&guest, w)) {
            ctx.say(format!("{word} is already the newest version ({}).", version_of(word).unwrap_or("1")));
        }
        if !new.is_empty() {
            ctx.say(format!("The following NEW packages will be installed:\n  {}", new.join(" ")));
        }
        ctx.say(format!("0 upgraded, {} newly installed, 0 to remove and 0 not upgraded.", new.len()));
    }
    if simulate {
        return 0;
    }
    for name in &new {
        let version = version_of(name).unwrap_or("1");
        if talk {
            ctx.say(format!(
                "Selecting previously unselected package {name}.\nUnpacking {name} ({version}) ..."
            ));
        }
        guest.lock().meta.packages.insert((*name).to_owned());
    }
    if talk {
        for name in &new {
            ctx.say(format!("Setting up {name} ({}) ...", version_of(name).unwrap_or("1")));
        }
    }
    guest.touch();
    if new.contains(&"docker.io") {
        lifecycle::installed(&guest);
    }
    ctx.guest().save_if_stale().await;
    0
}

pub(super) async fn apt_cache(ctx: &mut Ctx) -> i32 {
    let (_, words) = ctx.simple_args();
    let Some(name) = words.get(1).cloned() else { return 0 };
    match version_of(&name) {
        Some(version) => {
            let installed = if is_installed(&ctx.guest(), &name) { version } else { "(none)" };
            ctx.say(format!("{name}:\n  Installed: {installed}\n  Candidate: {version}"));
            0
        }
        None => {
            ctx.fail(format!("N: Unable to locate package {name}"));
            0
        }
    }
}

pub(super) async fn apt_mark(ctx: &mut Ctx) -> i32 {
    let (_, words) = ctx.simple_args();
    for name in words.iter().skip(1) {
        ctx.say(format!("{name} set on {}.", words[0]));
    }
    0
}

pub(super) async fn dpkg(ctx: &mut Ctx) -> i32 {
    let (_, names) = ctx.simple_args();
    let guest = ctx.guest();
    match ctx.args.get(1).map(String::as_str) {
        Some("-s" | "--status") => {
            let mut status = 0;
            for name in names {
                match version_of(&name).filter(|_| is_installed(&guest, &name)) {
                    Some(version) => ctx.say(format!(
                        "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n"
                    )),
                    None => {
                        ctx.fail(format!("dpkg-query: package '{name}' is not installed and no information is available"));
                        status = 1;
                    }
                }
            }
            status
        }
        Some("-l" | "--list") => {
            for (name, version) in BASE.iter().chain(KNOWN) {
                if is_installed(&guest, name) && (names.is_empty() || names.iter().any(|n| n == name)) {
                    ctx.say(format!("ii  {name:<24} {version:<24} amd64"));
                }
            }
            i32::from(names.iter().any(|n| !is_installed(&guest, n)))
        }
        Some("--print-architecture") => {
            ctx.say("amd64");
            0
        }
        _ => 0,
    }
}

pub(super) async fn dpkg_query(ctx: &mut Ctx) -> i32 {
    let mut format = None;
    let mut names = Vec::new();
    let mut args = ctx.arguments();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-f" => format = args.next(),
            "-W" | "--show" | "-s" | "-l" => {}
            other => match other.strip_prefix("-f=").or_else(|| other.strip_prefix("--showformat=")) {
                Some(text) => format = Some(text.to_owned()),
                None => names.push(arg),
            },
        }
    }
    let guest = ctx.guest();
    let mut status = 0;
    for name in names {
        match version_of(&name).filter(|_| is_installed(&guest, &name)) {
            Some(version) => {
                let format = format.clone().unwrap_or_else(|| "${Package}\\t${Version}\\n".to_owned());
                let text = format
                    .replace("${Package}", &name)
                    .replace("${Version}", version)
                    .replace("${db:Status-Status}", "installed")
                    .replace("${Status}", "install ok installed")
                    .replace("${db:Status-Abbrev}", "ii ");
                let bytes = super::printf::escapes(&text, false).0;
                ctx.emit(&bytes);
            }
            None => {
                ctx.fail(format!("dpkg-query: no packages found matching {name}"));
                status = 1;
            }
        }
    }
    status
}
