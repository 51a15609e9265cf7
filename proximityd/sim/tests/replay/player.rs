//! Plays one exchange: a fresh node, the state the rules find, the request, the comparison.

use std::time::Duration;

use hyper::ext::ReasonPhrase;
use proximity_sim::{Options, Running, serve};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::compare::{Answered, differences};
use super::exchange::{Auth, Exchange};
use super::rules;
use super::world::{SECRET, Task, USER, World};

/// A node in this process, and a client for it.
pub(crate) struct Stage {
    pub(crate) node: Running,
    http: Client,
    _dir: TempDir,
}

/// Where the node is to be.
pub(crate) fn options(dir: &TempDir) -> Options {
    let mut options = Options::new(dir.path());
    options.refusal_delay = Duration::from_millis(1);
    options
}

impl Stage {
    /// A fresh node of a release.
    pub(crate) async fn new(release: Option<&str>) -> Self {
        let version = release.and_then(|r| r.parse().ok());
        Self::with(|options| options.version = version.unwrap_or(options.version)).await
    }

    /// A fresh node with other options.
    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = options(&dir);
        change(&mut options);
        let node = serve(options).await.unwrap();
        let http = crate::support::client(&node);
        Self { node, http, _dir: dir }
    }

    async fn control(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let request = self.http.request(method, format!("{}/sim{path}", self.node.url()));
        let request = request.header("Authorization", format!("Bearer {}", self.node.file.control_token));
        let request = match body {
            Some(body) => request.body(body.to_string()),
            None => request,
        };
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        if status.is_success() { Ok(serde_json::from_str(&text).unwrap()) } else { Err(text) }
    }

    /// The node's whole state.
    pub(crate) async fn whole(&self) -> Value {
        self.control(Method::GET, "/state/whole", None).await.unwrap()["state"].clone()
    }

    /// Puts a world in place.
    ///
    /// # Errors
    /// The node's words when a node cannot be in such a state.
    pub(crate) async fn set(&self, world: &World) -> Result<(), String> {
        let task = |t: &Task| {
            let end = t.end.as_ref().map(|(status, at)| json!({ "status": status, "at": at }));
            json!({ "upid": t.upid, "log": t.log, "end": end })
        };
        let tasks: Vec<Value> = world.tasks.iter().map(task).collect();
        let body = json!({ "state": world.state, "tasks": tasks });
        self.control(Method::PUT, "/state/whole", Some(&body)).await.map(drop)
    }

    /// A request for a path below `/api2/json`.
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.http.request(method, format!("{}/api2/json{path}", self.node.url()))
    }

    /// A ticket and its CSRF token.
    pub(crate) async fn login(&self, user: &str) -> (String, String) {
        let form = [("username", user), ("password", SECRET)];
        let reply = read(self.request("POST", "/access/ticket").form(&form)).await;
        let text = |key: &str| reply.body["data"][key].as_str().unwrap_or_default().to_owned();
        (text("ticket"), text("CSRFPreventionToken"))
    }

    /// Puts the login of an exchange on a request.
    async fn authorized(&self, exchange: &Exchange, request: RequestBuilder) -> RequestBuilder {
        match &exchange.auth {
            Auth::None => request,
            Auth::Other(text) => request.header("Authorization", text.replace("<uuid>", SECRET)),
            Auth::Token(id, separator) => {
                let secret =
                    if exchange.status == 401 { "00000000-0000-0000-0000-000000000000" } else { SECRET };
                request.header("Authorization", format!("PVEAPIToken{separator}{id}={secret}"))
            }
            Auth::Ticket(with_csrf) => {
                let (mut ticket, mut csrf) = self.login(&ticket_of(exchange)).await;
                if exchange.status == 401 && exchange.reason.contains("csrf") {
                    csrf = "00000000:nonsense".to_owned();
                } else if exchange.status == 401 {
                    ticket = "PVE:root@pam:00000000::nonsense".to_owned();
                }
                let request = request.header("Cookie", format!("PVEAuthCookie={ticket}"));
                if *with_csrf { request.header("CSRFPreventionToken", csrf) } else { request }
            }
        }
    }

    /// Sends an exchange's request.
    pub(crate) async fn ask(&self, exchange: &Exchange, world: &World) -> Answered {
        let request = self.authorized(exchange, self.request(&exchange.method, &exchange.path)).await;
        let request = match &exchange.content_type {
            Some(kind) => request.header("Content-Type", kind),
            None => request,
        };
        let mut body = exchange.body.clone().unwrap_or_default().replace("<password>", SECRET);
        if let Some(old) = exchange.param("digest").filter(|_| world.fresh_digest) {
            body = body.replace(&old, &self.digest(exchange).await);
        }
        read(if exchange.body.is_some() { request.body(body) } else { request }).await
    }

    /// The current digest of the configuration that a request is about.
    async fn digest(&self, exchange: &Exchange) -> String {
        let path = exchange.path.split('?').next().unwrap_or_default();
        let (ticket, _) = self.login("root@pam").await;
        let request = self.request("GET", path).header("Cookie", format!("PVEAuthCookie={ticket}"));
        read(request).await.body["data"]["digest"].as_str().unwrap_or_default().to_owned()
    }
}

/// Whose ticket it was: the one that a task in the reply names, or one that may not all.
fn ticket_of(exchange: &Exchange) -> String {
    let upid = exchange.data().as_str().filter(|d| d.starts_with("UPID:"));
    match upid.and_then(|u| u.trim_end_matches(':').rsplit(':').next()) {
        Some(user) => user.to_owned(),
        None if exchange.status == 403 => USER.to_owned(),
        None => "root@pam".to_owned(),
    }
}

/// Sends a request and reads status, reason phrase and body.
pub(crate) async fn read(request: RequestBuilder) -> Answered {
    let response = request.send().await.unwrap();
    let status = response.status();
    let phrase = response.extensions().get::<ReasonPhrase>();
    let phrase = phrase.map(|p| String::from_utf8_lossy(p.as_bytes()).into_owned());
    let reason = phrase.or_else(|| status.canonical_reason().map(str::to_owned)).unwrap_or_default();
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answered { status: status.as_u16(), reason, body }
}

/// The world that the rules find for an exchange.
pub(crate) fn world_of(exchange: &Exchange, whole: Value) -> World {
    let mut world = World::new(whole);
    rules::apply(exchange, &mut world);
    world
}

/// Plays an exchange; the differences in words.
pub(crate) async fn play(exchange: &Exchange) -> Vec<String> {
    let release =
        exchange.plain_path().ends_with("/version").then(|| exchange.data()["release"].as_str()).flatten();
    let stage = Stage::new(release).await;
    let world = world_of(exchange, stage.whole().await);
    if let Err(error) = stage.set(&world).await {
        stage.node.shutdown().await;
        return vec![format!("no node can be in the state that this implies: {error}")];
    }
    let got = stage.ask(exchange, &world).await;
    stage.node.shutdown().await;
    let body = match &exchange.reply {
        Value::Null => Value::String(String::new()),
        other => other.clone(),
    };
    let expected = Answered { status: exchange.status, reason: exchange.reason.clone(), body };
    differences(&expected, &got)
}
