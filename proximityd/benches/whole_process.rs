//! What a person waits for, measured as whole processes: `cargo bench -p proximityd`, after
//! `cargo build --release --workspace`.
//!
//! Each figure is a median of runs taken in turn with its floor (the least a program of this kind can do: connect, ask,
//! print) and a peer (curl), so that a noisy machine disturbs all alike. It prints; it judges nothing.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

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

const RUNS: usize = 21;

fn binary(name: &str) -> PathBuf {
    let beside = Path::new(env!("CARGO_BIN_EXE_proximityd")).with_file_name(name);
    assert!(beside.is_file(), "{} is not built: cargo build --release --workspace", beside.display());
    beside
}

/// A daemon that ends with its owner.
struct Daemon {
    child: Child,
    dir: tempfile::TempDir,
    first_answer: Duration,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

impl Daemon {
    fn start(dir: tempfile::TempDir, args: &[&str]) -> Daemon {
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
        Daemon { child, dir, first_answer: begun.elapsed() }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Processor time used so far, in clock ticks of 10 ms (proc(5), fields 14 and 15).
    fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }
}

fn ask(socket: &Path, request: &str) -> String {
    let Ok(mut stream) = UnixStream::connect(socket) else { return String::new() };
    let mut answer = String::new();
    if stream.write_all(request.as_bytes()).is_ok() {
        let _ = stream.read_to_string(&mut answer);
    }
    answer
}

fn rpc(method: &str) -> String {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
    format!(
        "POST /rpc HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn app(number: usize, clock: &Clock) -> AppRecord {
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

fn seeded(count: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("d");
    std::fs::create_dir(&data).unwrap();
    // The first start makes the key; a database without one is refused.
    Daemon::start_in(&dir);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let clock = Clock::system();
        let store = Store::open(&data.join("proximity.db"), clock.clone()).unwrap();
        store
            .write(move |tx| {
                for number in 0..count {
                    let app = app(number, &clock);
                    tx.insert_app(&app)?;
                    tx.update_app(&app)?;
                }
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    });
    dir
}

impl Daemon {
    /// Starts one in a directory that stays, and stops it.
    fn start_in(dir: &tempfile::TempDir) {
        let status = Command::new("timeout")
            .args(["--preserve-status", "-s", "TERM", "1"])
            .arg(binary("proximityd"))
            .args(["--log", "error", "--data-dir", dir.path().join("d").to_str().unwrap()])
            .arg("--socket")
            .arg(dir.path().join("s"))
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "the daemon's first start failed");
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Whole-process times in milliseconds, each command's runs taken in turn with the others'.
fn times(commands: &[(&str, Vec<String>)]) -> Vec<(String, f64)> {
    let mut all: Vec<Vec<f64>> = vec![Vec::new(); commands.len()];
    for run in 0..=RUNS {
        for ((_, words), times) in commands.iter().zip(&mut all) {
            let begun = Instant::now();
            let status = Command::new(&words[0]).args(&words[1..]).stdout(Stdio::null()).status().unwrap();
            assert!(status.success(), "{words:?}");
            // The first run warms the caches.
            if run > 0 {
                times.push(begun.elapsed().as_secs_f64() * 1000.0);
            }
        }
    }
    commands.iter().zip(all).map(|((name, _), times)| ((*name).to_string(), median(times))).collect()
}

fn listing(count: usize) {
    let daemon = Daemon::start(seeded(count), &[]);
    let socket = daemon.socket().display().to_string();
    let ctl = binary("proximityctl").display().to_string();
    let floor = std::env::current_exe().unwrap().display().to_string();
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_string()).collect::<Vec<_>>();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"app.list"}"#;
    let mut commands = vec![
        ("floor", words(&[&floor, "--floor", &socket])),
        ("ls -o json", words(&[&ctl, "--socket", &socket, "ls", "-o", "json"])),
        ("ls", words(&[&ctl, "--socket", &socket, "ls"])),
    ];
    if Path::new("/usr/bin/curl").exists() {
        commands.push(("curl", words(&["curl", "-s", "--unix-socket", &socket, "-d", body, "http://x/rpc"])));
    }
    for (name, time) in times(&commands) {
        println!("{count:>6} apps  {name:<12} {time:>8.2} ms");
    }
    println!("{count:>6} apps  first answer {:>8.2} ms", daemon.first_answer.as_secs_f64() * 1000.0);
    println!("{count:>6} apps  idle RSS     {:>8.1} MB", daemon.resident() as f64 / 1024.0);
}

/// One connection kept open: what a call costs.
fn kept_open() {
    let daemon = Daemon::start(seeded(1000), &[]);
    for (name, path, method) in [("health", "/health", None), ("app.list", "/rpc", Some("app.list"))] {
        let mut stream = UnixStream::connect(daemon.socket()).unwrap();
        let request = match method {
            None => format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"),
            Some(method) => rpc(method).replace("connection: close\r\n", ""),
        };
        let mut times = Vec::new();
        for _ in 0..1000 {
            let begun = Instant::now();
            stream.write_all(request.as_bytes()).unwrap();
            read_answer(&mut stream);
            times.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        times.sort_by(f64::total_cmp);
        println!("kept open    {name:<12} p50 {:>8.0} µs  p99 {:>8.0} µs", times[500], times[990]);
    }
}

fn read_answer(stream: &mut UnixStream) {
    let mut seen = Vec::new();
    let mut buffer = [0; 65536];
    loop {
        let count = stream.read(&mut buffer).unwrap();
        seen.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&seen[..seen.len().min(512)]).to_lowercase();
        let Some(head) = text.find("\r\n\r\n") else { continue };
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        if seen.len() >= head + 4 + length.unwrap().parse::<usize>().unwrap() {
            return;
        }
    }
}

/// Deployments on the embedded node, whose tasks take no time: what is left is ours and the guest's.
fn deploying() {
    let daemon = Daemon::start(tempfile::tempdir().unwrap(), &["--embedded"]);
    let ctl = |args: &[&str]| {
        let socket = daemon.socket();
        let begun = Instant::now();
        let mut command = Command::new(binary("proximityctl"));
        command.arg("--socket").arg(socket).arg("--quiet").args(args).stdout(Stdio::null());
        let status = command.status().unwrap();
        assert!(status.success(), "{args:?}");
        begun.elapsed().as_secs_f64() * 1000.0
    };
    println!(
        "deploy, first (golden container built)  {:>8.0} ms",
        ctl(&["deploy", "whoami", "--name", "first"])
    );
    let names: Vec<String> = (0..9).map(|number| format!("w{number}")).collect();
    let single = median(names.iter().map(|name| ctl(&["deploy", "whoami", "--name", name])).collect());
    println!("deploy, from the golden container       {single:>8.0} ms");
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for number in 0..16 {
            scope.spawn(move || ctl(&["deploy", "whoami", "--name", &format!("p{number}")]));
        }
    });
    println!("16 deploys at once                      {:>8.0} ms", begun.elapsed().as_secs_f64() * 1000.0);
    let (ticks, begun) = (daemon.ticks(), Instant::now());
    std::thread::sleep(Duration::from_secs(20));
    let share = (daemon.ticks() - ticks) as f64 / 100.0 / begun.elapsed().as_secs_f64() * 100.0;
    println!("idle CPU, 26 apps, probes on            {share:>8.2} % of a core");
    println!("idle RSS, 26 apps                       {:>8.1} MB", daemon.resident() as f64 / 1024.0);
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args.get(1).is_some_and(|arg| arg == "--floor") {
        // The least that a client can do.
        let answer = ask(Path::new(&args[2]), &rpc("app.list"));
        std::io::stdout().write_all(answer.as_bytes()).unwrap();
        return;
    }
    for count in [10, 1000, 10_000] {
        listing(count);
    }
    kept_open();
    deploying();
}
