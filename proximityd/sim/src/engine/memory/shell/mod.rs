//! A shell: bash's grammar (parsed by `brush-parser`) evaluated over the guest's own world.
//!
//! One [`Shell`] is one shell process. Subshells are copies, pipelines run their stages side by side in one task,
//! so that dropping a running command's future ends all of it. Nothing here reaches the machine underneath.

mod arithmetic;
mod builtins;
mod exec;
mod expand;
mod parameter;
pub(crate) mod pattern;
mod program;
mod redirect;
mod tests_builtin;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use brush_parser::ast;
use tokio::sync::watch;

pub(crate) use self::program::Program;
pub(crate) use self::tests_builtin::evaluate as evaluate_test;
use super::guest::{Guest, Seat};
use super::world::files::Files;
use super::world::stream::{Stream, WriteError};

/// Nested calls (functions, scripts, substitutions) beyond this are refused.
pub(crate) const DEPTH_LIMIT: u32 = 48;
/// The longest value a variable may hold, and the most a substitution captures.
pub(crate) const VALUE_LIMIT: usize = 32 << 20;

/// Why evaluation does not go on with the next command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// `break N`
    Break(u32),
    /// `continue N`
    Continue(u32),
    /// `return STATUS`
    Return(i32),
    /// `exit STATUS`
    Exit(i32),
    /// An error that ends a script but not an interactive shell.
    Abort(i32),
}

/// Whose world a process lives in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The container itself.
    Guest,
    /// A Compose service's container, by id.
    Service(String),
}

/// A shell variable.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variable {
    values: Vec<String>,
    array: bool,
    exported: bool,
    readonly: bool,
}

/// Open files by number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fds(BTreeMap<i32, Stream>);

impl Fds {
    /// Standard input, output and error.
    pub(crate) fn standard(input: Stream, output: Stream, error: Stream) -> Self {
        Self([(0, input), (1, output), (2, error)].into())
    }

    /// The stream; `/dev/null` when closed.
    pub(crate) fn get(&self, fd: i32) -> Stream {
        self.0.get(&fd).cloned().unwrap_or_else(Stream::null)
    }

    /// Opens or replaces a number.
    pub(crate) fn set(&mut self, fd: i32, stream: Stream) {
        self.0.insert(fd, stream);
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Options {
    errexit: bool,
    nounset: bool,
    xtrace: bool,
    pipefail: bool,
    noglob: bool,
}

/// A shell process.
#[derive(Debug, Clone)]
pub(crate) struct Shell {
    /// Its files.
    pub(crate) files: Files,
    /// Its world.
    pub(crate) place: Place,
    /// Its working directory.
    pub(crate) cwd: String,
    /// Its open files.
    pub(crate) fds: Fds,
    /// Its terminal.
    pub(crate) tty: Option<Stream>,
    /// `$1` and on.
    pub(crate) positional: Vec<String>,
    /// `$0`
    pub(crate) name: String,
    /// Nested calls so far.
    pub(crate) depth: u32,
    pub(crate) umask: u32,
    variables: HashMap<String, Variable>,
    functions: HashMap<String, Arc<ast::FunctionBody>>,
    locals: Vec<Vec<(String, Option<Variable>)>>,
    options: Options,
    status: i32,
    pid: u32,
    last_background: Option<u32>,
    jobs: Vec<(u32, watch::Receiver<Option<i32>>)>,
    exit_trap: Option<String>,
    /// Greater than zero while errexit does not apply.
    guarded: u32,
    loops: u32,
    interactive: bool,
    _seat: Seat,
}

/// What an interrupt must not leave changed.
#[derive(Debug)]
pub(crate) struct Kept {
    fds: Fds,
    depth: u32,
    locals: usize,
    positional: Vec<String>,
}

impl Shell {
    /// A shell with an environment.
    pub(crate) fn new(
        files: Files,
        place: Place,
        env: &BTreeMap<String, String>,
        cwd: &str,
        fds: Fds,
    ) -> Self {
        let pid = files.guest.next_pid();
        let seat = Seat::take(&files.guest);
        let mut shell = Self {
            files,
            place,
            cwd: cwd.to_owned(),
            fds,
            tty: None,
            positional: Vec::new(),
            name: "bash".to_owned(),
            depth: 0,
            umask: 0o022,
            variables: HashMap::new(),
            functions: HashMap::new(),
            locals: Vec::new(),
            options: Options::default(),
            status: 0,
            pid,
            last_background: None,
            jobs: Vec::new(),
            exit_trap: None,
            guarded: 0,
            loops: 0,
            interactive: false,
            _seat: seat,
        };
        for (name, value) in env {
            shell.variables.insert(
                name.clone(),
                Variable { values: vec![value.clone()], exported: true, ..Variable::default() },
            );
        }
        shell.set("PWD", cwd.to_owned());
        shell
    }

    /// The console's shell: root's, with a cleared environment.
    pub(crate) fn login(guest: Arc<Guest>, tty: Stream) -> Self {
        let env = root_environment(&guest);
        let fds = Fds::standard(tty.clone(), tty.clone(), tty.clone());
        let files = Files { guest, root: Arc::default() };
        let mut shell = Self::new(files, Place::Guest, &env, "/", fds);
        shell.tty = Some(tty);
        shell.interactive = true;
        shell
    }

    /// `$$`
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// The guest it runs in.
    pub(crate) fn guest(&self) -> &Arc<Guest> {
        &self.files.guest
    }

    /// The prompt, as Debian's root has it.
    pub(crate) fn prompt(&self) -> String {
        let home = self.get("HOME").unwrap_or_default();
        let cwd = match self.cwd.strip_prefix(&home).filter(|_| !home.is_empty()) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("~{rest}"),
            _ => self.cwd.clone(),
        };
        format!("root@{}:{cwd}# ", self.guest().hostname())
    }

    /// `$?`
    pub(crate) fn set_status(&mut self, status: i32) {
        self.status = status;
    }

    /// What to restore if the next command is interrupted.
    pub(crate) fn keep(&self) -> Kept {
        Kept {
            fds: self.fds.clone(),
            depth: self.depth,
            locals: self.locals.len(),
            positional: self.positional.clone(),
        }
    }

    /// Restores it.
    pub(crate) fn put_back(&mut self, kept: Kept) {
        self.fds = kept.fds;
        self.depth = kept.depth;
        self.positional = kept.positional;
        self.guarded = 0;
        self.loops = 0;
        while self.locals.len() > kept.locals {
            self.leave_function();
        }
    }

    /// A variable's (first) value.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.variables.get(name).and_then(|v| v.values.first().cloned())
    }

    /// Sets a variable; its attributes stay.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        let variable = self.variables.entry(name.to_owned()).or_default();
        if variable.readonly {
            return;
        }
        if variable.array && !variable.values.is_empty() {
            variable.values[0] = value;
        } else {
            variable.values = vec![value];
        }
    }

    /// What programs it starts inherit.
    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        self.variables
            .iter()
            .filter(|(_, v)| v.exported && !v.values.is_empty())
            .map(|(name, v)| (name.clone(), v.values[0].clone()))
            .collect()
    }

    /// Whether a value of this length fits beside what is kept; small ones always do.
    fn room_for(&self, length: usize) -> bool {
        const SMALL: usize = 1 << 16;
        let held = || self.variables.values().flat_map(|v| &v.values).map(String::len).sum::<usize>();
        length < SMALL || held() + length <= 2 * VALUE_LIMIT
    }

    fn fork(&self) -> Self {
        let mut copy = self.clone();
        copy.exit_trap = None;
        copy.jobs.clear();
        copy.interactive = false;
        copy
    }

    fn leave_function(&mut self) {
        for (name, old) in self.locals.pop().unwrap_or_default().into_iter().rev() {
            match old {
                Some(variable) => self.variables.insert(name, variable),
                None => self.variables.remove(&name),
            };
        }
    }

    /// A copy, unless there are too many already.
    async fn subshell(&self) -> Result<Self, Flow> {
        if self.guest().has_room() {
            return Ok(self.fork());
        }
        let _ = self.complain("fork: retry: Resource temporarily unavailable").await;
        Err(Flow::Abort(254))
    }

    async fn complain(&self, text: &str) -> Result<(), WriteError> {
        let name = if self.interactive { "bash" } else { &self.name };
        let line = super::world::bytes::encode(&format!("{name}: {text}\n"));
        self.fds.get(2).write(&line).await
    }

    async fn abort<T>(&self, text: &str) -> Result<T, Flow> {
        let _ = self.complain(text).await;
        Err(Flow::Abort(1))
    }
}

/// The environment of a root shell on the console.
pub(crate) fn root_environment(_guest: &Guest) -> BTreeMap<String, String> {
    [
        ("HOME", "/root"),
        ("USER", "root"),
        ("LOGNAME", "root"),
        ("SHELL", "/bin/bash"),
        ("TERM", "linux"),
        ("container", "lxc"),
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}
