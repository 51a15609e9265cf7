//! The programs a guest has: a fixed table of functions over the virtual world, nothing else.

pub(crate) mod apt;
mod archive;
mod digest;
mod editing;
mod fileops;
mod image;
mod jobs;
mod listing;
mod making;
mod network;
pub(crate) mod printf;
mod shells;
mod sysinfo;
pub(crate) mod systemd;
mod terminal;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::guest::Guest;
use super::shell::{DEPTH_LIMIT, Fds, Place};
use super::world::bytes::encode;
use super::world::files::{Files, join};
use super::world::stream::{Stream, WriteError};
use super::world::vfs::{FsError, Kind};

/// The most a filter reads into memory.
const INPUT_LIMIT: usize = 128 << 20;
/// Status of a program that nobody reads from any more (128 + SIGPIPE).
const SIGPIPE: i32 = 141;

/// A program being run.
#[derive(Debug)]
#[allow(missing_docs)]
pub(crate) struct Ctx {
    pub files: Files,
    pub place: Place,
    /// Its name and arguments.
    pub args: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub cwd: String,
    pub fds: Fds,
    pub tty: Option<Stream>,
    pub depth: u32,
    pub umask: u32,
    /// Who complains when the program cannot be found.
    pub shell_name: String,
    /// What was said and not yet written, in order; whether it is for standard error.
    pending: Vec<(bool, Vec<u8>)>,
    broken: bool,
}

/// A program.
pub(crate) type Command = for<'a> fn(&'a mut Ctx) -> BoxFuture<'a, i32>;

macro_rules! table {
    ($($name:literal)|+ => $function:path; $($rest:tt)*) => {
        table!(@arms [$($name)|+ => $function;] $($rest)*)
    };
    (@arms [$($done:tt)*] $($name:literal)|+ => $function:path; $($rest:tt)*) => {
        table!(@arms [$($done)* $($name)|+ => $function;] $($rest)*)
    };
    (@arms [$($($name:literal)|+ => $function:path;)*]) => {
        |name: &str| -> Option<Command> {
            match name {
                $($($name)|+ => Some(|ctx| Box::pin($function(ctx))),)*
                _ => None,
            }
        }
    };
}

/// Programs every system has, a service's image too.
fn everywhere(name: &str) -> Option<Command> {
    let programs = table! {
        "sh" | "bash" | "dash" | "ash" => shells::sh;
        "env" => shells::env;
        "printenv" => shells::printenv;
        "xargs" => shells::xargs;
        "timeout" => shells::timeout;
        "nohup" | "setsid" | "nice" | "ionice" | "stdbuf" | "time" => shells::prefix;
        "flock" => shells::flock;
        "sleep" => jobs::sleep;
        "kill" => jobs::kill;
        "ps" => jobs::ps;
        "pgrep" | "pidof" => jobs::pgrep;
        "true" => jobs::yes_status;
        "false" => jobs::no_status;
        "yes" => jobs::yes;
        "cat" => text::cat;
        "head" => text::head;
        "tail" => text::tail;
        "wc" => text::wc;
        "cut" => text::cut;
        "tr" => text::tr;
        "sort" => text::sort;
        "uniq" => text::uniq;
        "tee" => text::tee;
        "tac" => text::tac;
        "rev" => text::rev;
        "paste" => text::paste;
        "nl" => text::nl;
        "grep" | "egrep" | "fgrep" => editing::grep;
        "sed" => editing::sed;
        "cmp" | "diff" => editing::compare;
        "echo" => printf::echo;
        "printf" => printf::printf;
        "seq" => printf::seq;
        "test" | "[" => printf::test;
        "expr" => printf::expr;
        "basename" => printf::basename;
        "dirname" => printf::dirname;
        "base64" => digest::base64;
        "sha256sum" | "sha512sum" | "sha1sum" | "md5sum" => digest::checksum;
        "od" | "hexdump" | "xxd" => digest::od;
        "mkdir" => fileops::mkdir;
        "rmdir" => fileops::rmdir;
        "rm" | "unlink" => fileops::rm;
        "mv" => fileops::mv;
        "cp" => fileops::cp;
        "ln" => fileops::ln;
        "chmod" => fileops::chmod;
        "chown" | "chgrp" => fileops::chown;
        "touch" => fileops::touch;
        "mktemp" => making::mktemp;
        "install" => making::install;
        "truncate" => making::truncate;
        "dd" => making::dd;
        "sync" => making::sync;
        "ls" | "dir" => listing::ls;
        "stat" => listing::stat;
        "find" => listing::find;
        "du" => listing::du;
        "df" => listing::df;
        "readlink" | "realpath" => listing::readlink;
        "tar" => archive::tar;
        "gzip" | "gunzip" | "zcat" | "zstd" => archive::compress;
        "date" => sysinfo::date;
        "id" => sysinfo::id;
        "whoami" => sysinfo::whoami;
        "uname" => sysinfo::uname;
        "hostname" => sysinfo::hostname;
        "nproc" => sysinfo::nproc;
        "free" => sysinfo::free;
        "uptime" => sysinfo::uptime;
        "arch" => sysinfo::arch;
        "tty" => terminal::tty;
        "stty" => terminal::stty;
        "clear" | "reset" => terminal::clear;
        "tput" => terminal::tput;
        "ping" => network::ping;
        "curl" => network::curl;
        "wget" => network::wget;
        "getent" => network::getent;
    };
    programs(name)
}

/// Programs only the guest itself has.
fn system(name: &str) -> Option<Command> {
    let programs = table! {
        "apt-get" | "apt" => apt::apt_get;
        "apt-cache" => apt::apt_cache;
        "apt-mark" => apt::apt_mark;
        "dpkg" => apt::dpkg;
        "dpkg-query" => apt::dpkg_query;
        "systemctl" => systemd::systemctl;
        "service" => systemd::service;
        "journalctl" => systemd::journalctl;
        "hostnamectl" => systemd::hostnamectl;
        "timedatectl" => systemd::timedatectl;
        "systemd-machine-id-setup" => systemd::machine_id_setup;
        "systemd-detect-virt" => systemd::detect_virt;
        "shutdown" | "poweroff" | "reboot" | "halt" => systemd::power;
        "ssh-keygen" => systemd::ssh_keygen;
        "ip" => network::ip;
        "ss" | "netstat" => network::ss;
        "lsb_release" => sysinfo::lsb_release;
        "passwd" | "chpasswd" | "useradd" | "usermod" | "groupadd" | "chsh" => sysinfo::accounts;
        "mount" | "umount" | "findmnt" => sysinfo::mount;
        "sysctl" | "modprobe" | "ldconfig" | "locale-gen" | "update-ca-certificates" | "depmod" => jobs::yes_status;
        "docker" => super::docker::cli::docker;
        "docker-compose" => super::docker::cli::docker_compose;
    };
    programs(name)
}

/// Programs that come with a package.
fn package_of(name: &str) -> Option<&'static [&'static str]> {
    match name {
        "docker" => Some(&["docker-cli", "docker-ce-cli", "docker.io"]),
        "docker-compose" => Some(&["docker-compose"]),
        _ => None,
    }
}

/// Whether the guest has one of these packages.
pub(crate) fn installed(guest: &Guest, packages: &[&str]) -> bool {
    let state = guest.lock();
    packages.iter().any(|package| state.meta.packages.contains(*package))
}

fn lookup(files: &Files, place: &Place, name: &str) -> Option<Command> {
    if let Some(command) = everywhere(name) {
        return Some(command);
    }
    if *place != Place::Guest {
        return image::program(name);
    }
    if package_of(name).is_some_and(|p| !installed(&files.guest, p)) {
        return None;
    }
    system(name)
}

/// The program a path of the guest stands for.
pub(crate) fn program_at(guest: &Arc<Guest>, path: &str) -> Option<Command> {
    let files = Files { guest: guest.clone(), root: Arc::default() };
    let (dir, name) = path.rsplit_once('/')?;
    let known = matches!(dir, "/bin" | "/usr/bin" | "/sbin" | "/usr/sbin" | "/usr/local/bin");
    known.then(|| lookup(&files, &Place::Guest, name)).flatten()
}

pub(crate) use jobs::seconds;
pub(crate) use sysinfo::KERNEL;

const PATH: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Where a command is: a file in the search path, or a program of the table.
pub(crate) fn find(files: &Files, place: &Place, name: &str, cwd: &str) -> Option<String> {
    if name.contains('/') {
        let full = join(cwd, name);
        if let Ok((entry, _)) = files.stat(&full, true) {
            return (entry.mode & 0o111 != 0 && entry.kind != Kind::Dir).then(|| name.to_owned());
        }
        let (dir, base) = name.rsplit_once('/')?;
        return (PATH.contains(&dir) && lookup(files, place, base).is_some()).then(|| name.to_owned());
    }
    if name.is_empty() {
        return None;
    }
    for dir in PATH {
        let path = format!("{dir}/{name}");
        if let Ok((entry, _)) = files.stat(&path, true)
            && matches!(entry.kind, Kind::File(_))
            && entry.mode & 0o111 != 0
        {
            return Some(path);
        }
    }
    lookup(files, place, name)?;
    let sbin =
        matches!(name, "ip" | "ss" | "shutdown" | "reboot" | "poweroff" | "sysctl" | "useradd" | "ldconfig");
    Some(format!("/usr/{}/{name}", if sbin { "sbin" } else { "bin" }))
}

/// Runs a program to its end; its status.
pub(crate) fn run(mut ctx: Ctx) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let name = ctx.args[0].clone();
        if ctx.depth >= DEPTH_LIMIT {
            ctx.fail(format!("{}: {name}: too many nested programs", ctx.shell_name));
            return ctx.finish(126).await;
        }
        ctx.depth += 1;
        let Some(path) = find(&ctx.files, &ctx.place, &name, &ctx.cwd) else {
            let full = join(&ctx.cwd, &name);
            let (why, status) = match ctx.files.stat(&full, true) {
                _ if !name.contains('/') => ("command not found".to_owned(), 127),
                Ok((entry, _)) if entry.kind == Kind::Dir => (FsError::IsDir.to_string(), 126),
                Ok(_) => (FsError::Denied.to_string(), 126),
                Err(error) => (error.to_string(), 127),
            };
            ctx.fail(format!("{}: {name}: {why}", ctx.shell_name));
            return ctx.finish(status).await;
        };
        let status = match ctx.files.read(&join(&ctx.cwd, &path)) {
            Ok(script) => shells::script(&mut ctx, &path, &script).await,
            Err(_) => {
                let base = path.rsplit('/').next().unwrap_or_default();
                match lookup(&ctx.files, &ctx.place, base) {
                    Some(command) => command(&mut ctx).await,
                    None => 127,
                }
            }
        };
        ctx.finish(status).await
    })
}

impl Ctx {
    /// A program with nothing open, in `/`.
    pub(crate) fn new(files: Files, place: Place, args: Vec<String>, env: BTreeMap<String, String>) -> Self {
        Self {
            files,
            place,
            args,
            env,
            cwd: "/".to_owned(),
            fds: Fds::default(),
            tty: None,
            depth: 0,
            umask: 0o022,
            shell_name: "bash".to_owned(),
            pending: Vec::new(),
            broken: false,
        }
    }

    /// The same surroundings for another program.
    pub(crate) fn child(&self, args: Vec<String>) -> Self {
        let mut child = Self::new(self.files.clone(), self.place.clone(), args, self.env.clone());
        child.cwd.clone_from(&self.cwd);
        child.fds = self.fds.clone();
        child.tty.clone_from(&self.tty);
        child.depth = self.depth;
        child.umask = self.umask;
        child.shell_name.clone_from(&self.args[0]);
        child
    }

    /// The guest it runs in.
    pub(crate) fn guest(&self) -> Arc<Guest> {
        self.files.guest.clone()
    }

    /// Its own name.
    pub(crate) fn name(&self) -> String {
        self.args[0].rsplit('/').next().unwrap_or_default().to_owned()
    }

    /// What stands behind its name.
    pub(crate) fn arguments(&self) -> std::vec::IntoIter<String> {
        let own: Vec<String> = self.args[1..].to_vec();
        own.into_iter()
    }

    /// A path made absolute.
    pub(crate) fn path(&self, path: &str) -> String {
        join(&self.cwd, path)
    }

    fn push(&mut self, error: bool, bytes: &[u8]) {
        match self.pending.last_mut() {
            Some((kind, buffer)) if *kind == error => buffer.extend_from_slice(bytes),
            _ => self.pending.push((error, bytes.to_vec())),
        }
    }

    /// Bytes that wait to be written.
    pub(crate) fn buffered(&self) -> usize {
        self.pending.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// Text for standard output.
    pub(crate) fn say(&mut self, text: impl AsRef<str>) {
        self.push(false, &encode(text.as_ref()));
        self.push(false, b"\n");
    }

    /// Bytes for standard output.
    pub(crate) fn emit(&mut self, bytes: &[u8]) {
        self.push(false, bytes);
    }

    /// A line for standard error.
    pub(crate) fn fail(&mut self, text: impl AsRef<str>) {
        self.push(true, &encode(text.as_ref()));
        self.push(true, b"\n");
    }

    /// A complaint in the usual form; status 1.
    pub(crate) fn complain(&mut self, text: impl AsRef<str>) -> i32 {
        let line = format!("{}: {}", self.name(), text.as_ref());
        self.fail(line);
        1
    }

    /// Writes what was said so far; false when nobody reads any more.
    pub(crate) async fn flush(&mut self) -> bool {
        for (error, bytes) in std::mem::take(&mut self.pending) {
            if error {
                let _ = self.fds.get(2).write(&bytes).await;
                continue;
            }
            match self.fds.get(1).write(&bytes).await {
                Ok(()) => {}
                Err(WriteError::Pipe) => self.broken = true,
                Err(error) => {
                    let line = format!("{}: write error: {error}\n", self.name());
                    let _ = self.fds.get(2).write(line.as_bytes()).await;
                    self.broken = true;
                }
            }
        }
        !self.broken
    }

    async fn finish(mut self, status: i32) -> i32 {
        if self.flush().await || status != 0 {
            status
        } else if self.broken {
            SIGPIPE
        } else {
            status
        }
    }

    /// The operands (no options) of simple programs, and the options' letters.
    pub(crate) fn simple_args(&self) -> (String, Vec<String>) {
        let (mut flags, mut operands, mut over) = (String::new(), Vec::new(), false);
        for arg in &self.args[1..] {
            if over || !arg.starts_with('-') || arg == "-" {
                operands.push(arg.clone());
            } else if arg == "--" {
                over = true;
            } else if let Some(long) = arg.strip_prefix("--") {
                flags.push(match long {
                    "parents" => 'p',
                    "recursive" => 'r',
                    "force" => 'f',
                    "quiet" | "silent" => 'q',
                    "all" => 'a',
                    "verbose" => 'v',
                    "no-clobber" => 'n',
                    "symbolic" => 's',
                    "check" => 'c',
                    _ => '?',
                });
            } else {
                flags.push_str(&arg[1..]);
            }
        }
        (flags, operands)
    }

    /// The bytes of a file, or of standard input for `-`; a complaint when it cannot be read.
    pub(crate) async fn input(&mut self, path: &str) -> Option<Vec<u8>> {
        let path = if path == "/dev/stdin" { "-" } else { path };
        if path == "-" {
            return Some(self.fds.get(0).read_all(INPUT_LIMIT).await);
        }
        match self.files.read(&self.path(path)) {
            Ok(bytes) => Some(bytes.as_ref().clone()),
            Err(error) => {
                self.complain(format!("{path}: {error}"));
                None
            }
        }
    }

    /// All operands' bytes one after the other, standard input when there are none; and the status.
    pub(crate) async fn inputs(&mut self, operands: &[String]) -> (Vec<u8>, i32) {
        let default = ["-".to_owned()];
        let operands = if operands.is_empty() { &default[..] } else { operands };
        let (mut all, mut status) = (Vec::new(), 0);
        for path in operands {
            match self.input(path).await {
                Some(bytes) => all.extend_from_slice(&bytes),
                None => status = 1,
            }
        }
        (all, status)
    }
}
