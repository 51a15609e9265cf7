//! Values that several unit tests need.

use proto_json::operation::{Operation, OperationError, OperationState, Step, StepState};

/// A deploy at work, with three steps of which the first is done and the second at work.
pub(crate) fn running_operation() -> Operation {
    let step = |name: &str, title: &str, state| Step {
        name: name.into(),
        title: title.into(),
        state,
        message: None,
        started_at: None,
        ended_at: None,
    };
    let mut steps = vec![
        step("reserve-id", "Reserve an id", StepState::Done),
        step("create-container", "Create the container", StepState::Running),
        step("wait-healthy", "Wait until it answers", StepState::Pending),
    ];
    steps[0].started_at = Some("2026-01-10T12:00:00Z".into());
    steps[0].ended_at = Some("2026-01-10T12:00:00.2Z".into());
    steps[1].started_at = Some("2026-01-10T12:00:00.2Z".into());
    Operation {
        id: "0199aa".into(),
        kind: "deploy".into(),
        app: Some("web".into()),
        state: OperationState::Running,
        step: Some("create-container".into()),
        waiting_for: None,
        actor: "root".into(),
        created_at: "2026-01-10T12:00:00Z".into(),
        started_at: Some("2026-01-10T12:00:00Z".into()),
        ended_at: None,
        steps,
        error: None,
        cancel_requested: false,
        first_event: 5,
    }
}

/// The same, failed at its last step with an error of a certain kind.
pub(crate) fn failed_operation(kind: &str) -> Operation {
    let mut operation = running_operation();
    operation.state = OperationState::Failed;
    operation.ended_at = Some("2026-01-10T12:01:00Z".into());
    operation.steps[1].state = StepState::Undone;
    operation.steps[2].state = StepState::Failed;
    operation.error = Some(OperationError {
        step: "wait-healthy".into(),
        kind: kind.into(),
        message: "the app did not become healthy".into(),
        causes: vec!["the probe was answered with 502".into()],
        hints: vec!["look at its settings".into()],
        log: vec!["app  | starting".into(), "app  | fatal: no database".into()],
    });
    operation
}
