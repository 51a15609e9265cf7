//! The use cases: what a call means. They check, resolve and submit; the work itself is done by operations.

mod catalog;
pub mod checks;
mod daemon;
mod deploy;
mod host;
mod inside;
mod list;
mod operation;
mod power;
mod remove;

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use proto_json::operation::Operation;
use proto_json::{Code, Problem};
use proximity_catalog::Catalog;

use crate::config::Config;
use crate::model::app::AppRecord;
use crate::model::operation::OperationRecord;
use crate::ops::engine::Engine;
use crate::ops::sagas;
use crate::ops::services::Services;
use crate::store::{Store, StoreError};
use crate::watch::Watch;

/// The use cases, and what they work with.
#[derive(Debug)]
pub struct UseCases {
    services: Arc<Services>,
    engine: Engine,
    templates: Templates,
    config: Config,
    started: Instant,
    watch: Watch,
    listed: list::Listed,
}

/// The catalog: the built-in templates, and those of the configured directory. The built-in ones are read when they are
/// first asked for: nothing of them can be wrong, and the daemon answers sooner.
#[derive(Debug, Default)]
pub struct Templates {
    own: Option<Catalog>,
    all: OnceLock<Catalog>,
}

impl Templates {
    /// With those of a directory, if there is one. They go before built-in ones of the same id.
    pub fn new(own: Option<Catalog>) -> Templates {
        Templates { own, all: OnceLock::new() }
    }

    fn get(&self) -> &Catalog {
        match &self.own {
            None => Catalog::builtin(),
            Some(own) => self.all.get_or_init(|| Catalog::builtin().clone().with(own.clone())),
        }
    }
}

impl UseCases {
    /// Puts them together.
    pub fn new(engine: Engine, templates: Templates, config: Config, watch: Watch) -> UseCases {
        let services = Arc::clone(engine.services());
        let listed = list::Listed::default();
        UseCases { services, engine, templates, config, started: Instant::now(), watch, listed }
    }

    /// The store, for the event stream.
    pub fn store(&self) -> &Store {
        &self.services.store
    }

    /// An operation as it crosses the wire.
    async fn operation_view(&self, record: OperationRecord) -> Result<Operation, Problem> {
        let id = record.id.clone();
        let journal =
            self.services.store.read(move |reader| reader.journal(&id)).await.map_err(store_problem)?;
        Ok(record.view(&titles(&record.kind), &journal))
    }

    /// An app by its name or id.
    async fn app_named(&self, name: &str) -> Result<AppRecord, Problem> {
        let wanted = name.to_string();
        let (found, all) = self
            .services
            .store
            .read(move |reader| {
                let found = reader.app_named(&wanted)?;
                let all = if found.is_none() { reader.app_list(false)? } else { Vec::new() };
                Ok((found, all))
            })
            .await
            .map_err(store_problem)?;
        found.ok_or_else(|| {
            let near = proto_json::params::nearest(name, all.iter().map(|app| app.name.as_str()));
            let problem =
                Problem::new(Code::NotFound, format!("there is no app `{}`", name.escape_default()));
            match near {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem.hint("`proximityctl ls` lists the apps"),
            }
        })
    }
}

fn titles(kind: &str) -> Vec<(&'static str, &'static str)> {
    let saga = sagas::by_kind(kind);
    saga.map(|saga| saga.steps().iter().map(|step| (step.name, step.title)).collect()).unwrap_or_default()
}

/// The store's failure as a person should read it.
pub(crate) fn store_problem(error: StoreError) -> Problem {
    let code = match error {
        StoreError::Closed => Code::Busy,
        StoreError::Full => Code::Failed,
        _ => Code::Internal,
    };
    let problem = Problem::new(code, error.to_string());
    match error {
        StoreError::Full => problem.hint("make room on the disk of the data directory; nothing was lost"),
        _ => problem,
    }
}

/// What a transaction of a use case can fail with.
#[derive(Debug)]
enum Refusal {
    Store(StoreError),
    Problem(Problem),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        Refusal::Store(error)
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Refusal {
        Refusal::Problem(problem)
    }
}

impl Refusal {
    fn into_problem(self) -> Problem {
        match self {
            Refusal::Store(error) => store_problem(error),
            Refusal::Problem(problem) => problem,
        }
    }
}
