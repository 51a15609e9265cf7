//! The embedded node's own view: what it was asked, how long its tasks ran.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::daemon::binary;

/// A node that was started here, or by a daemon.
pub(crate) struct Node {
    file: Value,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    child: Option<Child>,
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let pid = rustix::process::Pid::from_child(child);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let _ = child.wait();
        }
    }
}

impl Node {
    /// Starts one in a daemon's data directory, whose tasks take what they took on a real node. A daemon started there
    /// with `--embedded` finds it.
    pub(crate) fn recorded(data: &Path) -> Node {
        let dir = data.join("node");
        std::fs::create_dir_all(&dir).unwrap();
        let child = Command::new(binary("proximity-sim"))
            .args(["--task-time", "recorded", "--state-dir"])
            .arg(&dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while !dir.join("node.json").is_file() {
            assert!(begun.elapsed() < Duration::from_secs(20), "the node does not get ready");
            std::thread::yield_now();
        }
        let mut node = Node::of(data);
        node.child = Some(child);
        node
    }

    /// The one in a daemon's data directory.
    pub(crate) fn of(data: &Path) -> Node {
        let text = std::fs::read_to_string(data.join("node/node.json")).unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().danger_accept_invalid_certs(true).no_proxy().build().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Node { file: serde_json::from_str(&text).unwrap(), http, runtime, child: None }
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        self.file[key].as_str().unwrap()
    }

    fn send(&self, request: reqwest::RequestBuilder) -> Value {
        self.runtime.block_on(async {
            let answer = request.send().await.unwrap();
            let status = answer.status();
            let text = answer.text().await.unwrap();
            assert!(status.is_success(), "{status}: {text}");
            serde_json::from_str(&text).unwrap()
        })
    }

    /// A control call.
    pub(crate) fn control(&self, path: &str) -> Value {
        let url = format!("https://{}{path}", self.text("listen"));
        self.send(self.http.get(url).bearer_auth(self.text("control_token")))
    }

    /// A call of the Proxmox VE API with the daemon's own token.
    pub(crate) fn call(&self, method: reqwest::Method, path: &str, form: &[(&str, &str)]) -> Value {
        let url = format!("https://{}/api2/json{path}", self.text("listen"));
        let token = format!("PVEAPIToken={}={}", self.text("token_id"), self.text("token_secret"));
        let mut request = self.http.request(method, url).header("authorization", token);
        if !form.is_empty() {
            request = request.form(form);
        }
        self.send(request)["data"].take()
    }

    /// How often each call was made so far, by method and path template.
    pub(crate) fn counts(&self) -> Vec<(String, u64)> {
        let report = self.control("/sim/requests?limit=0");
        let counts = report["counts"].as_object().unwrap();
        counts.iter().map(|(call, count)| (call.clone(), count.as_u64().unwrap())).collect()
    }

    /// The tasks that have ended, by their UPIDs: the type, and how long each ran, in milliseconds. An open console is a
    /// task as well, and nothing that is waited for: it is left out.
    pub(crate) fn tasks(&self) -> BTreeMap<String, (String, f64)> {
        let text = |task: &Value, key: &str| task[key].as_str().unwrap().to_string();
        let tasks = self.control("/sim/tasks");
        let tasks = tasks.as_array().unwrap().iter();
        let tasks = tasks.filter(|task| task["type"].as_str().is_some_and(|kind| !kind.ends_with("proxy")));
        tasks.map(|task| (text(task, "upid"), (text(task, "type"), task["ms"].as_f64().unwrap()))).collect()
    }
}
