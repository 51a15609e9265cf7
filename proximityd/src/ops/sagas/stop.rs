//! Stopping and restarting an app: its container is asked to end, and its services with it.

use async_trait::async_trait;
use proto_json::app::AppState;
use serde::{Deserialize, Serialize};

use super::start::{CONTAINER, HEALTHY, NETWORK, SERVICES, bring_up, brought_up};
use crate::model::operation::OperationRecord;
use crate::ops::container::Container;
use crate::ops::context::Context;
use crate::ops::failure::StepError;
use crate::ops::saga::{Done, Ending, Saga, StepDef};
use crate::store::{StoreError, Tx};

/// Stops an app.
#[derive(Debug, Clone, Copy)]
pub struct Stop;

/// Stops an app and starts it again.
#[derive(Debug, Clone, Copy)]
pub struct Restart;

/// How to stop.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Params {
    /// Seconds to end by itself.
    pub seconds: u32,
    /// End it hard when the time is over.
    pub force: bool,
}

const SHUTDOWN: StepDef = StepDef {
    name: "shutdown",
    title: "Shut the container down",
    explanation: "Asks the container's init to end (POST /nodes/NODE/lxc/ID/status/shutdown); the services get SIGTERM.",
};

async fn shutdown(cx: &Context) -> Result<Done, StepError> {
    let params: Params = cx.params()?;
    let app = cx.app().await?;
    let container = Container::of(cx, &app)?;
    container.belongs_to(&app).await?;
    let done = container.shutdown(cx, "shutdown", params.seconds, params.force).await;
    match done {
        Ok(true) => Ok(Done::Did(None)),
        Ok(false) => Ok(Done::Skipped("it does not run".into())),
        Err(StepError::Failed(mut failure)) if !params.force => {
            failure
                .problem
                .hints
                .insert(0, "give it longer with --timeout, or end it hard with --force".into());
            Err(StepError::Failed(failure))
        }
        Err(other) => Err(other),
    }
}

#[async_trait]
impl Saga for Stop {
    fn kind(&self) -> &'static str {
        "stop"
    }

    fn steps(&self) -> &'static [StepDef] {
        &[SHUTDOWN]
    }

    async fn run(&self, _: &'static str, cx: &Context) -> Result<Done, StepError> {
        shutdown(cx).await
    }

    fn ended(&self, operation: &OperationRecord, ending: Ending, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let id = operation.app.clone().unwrap_or_default();
        if ending == Ending::Done {
            tx.set_app_state(&id, AppState::Stopped, None)?;
        }
        Ok(())
    }
}

#[async_trait]
impl Saga for Restart {
    fn kind(&self) -> &'static str {
        "restart"
    }

    fn steps(&self) -> &'static [StepDef] {
        &[SHUTDOWN, CONTAINER, NETWORK, SERVICES, HEALTHY]
    }

    fn pivot(&self) -> Option<&'static str> {
        Some(SHUTDOWN.name)
    }

    async fn run(&self, step: &'static str, cx: &Context) -> Result<Done, StepError> {
        if step == SHUTDOWN.name { shutdown(cx).await } else { bring_up(step, cx).await }
    }

    fn ended(&self, operation: &OperationRecord, ending: Ending, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        // One that could not be shut down goes on as it was; the next look at it says how that is.
        if ending != Ending::Done && operation.step.as_deref() == Some(SHUTDOWN.name) {
            return Ok(());
        }
        brought_up(operation, ending, tx)
    }
}
