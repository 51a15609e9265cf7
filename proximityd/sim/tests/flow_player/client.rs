//! Sends requests to the node, and lets its clock go on while one waits.

use std::time::Duration;

use hyper::ext::ReasonPhrase;
use proximity_sim::Running;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Map, Value, json};

use super::compare::Reply;

/// The longest the held clock goes on at once, so that what is to happen in between happens.
const STRIDE: u64 = 1000;

/// A client of one node.
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    root_password: String,
    control_token: String,
}

impl Client {
    pub(crate) fn new(node: &Running) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let ca = reqwest::Certificate::from_pem(node.file.ca_pem.as_bytes()).unwrap();
        Self {
            http: reqwest::Client::builder().tls_certs_only([ca]).build().unwrap(),
            url: node.url().to_owned(),
            root_password: node.file.root_password.clone(),
            control_token: node.file.control_token.clone(),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/api2/json{path}", self.url))
    }

    /// Asks as the story's token; while the reply waits for a task, the clock goes on.
    pub(crate) async fn ask(
        &self,
        login: &str,
        method: &str,
        path: &str,
        params: &Map<String, Value>,
    ) -> Reply {
        let method: Method = method.parse().unwrap();
        let form: Vec<(&str, String)> = params.iter().map(|(k, v)| (k.as_str(), plain(v))).collect();
        let request = self.request(method.clone(), path).header("Authorization", login);
        let in_query = method == Method::GET || method == Method::DELETE;
        let request = match form.is_empty() {
            true => request,
            false if in_query => request.query(&form),
            false => request.form(&form),
        };
        let mut sent = Box::pin(request.send());
        let response = loop {
            tokio::select! {
                response = &mut sent => break response.unwrap(),
                () = tokio::time::sleep(Duration::from_millis(200)) => self.go_on().await,
            }
        };
        read(response).await
    }

    /// Asks as root with a ticket.
    pub(crate) async fn as_root(&self, method: Method, path: &str, form: &[(&str, &str)]) -> Value {
        let login = [("username", "root@pam"), ("password", self.root_password.as_str())];
        let data =
            read(self.request(Method::POST, "/access/ticket").form(&login).send().await.unwrap()).await.body;
        let request = self
            .request(method.clone(), path)
            .header("Cookie", format!("PVEAuthCookie={}", data["data"]["ticket"].as_str().unwrap()))
            .header("CSRFPreventionToken", data["data"]["CSRFPreventionToken"].as_str().unwrap());
        let request = if method == Method::GET { request.query(form) } else { request.form(form) };
        let reply = read(request.send().await.unwrap()).await;
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.reason);
        reply.body
    }

    pub(crate) async fn control(&self, method: Method, path: &str, body: Value) -> Value {
        let request = self
            .http
            .request(method, format!("{}/sim{path}", self.url))
            .header("Authorization", format!("Bearer {}", self.control_token));
        let request = if body.is_null() { request } else { request.body(body.to_string()) };
        let reply = read(request.send().await.unwrap()).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        reply.body
    }

    /// Lets time pass.
    pub(crate) async fn pass(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap();
        self.control(Method::POST, "/clock", json!({ "advance_ms": millis })).await;
    }

    /// Lets the clock go on to the next thing that waits for it; if nothing does, real work is being done.
    pub(crate) async fn go_on(&self) {
        let time = self.control(Method::GET, "/clock", Value::Null).await;
        if let Some(next) = time["next_ms"].as_u64() {
            self.pass(Duration::from_millis(next.min(STRIDE))).await;
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(flag) => u8::from(*flag).to_string(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

async fn read(response: Response) -> Reply {
    let status = response.status();
    let phrase = response.extensions().get::<ReasonPhrase>();
    let phrase = phrase.map(|p| String::from_utf8_lossy(p.as_bytes()).into_owned());
    let reason = phrase.or_else(|| status.canonical_reason().map(str::to_owned)).unwrap_or_default();
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Reply { status: status.as_u16(), reason, body }
}
