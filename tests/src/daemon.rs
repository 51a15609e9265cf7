//! A daemon with its own directory, and the command line that talks to it.

use std::io::{BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{Reply, SILENCE, read_head, request};
use crate::node::Node;
use crate::output::Output;
use crate::processes::{all_processes_of, processes_of};
use crate::programs::{Program, command};
use crate::stream::EventStream;

/// Nothing is asked of the internet, and states are looked at often.
const CONFIG: &str = "[registry]\nlookup = false\n[poll]\nhost-seconds = 1\nprobe-seconds = 1\n";

/// How a daemon is started.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The configuration file's text.
    pub config: String,
    /// Whether it has the embedded node.
    pub embedded: bool,
    /// The faults that the embedded node shows from the start, as TOML.
    pub fault_plan: Option<String>,
    /// The log filter.
    pub log: String,
    /// `text` or `json`.
    pub log_format: String,
    /// More of the environment, which its node has too.
    pub env: Vec<(String, String)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            config: CONFIG.into(),
            embedded: true,
            fault_plan: None,
            log: "info".into(),
            log_format: "text".into(),
            env: Vec::new(),
        }
    }
}

/// A daemon. When it is dropped, it and its node are ended at once.
#[derive(Debug)]
pub struct Daemon {
    dir: TempDir,
    setup: Setup,
    child: Option<Child>,
}

/// A new directory whose path is short enough for a socket.
pub(crate) fn directory() -> TempDir {
    let base = std::env::temp_dir();
    let base = if base.as_os_str().len() < 60 { base } else { PathBuf::from("/tmp") };
    tempfile::Builder::new().prefix("prox-").tempdir_in(base).expect("a directory can be made")
}

impl Daemon {
    /// One with an embedded node.
    #[track_caller]
    pub fn start() -> Self {
        Self::with(Setup::default())
    }

    /// One that is set up otherwise.
    #[track_caller]
    pub fn with(setup: Setup) -> Self {
        let mut daemon = Self::prepared(setup);
        daemon.run();
        daemon
    }

    /// One with its directory made, not started.
    pub fn prepared(setup: Setup) -> Self {
        let daemon = Self { dir: directory(), setup, child: None };
        // Another user has to get to the socket.
        std::fs::set_permissions(daemon.dir(), std::fs::Permissions::from_mode(0o755)).expect("it is ours");
        std::fs::write(daemon.path("config.toml"), &daemon.setup.config).expect("it can be written");
        daemon
    }

    /// The test's directory: configuration, log, socket, and the data directory `d`.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A file in the test's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// Writes a file into the test's directory; gives its path as text.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("it can be written");
        path.display().to_string()
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.path("d")
    }

    /// The socket.
    pub fn socket(&self) -> PathBuf {
        self.path("s")
    }

    /// What the daemon has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Its process.
    pub fn pid(&self) -> i32 {
        self.child.as_ref().map(|child| child.id().cast_signed()).expect("the daemon runs")
    }

    /// The command that starts it.
    pub fn command(&self) -> Command {
        self.command_at(&self.socket())
    }

    /// The command that starts it with another socket.
    pub fn command_at(&self, socket: &Path) -> Command {
        let mut daemon = command(&Program::Proximityd.path(), self.dir());
        daemon.envs(self.setup.env.iter().cloned());
        daemon.arg("--config").arg(self.path("config.toml"));
        daemon.arg("--data-dir").arg(self.data()).arg("--socket").arg(socket);
        daemon.arg("--log").arg(&self.setup.log).arg("--log-format").arg(&self.setup.log_format);
        if self.setup.embedded {
            daemon.arg("--embedded");
        }
        if let Some(plan) = &self.setup.fault_plan {
            daemon.arg("--fault-plan").arg(self.file("faults.toml", plan));
        }
        daemon
    }

    /// Starts it, and waits until it answers.
    #[track_caller]
    pub fn run(&mut self) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("log"));
        let log = log.expect("the log can be written");
        let mut daemon = self.command();
        daemon.stdin(Stdio::null()).stdout(log.try_clone().expect("a file")).stderr(log);
        let mut child = daemon.spawn().expect("the daemon can be started");
        crate::eventually("the daemon answers", || {
            if let Ok(Some(status)) = child.try_wait() {
                panic!("the daemon ended with {status}:\n{}", self.log());
            }
            self.get("/health").ok().filter(|reply| reply.status == 200).map(|_| ())
        });
        self.child = Some(child);
    }

    /// Adds another node as a host by its token, with what else `host add` is to be given.
    #[track_caller]
    pub fn add_host(&self, name: &str, node: &Node, secret: &str, more: &[&str]) -> Output {
        let file = self.file("token", secret);
        let args = ["host", "add", name, "--token-id", node.text("token_id"), "--token-file", &file];
        self.ctl(&[&args[..], more].concat())
    }

    /// Kills the daemon. The node goes on.
    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Kills the node.
    pub fn kill9_node(&self) {
        let dir = self.data().join("node").display().to_string();
        for process in processes_of(self.dir()) {
            if process.arguments.contains(&dir) && process.arguments.contains("--state-dir") {
                process.kill9();
            }
        }
    }

    /// Kills and starts it again.
    #[track_caller]
    pub fn restart(&mut self) {
        self.kill9();
        self.run();
    }

    /// Asks it to end, and waits for that; gives the exit status.
    pub fn stop(&mut self) -> i32 {
        let mut child = self.child.take().expect("the daemon runs");
        if let Some(pid) = Pid::from_raw(child.id().cast_signed()) {
            rustix::process::kill_process(pid, Signal::TERM).expect("it is ours");
        }
        let status = crate::eventually("the daemon ends", || child.try_wait().expect("it is ours"));
        status.code().unwrap_or(-1)
    }

    /// A `proximityctl` command for this daemon.
    pub fn ctl_command(&self, args: &[&str]) -> Command {
        let mut ctl = command(&Program::Proximityctl.path(), self.dir());
        ctl.env("PROXIMITY_SOCKET", self.socket()).args(args).stdin(Stdio::null());
        ctl
    }

    /// Runs `proximityctl`.
    pub fn ctl(&self, args: &[&str]) -> Output {
        let output = self.ctl_command(args).output().expect("proximityctl can be started");
        Output::new(format!("proximityctl {}", args.join(" ")), &output)
    }

    /// Starts `proximityctl`, its output kept.
    pub fn ctl_spawn(&self, args: &[&str]) -> Child {
        let mut ctl = self.ctl_command(args);
        ctl.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("proximityctl can be started")
    }

    /// A connection to the socket.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(&self) -> std::io::Result<UnixStream> {
        let stream = UnixStream::connect(self.socket())?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        Ok(stream)
    }

    /// Gets a path.
    ///
    /// # Errors
    /// The connection's.
    pub fn get(&self, path: &str) -> std::io::Result<Reply> {
        request(self.connect()?, "GET", path, &[], b"")
    }

    /// Posts a body to `/rpc`.
    ///
    /// # Errors
    /// The connection's.
    pub fn post(&self, body: &[u8]) -> std::io::Result<Reply> {
        request(self.connect()?, "POST", "/rpc", &[("content-type", "application/json")], body)
    }

    /// Calls a method; gives the result, or the error object.
    ///
    /// # Errors
    /// The error object.
    #[track_caller]
    pub fn rpc(&self, method: &str, params: &Value) -> Result<Value, Value> {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut answer = self.post(call.to_string().as_bytes()).expect("the daemon answers").json();
        match answer.get("error") {
            Some(error) => Err(error.clone()),
            None => Ok(answer["result"].take()),
        }
    }

    /// Listens to events.
    #[track_caller]
    pub fn events(&self, query: &str) -> EventStream {
        let mut stream = self.connect().expect("the daemon answers");
        write!(stream, "GET /events?{query} HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("it reads");
        let mut reader = BufReader::new(stream);
        let (status, chunked, _) = read_head(&mut reader).expect("it answers");
        assert_eq!((status, chunked), (200, true), "GET /events?{query}");
        EventStream::new(reader)
    }

    /// All events that there are.
    #[track_caller]
    pub fn all_events(&self) -> Vec<Value> {
        self.events("since=0&follow=false").filter(|line| line["type"] == "event").collect()
    }

    /// Number of the last event.
    #[track_caller]
    pub fn last_event(&self) -> u64 {
        self.events("since=0&follow=false").hello["next"].as_u64().expect("a number") - 1
    }

    /// The apps.
    #[track_caller]
    pub fn apps(&self) -> Vec<Value> {
        match self.rpc("app.list", &json!({})) {
            Ok(Value::Array(apps)) => apps,
            other => panic!("app.list: {other:?}"),
        }
    }

    /// Waits for all operations to end; gives them, newest first.
    #[track_caller]
    pub fn settle(&self) -> Vec<Value> {
        loop {
            let active = self.rpc("operation.list", &json!({ "active": true })).expect("it lists");
            let Some(operation) = active.as_array().and_then(|all| all.first()) else { break };
            let params = json!({ "id": operation["id"], "timeout_seconds": 120 });
            let ended = self.rpc("operation.wait", &params).expect("it waits");
            assert!(!ended["ended_at"].is_null(), "it has not ended in two minutes: {ended:#}");
        }
        match self.rpc("operation.list", &json!({ "limit": 1000 })) {
            Ok(Value::Array(all)) => all,
            other => panic!("operation.list: {other:?}"),
        }
    }

    /// The embedded node.
    #[track_caller]
    pub fn node(&self) -> Node {
        Node::read(&self.data().join("node")).expect("the embedded node wrote node.json")
    }

    /// Asserts that the node holds the live apps' containers and at most one golden one, and nothing else.
    #[track_caller]
    pub fn assert_node_holds_what_is_known(&self) {
        let mut known: Vec<u64> = self.apps().iter().filter_map(|app| app["vmid"].as_u64()).collect();
        known.sort_unstable();
        let node = self.node();
        assert_eq!(node.plain_containers(), known, "containers on the node, and those of apps");
        let templates = node.templates();
        assert!(templates.len() <= 1, "one golden container is enough: {templates:?}");
        let disks = node.disks();
        assert_eq!(disks.len(), known.len() + templates.len(), "a disk for each container: {disks:?}");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the daemon's last words:\n{}", lines[lines.len().saturating_sub(15)..].join("\n"));
        }
        self.kill9();
        // The node outlives the daemon; so may a command that a failed test left waiting.
        for process in all_processes_of(self.dir()) {
            process.kill9();
        }
    }
}
