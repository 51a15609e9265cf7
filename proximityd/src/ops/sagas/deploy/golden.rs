//! The golden container that a deployment clones: found, or built by an operation of its own, whoever asks first.

use std::sync::Arc;

use proto_json::operation::OperationState;
use proto_json::{Code, Problem};

use super::Data;
use crate::guest::provision;
use crate::hosts::Host;
use crate::model::app::AppRecord;
use crate::model::golden::{Golden, GoldenState};
use crate::model::notes::Kind;
use crate::model::operation::OperationRecord;
use crate::ops::container::{Container, Owner};
use crate::ops::context::Context;
use crate::ops::engine::{NewOperation, insert};
use crate::ops::failure::{Failure, StepError};
use crate::ops::saga::Done;
use crate::ops::sagas::golden::Params;
use crate::store::StoreError;

/// Finds the golden container, or has it built, once, whoever asks first.
pub(super) async fn make_sure(
    cx: &Context,
    host: &Arc<Host>,
    app: &AppRecord,
    data: &mut Data,
) -> Result<Done, StepError> {
    let place = Golden {
        operation: String::new(),
        host: host.config.name.clone(),
        node: data.node.clone(),
        storage: data.storage.clone(),
        recipe: provision::recipe(),
        vmid: None,
        state: GoldenState::Building,
    };
    loop {
        let params = Params {
            node: data.node.clone(),
            storage: data.storage.clone(),
            templates: data.templates.clone(),
            bridge: data.bridge.clone(),
            ip: app.spec.ip.clone(),
            gateway: app.spec.gateway.clone(),
            recipe: place.recipe.clone(),
        };
        let mut operation = cx.engine.prepare(NewOperation {
            kind: "golden",
            app: None,
            host: place.host.clone(),
            parent: Some(cx.id().into()),
            params: serde_json::to_value(&params).expect("plain strings are representable as JSON"),
            actor: cx.operation.actor.clone(),
            request_id: None,
        });
        let wanted = Golden { operation: operation.id.clone(), ..place.clone() };
        let (found, new) = cx
            .services
            .store
            .write(move |tx| match tx.golden_for(&wanted)? {
                Some(found) => Ok::<_, StoreError>((found, None)),
                None => {
                    insert(tx, &mut operation)?;
                    tx.insert_golden(&wanted)?;
                    Ok((wanted, Some(operation)))
                }
            })
            .await?;
        if let Some(operation) = new {
            cx.engine.launch(operation);
        }
        match (found.state, found.vmid) {
            (GoldenState::Ready, Some(vmid)) if still_there(host, &found, vmid).await? => {
                data.golden = vmid;
                cx.keep(data).await?;
                return Ok(Done::did(format!("container {vmid}")));
            }
            (GoldenState::Ready, vmid) => {
                let id = found.operation.clone();
                cx.services
                    .store
                    .write(move |tx| {
                        tx.release_unused_vmids(&id, None)?;
                        tx.set_golden(&id, vmid, GoldenState::Retired)
                    })
                    .await?;
                cx.progress("the golden container is gone; building a new one").await?;
            }
            _ => built(cx, &found.operation).await?,
        }
    }
}

/// Whether a golden container that was ready still is: a person may have removed it.
async fn still_there(host: &Arc<Host>, golden: &Golden, vmid: u32) -> Result<bool, StepError> {
    let container = Container::new(Arc::clone(host), &golden.node, vmid)?;
    Ok(match container.owner().await? {
        Owner::Ours(notes, config) => {
            notes.kind == Kind::Golden && notes.id == golden.recipe && config.template
        }
        _ => false,
    })
}

/// Waits for a golden container that is being built.
async fn built(cx: &Context, operation: &str) -> Result<(), StepError> {
    cx.progress("the golden container is being built; this happens once for each node and storage").await?;
    let mut cancel = cx.cancel.clone();
    tokio::select! {
        () = cx.engine.wait(operation) => {}
        _ = cancel.wait_for(|cancel| *cancel) => return Err(StepError::Cancelled),
    }
    let id = operation.to_string();
    let ended = cx.services.store.read(move |reader| reader.operation(&id)).await?;
    match ended {
        Some(record) if record.state == OperationState::Done => Ok(()),
        Some(OperationRecord { error: Some(error), ended_at: Some(_), .. }) => {
            let code = Code::ALL.into_iter().find(|code| code.kind() == error.kind).unwrap_or(Code::Failed);
            let causes = std::iter::once(error.message).chain(error.causes).collect();
            let problem = Problem {
                code,
                message: "the golden container could not be built".into(),
                causes,
                hints: error.hints,
            };
            Err(StepError::Failed(Box::new(Failure { problem, log: error.log })))
        }
        Some(OperationRecord { ended_at: Some(_), .. }) => {
            Err(StepError::failed(Problem::new(Code::Failed, "the golden container could not be built")))
        }
        // Not driven at this moment, after a restart perhaps: looked at again.
        _ => Err(StepError::Wait("the golden container is being built".into())),
    }
}
