//! Showing how operations go: a live step list on a terminal, plain lines elsewhere, nothing when quiet.
//!
//! It is given one snapshot of an operation after the other and shows what changed. What is the case is `wait`'s.

mod live;
mod plain;

use proto_json::operation::{Operation, OperationState, StepState};

use crate::ui::Ui;

/// Shows operations as they go.
#[derive(Debug)]
pub enum Progress {
    /// Nothing is shown.
    Quiet,
    /// A line for each step that ended.
    Plain(plain::Plain),
    /// A list that is drawn anew.
    Live(live::Live),
}

impl Progress {
    /// What fits standard error, for this many operations.
    pub fn new(ui: Ui, operations: usize) -> Progress {
        match (ui.quiet, ui.live) {
            (true, _) => Progress::Quiet,
            (false, true) => Progress::Live(live::Live::new(ui, operations > 1)),
            (false, false) => Progress::Plain(plain::Plain::new(ui.verbose, operations > 1)),
        }
    }

    /// Shows what is new in a snapshot.
    pub fn update(&mut self, operation: &Operation) {
        match self {
            Progress::Quiet => {}
            Progress::Plain(plain) => plain.update(operation).iter().for_each(|line| crate::ui::put(line)),
            Progress::Live(live) => live.update(operation),
        }
    }

    /// Shows a word from the step at work.
    pub fn message(&mut self, operation: &str, message: &str) {
        match self {
            Progress::Quiet => {}
            Progress::Plain(plain) => {
                if let Some(line) = plain.message(operation, message) {
                    crate::ui::put(&line);
                }
            }
            Progress::Live(live) => live.message(operation, message),
        }
    }

    /// Says something beside the steps.
    pub fn note(&mut self, text: &str) {
        match self {
            Progress::Quiet => {}
            Progress::Plain(_) => crate::ui::put(text),
            Progress::Live(live) => live.note(text),
        }
    }

    /// Leaves the terminal as it should be.
    pub fn close(&mut self) {
        if let Progress::Live(live) = self {
            live.close();
        }
    }
}

/// How an operation is called in a heading: `Deploying web`.
fn title(operation: &Operation) -> String {
    let verb = match operation.kind.as_str() {
        "deploy" => "Deploying",
        "start" => "Starting",
        "stop" => "Stopping",
        "restart" => "Restarting",
        "remove" => "Removing",
        other => other,
    };
    match &operation.app {
        Some(app) => format!("{verb} {app}"),
        None => verb.to_string(),
    }
}

/// The word for a step's end; none while it has not ended.
fn ended(state: StepState) -> Option<&'static str> {
    match state {
        StepState::Pending | StepState::Running => None,
        StepState::Done => Some("done"),
        StepState::Skipped => Some("nothing to do"),
        StepState::Failed => Some("failed"),
        StepState::Undone => Some("undone"),
    }
}

/// The word for where an operation stands.
pub(crate) fn state_word(state: OperationState) -> &'static str {
    match state {
        OperationState::Queued => "queued",
        OperationState::Running => "running",
        OperationState::Waiting => "waiting",
        OperationState::Undoing => "undoing",
        OperationState::Done => "done",
        OperationState::Failed => "failed",
        OperationState::Cancelled => "cancelled",
        OperationState::NeedsAttention => "needs attention",
    }
}
