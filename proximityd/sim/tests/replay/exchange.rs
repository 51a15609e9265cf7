//! One recorded exchange: a request and the reply a real node gave to it.
//!
//! Two forms are read. A folder holds one JSON file each, `{request{method, path, headers, body},
//! response{status, reason, body}}`. Our own fixtures are lines of
//! `{name, method, path, auth, type, body, status, reason, reply}`.

use std::collections::BTreeMap;
use std::path::Path;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value};

/// How the request says who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Auth {
    /// Nothing.
    None,
    /// `PVEAPIToken=` (or with a space), the token's id or whatever stood in its place, and that separator.
    Token(String, char),
    /// A ticket; the flag tells whether a CSRF token came with it.
    Ticket(bool),
    /// Another `Authorization` header, as it was.
    Other(String),
}

/// A recorded exchange.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    /// The file's name without its ending.
    pub(crate) name: String,
    pub(crate) method: String,
    /// With the query, without `/api2/json`.
    pub(crate) path: String,
    pub(crate) auth: Auth,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) reply: Value,
}

#[derive(Deserialize)]
struct Line {
    name: String,
    method: String,
    path: String,
    #[serde(default)]
    auth: BTreeMap<String, String>,
    #[serde(rename = "type")]
    content_type: Option<String>,
    body: Option<String>,
    status: u16,
    reason: String,
    reply: Value,
}

fn auth(headers: &BTreeMap<String, String>) -> Auth {
    let header =
        |name: &str| headers.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str());
    match header("authorization") {
        Some(text) => match text.strip_prefix("PVEAPIToken") {
            Some(rest) => {
                let separator = rest.chars().next().unwrap_or('=');
                let id = rest.trim_start_matches(['=', ' ']).split('=').next().unwrap_or_default();
                Auth::Token(id.to_owned(), separator)
            }
            None => Auth::Other(text.to_owned()),
        },
        None if header("cookie").is_some_and(|c| c.contains("PVEAuthCookie=")) => {
            Auth::Ticket(header("csrfpreventiontoken").is_some())
        }
        None => Auth::None,
    }
}

impl Exchange {
    /// Reads a file of a folder; none if it holds no exchange of this kind.
    pub(crate) fn from_file(name: &str, value: &Value) -> Option<Self> {
        let (request, response) = (value.get("request")?, value.get("response")?);
        let path = request.get("path")?.as_str()?;
        let headers: BTreeMap<String, String> =
            request.get("headers").and_then(|h| serde_json::from_value(h.clone()).ok()).unwrap_or_default();
        let content_type = headers.iter().find(|(k, _)| k.eq_ignore_ascii_case("content-type"));
        Some(Self {
            name: name.to_owned(),
            method: request.get("method")?.as_str()?.to_owned(),
            path: path.strip_prefix("/api2/json").unwrap_or(path).to_owned(),
            auth: auth(&headers),
            content_type: content_type.map(|(_, v)| v.clone()),
            body: request.get("body").and_then(Value::as_str).map(str::to_owned),
            status: u16::try_from(response.get("status")?.as_u64()?).ok()?,
            reason: response.get("reason")?.as_str()?.to_owned(),
            reply: response.get("body").cloned().unwrap_or_default(),
        })
    }

    /// Reads a line of our own form; none if the line holds something else.
    pub(crate) fn from_line(text: &str) -> Option<Self> {
        let line: Line = serde_json::from_str(text).ok()?;
        Some(Self {
            name: line.name,
            method: line.method,
            path: line.path,
            auth: auth(&line.auth),
            content_type: line.content_type,
            body: line.body,
            status: line.status,
            reason: line.reason,
            reply: line.reply,
        })
    }

    /// What the file name begins with.
    pub(crate) fn family(&self) -> &str {
        super::family_of(&self.name)
    }

    /// Whether the name has a word. Only asked where the reply itself does not tell what was there.
    pub(crate) fn says(&self, words: &str) -> bool {
        format!("-{}-", self.name).contains(&format!("-{words}-"))
    }

    /// The path's decoded segments.
    pub(crate) fn segments(&self) -> Vec<String> {
        let path = self.path.split('?').next().unwrap_or_default();
        let parts = path.split('/').filter(|s| !s.is_empty());
        parts.map(|s| percent_decode_str(s).decode_utf8_lossy().into_owned()).collect()
    }

    /// The decoded segments joined, a volume's own slash included.
    pub(crate) fn plain_path(&self) -> String {
        format!("/{}", self.segments().join("/"))
    }

    /// The segment after a word.
    pub(crate) fn after(&self, word: &str) -> Option<String> {
        let segments = self.segments();
        let at = segments.iter().position(|s| s == word)?;
        segments.get(at + 1).cloned()
    }

    /// Query and body parameters as text.
    pub(crate) fn params(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        if let Some((_, query)) = self.path.split_once('?') {
            found.extend(form(query));
        }
        let Some(body) = &self.body else { return found };
        let kind = self.content_type.as_deref().unwrap_or_default();
        if kind.starts_with("application/json") {
            let fields: Map<String, Value> = serde_json::from_str(body).unwrap_or_default();
            found.extend(fields.iter().map(|(k, v)| (k.clone(), plain(v))));
        } else if kind.starts_with("multipart/") {
            found.extend(multipart(body));
        } else {
            found.extend(form(body));
        }
        found
    }

    /// A parameter.
    pub(crate) fn param(&self, name: &str) -> Option<String> {
        self.params().remove(name)
    }

    /// The reply's `message`, else its text.
    pub(crate) fn message(&self) -> String {
        match &self.reply {
            Value::String(text) => text.clone(),
            reply => reply["message"].as_str().unwrap_or_default().trim().to_owned(),
        }
    }

    /// Message and parameter errors together.
    pub(crate) fn complaint(&self) -> String {
        let errors = self.reply["errors"].as_object();
        let texts = errors.into_iter().flatten().filter_map(|(_, v)| v.as_str());
        std::iter::once(self.message()).chain(texts.map(str::to_owned)).collect::<Vec<_>>().join("\n")
    }

    /// Whether the complaint holds a text.
    pub(crate) fn complains(&self, text: &str) -> bool {
        self.complaint().contains(text)
    }

    /// The reply's `data`.
    pub(crate) fn data(&self) -> &Value {
        self.reply.get("data").unwrap_or(&Value::Null)
    }

    /// The reply's `data` as a list.
    pub(crate) fn list(&self) -> Vec<Value> {
        self.data().as_array().cloned().unwrap_or_default()
    }

    /// Whether it is a GET of this path and was answered.
    pub(crate) fn got(&self, path: &str) -> bool {
        self.method == "GET" && self.status == 200 && self.plain_path() == path
    }
}

/// A value as text.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(b) => u8::from(*b).to_string(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn form(text: &str) -> Vec<(String, String)> {
    let decode = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
    text.split('&').filter_map(|p| p.split_once('=')).map(|(k, v)| (decode(k), decode(v))).collect()
}

fn multipart(text: &str) -> Vec<(String, String)> {
    let quoted = |head: &str, name: &str| {
        let rest = head.split_once(&format!(" {name}=\""))?.1;
        rest.split('"').next().map(str::to_owned)
    };
    text.split("\r\n--")
        .filter_map(|part| part.split_once("\r\n\r\n"))
        .filter_map(|(head, value)| {
            let name = quoted(head, "name")?;
            Some((name, quoted(head, "filename").unwrap_or_else(|| value.to_owned())))
        })
        .collect()
}

/// Reads a folder's files, sorted by name: name and content. `index.json` only lists the others.
pub(crate) fn files(folder: &Path) -> Vec<(String, Value)> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        (name, value)
    };
    paths.iter().map(read).filter(|(name, _)| name != "index").collect()
}
