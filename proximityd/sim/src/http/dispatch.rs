//! The way of one request: faults, login, permission, parameters, method, reply, in Proxmox VE's order.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::form::{decode_form, decode_json};
use crate::auth::authenticate;
use crate::call::{Call, check_rule};
use crate::fault::Action;
use crate::node::Node;
use crate::params::Params;
use crate::reply::{ApiError, Body, Outcome, dripping, plain, response};
use crate::schema::{Api, Found, check_parameters};
use crate::state::access::Identity;
use crate::{api, console, control};

/// The greatest body taken.
const LARGEST: usize = 512 * 1024;

/// The greatest file taken.
const LARGEST_FILE: usize = 256 * 1024 * 1024;

/// The connection ends without a reply.
#[derive(Debug, thiserror::Error)]
#[error("the connection was cut on request")]
pub(crate) struct Cut;

/// Answers requests.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) node: Arc<Node>,
    pub(crate) control_token: String,
}

/// A request with its decoded path.
struct Asked {
    method: String,
    path: String,
    template: String,
    parameters: Vec<String>,
}

impl Server {
    /// Answers one request.
    pub(crate) async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
        let path = percent_decode_str(request.uri().path()).decode_utf8_lossy().into_owned();
        if !matches!(*request.method(), Method::GET | Method::POST | Method::PUT | Method::DELETE) {
            let reason = format!("method '{}' not available", request.method());
            return Ok(plain(501, &reason, Some(Vec::new()), false));
        }
        if path.starts_with("/sim/") {
            return Ok(control::answer(&self.node, &self.control_token, request).await);
        }
        let mut asked = Asked {
            method: request.method().to_string(),
            path: path.clone(),
            template: path.clone(),
            parameters: Vec::new(),
        };
        let Some(rest) = path.strip_prefix("/api2/json").filter(|r| r.is_empty() || r.starts_with('/'))
        else {
            let reply = self.outside(&path);
            self.note(&asked, reply.status().as_u16());
            return Ok(reply);
        };
        asked.path = if rest.is_empty() { "/".to_owned() } else { rest.to_owned() };
        asked.template = Api::get()
            .find(&asked.method, &asked.path)
            .map_or_else(|| asked.path.clone(), |f| f.template.to_owned());
        let result = self.with_faults(request, &mut asked).await;
        let status = result.as_ref().map_or(0, |r| r.status().as_u16());
        self.note(&asked, status);
        result
    }

    fn note(&self, asked: &Asked, status: u16) {
        tracing::debug!(method = asked.method, path = asked.path, status, "answered");
        self.node.requests.note(&asked.method, &asked.template, &asked.path, status, &asked.parameters);
    }

    /// What is not the API: the web interface is not part of this node.
    fn outside(&self, path: &str) -> Response<Body> {
        match path {
            "/" => plain(200, "OK", Some(b"Proxmox VE (embedded node)\n".to_vec()), false),
            _ => plain(501, &format!("no such file '{path}'"), Some(Vec::new()), false),
        }
    }

    async fn with_faults(
        &self,
        request: Request<Incoming>,
        asked: &mut Asked,
    ) -> Result<Response<Body>, Cut> {
        let fault = self.node.faults.for_call(&asked.method, &asked.path);
        match &fault {
            Some(Action::CutBefore) => return Err(Cut),
            Some(Action::Hang) => std::future::pending().await,
            Some(Action::Status { status, message }) => {
                return Ok(response(&Err(ApiError::Status(*status, message.clone()))));
            }
            Some(Action::Unreachable) => {
                return Ok(plain(596, "Connection timed out", Some(Vec::new()), false));
            }
            Some(action) => {
                if let Some(delay) = action.delay() {
                    tokio::time::sleep(delay).await;
                }
            }
            None => {}
        }
        let reply = self.handle(request, asked).await?;
        match fault {
            Some(Action::CutAfter) => Err(Cut),
            Some(Action::Garbage) => {
                Ok(plain(200, "OK", Some(b"<html>upstream timed out</html>".to_vec()), true))
            }
            Some(Action::Drip { ms }) => Ok(dripping(reply, Duration::from_millis(ms))),
            _ => Ok(reply),
        }
    }

    async fn handle(&self, request: Request<Incoming>, asked: &mut Asked) -> Result<Response<Body>, Cut> {
        let (parts, body) = request.into_parts();
        let who = match authenticate(&self.node, &asked.method, &asked.path, &parts.headers) {
            Ok(who) => who,
            Err(error) => return Ok(self.refuse(error).await),
        };
        let (params, file) = match read_parameters(&parts, body).await {
            Ok(read) => read,
            Err(error) => return Ok(response(&Err(error))),
        };
        asked.parameters = params.keys().cloned().collect();
        if console::is_websocket(&asked.template) {
            return match self.prepare(asked, who, params) {
                Ok((call, _)) => console::connect(call, parts).await.ok_or(Cut),
                Err(error) => Ok(response(&Err(error))),
            };
        }
        let outcome = self.call(asked, who, params, file).await;
        Ok(match outcome {
            Err(error @ ApiError::Unauthorized(_)) => self.refuse(error).await,
            Err(ApiError::Status(595, text)) => plain(595, &text, Some(Vec::new()), false),
            outcome => response(&outcome),
        })
    }

    /// A refused login is held back.
    async fn refuse(&self, error: ApiError) -> Response<Body> {
        tokio::time::sleep(self.node.options.refusal_delay).await;
        response(&Err(error))
    }

    async fn call(
        &self,
        asked: &Asked,
        who: Option<Identity>,
        params: Map<String, Value>,
        file: Option<Vec<u8>>,
    ) -> Outcome {
        let (mut call, template) = self.prepare(asked, who, params)?;
        call.params = call.params.with_file(file);
        // A call runs to its end even if the client goes away, as a real worker process does.
        let method = asked.method.clone();
        let work = tokio::spawn(async move { api::route(&method, template, call).await });
        match work.await {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::error!(%error, "a method failed unexpectedly");
                Err(ApiError::died("internal error"))
            }
        }
    }

    fn prepare(
        &self,
        asked: &Asked,
        who: Option<Identity>,
        mut params: Map<String, Value>,
    ) -> Result<(Call, &'static str), ApiError> {
        let unknown =
            || ApiError::Status(501, format!("Method '{} {}' not implemented", asked.method, asked.path));
        let Found { template, method, values } =
            Api::get().find(&asked.method, &asked.path).ok_or_else(unknown)?;
        let method = method.ok_or_else(unknown)?;
        if !api::exists_in(self.node.version(), &asked.method, template) {
            return Err(unknown());
        }
        for (name, value) in values {
            if params.get(&name).is_some_and(|given| given.as_str() != Some(value.as_str())) {
                let text = "duplicate parameter (already defined in URI) with conflicting values!";
                return Err(ApiError::parameter(&name, text));
            }
            params.insert(name, Value::String(value));
        }
        if method.token == Some(false) && who.as_ref().is_some_and(|w| w.token.is_some()) {
            let text = format!("URI '{}' not available with API token, need proper ticket.\n", asked.path);
            return Err(ApiError::Permission(text));
        }
        check_rule(&self.node, who.as_ref(), method.permissions.as_ref(), &params)?;
        let host = params.get("node").and_then(Value::as_str).unwrap_or_default().to_owned();
        let host = match host.as_str() {
            "localhost" | "" => self.node.options.nodes[0].clone(),
            _ => host,
        };
        if template.starts_with("/nodes/{node}") {
            self.reach(&host)?;
        }
        check_parameters(&method.parameters, &params).map_err(ApiError::Parameters)?;
        let who = who.unwrap_or(Identity { user: String::new(), token: None });
        Ok((Call { node: Arc::clone(&self.node), who, host, params: Params::new(params) }, template))
    }

    /// Finds a node of the cluster and whether it answers.
    fn reach(&self, host: &str) -> Result<(), ApiError> {
        let state = self.node.store.view();
        if !state.nodes.iter().any(|n| n == host) {
            return Err(ApiError::died(format!(
                "hostname lookup '{host}' failed - failed to get address info for: {host}: Name or service not known"
            )));
        }
        if state.offline.contains(host) {
            return Err(ApiError::Status(595, "No route to host".to_owned()));
        }
        Ok(())
    }
}

/// The parameters, and the bytes of a file that came with them.
type Read = (Map<String, Value>, Option<Vec<u8>>);

async fn read_parameters(parts: &Parts, body: Incoming) -> Result<Read, ApiError> {
    let header = |name| parts.headers.get(name).and_then(|v: &hyper::header::HeaderValue| v.to_str().ok());
    if !matches!(parts.method, Method::POST | Method::PUT) {
        let length = header(CONTENT_LENGTH).and_then(|l| l.parse::<u64>().ok()).unwrap_or(0);
        if length > 0 || header(TRANSFER_ENCODING).is_some() {
            return Err(ApiError::Text(501, format!("Unexpected content for method '{}'", parts.method)));
        }
        return Ok((decode_form(parts.uri.query().unwrap_or_default()), None));
    }
    // What stands in the path counts for every method, and more than the body.
    let query = decode_form(parts.uri.query().unwrap_or_default());
    let full_kind = header(CONTENT_TYPE).unwrap_or_default();
    let kind = full_kind.split(';').next().unwrap_or_default().trim();
    let multipart = kind.eq_ignore_ascii_case("multipart/form-data");
    let collected = Limited::new(body, if multipart { LARGEST_FILE } else { LARGEST }).collect().await;
    let bytes = collected.map_err(|_| ApiError::Status(501, "for data too large".to_owned()))?.to_bytes();
    if multipart {
        let (mut params, file) = api::decode_multipart(full_kind, &bytes);
        params.extend(query);
        return Ok((params, file));
    }
    let text = String::from_utf8_lossy(&bytes);
    let json = kind.eq_ignore_ascii_case("application/json") && !text.is_empty();
    let mut params = if json { decode_json(&text)? } else { decode_form(&text) };
    params.extend(query);
    Ok((params, None))
}
