//! What the memory engine's tests share: an engine on a directory of its own, guests, and a terminal.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use proximity_sim::engine::memory::{MemoryEngine, MemoryOptions};
use proximity_sim::engine::{Console, ConsoleInput, Engine, GuestSpec};
use tempfile::TempDir;

/// Nothing in these tests takes longer, unless it is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// An engine and its directory.
pub struct Rig {
    pub dir: TempDir,
    pub engine: MemoryEngine,
    pub options: MemoryOptions,
}

impl Rig {
    pub async fn new() -> Self {
        Self::with(Some(false)).await
    }

    pub async fn with(privileged_ports: Option<bool>) -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("debian-13-standard_13.1-2_amd64.tar.zst"), b"template").unwrap();
        let options = MemoryOptions { state_dir: dir.path().to_owned(), privileged_ports };
        let engine = MemoryEngine::new(options.clone()).await.unwrap();
        Self { dir, engine, options }
    }

    /// The node's process dies and starts again.
    pub async fn restart(self) -> Self {
        let Self { dir, engine, options } = self;
        std::mem::forget(engine);
        let engine = MemoryEngine::new(options.clone()).await.unwrap();
        Self { dir, engine, options }
    }

    pub fn spec(&self, vmid: u32) -> GuestSpec {
        let config = [
            ("memory", "1024"),
            ("cores", "2"),
            ("rootfs", "local:vm-1-disk-0,size=8G"),
            ("net0", "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:AA:BB:CC,ip=dhcp"),
        ];
        GuestSpec {
            vmid,
            hostname: format!("app{vmid}"),
            dir: self.dir.path().join("guests").join(vmid.to_string()),
            config: config.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect::<BTreeMap<_, _>>(),
        }
    }

    pub fn template(&self) -> std::path::PathBuf {
        self.dir.path().join("debian-13-standard_13.1-2_amd64.tar.zst")
    }

    /// A guest that runs.
    pub async fn guest(&self, vmid: u32) -> GuestSpec {
        let spec = self.spec(vmid);
        self.engine.create(&spec, &self.template()).await.unwrap();
        self.engine.start(&spec).await.unwrap();
        spec
    }

    /// A guest that runs, with Docker in it.
    pub async fn docker_guest(&self, vmid: u32) -> GuestSpec {
        let spec = self.guest(vmid).await;
        let (_, status) = self.sh(&spec, "apt-get install -y docker.io docker-cli docker-compose").await;
        assert_eq!(status, 0);
        spec
    }

    pub async fn terminal(&self, spec: &GuestSpec) -> Terminal {
        Terminal { console: self.engine.console(spec).await.unwrap(), seen: Vec::new() }
    }

    /// Runs a script on the console; what it printed, and its status.
    pub async fn sh(&self, spec: &GuestSpec, script: &str) -> (String, i32) {
        let mut terminal = self.terminal(spec).await;
        terminal.type_in("\x05\x15 stty -echo; printf 'Q%sQ\\n' UIET\n").await;
        terminal.until("QUIETQ").await;
        terminal
            .type_in(&format!("{{ printf 'B%sN\\n' EGI; {script}\n}}; printf 'E%s:%s.\\n' ND $?\n"))
            .await;
        terminal.until("BEGIN\r\n").await;
        let mut text = terminal.until("END:").await;
        text.truncate(text.len() - "END:".len());
        let status = terminal.until(".").await.trim_end_matches('.').parse().unwrap();
        (text.replace("\r\n", "\n"), status)
    }

    /// As [`Self::sh`], for scripts that succeed.
    pub async fn ok(&self, spec: &GuestSpec, script: &str) -> String {
        let (text, status) = self.sh(spec, script).await;
        assert_eq!(status, 0, "{script}: {text}");
        text
    }

    /// Brings up a Compose file in `/opt/app`.
    pub async fn up(&self, spec: &GuestSpec, compose: &str) -> (String, i32) {
        let script = format!(
            "mkdir -p /opt/app; cat >/opt/app/compose.yaml <<'EOF'\n{compose}\nEOF\ndocker compose --project-directory /opt/app up -d --remove-orphans --quiet-pull 2>&1"
        );
        self.sh(spec, &script).await
    }

    /// The guest's address.
    pub async fn address(&self, spec: &GuestSpec) -> String {
        let interfaces = self.engine.interfaces(spec).await;
        let eth0 = interfaces.iter().find(|i| i.name == "eth0").unwrap();
        eth0.inet.clone().unwrap().split('/').next().unwrap().to_owned()
    }
}

/// A client of a console.
pub struct Terminal {
    console: Console,
    seen: Vec<u8>,
}

impl Terminal {
    pub async fn type_in(&mut self, text: &str) {
        self.send(text.as_bytes()).await;
    }

    pub async fn send(&mut self, data: &[u8]) {
        self.console.input.send(ConsoleInput::Data(Bytes::copy_from_slice(data))).await.unwrap();
    }

    /// Waits for `text`; what came up to its end.
    pub async fn until(&mut self, text: &str) -> String {
        loop {
            let found = self.seen.windows(text.len()).position(|window| window == text.as_bytes());
            if let Some(at) = found {
                let head: Vec<u8> = self.seen.drain(..at + text.len()).collect();
                return String::from_utf8_lossy(&head).into_owned();
            }
            match tokio::time::timeout(PATIENCE, self.console.output.recv()).await {
                Ok(Some(bytes)) => self.seen.extend_from_slice(&bytes),
                Ok(None) => panic!("the console ended; seen: {:?}", String::from_utf8_lossy(&self.seen)),
                Err(_) => panic!("no {text:?}; seen: {:?}", String::from_utf8_lossy(&self.seen)),
            }
        }
    }

    /// Waits for the end; what came until then.
    pub async fn end(&mut self) -> String {
        while let Some(bytes) = tokio::time::timeout(PATIENCE, self.console.output.recv()).await.unwrap() {
            self.seen.extend_from_slice(&bytes);
        }
        String::from_utf8_lossy(&self.seen).into_owned()
    }
}

/// Status and body of a GET.
pub async fn get(address: &str, port: u16, headers: &[(&str, &str)]) -> Option<(u16, String)> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect((address, port)).await.ok()?;
    let mut request = format!("GET /any/path HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{request}\r\n").as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
}

/// Whether a path is there.
pub fn exists(path: &Path) -> bool {
    path.exists()
}
