//! Looking at operations, waiting for them, cancelling them.

use std::time::Duration;

use proto_json::operation::{ListParams, Operation, OperationId, WaitParams};
use proto_json::{Code, Problem};

use super::{UseCases, store_problem};
use crate::model::operation::OperationRecord;
use crate::store::NewEvent;

const DEFAULT_LIMIT: u32 = 50;
const LARGEST_LIMIT: u32 = 1000;
const LONGEST_WAIT: u64 = 300;

impl UseCases {
    /// `operation.list`.
    pub(crate) async fn list_operations(&self, params: ListParams) -> Result<Vec<Operation>, Problem> {
        let limit = params.limit.unwrap_or(DEFAULT_LIMIT).min(LARGEST_LIMIT);
        let found = self
            .services
            .store
            .read(move |reader| {
                let records = reader.operations(params.app.as_deref(), params.active, limit)?;
                records
                    .into_iter()
                    .map(|record| {
                        let journal = reader.journal(&record.id)?;
                        Ok(record.view(&super::titles(&record.kind), &journal))
                    })
                    .collect()
            })
            .await;
        found.map_err(store_problem)
    }

    /// `operation.get`.
    pub(crate) async fn get_operation(&self, params: OperationId) -> Result<Operation, Problem> {
        let record = self.operation_named(&params.id).await?;
        self.operation_view(record).await
    }

    /// `operation.wait`.
    pub(crate) async fn wait_operation(&self, params: WaitParams) -> Result<Operation, Problem> {
        let record = self.operation_named(&params.id).await?;
        let time = Duration::from_secs(params.timeout_seconds.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT));
        let deadline = tokio::time::Instant::now() + time;
        let mut record = record;
        // One that was just written down is driven a moment later: it is asked for again until it has ended. Over time is no
        // failure: the answer says where it stands.
        while record.ended_at.is_none() && tokio::time::Instant::now() < deadline {
            if tokio::time::timeout_at(deadline, self.engine.wait(&record.id)).await.is_ok() {
                record = self.operation_named(&record.id).await?;
                if record.ended_at.is_none() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        let record = self.operation_named(&record.id).await?;
        self.operation_view(record).await
    }

    /// `operation.cancel`.
    pub(crate) async fn cancel_operation(
        &self,
        actor: &str,
        params: OperationId,
    ) -> Result<Operation, Problem> {
        let record = self.operation_named(&params.id).await?;
        if !self.engine.cancel(&record.id).await.map_err(store_problem)? {
            return Err(Problem::new(
                Code::Conflict,
                format!("the operation {} has ended already", record.id),
            ));
        }
        let mut event = NewEvent::info("operation.cancel-requested", format!("{actor} asked to cancel"));
        event.app = record.app_name.clone();
        event.operation = Some(record.id.clone());
        self.services.store.write(move |tx| tx.event(event).map(drop)).await.map_err(store_problem)?;
        let record = self.operation_named(&record.id).await?;
        self.operation_view(record).await
    }

    async fn operation_named(&self, id: &str) -> Result<OperationRecord, Problem> {
        let prefix = id.to_string();
        let mut found = self
            .services
            .store
            .read(move |reader| reader.operations_beginning(&prefix))
            .await
            .map_err(store_problem)?;
        let shown = id.escape_default();
        match found.len() {
            _ if id.is_empty() => Err(Problem::new(Code::InvalidParams, "an operation's id is needed")),
            0 => Err(Problem::new(Code::NotFound, format!("there is no operation `{shown}`"))
                .hint("`proximityctl op ls` lists them")),
            2 if found[0].id != id => {
                Err(Problem::new(Code::InvalidParams, format!("several operations begin with `{shown}`")))
            }
            _ => Ok(found.swap_remove(0)),
        }
    }
}
