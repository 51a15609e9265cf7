//! An operation as the daemon remembers it.

use proto_json::operation::{OperationError, OperationState, Step, StepState};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One entry of an operation's journal. The journal is append-only and is written before what it announces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JournalKind {
    /// A step begins.
    StepStarted,
    /// A step is done.
    StepDone,
    /// A step found nothing to do.
    StepSkipped,
    /// A step failed.
    StepFailed,
    /// The undoing of a step begins.
    UndoStarted,
    /// A step is undone.
    UndoDone,
    /// A request that changes something at Proxmox VE is about to be sent.
    Intent,
    /// It was answered, with a task's UPID where there is one.
    Submitted,
    /// The task ended.
    TaskEnded,
    /// The saga's own data, as it stands from here on.
    Data,
}

impl JournalKind {
    /// As it is stored.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::StepStarted => "step-started",
            Self::StepDone => "step-done",
            Self::StepSkipped => "step-skipped",
            Self::StepFailed => "step-failed",
            Self::UndoStarted => "undo-started",
            Self::UndoDone => "undo-done",
            Self::Intent => "intent",
            Self::Submitted => "submitted",
            Self::TaskEnded => "task-ended",
            Self::Data => "data",
        }
    }

    /// From its stored form.
    pub fn parse(text: &str) -> Option<JournalKind> {
        serde_json::from_value(Value::String(text.into())).ok()
    }
}

/// A journal entry.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalEntry {
    /// Its number, over all operations.
    pub seq: u64,
    /// The step it is about.
    pub step: String,
    /// What happened.
    pub kind: JournalKind,
    /// More of it.
    pub data: Value,
    /// When.
    pub at: String,
}

/// An operation.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationRecord {
    /// Its id.
    pub id: String,
    /// Which saga it runs.
    pub kind: String,
    /// Which version of that saga it was begun with.
    pub version: u32,
    /// The app's id.
    pub app: Option<String>,
    /// The app's name, as it was then.
    pub app_name: Option<String>,
    /// The host's name.
    pub host: String,
    /// The operation that it is part of.
    pub parent: Option<String>,
    /// What it was asked for; resolved, and never changed.
    pub params: Value,
    /// What it has found out and decided.
    pub data: Value,
    /// Where it stands.
    pub state: OperationState,
    /// The step at work.
    pub step: Option<String>,
    /// What it waits for.
    pub waiting_for: Option<String>,
    /// Who asked.
    pub actor: String,
    /// The caller's own id for the request.
    pub request_id: Option<String>,
    /// When it was accepted.
    pub created_at: String,
    /// When it began.
    pub started_at: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// Why it failed.
    pub error: Option<OperationError>,
    /// A cancel was asked for.
    pub cancel_requested: bool,
    /// Number of its first event.
    pub first_event: u64,
}

impl OperationRecord {
    /// As it crosses the wire, with the steps as its journal tells them. `titles` are the saga's steps: name and title.
    pub fn view(
        &self,
        titles: &[(&str, &str)],
        journal: &[JournalEntry],
    ) -> proto_json::operation::Operation {
        let mut steps: Vec<Step> = titles
            .iter()
            .map(|(name, title)| Step {
                name: (*name).into(),
                title: (*title).into(),
                state: StepState::Pending,
                message: None,
                started_at: None,
                ended_at: None,
            })
            .collect();
        for entry in journal {
            let Some(step) = steps.iter_mut().find(|step| step.name == entry.step) else { continue };
            let message = entry.data["message"].as_str().map(str::to_string);
            let mut end = |state| {
                step.state = state;
                step.ended_at = Some(entry.at.clone());
                if message.is_some() {
                    step.message = message.clone();
                }
            };
            match entry.kind {
                JournalKind::StepStarted => {
                    step.state = StepState::Running;
                    step.started_at.get_or_insert_with(|| entry.at.clone());
                }
                JournalKind::StepDone => end(StepState::Done),
                JournalKind::StepSkipped => end(StepState::Skipped),
                JournalKind::StepFailed => end(StepState::Failed),
                JournalKind::UndoDone if step.state == StepState::Done => step.state = StepState::Undone,
                _ => {}
            }
        }
        proto_json::operation::Operation {
            id: self.id.clone(),
            kind: self.kind.clone(),
            app: self.app_name.clone(),
            state: self.state,
            step: self.step.clone(),
            waiting_for: self.waiting_for.clone(),
            actor: self.actor.clone(),
            created_at: self.created_at.clone(),
            started_at: self.started_at.clone(),
            ended_at: self.ended_at.clone(),
            steps,
            error: self.error.clone(),
            cancel_requested: self.cancel_requested,
            first_event: self.first_event,
        }
    }
}
