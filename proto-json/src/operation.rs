//! Operations: durable pieces of work, made of steps.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::method::method;

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OperationState {
    /// Accepted, not begun.
    Queued,
    /// At work.
    Running,
    /// Held up by something outside: Proxmox VE out of reach, a lock, a console in use. It goes on by itself.
    Waiting,
    /// Failed or cancelled, and undoing what it did.
    Undoing,
    /// Done.
    Done,
    /// Failed; what it did is undone.
    Failed,
    /// Cancelled; what it did is undone.
    Cancelled,
    /// It can neither go on nor undo itself: a person must look. The error says at what.
    NeedsAttention,
}

impl OperationState {
    /// Whether nothing more will happen by itself.
    pub fn ended(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled | Self::NeedsAttention)
    }
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// Not begun.
    Pending,
    /// At work.
    Running,
    /// Done.
    Done,
    /// There was nothing to do.
    Skipped,
    /// Failed.
    Failed,
    /// Done, and then undone.
    Undone,
}

/// One step of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Its name within the operation, such as `create-container`.
    pub name: String,
    /// For a person, such as `Create the container`.
    pub title: String,
    /// Where it stands.
    pub state: StepState,
    /// What it did or waits for, in a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it began (RFC 3339, UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
}

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OperationError {
    /// The step that failed.
    pub step: String,
    /// A stable word, as in an error's `data.kind`.
    pub kind: String,
    /// One sentence.
    pub message: String,
    /// Why, outermost first, in the failing part's own words.
    pub causes: Vec<String>,
    /// What to do.
    pub hints: Vec<String>,
    /// The last lines of the failing part's log.
    pub log: Vec<String>,
}

/// An operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Operation {
    /// Its id.
    pub id: String,
    /// What it does: `deploy`, `start`, `stop`, `restart`, `remove`, …
    pub kind: String,
    /// The app's name.
    pub app: Option<String>,
    /// Where it stands.
    pub state: OperationState,
    /// The step at work, or the last one.
    pub step: Option<String>,
    /// What it waits for, while `waiting`.
    pub waiting_for: Option<String>,
    /// Who asked for it.
    pub actor: String,
    /// When it was accepted (RFC 3339, UTC).
    pub created_at: String,
    /// When it began.
    pub started_at: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// Its steps in order.
    pub steps: Vec<Step>,
    /// Why it failed.
    pub error: Option<OperationError>,
    /// A cancel was asked for.
    pub cancel_requested: bool,
    /// Number of the first event of it: where a listener should begin.
    pub first_event: u64,
}

/// Names one operation.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationId {
    /// The operation's id, or the beginning of it where that is unambiguous.
    pub id: String,
}

/// Which operations to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListParams {
    /// Only those of this app.
    pub app: Option<String>,
    /// Only those that have not ended.
    pub active: bool,
    /// At most this many, newest first (default 50, at most 1,000).
    pub limit: Option<u32>,
}

/// How long to wait.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitParams {
    /// The operation's id.
    pub id: String,
    /// Answer after this many seconds at the latest, ended or not (default and most: 300).
    #[serde(default)]
    pub timeout_seconds: Option<u64>,
}

/// The answer of a call that started an operation.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Started {
    /// The operation.
    pub operation: Operation,
}

method!(List = "operation.list", "Lists operations, newest first.", Viewer, Essential, Read, ListParams => Vec<Operation>);
method!(Get = "operation.get", "Shows one operation with its steps.", Viewer, Essential, Read, OperationId => Operation);
method!(Wait = "operation.wait", "Answers when an operation has ended, or the time is over.", Viewer, Essential, Read, WaitParams => Operation);
method!(Cancel = "operation.cancel", "Asks an operation to stop at its next step and to undo what it did.", Operator, Essential, Change, OperationId => Operation);
