//! A node in this process with an engine that only remembers, and a client for it.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use proximity_sim::engine::{
    Console, ConsoleInput, Engine, EngineError, GuestInterface, GuestSpec, GuestUsage,
};
use proximity_sim::{Options, Running, serve};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// Remembers what runs; its console sends everything back.
#[derive(Default)]
pub(crate) struct NullEngine {
    running: Mutex<BTreeMap<u32, bool>>,
    pub(crate) stubborn: Mutex<bool>,
    pub(crate) calls: Mutex<Vec<String>>,
}

impl NullEngine {
    fn note(&self, what: &str, guest: &GuestSpec) {
        self.calls.lock().unwrap().push(format!("{what} {}", guest.vmid));
    }

    fn set(&self, guest: &GuestSpec, running: bool) {
        self.running.lock().unwrap().insert(guest.vmid, running);
    }
}

#[async_trait::async_trait]
impl Engine for NullEngine {
    fn name(&self) -> &'static str {
        "null"
    }
    async fn create(&self, guest: &GuestSpec, archive: &Path) -> Result<Vec<String>, EngineError> {
        self.note("create", guest);
        if archive.exists() {
            Ok(Vec::new())
        } else {
            Err(EngineError(format!("{} is missing", archive.display())))
        }
    }
    async fn copy(
        &self,
        from: &GuestSpec,
        to: &GuestSpec,
        _: Option<&str>,
        _: bool,
    ) -> Result<(), EngineError> {
        self.note("copy from", from);
        self.note("copy to", to);
        Ok(())
    }
    async fn reconfigure(&self, guest: &GuestSpec) -> Result<(), EngineError> {
        self.note("reconfigure", guest);
        Ok(())
    }
    async fn start(&self, guest: &GuestSpec) -> Result<(), EngineError> {
        self.note("start", guest);
        self.set(guest, true);
        Ok(())
    }
    async fn shutdown(&self, guest: &GuestSpec, _: Duration) -> Result<bool, EngineError> {
        self.note("shutdown", guest);
        if *self.stubborn.lock().unwrap() {
            return Ok(false);
        }
        self.set(guest, false);
        Ok(true)
    }
    async fn stop(&self, guest: &GuestSpec) -> Result<(), EngineError> {
        self.note("stop", guest);
        self.set(guest, false);
        Ok(())
    }
    async fn destroy(&self, guest: &GuestSpec) -> Result<(), EngineError> {
        self.note("destroy", guest);
        Ok(())
    }
    async fn snapshot(&self, guest: &GuestSpec, _: &str) -> Result<(), EngineError> {
        self.note("snapshot", guest);
        Ok(())
    }
    async fn rollback(&self, guest: &GuestSpec, _: &str) -> Result<(), EngineError> {
        self.note("rollback", guest);
        Ok(())
    }
    async fn delete_snapshot(&self, guest: &GuestSpec, _: &str) -> Result<(), EngineError> {
        self.note("delete snapshot", guest);
        Ok(())
    }
    async fn archive(&self, guest: &GuestSpec, pct_conf: &str, out: &Path) -> Result<(), EngineError> {
        self.note("archive", guest);
        std::fs::write(out, pct_conf).map_err(|e| EngineError(e.to_string()))
    }
    async fn restore(&self, guest: &GuestSpec, archive: &Path) -> Result<(), EngineError> {
        self.note("restore", guest);
        if archive.exists() { Ok(()) } else { Err(EngineError("no archive".into())) }
    }
    async fn running(&self, guest: &GuestSpec) -> bool {
        self.running.lock().unwrap().get(&guest.vmid).copied().unwrap_or(false)
    }
    async fn interfaces(&self, _: &GuestSpec) -> Vec<GuestInterface> {
        vec![GuestInterface {
            name: "eth0".into(),
            hwaddr: "BC:24:11:00:00:01".into(),
            inet: Some("10.99.0.5/24".into()),
            inet6: None,
        }]
    }
    async fn usage(&self, _: &GuestSpec) -> GuestUsage {
        GuestUsage { pid: 4242, uptime: 7, mem: 1 << 20, ..GuestUsage::default() }
    }
    async fn console(&self, guest: &GuestSpec) -> Result<Console, EngineError> {
        if !self.running(guest).await {
            return Err(EngineError("not running".into()));
        }
        let (input, mut received) = mpsc::channel(16);
        let (sender, output) = mpsc::channel(16);
        tokio::spawn(async move {
            while let Some(piece) = received.recv().await {
                let echo = match piece {
                    ConsoleInput::Data(bytes) if &bytes[..] == b"exit\n" => return,
                    ConsoleInput::Data(bytes) => bytes,
                    ConsoleInput::Resize { cols, rows } => Bytes::from(format!("[{cols}x{rows}]")),
                };
                if sender.send(echo).await.is_err() {
                    return;
                }
            }
        });
        Ok(Console { input, output })
    }
}

/// A node, its directory and a client.
pub(crate) struct Rig {
    pub(crate) node: Running,
    pub(crate) dir: TempDir,
    pub(crate) engine: Arc<NullEngine>,
    http: reqwest::Client,
}

/// Status, reason phrase and body of a reply.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn data(&self) -> &Value {
        assert_eq!(self.status, 200, "{}", self.text);
        &self.body["data"]
    }
    pub(crate) fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default().trim()
    }
}

pub(crate) const TEMPLATE: &str = "local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst";

pub(crate) fn quick(dir: &Path, engine: &Arc<NullEngine>) -> Options {
    let mut options = Options::new(dir);
    options.engine = Some(Arc::clone(engine) as Arc<dyn Engine>);
    options.refusal_delay = Duration::from_millis(1);
    options
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let engine = Arc::new(NullEngine::default());
        let mut options = quick(dir.path(), &engine);
        change(&mut options);
        Self::open(dir, engine, options).await
    }

    pub(crate) async fn open(dir: TempDir, engine: Arc<NullEngine>, options: Options) -> Self {
        let node = serve(options).await.unwrap();
        let http = client(&node);
        Self { node, dir, engine, http }
    }

    /// Stops the node and starts it again on the same directory.
    pub(crate) async fn restart(self) -> Self {
        let Self { node, dir, .. } = self;
        node.shutdown().await;
        let engine = Arc::new(NullEngine::default());
        let options = quick(dir.path(), &engine);
        Self::open(dir, engine, options).await
    }

    pub(crate) fn token(&self) -> String {
        format!("PVEAPIToken={}={}", self.node.file.token_id, self.node.file.token_secret)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}/api2/json{path}", self.node.url()))
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        read(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path).header("Authorization", self.token())).await
    }

    pub(crate) async fn call(&self, method: Method, path: &str, form: &[(&str, &str)]) -> Reply {
        let request = self.request(method.clone(), path).header("Authorization", self.token());
        let request = if method == Method::GET || method == Method::DELETE {
            request.query(form)
        } else {
            request.form(form)
        };
        self.send(request).await
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        self.call(Method::POST, path, form).await
    }

    pub(crate) async fn put(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        self.call(Method::PUT, path, form).await
    }

    /// Calls as `root@pam` with a ticket.
    pub(crate) async fn as_root(&self, method: Method, path: &str, form: &[(&str, &str)]) -> Reply {
        let login = [("username", "root@pam"), ("password", self.node.file.root_password.as_str())];
        let reply = self.send(self.request(Method::POST, "/access/ticket").form(&login)).await;
        let data = reply.data().clone();
        let request = self
            .request(method.clone(), path)
            .header("Cookie", format!("PVEAuthCookie={}", data["ticket"].as_str().unwrap()))
            .header("CSRFPreventionToken", data["CSRFPreventionToken"].as_str().unwrap());
        let get = method == Method::GET || method == Method::DELETE;
        self.send(if get { request.query(form) } else { request.form(form) }).await
    }

    /// Waits for a task to end and returns its exit status. Asking is what passes the time.
    pub(crate) async fn ended(&self, reply: &Reply) -> String {
        self.ended_upid(reply.data().as_str().unwrap()).await
    }

    pub(crate) async fn ended_upid(&self, upid: &str) -> String {
        let path = format!("/nodes/pve1/tasks/{}/status", urlencode(upid));
        loop {
            let status = self.get(&path).await;
            if status.data()["status"] == "stopped" {
                return status.data()["exitstatus"].as_str().unwrap().to_owned();
            }
        }
    }

    pub(crate) async fn log_of(&self, reply: &Reply) -> Vec<String> {
        let path = format!("/nodes/pve1/tasks/{}/log?limit=500", urlencode(reply.data().as_str().unwrap()));
        let log = self.get(&path).await;
        log.data().as_array().unwrap().iter().map(|l| l["t"].as_str().unwrap().to_owned()).collect()
    }

    /// Downloads the guest template everything is made from.
    pub(crate) async fn template(&self) {
        let form = [("storage", "local"), ("template", "debian-13-standard_13.1-2_amd64.tar.zst")];
        let reply = self.post("/nodes/pve1/aplinfo", &form).await;
        assert_eq!(self.ended(&reply).await, "OK");
    }

    pub(crate) fn form<'a>(vmid: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut form = vec![
            ("vmid", vmid),
            ("ostemplate", TEMPLATE),
            ("hostname", "app"),
            ("unprivileged", "1"),
            ("features", "nesting=1"),
            ("rootfs", "local-lvm:8"),
            ("memory", "512"),
            ("cores", "2"),
            ("net0", "name=eth0,bridge=vmbr0,ip=dhcp"),
            ("pool", "proximity"),
            ("cmode", "shell"),
        ];
        form.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        form.extend_from_slice(more);
        form
    }

    pub(crate) async fn create(&self, vmid: &str) {
        let reply = self.post("/nodes/pve1/lxc", &Self::form(vmid, &[])).await;
        assert_eq!(self.ended(&reply).await, "OK");
    }

    pub(crate) async fn start(&self, vmid: &str) {
        let reply = self.post(&format!("/nodes/pve1/lxc/{vmid}/status/start"), &[]).await;
        assert_eq!(self.ended(&reply).await, "OK");
    }

    pub(crate) async fn control(&self, method: Method, path: &str, body: Value) -> Value {
        let request = self
            .http
            .request(method, format!("{}/sim{path}", self.node.url()))
            .header("Authorization", format!("Bearer {}", self.node.file.control_token));
        let request = if body.is_null() { request } else { request.body(body.to_string()) };
        let reply = read(request.send().await.unwrap()).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.body
    }

    pub(crate) async fn fault(&self, rule: Value) {
        self.control(Method::PUT, "/faults", json!({ "rule": [rule] })).await;
    }
}

pub(crate) fn client(node: &Running) -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let ca = reqwest::Certificate::from_pem(node.file.ca_pem.as_bytes()).unwrap();
    reqwest::Client::builder().tls_certs_only([ca]).build().unwrap()
}

pub(crate) async fn read(response: Response) -> Reply {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    Reply { status, body: serde_json::from_str(&text).unwrap_or(Value::Null), text }
}

pub(crate) fn urlencode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
