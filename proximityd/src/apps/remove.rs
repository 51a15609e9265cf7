//! Removing an app.

use proto_json::Problem;
use proto_json::app::RemoveParams;
use proto_json::operation::Started;

use super::UseCases;
use crate::ops::saga::Saga;
use crate::ops::sagas::remove::{Params, Remove};

/// Seconds that a container to be destroyed gets to end by itself.
const SECONDS: u64 = 30;

impl UseCases {
    /// `app.remove`.
    pub(crate) async fn remove(&self, actor: &str, params: RemoveParams) -> Result<Started, Problem> {
        let app = self.app_named(&params.name).await?;
        let seconds = params.timeout_seconds.unwrap_or(SECONDS).clamp(1, 3600);
        let params = Params { seconds: u32::try_from(seconds).unwrap_or(u32::MAX) };
        self.submit(actor, &app, Remove.kind(), &params).await
    }
}
