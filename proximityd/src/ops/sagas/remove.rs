//! Removing an app: its container is destroyed, once it is sure to be the one; its record is kept.

use async_trait::async_trait;
use proto_json::app::AppState;
use serde::{Deserialize, Serialize};

use crate::model::operation::OperationRecord;
use crate::ops::container::{Container, Owner};
use crate::ops::context::Context;
use crate::ops::failure::StepError;
use crate::ops::saga::{Done, Ending, Saga, StepDef};
use crate::store::{NewEvent, StoreError, Tx};

/// Removes an app.
#[derive(Debug, Clone, Copy)]
pub struct Remove;

/// How to remove it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Params {
    /// Seconds that its container gets to end by itself.
    pub seconds: u32,
}

/// What it has found out.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Data {
    /// The container was shut down by it.
    stopped: bool,
}

const STEPS: &[StepDef] = &[
    StepDef {
        name: "stop",
        title: "Stop the container",
        explanation: "Asks the container to shut down, and ends it hard when it does not in time.",
    },
    StepDef {
        name: "destroy",
        title: "Destroy the container",
        explanation: "Reads the container's notes once more, and destroys it with its disk (DELETE /nodes/NODE/lxc/ID) only if \
                      they name this app.",
    },
];

#[async_trait]
impl Saga for Remove {
    fn kind(&self) -> &'static str {
        "remove"
    }

    fn steps(&self) -> &'static [StepDef] {
        STEPS
    }

    /// What is being destroyed cannot be brought back: it only goes forward, or keeps its record and says why.
    fn pivot(&self) -> Option<&'static str> {
        Some("stop")
    }

    async fn run(&self, step: &'static str, cx: &Context) -> Result<Done, StepError> {
        let app = cx.app().await?;
        if app.vmid.is_none() {
            return Ok(Done::Skipped("it has no container".into()));
        }
        let params: Params = cx.params()?;
        let container = Container::of(cx, &app)?;
        if step == "destroy" {
            return Ok(match container.destroy(cx, &app.id, None).await? {
                true => Done::Did(None),
                false => Done::Skipped(format!("container {} is not there any more", container.vmid)),
            });
        }
        // Only a container that is ours is even stopped.
        match container.owner().await? {
            Owner::Ours(notes, _) if notes.id == app.id => {
                container.shutdown(cx, "shutdown", params.seconds, true).await?;
                cx.keep(&Data { stopped: true }).await?;
                Ok(Done::Did(None))
            }
            Owner::Absent => Ok(Done::Skipped(format!("container {} is not there any more", container.vmid))),
            // Perhaps only the permission is gone: the record and the secrets stay.
            Owner::Hidden => Err(container.hidden()),
            _ => Ok(Done::Skipped(format!(
                "container {} is not this app's any more; it is left alone",
                container.vmid
            ))),
        }
    }

    fn ended(&self, operation: &OperationRecord, ending: Ending, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let id = operation.app.clone().unwrap_or_default();
        let Some(mut app) = tx.app(&id)? else { return Ok(()) };
        let removed = ending == Ending::Done;
        if removed {
            app.state = AppState::Removed;
            app.reason = None;
            app.removed_at = Some(tx.now().to_string());
            if let Some(vmid) = app.vmid {
                tx.release_vmid(&app.host, vmid)?;
            }
            tx.delete_secrets(&id)?;
        } else if serde_json::from_value::<Data>(operation.data.clone()).unwrap_or_default().stopped {
            app.state = AppState::Stopped;
            app.reason =
                operation.error.as_ref().map(|error| format!("it could not be removed: {}", error.message));
        }
        // Else nothing was done to it: it is what was measured before, and the next look at it says how it is then.
        tx.update_app(&app)?;
        let what = if removed { "" } else { "was not removed; it " };
        let message = format!("{} {what}is {}", app.name, super::deploy::word(app.state));
        let mut event = NewEvent::info("app.state", message);
        event.app = Some(app.name.clone());
        event.operation = Some(operation.id.clone());
        event.data = serde_json::json!({"state": app.state});
        tx.event(event).map(drop)
    }
}
