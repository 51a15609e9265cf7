//! The binary with its own engine: what a starter sees, and a life that outlasts `kill -9`.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use proximity_sim::NodeFile;
use reqwest::Method;
use serde_json::Value;
use support::{TEMPLATE, urlencode};

struct Node {
    process: Child,
    file: NodeFile,
    http: reqwest::Client,
}

fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_proximity-sim"));
    command.arg("--state-dir").arg(dir).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

impl Node {
    fn start(dir: &Path) -> Self {
        let mut process = command(dir).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&ready["ready"], &ready["engine"]), (&Value::Bool(true), &Value::from("memory")));
        let file: NodeFile = serde_json::from_slice(&std::fs::read(dir.join("node.json")).unwrap()).unwrap();
        assert!(!line.contains(&file.token_secret) && !line.contains(&file.control_token));
        let _ = rustls::crypto::ring::default_provider().install_default();
        let ca = reqwest::Certificate::from_pem(file.ca_pem.as_bytes()).unwrap();
        let http = reqwest::Client::builder().tls_certs_only([ca]).build().unwrap();
        Self { process, file, http }
    }

    async fn call(&self, method: Method, path: &str, form: &[(&str, &str)]) -> Value {
        let token = format!("PVEAPIToken={}={}", self.file.token_id, self.file.token_secret);
        let request = self.http.request(method.clone(), format!("{}/api2/json{path}", self.file.url));
        let request = request.header("Authorization", token);
        let request = if method == Method::GET { request } else { request.form(form) };
        let reply = support::read(request.send().await.unwrap()).await;
        reply.data().clone()
    }

    async fn task(&self, path: &str, form: &[(&str, &str)]) {
        let upid = self.call(Method::POST, path, form).await;
        let path = format!("/nodes/pve1/tasks/{}/status", urlencode(upid.as_str().unwrap()));
        loop {
            let status = self.call(Method::GET, &path, &[]).await;
            if status["status"] == "stopped" {
                assert_eq!(status["exitstatus"], "OK");
                return;
            }
        }
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[tokio::test]
async fn after_kill_9_the_node_is_back_with_its_address_its_tokens_and_its_running_container() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path());
    let template = [("storage", "local"), ("template", TEMPLATE.strip_prefix("local:vztmpl/").unwrap())];
    node.task("/nodes/pve1/aplinfo", &template).await;
    node.task("/nodes/pve1/lxc", &support::Rig::form("100", &[])).await;
    node.task("/nodes/pve1/lxc/100/status/start", &[]).await;
    let config = node.call(Method::GET, "/nodes/pve1/lxc/100/config", &[]).await;
    let before = node.file.clone();
    node.kill();

    let node = Node::start(dir.path());
    assert_eq!((&node.file.url, &node.file.token_secret), (&before.url, &before.token_secret));
    assert_eq!(node.call(Method::GET, "/nodes/pve1/lxc/100/config", &[]).await, config);
    let status = node.call(Method::GET, "/nodes/pve1/lxc/100/status/current", &[]).await;
    assert_eq!(status["status"], "running");
    node.kill();
}

#[tokio::test]
async fn what_a_node_keeps_is_its_owners_only() {
    let dir = tempfile::tempdir().unwrap();
    // As a shell's user would make it.
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let node = Node::start(dir.path());
    let template = [("storage", "local"), ("template", TEMPLATE.strip_prefix("local:vztmpl/").unwrap())];
    node.task("/nodes/pve1/aplinfo", &template).await;
    node.task("/nodes/pve1/lxc", &support::Rig::form("100", &[])).await;
    node.task("/nodes/pve1/lxc/100/status/start", &[]).await;
    let mut seen = Vec::new();
    let mut rest = vec![dir.path().to_owned()];
    while let Some(path) = rest.pop() {
        let found = std::fs::metadata(&path).unwrap();
        let mode = found.permissions().mode() & 0o777;
        assert_eq!(mode, if found.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
        if found.is_dir() {
            rest.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        seen.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
    }
    assert!(seen.iter().any(|name| name == "state.tar"), "{seen:?}");
    node.kill();
}

#[test]
fn a_second_node_on_the_same_directory_is_refused_clearly() {
    let dir = tempfile::tempdir().unwrap();
    let first = Node::start(dir.path());
    let second = command(dir.path()).stderr(Stdio::piped()).output().unwrap();
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("another proximity-sim already uses"));
    first.kill();
}
