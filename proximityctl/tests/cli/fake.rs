//! A daemon that says what a test tells it to say: HTTP/1 on a Unix socket, in the test's own process.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use proto_json::Problem;
use proto_json::error::ErrorObject;
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio::sync::oneshot;

type Body = UnsyncBoxBody<Bytes, std::io::Error>;
type Handler = Box<dyn FnMut(&Value) -> Result<Value, Problem> + Send>;

/// What one connection to the event stream brings, in order.
pub(crate) enum Act {
    /// A line.
    Line(Value),
    /// From here on the operation is as this snapshot says.
    Snapshot(Value),
    /// The connection breaks.
    Cut,
    /// The connection breaks, and the next few are dropped at once.
    CutAndRefuse(u32),
    /// Nothing more comes, and the connection stays.
    Hold,
}

#[derive(Default)]
struct State {
    handlers: HashMap<String, Handler>,
    operations: HashMap<String, Value>,
    streams: VecDeque<Vec<Act>>,
    calls: Vec<(String, Value)>,
    queries: Vec<String>,
    refuse: u32,
}

/// A scripted daemon.
pub(crate) struct Fake {
    dir: tempfile::TempDir,
    state: Arc<Mutex<State>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Fake {
    /// Listens. `operation.get` gives the last snapshot; every other call needs a handler.
    pub(crate) fn start() -> Fake {
        let dir = tempfile::tempdir().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let listener = std::os::unix::net::UnixListener::bind(dir.path().join("d.sock")).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = state.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = UnixListener::from_std(listener).unwrap();
                tokio::select! {
                    () = serve(listener, served) => {}
                    _ = stopped => {}
                }
            });
        });
        Fake { dir, state, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("d.sock")
    }

    /// Answers a method.
    pub(crate) fn on(
        &self,
        method: &str,
        handler: impl FnMut(&Value) -> Result<Value, Problem> + Send + 'static,
    ) -> &Fake {
        self.state.lock().unwrap().handlers.insert(method.into(), Box::new(handler));
        self
    }

    /// Answers a method always with the same.
    pub(crate) fn answers(&self, method: &str, answer: Value) -> &Fake {
        self.on(method, move |_| Ok(answer.clone()))
    }

    /// An operation as it stands now.
    pub(crate) fn operation(&self, snapshot: &Value) -> &Fake {
        put(&mut self.state.lock().unwrap(), snapshot);
        self
    }

    /// What the next connection to the event stream brings.
    pub(crate) fn stream(&self, acts: Vec<Act>) -> &Fake {
        self.state.lock().unwrap().streams.push_back(acts);
        self
    }

    /// The parameters of the calls of a method, in order.
    pub(crate) fn calls(&self, method: &str) -> Vec<Value> {
        let state = self.state.lock().unwrap();
        state.calls.iter().filter(|(name, _)| name == method).map(|(_, params)| params.clone()).collect()
    }

    /// The queries of the connections to the event stream.
    pub(crate) fn queries(&self) -> Vec<String> {
        self.state.lock().unwrap().queries.clone()
    }

    /// The command line, with this daemon's socket.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = command(args);
        command.env("PROXIMITY_SOCKET", self.socket());
        command
    }

    /// Runs it.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        ran(self.command(args))
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The command line in surroundings that are the same everywhere.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_proximityctl"));
    command.args(args).env_clear().stdin(std::process::Stdio::null());
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

pub(crate) fn ran(mut command: Command) -> Ran {
    let Output { status, stdout, stderr } = command.output().unwrap();
    Ran {
        status: status.code().unwrap_or(-1),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

fn put(state: &mut State, snapshot: &Value) {
    state.operations.insert(snapshot["id"].as_str().unwrap().into(), snapshot.clone());
}

async fn serve(listener: UnixListener, state: Arc<Mutex<State>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        {
            let mut state = state.lock().unwrap();
            if state.refuse > 0 {
                state.refuse -= 1;
                continue;
            }
        }
        let state = state.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| answer(request, state.clone()));
            // A broken connection is what some tests are about.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(request: Request<Incoming>, state: Arc<Mutex<State>>) -> Result<Response<Body>, Infallible> {
    if request.uri().path() == "/events" {
        let query = request.uri().query().unwrap_or_default().to_string();
        let mut locked = state.lock().unwrap();
        locked.queries.push(query);
        let acts = locked.streams.pop_front().unwrap_or_default();
        drop(locked);
        return Ok(Response::new(events(acts, state)));
    }
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let call: Value = serde_json::from_slice(&body).unwrap();
    let method = call["method"].as_str().unwrap().to_string();
    let mut state = state.lock().unwrap();
    state.calls.push((method.clone(), call["params"].clone()));
    let outcome = match state.handlers.get_mut(&method) {
        Some(handler) => handler(&call["params"]),
        None if method == "operation.get" => {
            Ok(state.operations[call["params"]["id"].as_str().unwrap()].clone())
        }
        None => panic!("no answer to {method} was scripted"),
    };
    let response = match outcome {
        Ok(result) => json!({"jsonrpc": "2.0", "id": call["id"], "result": result}),
        Err(problem) => json!({"jsonrpc": "2.0", "id": call["id"], "error": ErrorObject::from(problem)}),
    };
    let full = Full::new(Bytes::from(response.to_string()));
    Ok(Response::new(full.map_err(|never| match never {}).boxed_unsync()))
}

fn events(acts: Vec<Act>, state: Arc<Mutex<State>>) -> Body {
    let stream =
        futures_util::stream::unfold((VecDeque::from(acts), state), |(mut acts, state)| async move {
            loop {
                let broken = || Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
                let act = acts.pop_front()?;
                if matches!(act, Act::Cut | Act::CutAndRefuse(_)) {
                    // What was sent before is to arrive before the end does.
                    tokio::task::yield_now().await;
                }
                let frame = match act {
                    Act::Line(line) => Ok(Frame::data(Bytes::from(format!("{line}\n")))),
                    Act::Snapshot(snapshot) => {
                        put(&mut state.lock().unwrap(), &snapshot);
                        continue;
                    }
                    Act::Cut => broken(),
                    Act::CutAndRefuse(count) => {
                        state.lock().unwrap().refuse = count;
                        broken()
                    }
                    Act::Hold => std::future::pending().await,
                };
                return Some((frame, (acts, state)));
            }
        });
    StreamBody::new(stream).boxed_unsync()
}

/// The stream's first line.
pub(crate) fn hello(next: u64) -> Act {
    Act::Line(json!({"type": "hello", "epoch": "e1", "oldest": 1, "next": next}))
}

/// An event of an operation.
pub(crate) fn event(seq: u64, operation: &str, kind: &str, message: &str) -> Act {
    Act::Line(json!({
        "type": "event", "seq": seq, "at": "2026-01-10T12:00:00Z", "kind": kind, "level": "info",
        "app": "web", "operation": operation, "message": message,
    }))
}

/// An app.
pub(crate) fn app(name: &str) -> Value {
    json!({
        "id": format!("id-{name}"), "name": name, "template": "whoami", "template_version": "1.0",
        "state": "running", "reason": null, "vmid": 101, "node": "pve1", "host": "home", "ip": "192.0.2.7",
        "url": "http://192.0.2.7:8080", "operation": null, "created_at": "2026-01-10T12:00:00Z",
        "checked_at": null,
    })
}

/// An app with everything known of it.
pub(crate) fn app_detail(name: &str) -> Value {
    let mut detail = app(name);
    let more = json!({
        "description": "Says who it is.", "resources": {"cores": 1, "memory": 268435456u64, "disk": 4294967296u64},
        "storage": "local-lvm", "bridge": "vmbr0", "services": [], "ports": [], "settings": [],
        "notes": "Nothing to set up.", "operations": [],
    });
    detail.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    detail
}

/// A template without settings.
pub(crate) fn template(settings: Value) -> Value {
    let needs = json!({"cores": 1, "memory": 268435456u64, "disk": 4294967296u64});
    json!({
        "id": "whoami", "name": "whoami", "version": "1.0", "category": "tools", "description": "Says who it is.",
        "links": [], "minimum": needs, "default": needs, "images": [], "settings": settings, "compose": "",
    })
}

/// A setting of a template.
pub(crate) fn setting(key: &str, secret: bool) -> Value {
    json!({
        "key": key, "type": "string", "default": null, "required": true, "secret": secret, "generated": false,
        "values": [], "help": "What it is for.",
    })
}

/// An operation with three steps of which so many are done.
pub(crate) fn operation(id: &str, kind: &str, state: &str, done: usize) -> Value {
    let titles = ["Reserve an id", "Create the container", "Wait until it answers"];
    let steps: Vec<Value> = titles
        .iter()
        .enumerate()
        .map(|(index, title)| {
            let state = match index {
                index if index < done => "done",
                index if index == done && state == "running" => "running",
                _ => "pending",
            };
            let mut step = json!({"name": format!("s{index}"), "title": title, "state": state});
            if state == "done" {
                step["started_at"] = json!("2026-01-10T12:00:00Z");
                step["ended_at"] = json!("2026-01-10T12:00:01.2Z");
            }
            step
        })
        .collect();
    json!({
        "id": id, "kind": kind, "app": "web", "state": state, "step": format!("s{done}"), "waiting_for": null,
        "actor": "root", "created_at": "2026-01-10T12:00:00Z", "started_at": "2026-01-10T12:00:00Z",
        "ended_at": null, "steps": steps, "error": null, "cancel_requested": false, "first_event": 5,
    })
}

/// The same, failed at its last step.
pub(crate) fn failed(id: &str, kind: &str, error_kind: &str) -> Value {
    let mut operation = operation(id, kind, "failed", 2);
    operation["steps"][1]["state"] = json!("undone");
    operation["steps"][2]["state"] = json!("failed");
    operation["error"] = json!({
        "step": "s2", "kind": error_kind, "message": "the app did not become healthy",
        "causes": ["the probe was answered with 502"], "hints": ["look at its settings"],
        "log": ["app  | starting", "app  | fatal: \u{1b}[31mno database"],
    });
    operation
}
