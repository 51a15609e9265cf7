//! systemd's programs: units are names with a state, and stopping Docker stops what it runs.

use std::sync::Arc;

use super::{Ctx, installed};
use crate::engine::memory::docker::lifecycle;
use crate::engine::memory::guest::{Guest, Unit};
use crate::engine::memory::world::files::uuid;

fn unit_name(text: &str) -> String {
    let name = text.strip_suffix(".service").unwrap_or(text);
    if name == "sshd" { "ssh".to_owned() } else { name.to_owned() }
}

/// Whether the unit exists, and its state.
fn unit(guest: &Guest, name: &str) -> Option<Unit> {
    let on = Unit { enabled: true, active: true, masked: false };
    let known = match name {
        "docker" | "containerd" | "docker.socket" => {
            installed(guest, &["docker.io", "docker-ce"]).then_some(on)
        }
        "ssh"
        | "networking"
        | "cron"
        | "systemd-journald"
        | "systemd-logind"
        | "dbus"
        | "multi-user.target"
        | "systemd-networkd"
        | "ssh.socket"
        | "basic.target"
        | "network-online.target"
        | "default.target"
        | "unattended-upgrades"
        | "apt-daily.timer"
        | "apt-daily-upgrade.timer" => Some(on),
        other => {
            let path =
                format!("/etc/systemd/system/{other}{}", if other.contains('.') { "" } else { ".service" });
            guest.lock().vfs.entry(&path).map(|_| Unit { enabled: false, active: false, masked: false })
        }
    }?;
    Some(guest.lock().meta.units.get(name).copied().unwrap_or(known))
}

/// Whether a unit is active.
pub(crate) fn is_active(guest: &Guest, name: &str) -> bool {
    unit(guest, name).is_some_and(|u| u.active)
}

fn change(guest: &Guest, name: &str, change: impl FnOnce(&mut Unit)) {
    if let Some(mut state) = unit(guest, name) {
        change(&mut state);
        guest.lock().meta.units.insert(name.to_owned(), state);
        guest.touch();
    }
}

async fn start(guest: &Arc<Guest>, name: &str) {
    let was = is_active(guest, name);
    change(guest, name, |u| u.active = true);
    if name == "docker" && !was {
        lifecycle::daemon_started(guest).await;
    }
}

async fn stop(guest: &Arc<Guest>, name: &str) {
    change(guest, name, |u| u.active = false);
    if name == "docker" {
        lifecycle::daemon_stopped(guest).await;
    }
}

pub(super) async fn systemctl(ctx: &mut Ctx) -> i32 {
    let (mut now, mut quiet, mut value, mut property, mut words) = (false, false, false, None, Vec::new());
    let mut args = ctx.arguments();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--now" => now = true,
            "-q" | "--quiet" => quiet = true,
            "--value" => value = true,
            "-p" | "--property" => property = args.next(),
            other if other.starts_with("--property=") => property = Some(other[11..].to_owned()),
            other if other.starts_with("-p") && other.len() > 2 && !other.starts_with("--") => {
                property = Some(other[2..].to_owned());
            }
            other if other.starts_with('-') => {}
            _ => words.push(arg),
        }
    }
    if words.is_empty() {
        words.push("list-units".to_owned());
    }
    let verb = words.remove(0);
    let guest = ctx.guest();
    match verb.as_str() {
        "is-system-running" => {
            ctx.say("running");
            return 0;
        }
        "poweroff" | "reboot" | "halt" => {
            guest.ask_power(verb == "reboot");
            return 0;
        }
        "daemon-reload" | "daemon-reexec" | "reset-failed" | "preset" | "set-default" => return 0,
        "list-units" | "list-unit-files" => {
            for name in ["cron", "docker", "networking", "ssh"] {
                if let Some(state) = unit(&guest, name) {
                    let active = if state.active { "active running" } else { "inactive dead" };
                    ctx.say(format!("  {name}.service loaded {active}"));
                }
            }
            return 0;
        }
        _ => {}
    }
    let mut status = 0;
    for word in &words {
        let name = unit_name(word);
        let Some(state) = unit(&guest, &name) else {
            match verb.as_str() {
                "is-active" => {
                    if !quiet {
                        ctx.say("inactive");
                    }
                    status = 4;
                }
                "is-enabled" => {
                    if !quiet {
                        ctx.say("not-found");
                    }
                    status = 4;
                }
                "mask" => {
                    _ = guest
                        .lock()
                        .meta
                        .units
                        .insert(name.clone(), Unit { enabled: false, active: false, masked: true })
                }
                "show" => {}
                "start" | "restart" | "stop" | "reload" | "try-restart" => {
                    let what = if verb == "stop" { "stop" } else { verb.as_str() };
                    ctx.fail(format!("Failed to {what} {name}.service: Unit {name}.service not found."));
                    status = 5;
                }
                "status" => {
                    ctx.fail(format!("Unit {name}.service could not be found."));
                    status = 4;
                }
                _ => {
                    ctx.fail(format!("Failed to {verb} unit: Unit {name}.service does not exist"));
                    status = 1;
                }
            }
            continue;
        };
        match verb.as_str() {
            "start" | "restart" | "reload-or-restart" | "try-restart" if state.masked => {
                ctx.fail(format!("Failed to {verb} {name}.service: Unit {name}.service is masked."));
                status = 1;
            }
            "start" | "reload" => start(&guest, &name).await,
            "restart" | "reload-or-restart" | "try-restart" => {
                stop(&guest, &name).await;
                start(&guest, &name).await;
            }
            "stop" => stop(&guest, &name).await,
            "enable" | "unmask" | "reenable" => {
                change(&guest, &name, |u| (u.enabled, u.masked) = (true, false));
                if now {
                    start(&guest, &name).await;
                }
            }
            "disable" | "mask" => {
                change(&guest, &name, |u| (u.enabled, u.masked) = (false, verb == "mask"));
                if now {
                    stop(&guest, &name).await;
                }
            }
            "is-active" => {
                if !quiet {
                    ctx.say(if state.active { "active" } else { "inactive" });
                }
                status = if state.active { 0 } else { 3 };
            }
            "is-enabled" => {
                let text = if state.masked {
                    "masked"
                } else if state.enabled {
                    "enabled"
                } else {
                    "disabled"
                };
                if !quiet {
                    ctx.say(text);
                }
                status = i32::from(text != "enabled");
            }
            "is-failed" => {
                ctx.say(if state.active { "active" } else { "inactive" });
                status = 1;
            }
            "show" => {
                let all = [
                    ("ActiveState", if state.active { "active" } else { "inactive" }),
                    ("SubState", if state.active { "running" } else { "dead" }),
                    ("LoadState", if state.masked { "masked" } else { "loaded" }),
                    ("UnitFileState", if state.enabled { "enabled" } else { "disabled" }),
                ];
                for (key, text) in all {
                    let wanted = property.as_ref().is_none_or(|p| p.split(',').any(|p| p == key));
                    if wanted {
                        ctx.say(if value { text.to_owned() } else { format!("{key}={text}") });
                    }
                }
            }
            "status" => {
                let text = if state.active { "active (running)" } else { "inactive (dead)" };
                ctx.say(format!("● {name}.service\n     Loaded: loaded\n     Active: {text}"));
                status = if state.active { 0 } else { 3 };
            }
            "cat" | "kill" | "edit" => {}
            other => {
                ctx.fail(format!("Unknown command verb '{other}'."));
                status = 1;
            }
        }
    }
    status
}

pub(super) async fn service(ctx: &mut Ctx) -> i32 {
    let [_, name, verb, ..] = ctx.args.as_slice() else {
        ctx.fail("Usage: service < option > | --status-all | [ service_name [ command | --full-restart ] ]");
        return 1;
    };
    ctx.args = vec!["systemctl".to_owned(), verb.clone(), name.clone()];
    systemctl(ctx).await
}

pub(super) async fn journalctl(ctx: &mut Ctx) -> i32 {
    ctx.say("-- No entries --");
    0
}

pub(super) async fn hostnamectl(ctx: &mut Ctx) -> i32 {
    match ctx.args.get(1).map(String::as_str) {
        Some("set-hostname" | "hostname") if ctx.args.len() > 2 => {
            let name = ctx.args[2].clone();
            let _ = ctx.files.write("/etc/hostname", format!("{name}\n").into_bytes(), 0o644);
        }
        Some("hostname") => {
            let name = ctx.guest().hostname();
            ctx.say(name);
        }
        _ => {
            let name = ctx.guest().hostname();
            ctx.say(format!(" Static hostname: {name}\n       Icon name: computer-container\n  Virtualization: lxc\nOperating System: Debian GNU/Linux 13 (trixie)"));
        }
    }
    0
}

pub(super) async fn timedatectl(ctx: &mut Ctx) -> i32 {
    if ctx.args.len() < 2 {
        ctx.say("       Time zone: Etc/UTC (UTC, +0000)");
    }
    0
}

pub(super) async fn machine_id_setup(ctx: &mut Ctx) -> i32 {
    let old = ctx.files.read("/etc/machine-id").unwrap_or_default();
    if old.len() < 32 || old.starts_with(b"uninitialized") {
        let id = uuid().replace('-', "");
        let _ = ctx.files.write("/etc/machine-id", format!("{id}\n").into_bytes(), 0o444);
        ctx.fail("Initializing machine ID from random generator.");
    }
    0
}

pub(super) async fn detect_virt(ctx: &mut Ctx) -> i32 {
    ctx.say("lxc");
    0
}

pub(super) async fn power(ctx: &mut Ctx) -> i32 {
    let reboot = ctx.name() == "reboot" || ctx.args.iter().any(|a| a == "-r");
    ctx.guest().ask_power(reboot);
    0
}

pub(super) async fn ssh_keygen(ctx: &mut Ctx) -> i32 {
    use base64::Engine as _;
    if ctx.args.iter().any(|a| a == "-A") {
        for kind in ["rsa", "ecdsa", "ed25519"] {
            let path = format!("/etc/ssh/ssh_host_{kind}_key");
            if ctx.files.exists(&path) {
                continue;
            }
            let key = base64::engine::general_purpose::STANDARD.encode(uuid());
            let private =
                format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{key}\n-----END OPENSSH PRIVATE KEY-----\n");
            let _ = ctx.files.write(&path, private.into_bytes(), 0o600);
            let host = ctx.guest().hostname();
            let public = format!("ssh-{kind} {key} root@{host}\n");
            let _ = ctx.files.write(&format!("{path}.pub"), public.into_bytes(), 0o644);
        }
        ctx.say("ssh-keygen: generating new host keys: RSA ECDSA ED25519");
        return 0;
    }
    ctx.fail("ssh-keygen: only -A is supported here");
    1
}
