//! The node's own view: what it holds, what it was asked, what it is told to do wrong.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::eventually;
use crate::http::{Reply, connect, request, tls};
use crate::programs::{Program, command};

/// A node that runs, as its `node.json` describes it.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its `node.json`.
    pub file: Value,
}

impl Node {
    /// Reads `node.json`.
    pub fn read(dir: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(dir.join("node.json")).ok()?;
        Some(Self { file: serde_json::from_str(&text).ok()? })
    }

    /// A member of `node.json`.
    pub fn text(&self, key: &str) -> &str {
        self.file[key].as_str().unwrap_or_else(|| panic!("node.json has no {key}"))
    }

    /// Its process.
    pub fn pid(&self) -> i32 {
        self.file["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).expect("node.json has a pid")
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> std::io::Result<Reply> {
        request(tls(connect(self.text("listen"))?)?, method, path, headers, body.as_bytes())
    }

    /// A call of the Proxmox VE API as root@pam; gives `data`.
    #[track_caller]
    pub fn as_root(&self, method: &str, path: &str) -> Value {
        self.as_root_with(method, path, "")
    }

    /// As [`Node::as_root`], with a form as the body.
    #[track_caller]
    pub fn as_root_with(&self, method: &str, path: &str, body: &str) -> Value {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let login = format!("username=root@pam&password={}", self.text("root_password"));
        let ticket = self.send("POST", "/api2/json/access/ticket", &form, &login).expect("the node answers");
        let data = ticket.json()["data"].take();
        let word = |key: &str| data[key].as_str().unwrap_or_else(|| panic!("no {key}: {data}")).to_string();
        let (cookie, csrf) = (format!("PVEAuthCookie={}", word("ticket")), word("CSRFPreventionToken"));
        let mut headers = vec![("cookie", cookie.as_str()), ("csrfpreventiontoken", csrf.as_str())];
        if !body.is_empty() {
            headers.extend(form);
        }
        let path = format!("/api2/json{path}");
        let reply = self.send(method, &path, &headers, body).expect("the node answers");
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.body);
        reply.json()["data"].take()
    }

    /// Waits until a task, by its UPID, has ended well. Some calls on a stopped container give none: then nothing is waited for.
    #[track_caller]
    pub fn task_done(&self, upid: &Value) {
        let Some(upid) = upid.as_str() else { return };
        let node = upid.split(':').nth(1).expect("a UPID names its node");
        let path = format!("/nodes/{node}/tasks/{upid}/status");
        let ended = eventually("the task's end", || {
            let status = self.as_root("GET", &path);
            (status["status"] == "stopped").then_some(status)
        });
        let exit = ended["exitstatus"].as_str().unwrap_or_default();
        assert!(exit == "OK" || exit.starts_with("WARNINGS: "), "{ended}");
    }

    /// A control call.
    #[track_caller]
    pub fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let bearer = format!("Bearer {}", self.text("control_token"));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let reply = self.send(method, path, &[("authorization", &bearer)], &body).expect("the node answers");
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.body);
        reply.json()
    }

    /// Replaces the fault rules.
    #[track_caller]
    pub fn faults(&self, rules: Value) {
        self.control("PUT", "/sim/faults", &json!({ "rule": rules }));
    }

    /// How often the rules have acted.
    #[track_caller]
    pub fn acted(&self) -> u64 {
        let plan = self.control("GET", "/sim/faults", &Value::Null);
        plan["rule"].as_array().into_iter().flatten().filter_map(|rule| rule["acted"].as_u64()).sum()
    }

    /// Turns a knob.
    #[track_caller]
    pub fn turn(&self, knobs: Value) {
        self.control("POST", "/sim/state", &knobs);
    }

    /// The number of API calls it has had.
    #[track_caller]
    pub fn requests(&self) -> u64 {
        self.control("GET", "/sim/requests?limit=0", &Value::Null)["total"].as_u64().expect("a number")
    }

    /// The containers on it, whoever may see them: id and configuration.
    #[track_caller]
    pub fn containers(&self) -> Vec<(u64, Value)> {
        let mut state = self.control("GET", "/sim/state", &Value::Null);
        let Value::Array(guests) = state["guests"].take() else { panic!("no guests: {state}") };
        guests.into_iter().map(|g| (g["vmid"].as_u64().expect("a vmid"), g)).collect()
    }

    /// The ids of those that are no templates.
    #[track_caller]
    pub fn plain_containers(&self) -> Vec<u64> {
        self.containers().iter().filter(|(_, g)| g["config"]["template"] != "1").map(|(id, _)| *id).collect()
    }

    /// The ids of the templates.
    #[track_caller]
    pub fn templates(&self) -> Vec<u64> {
        self.containers().iter().filter(|(_, g)| g["config"]["template"] == "1").map(|(id, _)| *id).collect()
    }

    /// The disks of containers on it.
    #[track_caller]
    pub fn disks(&self) -> Vec<String> {
        let state = self.control("GET", "/sim/state", &Value::Null);
        let volumes = state["volumes"].as_array().cloned().unwrap_or_default();
        let ids = volumes.iter().filter_map(|volume| volume["volid"].as_str().map(str::to_string));
        ids.filter(|id| id.contains("-disk-")).collect()
    }
}

/// A node that the test itself starts: a host like a real one, reached over the network.
#[derive(Debug)]
pub struct SecondHost {
    dir: TempDir,
    version: &'static str,
    nodes: &'static str,
    child: Option<Child>,
}

impl SecondHost {
    /// Starts it.
    pub fn start() -> Self {
        Self::of("9.2")
    }

    /// Starts one of a release of Proxmox VE.
    pub fn of(version: &'static str) -> Self {
        let dir = crate::daemon::directory();
        let mut host = Self { dir, version, nodes: "pve1", child: None };
        host.run();
        host
    }

    /// Starts a cluster of nodes, by their names with commas in between.
    pub fn cluster(nodes: &'static str) -> Self {
        let dir = crate::daemon::directory();
        let mut host = Self { dir, version: "9.2", nodes, child: None };
        host.run();
        host
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("n")
    }

    /// Starts it (again) and waits until it answers.
    pub fn run(&mut self) {
        let mut sim = command(&Program::Sim.path(), self.dir.path());
        sim.args(["--pve-version", self.version, "--nodes", self.nodes])
            .arg("--state-dir")
            .arg(self.state())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = sim.spawn().expect("the node can be started");
        let pid = child.id();
        self.child = Some(child);
        let dir = self.state();
        crate::eventually("the second node answers", || {
            let node = Node::read(&dir).filter(|node| node.pid().cast_unsigned() == pid)?;
            connect(node.text("listen")).ok().map(|_| ())
        });
    }

    /// Ends it at once.
    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Its own view.
    pub fn node(&self) -> Node {
        Node::read(&self.state()).expect("the node wrote node.json")
    }
}

impl Drop for SecondHost {
    fn drop(&mut self) {
        self.kill9();
    }
}
