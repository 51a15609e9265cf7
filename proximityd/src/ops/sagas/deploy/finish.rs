//! What the app's record says when its deployment has ended.

use proto_json::app::AppState;

use super::Data;
use crate::model::operation::OperationRecord;
use crate::ops::saga::Ending;
use crate::store::{NewEvent, StoreError, Tx};

/// Writes it, in the transaction that ends the operation.
pub(super) fn ended(operation: &OperationRecord, ending: Ending, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let id = operation.app.clone().unwrap_or_default();
    let Some(mut app) = tx.app(&id)? else { return Ok(()) };
    let data: Data = serde_json::from_value(operation.data.clone()).unwrap_or_default();
    let why = operation.error.as_ref().map(|error| error.message.clone());
    app.checked_at = Some(tx.now().to_string());
    match ending {
        Ending::Done => {
            app.state = AppState::Running;
            app.reason = None;
            app.spec.probe_from = data.probe_from;
        }
        Ending::Undone => {
            // Nothing of it is left, so its name is free again; the record tells what happened.
            app.state = AppState::Removed;
            app.reason = why.map(|why| format!("its deployment failed: {why}"));
            app.removed_at = Some(tx.now().to_string());
            tx.delete_secrets(&id)?;
        }
        Ending::Kept | Ending::Stuck => {
            app.state = AppState::Failed;
            app.reason = why.map(|why| format!("its deployment failed, and its container was kept: {why}"));
        }
    }
    tx.update_app(&app)?;
    let mut event = NewEvent::info("app.state", format!("{} is {}", app.name, word(app.state)));
    event.app = Some(app.name.clone());
    event.operation = Some(operation.id.clone());
    event.data = serde_json::json!({"state": app.state});
    tx.event(event).map(drop)
}

/// An app's state as a word.
pub(crate) fn word(state: AppState) -> String {
    serde_json::to_string(&state).unwrap_or_default().trim_matches('"').to_string()
}
