//! Events: numbered records of what happened, and the lines of `GET /events`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How much a person should care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// For the record.
    Info,
    /// Worth a look.
    Warning,
    /// Something failed.
    Error,
}

/// One thing that happened. Its number is never given twice, and none is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Its number, counting from 1.
    pub seq: u64,
    /// When (RFC 3339, UTC).
    pub at: String,
    /// What kind: `operation.started`, `step.started`, `step.progress`, `step.done`, `app.state`, …
    pub kind: String,
    /// How much it matters.
    pub level: Level,
    /// The app's name, when it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The operation's id, when it is part of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// One line for a person.
    pub message: String,
    /// What a program may need; its members depend on the kind.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

/// One line of the event stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum StreamLine {
    /// The first line.
    Hello {
        /// The database's epoch: a cursor of another epoch is void.
        epoch: String,
        /// The oldest number that can be had.
        oldest: u64,
        /// The number that the next event will have.
        next: u64,
        /// Set when the cursor asked for could not be served: the stream then begins with `oldest`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reset: Option<String>,
    },
    /// An event.
    Event(Event),
    /// Nothing happened for a while; the connection lives.
    Ping,
    /// The last line: the daemon ends the stream, and says why (the listener was too slow, the daemon stops).
    End {
        /// Why.
        reason: String,
        /// Where to go on: `since` for the next connection.
        since: u64,
    },
}
