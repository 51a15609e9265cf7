//! A daemon to measure, and what is asked of it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use proto_json::app::{AppState, Resources};
use proximityd::model::app::{AppRecord, AppSpec, ProbeFrom, Source};
use proximityd::model::clock::Clock;
use proximityd::store::{Store, StoreError};

pub(crate) fn binary(name: &str) -> PathBuf {
    let beside = Path::new(env!("CARGO_BIN_EXE_proximityd")).with_file_name(name);
    assert!(beside.is_file(), "{} is not built: cargo build --release --workspace", beside.display());
    beside
}

/// A daemon that ends with its owner.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) first_answer: Duration,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

impl Daemon {
    pub(crate) fn start(dir: tempfile::TempDir, args: &[&str]) -> Daemon {
        let (child, first_answer) = spawn(&dir, args);
        Daemon { child, dir, first_answer }
    }

    fn end(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }

    /// Starts it again in its directory.
    pub(crate) fn again(&mut self, args: &[&str]) {
        self.end();
        (self.child, self.first_answer) = spawn(&self.dir, args);
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("d")
    }

    /// A line of its `status` in proc(5), in MB.
    fn status(&self, key: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }

    /// Its resident memory in words: how much of it is its own, and how much are pages of the program's file, which
    /// the kernel shares and takes back when it needs them.
    pub(crate) fn memory(&self) -> String {
        let [all, own, file] = ["VmRSS:", "RssAnon:", "RssFile:"].map(|key| self.status(key));
        format!("{all:>8.1} MB (own {own:.1}, of files {file:.1})")
    }

    /// Processor time used so far, in clock ticks of 10 ms (proc(5), fields 14 and 15).
    pub(crate) fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// Runs `proximityctl`; gives its time in milliseconds.
    pub(crate) fn ctl(&self, args: &[&str]) -> f64 {
        let begun = Instant::now();
        let mut command = Command::new(binary("proximityctl"));
        command.arg("--socket").arg(self.socket()).arg("--quiet").args(args).stdout(Stdio::null());
        let status = command.status().unwrap();
        assert!(status.success(), "{args:?}");
        begun.elapsed().as_secs_f64() * 1000.0
    }

    /// Writes apps into its database, while it does not run.
    pub(crate) fn seed(&self, apps: impl Iterator<Item = AppRecord> + Send + 'static) {
        write_apps(&self.data(), apps);
    }

    pub(crate) fn stop(&mut self) {
        self.end();
    }
}

fn spawn(dir: &tempfile::TempDir, args: &[&str]) -> (Child, Duration) {
    let socket = dir.path().join("s");
    let begun = Instant::now();
    let child = Command::new(binary("proximityd"))
        .args(["--data-dir", dir.path().join("d").to_str().unwrap(), "--log", "error"])
        .arg("--socket")
        .arg(&socket)
        .args(args)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !ask(&socket, "GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").contains("ok") {
        assert!(begun.elapsed() < Duration::from_secs(30), "the daemon does not answer");
        std::thread::yield_now();
    }
    (child, begun.elapsed())
}

pub(crate) fn ask(socket: &Path, request: &str) -> String {
    let Ok(mut stream) = UnixStream::connect(socket) else { return String::new() };
    let mut answer = String::new();
    if stream.write_all(request.as_bytes()).is_ok() {
        let _ = stream.read_to_string(&mut answer);
    }
    answer
}

pub(crate) fn rpc(method: &str) -> String {
    rpc_with(method, &serde_json::json!({}))
}

pub(crate) fn rpc_with(method: &str, params: &serde_json::Value) -> String {
    let body = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    format!(
        "POST /rpc HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The same on a connection that stays open.
pub(crate) fn kept(request: &str) -> String {
    request.replace("connection: close\r\n", "")
}

/// Calls a method on a connection that stays open; gives its result.
pub(crate) fn call(stream: &mut UnixStream, method: &str, params: &serde_json::Value) -> serde_json::Value {
    stream.write_all(kept(&rpc_with(method, params)).as_bytes()).unwrap();
    let answer = read_answer(stream);
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let mut answer: serde_json::Value = serde_json::from_slice(&answer[head + 4..]).unwrap();
    assert!(answer["error"].is_null(), "{method}: {answer}");
    answer["result"].take()
}

/// Reads one answer; gives its bytes.
pub(crate) fn read_answer(stream: &mut UnixStream) -> Vec<u8> {
    let mut seen = Vec::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "the connection ended");
        seen.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&seen[..seen.len().min(512)]).to_lowercase();
        let Some(head) = text.find("\r\n\r\n") else { continue };
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        if seen.len() >= head + 4 + length.unwrap().parse::<usize>().unwrap() {
            return seen;
        }
    }
}

pub(crate) fn app(number: usize, clock: &Clock) -> AppRecord {
    let spec = AppSpec {
        source: Source::Catalog,
        document: "# stands for a template of the usual length\n".repeat(40),
        settings: BTreeMap::from([("TITLE".to_string(), "My app".to_string())]),
        secrets: vec!["PASSWORD".into()],
        generated: vec!["PASSWORD".into()],
        images: BTreeMap::from([("app".to_string(), "docker.io/traefik/whoami:v1.11.0".to_string())]),
        digests: BTreeMap::new(),
        resources: Resources { cores: 2, memory: 1 << 30, disk: 8 << 30 },
        storage: Some("local-lvm".into()),
        bridge: Some("vmbr0".into()),
        ip: "dhcp".into(),
        gateway: None,
        timeout_seconds: None,
        ports: Vec::new(),
        probe_from: ProbeFrom::Daemon,
        ssh: None,
    };
    AppRecord {
        id: format!("bench{number:09}"),
        name: format!("app-{number}"),
        host: "bench".into(),
        template: "whoami".into(),
        template_version: "1.0.0".into(),
        state: AppState::Running,
        reason: None,
        node: Some("pve1".into()),
        vmid: Some(100 + u32::try_from(number).unwrap()),
        ip: Some("10.0.0.1".into()),
        url: Some("http://10.0.0.1".into()),
        spec,
        created_at: clock.text(),
        checked_at: Some(clock.text()),
        removed_at: None,
    }
}

/// A daemon with so many apps, on a host that is not there.
pub(crate) fn with_apps(count: usize) -> Daemon {
    // The first start makes the key; a database without one is refused.
    let mut daemon = Daemon::start(tempfile::tempdir().unwrap(), &[]);
    daemon.stop();
    let clock = Clock::system();
    daemon.seed((0..count).map(move |number| app(number, &clock)));
    daemon.again(&[]);
    daemon
}

fn write_apps(data: &Path, apps: impl Iterator<Item = AppRecord> + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(&data.join("proximity.db"), Clock::system()).unwrap();
        store
            .write(move |tx| {
                for app in apps {
                    tx.insert_app(&app)?;
                    tx.update_app(&app)?;
                }
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    });
}

pub(crate) fn median(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value that so large a part of all is not above.
pub(crate) fn quantile(mut values: Vec<f64>, part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * part).round() as usize]
}
