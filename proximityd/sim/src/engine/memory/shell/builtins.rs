//! Commands that are part of the shell because they change it. All others live in `commands`.

use brush_parser::ast;

use super::program::Program;
use super::{DEPTH_LIMIT, Flow, Shell, Variable};
use crate::engine::memory::commands;
use crate::engine::memory::world::bytes::decode;
use crate::engine::memory::world::files::join;
use crate::engine::memory::world::vfs::absolute;

type Outcome = Result<i32, Flow>;

/// Names for `type` and `command -v`.
const NAMES: &[&str] = &[
    ".", ":", "[", "break", "cd", "command", "continue", "declare", "echo", "eval", "exec", "exit", "export",
    "false", "getopts", "hash", "jobs", "kill", "let", "local", "printf", "pwd", "read", "readonly",
    "return", "set", "shift", "source", "test", "times", "trap", "true", "type", "typeset", "ulimit",
    "umask", "unset", "wait",
];

impl Shell {
    /// Runs `arguments` if they name a builtin.
    pub(super) async fn builtin(
        &mut self,
        arguments: &[String],
        declared: &[&ast::Assignment],
    ) -> Option<Outcome> {
        let args = &arguments[1..];
        let number = |default: i32| args.first().and_then(|a| a.parse().ok()).unwrap_or(default);
        Some(match arguments[0].as_str() {
            ":" | "hash" | "ulimit" | "times" | "shopt" | "alias" | "unalias" | "disown" | "bg" => Ok(0),
            "break" => Err(Flow::Break(number(1).max(1).unsigned_abs())),
            "continue" => Err(Flow::Continue(number(1).max(1).unsigned_abs())),
            "return" => Err(Flow::Return(number(self.status) & 0xff)),
            "exit" | "logout" => Err(Flow::Exit(number(self.status) & 0xff)),
            "cd" => self.cd(args).await,
            "pwd" => {
                let line = format!("{}\n", self.cwd);
                let _ = self.fds.get(1).write(line.as_bytes()).await;
                Ok(0)
            }
            "eval" => self.evaluate(&args.join(" ")).await,
            "." | "source" => self.source(args).await,
            "exec" => {
                if args.is_empty() {
                    return Some(Ok(0));
                }
                let status = commands::run(self.ctx(args.to_vec())).await;
                Err(Flow::Exit(status))
            }
            "export" | "readonly" | "local" | "declare" | "typeset" => {
                self.declare(&arguments[0], args, declared).await
            }
            "unset" => {
                for name in args.iter().filter(|a| !a.starts_with('-')) {
                    if args[0] == "-f" || (self.variables.remove(name).is_none() && args[0] != "-v") {
                        self.functions.remove(name);
                    }
                }
                Ok(0)
            }
            "set" => self.set_options(args).await,
            "shift" => {
                let count = number(1).max(0) as usize;
                if count > self.positional.len() {
                    return Some(Ok(1));
                }
                self.positional.drain(..count);
                Ok(0)
            }
            "read" => self.read(args).await,
            "let" => {
                let mut last = 0;
                for text in args {
                    match self.arithmetic(text).await {
                        Ok(value) => last = value,
                        Err(flow) => return Some(Err(flow)),
                    }
                }
                Ok(i32::from(last == 0))
            }
            "trap" => self.trap(args).await,
            "wait" => self.wait(args).await,
            "jobs" => {
                let mut lines = String::new();
                for (index, (pid, job)) in self.jobs.iter().enumerate() {
                    let state = if job.borrow().is_none() { "Running" } else { "Done" };
                    lines.push_str(&format!("[{}]   {state}                 {pid}\n", index + 1));
                }
                let _ = self.fds.get(1).write(lines.as_bytes()).await;
                Ok(0)
            }
            "fg" => self.wait(&[]).await,
            "umask" => {
                match args.first().map(|a| u32::from_str_radix(a, 8)) {
                    Some(Ok(mask)) => self.umask = mask & 0o777,
                    Some(Err(_)) => {}
                    None => {
                        let line = format!("{:04o}\n", self.umask);
                        let _ = self.fds.get(1).write(line.as_bytes()).await;
                    }
                }
                Ok(0)
            }
            "command" | "type" => self.command_builtin(arguments).await?,
            "getopts" => self.getopts(args).await,
            _ => return None,
        })
    }

    async fn cd(&mut self, args: &[String]) -> Outcome {
        let target = match args.iter().find(|a| !matches!(a.as_str(), "-P" | "-L" | "--")).map(String::as_str)
        {
            None => self.get("HOME").unwrap_or_else(|| "/root".to_owned()),
            Some("-") => self.get("OLDPWD").unwrap_or_else(|| self.cwd.clone()),
            Some(path) => path.to_owned(),
        };
        let path = absolute(&self.cwd, &target);
        if !self.files.is_dir(&path) {
            let why = if self.files.exists(&path) { "Not a directory" } else { "No such file or directory" };
            let _ = self.complain(&format!("cd: {target}: {why}")).await;
            return Ok(1);
        }
        let old = std::mem::replace(&mut self.cwd, path.clone());
        self.set("OLDPWD", old);
        self.set("PWD", path);
        Ok(0)
    }

    async fn nested(&mut self, program: &Program) -> Outcome {
        if self.depth >= DEPTH_LIMIT {
            return self.abort("maximum nesting level exceeded").await;
        }
        self.depth += 1;
        let mut outcome = Ok(0);
        for command in &program.0.complete_commands {
            outcome = self.list(command).await;
            if outcome.is_err() {
                break;
            }
        }
        self.depth -= 1;
        outcome
    }

    async fn evaluate(&mut self, text: &str) -> Outcome {
        match Program::parse(text) {
            Ok(program) => self.nested(&program).await,
            Err(error) => {
                let _ = self.complain(&format!("eval: {error}")).await;
                Ok(2)
            }
        }
    }

    async fn source(&mut self, args: &[String]) -> Outcome {
        let Some(path) = args.first() else {
            let _ = self.complain(".: filename argument required").await;
            return Ok(2);
        };
        let text = match self.files.read(&join(&self.cwd, path)) {
            Ok(bytes) => decode(&bytes),
            Err(error) => {
                let _ = self.complain(&format!("{path}: {error}")).await;
                return Ok(1);
            }
        };
        let program = match Program::parse(&text) {
            Ok(program) => program,
            Err(error) => {
                let _ = self.complain(&format!("{path}: {error}")).await;
                return Ok(2);
            }
        };
        let old = (args.len() > 1).then(|| std::mem::replace(&mut self.positional, args[1..].to_vec()));
        let outcome = self.nested(&program).await;
        if let Some(old) = old {
            self.positional = old;
        }
        match outcome {
            Err(Flow::Return(status)) => Ok(status),
            other => other,
        }
    }

    async fn declare(&mut self, verb: &str, args: &[String], declared: &[&ast::Assignment]) -> Outcome {
        let flags: String = args.iter().filter(|a| a.starts_with('-')).map(|a| &a[1..]).collect();
        if flags.contains('p') || (args.is_empty() && declared.is_empty()) {
            let mut lines: Vec<String> = self
                .environment()
                .iter()
                .map(|(name, value)| format!("declare -x {name}={}\n", commands::printf::quote(value)))
                .collect();
            lines.sort();
            let _ = self.fds.get(1).write(lines.concat().as_bytes()).await;
            return Ok(0);
        }
        let local = matches!(verb, "local" | "declare" | "typeset") && !self.locals.is_empty();
        let mut names: Vec<String> = args.iter().filter(|a| !a.starts_with('-')).cloned().collect();
        // `export "$name=value"` reaches here as one word.
        let mut written = Vec::new();
        for name in &mut names {
            if let Some((left, right)) = name.clone().split_once('=') {
                written.push((left.to_owned(), right.to_owned()));
                *name = left.to_owned();
            }
        }
        for assignment in declared {
            if let ast::AssignmentName::VariableName(name) = &assignment.name {
                names.push(name.clone());
            }
        }
        if local {
            for name in &names {
                let old = self.variables.get(name).cloned();
                let scope = self.locals.last_mut().expect("local implies a function");
                if !scope.iter().any(|(known, _)| known == name) {
                    scope.push((name.clone(), old));
                    self.variables.remove(name);
                }
            }
        }
        for (name, value) in written {
            self.set(&name, value);
        }
        for assignment in declared {
            self.assign(assignment).await?;
        }
        for name in names {
            let exists = self.variables.contains_key(&name);
            let variable = self.variables.entry(name).or_default();
            if !exists && local {
                *variable = Variable { values: vec![String::new()], ..Variable::default() };
            }
            variable.exported |= verb == "export" && !flags.contains('n') || flags.contains('x');
            variable.readonly |= verb == "readonly" || flags.contains('r');
            variable.array |= flags.contains('a');
            if flags.contains('n') && verb == "export" {
                variable.exported = false;
            }
        }
        Ok(0)
    }

    /// Applies `-e`, `+x`, `-o pipefail` and their like; returns how many words were options.
    pub(crate) fn apply_options(&mut self, args: &[String]) -> usize {
        let mut used = 0;
        while let Some(arg) = args.get(used) {
            let on = match arg.chars().next() {
                Some('-') if arg.len() > 1 && arg != "--" => true,
                Some('+') if arg.len() > 1 => false,
                _ => break,
            };
            used += 1;
            for flag in arg[1..].chars() {
                let name = match flag {
                    'e' => "errexit",
                    'u' => "nounset",
                    'x' => "xtrace",
                    'f' => "noglob",
                    'o' => {
                        used += 1;
                        args.get(used - 1).map_or("", String::as_str)
                    }
                    _ => "",
                };
                match name {
                    "errexit" => self.options.errexit = on,
                    "nounset" => self.options.nounset = on,
                    "xtrace" => self.options.xtrace = on,
                    "noglob" => self.options.noglob = on,
                    "pipefail" => self.options.pipefail = on,
                    _ => {}
                }
            }
        }
        used
    }

    async fn set_options(&mut self, args: &[String]) -> Outcome {
        if args.is_empty() {
            let mut lines: Vec<String> = self
                .variables
                .iter()
                .filter_map(|(name, v)| {
                    Some(format!("{name}={}\n", commands::printf::quote(v.values.first()?)))
                })
                .collect();
            lines.sort();
            let _ = self.fds.get(1).write(lines.concat().as_bytes()).await;
            return Ok(0);
        }
        let used = self.apply_options(args);
        let rest = &args[used..];
        match rest.first().map(String::as_str) {
            Some("--") => self.positional = rest[1..].to_vec(),
            Some(_) => self.positional = rest.to_vec(),
            None => {}
        }
        Ok(0)
    }

    async fn read(&mut self, args: &[String]) -> Outcome {
        let (mut raw, mut delimiter, mut limit, mut timeout, mut fd) = (false, b'\n', usize::MAX, None, 0);
        let mut names: Vec<String> = Vec::new();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "-r" | "-rs" | "-sr" => raw = true,
                "-s" | "-e" => {}
                "-d" => delimiter = args.next().and_then(|d| d.bytes().next()).unwrap_or(0),
                "-n" | "-N" => limit = args.next().and_then(|n| n.parse().ok()).unwrap_or(0),
                "-t" => timeout = args.next().and_then(|n| n.parse::<f64>().ok()),
                "-u" => fd = args.next().and_then(|n| n.parse().ok()).unwrap_or(0),
                "-p" => {
                    let prompt = args.next().cloned().unwrap_or_default();
                    let _ = self.fds.get(2).write(prompt.as_bytes()).await;
                }
                _ => names.push(arg.clone()),
            }
        }
        let input = self.fds.get(fd);
        let reading = async {
            let mut line = Vec::new();
            while line.len() < limit.min(super::VALUE_LIMIT) {
                let bytes = input.read(limit - line.len(), Some(delimiter)).await;
                if bytes.is_empty() {
                    return (line, false);
                }
                line.extend_from_slice(&bytes);
                if line.last() == Some(&delimiter) {
                    line.pop();
                    if !raw && line.last() == Some(&b'\\') {
                        line.pop();
                        continue;
                    }
                    return (line, true);
                }
            }
            (line, true)
        };
        let (line, complete) = match timeout {
            Some(seconds) => {
                let limit = std::time::Duration::from_secs_f64(seconds.clamp(0.0, 1e6));
                match tokio::time::timeout(limit, reading).await {
                    Ok(done) => done,
                    Err(_) => return Ok(142),
                }
            }
            None => reading.await,
        };
        let mut text = decode(&line);
        if !raw {
            text = super::pattern::unescape(&text);
        }
        let ifs = self.get("IFS").unwrap_or_else(|| " \t\n".to_owned());
        if names.is_empty() {
            self.set("REPLY", text);
            return Ok(i32::from(!complete));
        }
        let space = |c: char| ifs.contains(c) && c.is_whitespace();
        let mut rest = text.trim_matches(space);
        for (index, name) in names.iter().enumerate() {
            if index + 1 == names.len() {
                self.set(name, rest.to_owned());
                break;
            }
            let (value, tail) = match rest.find(|c| ifs.contains(c)) {
                Some(at) => {
                    let width = rest[at..].chars().next().map_or(0, char::len_utf8);
                    (&rest[..at], rest[at + width..].trim_start_matches(space))
                }
                None => (rest, ""),
            };
            self.set(name, value.to_owned());
            rest = tail;
        }
        Ok(i32::from(!complete))
    }

    async fn trap(&mut self, args: &[String]) -> Outcome {
        let args: Vec<&String> = args.iter().filter(|a| *a != "--").collect();
        match args.as_slice() {
            [] => {
                if let Some(trap) = &self.exit_trap {
                    let line = format!("trap -- {} EXIT\n", commands::printf::quote(trap));
                    let _ = self.fds.get(1).write(line.as_bytes()).await;
                }
            }
            [action, signals @ ..] => {
                let exit = |s: &&String| matches!(s.as_str(), "EXIT" | "0");
                if signals.iter().any(exit) {
                    let none = action.is_empty() || *action == "-";
                    self.exit_trap = (!none).then(|| (*action).clone());
                }
            }
        }
        Ok(0)
    }

    async fn wait(&mut self, args: &[String]) -> Outcome {
        if args.is_empty() || args[0].starts_with('-') {
            for (_, mut job) in std::mem::take(&mut self.jobs) {
                let _ = job.wait_for(Option::is_some).await;
            }
            return Ok(0);
        }
        let mut status = 0;
        for arg in args {
            let pid: Option<u32> = match arg.strip_prefix('%') {
                Some(index) => {
                    let index: usize = index.parse().unwrap_or(0);
                    self.jobs.get(index.wrapping_sub(1)).map(|(pid, _)| *pid)
                }
                None => arg.parse().ok(),
            };
            let job = self.jobs.iter().find(|(known, _)| Some(*known) == pid).map(|(_, job)| job.clone());
            match job {
                Some(mut job) => {
                    status = job.wait_for(Option::is_some).await.ok().and_then(|s| *s).unwrap_or(143);
                }
                None => {
                    let _ = self.complain(&format!("wait: pid {arg} is not a child of this shell")).await;
                    status = 127;
                }
            }
        }
        Ok(status)
    }

    /// What a name means: `function`, `builtin`, or a path.
    fn meaning(&self, name: &str) -> Option<String> {
        const KEYWORDS: &[&str] =
            &["if", "then", "else", "fi", "for", "while", "until", "do", "done", "case", "esac"];
        if self.functions.contains_key(name) {
            return Some("function".to_owned());
        }
        if KEYWORDS.contains(&name) {
            return Some("keyword".to_owned());
        }
        if NAMES.contains(&name) {
            return Some("builtin".to_owned());
        }
        commands::find(&self.files, &self.place, name, &self.cwd)
    }

    /// `command` and `type`; `None` to run a program with the words behind `command`.
    async fn command_builtin(&mut self, arguments: &[String]) -> Option<Outcome> {
        let args = &arguments[1..];
        let flag = args.first().map(String::as_str).unwrap_or_default();
        if arguments[0] == "command" && !matches!(flag, "-v" | "-V") {
            let words: Vec<String> =
                args.iter().skip_while(|a| matches!(a.as_str(), "-p" | "--")).cloned().collect();
            if words.is_empty() {
                return Some(Ok(0));
            }
            if let Some(outcome) = Box::pin(self.builtin(&words, &[])).await {
                return Some(outcome);
            }
            return Some(Ok(commands::run(self.ctx(words)).await));
        }
        let mut status = 0;
        for name in args.iter().filter(|a| !a.starts_with('-')) {
            let line = match self.meaning(name) {
                Some(kind) if flag == "-v" && !kind.starts_with('/') => format!("{name}\n"),
                Some(path) if flag == "-v" || flag == "-p" => format!("{path}\n"),
                Some(kind) if flag == "-t" => {
                    format!("{}\n", if kind.starts_with('/') { "file" } else { kind.as_str() })
                }
                Some(path) if path.starts_with('/') => format!("{name} is {path}\n"),
                Some(kind) if kind == "function" => format!("{name} is a function\n"),
                Some(kind) => format!("{name} is a shell {kind}\n"),
                None => {
                    status = 1;
                    if arguments[0] == "type" && flag != "-t" || flag == "-V" {
                        let _ = self.complain(&format!("type: {name}: not found")).await;
                    }
                    continue;
                }
            };
            let _ = self.fds.get(1).write(line.as_bytes()).await;
        }
        Some(Ok(status))
    }

    async fn getopts(&mut self, args: &[String]) -> Outcome {
        let [spec, name, rest @ ..] = args else { return Ok(2) };
        let words = if rest.is_empty() { self.positional.clone() } else { rest.to_vec() };
        let mut index: usize = self.get("OPTIND").and_then(|v| v.parse().ok()).unwrap_or(1).max(1);
        let within: usize = self.get("_OPTPOS").and_then(|v| v.parse().ok()).unwrap_or(1).max(1);
        let word = words.get(index - 1).cloned().unwrap_or_default();
        if !word.starts_with('-') || word.len() < 2 || word == "--" {
            if word == "--" {
                index += 1;
            }
            self.set("OPTIND", index.to_string());
            self.set(name, "?".to_owned());
            return Ok(1);
        }
        let Some(flag) = word.chars().nth(within) else { return Ok(1) };
        let takes = spec.find(flag).is_some_and(|at| spec[at..].chars().nth(1) == Some(':'));
        let rest: String = word.chars().skip(within + 1).collect();
        let mut next_within = within + 1;
        if !spec.contains(flag) || flag == ':' {
            let _ = self.complain(&format!("illegal option -- {flag}")).await;
            self.set(name, "?".to_owned());
        } else {
            self.set(name, flag.to_string());
        }
        if takes {
            let value = if rest.is_empty() {
                index += 1;
                words.get(index - 1).cloned().unwrap_or_default()
            } else {
                rest.clone()
            };
            self.set("OPTARG", value);
        }
        if takes || rest.is_empty() {
            index += 1;
            next_within = 1;
        }
        self.set("_OPTPOS", next_within.to_string());
        self.set("OPTIND", index.to_string());
        Ok(0)
    }
}
