//! Starting, stopping and restarting apps.

use proto_json::app::{AppName, StopParams};
use proto_json::operation::Started;
use proto_json::{Code, Problem};
use serde::Serialize;

use super::{Refusal, UseCases};
use crate::model::app::AppRecord;
use crate::ops::engine::{NewOperation, insert};
use crate::ops::saga::Saga;
use crate::ops::sagas::start::Start;
use crate::ops::sagas::stop::{Params, Restart, Stop};

/// Seconds that an app gets to end by itself: a database flushes in that time.
const STOP_SECONDS: u64 = 60;
/// PVE's own limit for a shutdown's time-out is 7200 s (schema of `status/shutdown`); ours leaves the task time to end.
const LONGEST_STOP: u64 = 7000;

impl UseCases {
    /// `app.start`.
    pub(crate) async fn start(&self, actor: &str, params: AppName) -> Result<Started, Problem> {
        let app = self.app_named(&params.name).await?;
        self.submit(actor, &app, Start.kind(), &serde_json::json!({})).await
    }

    /// `app.stop`.
    pub(crate) async fn stop(&self, actor: &str, params: StopParams) -> Result<Started, Problem> {
        let app = self.app_named(&params.name).await?;
        self.submit(actor, &app, Stop.kind(), &how(&params)).await
    }

    /// `app.restart`.
    pub(crate) async fn restart(&self, actor: &str, params: StopParams) -> Result<Started, Problem> {
        let app = self.app_named(&params.name).await?;
        self.submit(actor, &app, Restart.kind(), &how(&params)).await
    }

    /// Submits an operation on an app that is there.
    pub(super) async fn submit(
        &self,
        actor: &str,
        app: &AppRecord,
        kind: &'static str,
        params: &impl Serialize,
    ) -> Result<Started, Problem> {
        if app.removed_at.is_some() {
            return Err(Problem::new(Code::NotFound, format!("`{}` was removed", app.name)));
        }
        if app.vmid.is_none() && kind != "remove" {
            return Err(Problem::new(Code::Conflict, format!("`{}` has no container", app.name))
                .hint("`proximityctl info` shows what became of its deployment"));
        }
        let mut operation = self.engine.prepare(NewOperation {
            kind,
            app: Some((app.id.clone(), app.name.clone())),
            host: app.host.clone(),
            parent: None,
            params: serde_json::to_value(params).expect("plain values are representable as JSON"),
            actor: actor.into(),
            request_id: None,
        });
        let (id, name) = (app.id.clone(), app.name.clone());
        let written = self
            .services
            .store
            .write(move |tx| {
                if let Some(other) = tx.active_operation(&id)? {
                    let message = format!("another operation is at work on `{name}`");
                    let problem = Problem::new(Code::Conflict, message)
                        .cause(format!("{} {} by {}", other.kind, other.id, other.actor))
                        .hint(format!("wait for it with `proximityctl op wait {}`", other.id));
                    return Err(Refusal::Problem(problem));
                }
                insert(tx, &mut operation)?;
                Ok(operation)
            })
            .await;
        let operation = written.map_err(Refusal::into_problem)?;
        self.engine.launch(operation.clone());
        Ok(Started { operation: self.operation_view(operation).await? })
    }
}

fn how(params: &StopParams) -> Params {
    let seconds = params.timeout_seconds.unwrap_or(STOP_SECONDS).clamp(1, LONGEST_STOP);
    Params { seconds: u32::try_from(seconds).unwrap_or(u32::MAX), force: params.force }
}
