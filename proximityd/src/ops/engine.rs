//! The engine: takes operations in, drives each from its journal, and takes them up again after a restart.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proto_json::event::Level;
use proto_json::operation::{OperationError, OperationState};
use proto_json::{Code, Problem};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::context::Context;
use super::failure::{Failure, StepError};
use super::recovery::{Facts, Next, plan};
use super::saga::{Done, Ending, Saga};
use super::sagas;
use super::services::Services;
use crate::model::operation::{JournalEntry, JournalKind, OperationRecord};
use crate::store::{StoreError, Tx};

/// Between two tries of something that is held up, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Drives operations. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    services: Arc<Services>,
    running: Mutex<HashMap<String, Running>>,
}

struct Running {
    cancel: watch::Sender<bool>,
    ended: watch::Receiver<bool>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// A new operation, before it is written down.
#[derive(Debug, Clone)]
pub struct NewOperation {
    /// Which saga.
    pub kind: &'static str,
    /// The app's id and name, when it is about one.
    pub app: Option<(String, String)>,
    /// The host's name.
    pub host: String,
    /// The operation that it is part of.
    pub parent: Option<String>,
    /// Resolved inputs.
    pub params: Value,
    /// Who asks.
    pub actor: String,
    /// The caller's own id for the request.
    pub request_id: Option<String>,
}

impl Engine {
    /// An engine that drives nothing yet.
    pub fn new(services: Arc<Services>) -> Engine {
        Engine { inner: Arc::new(Inner { services, running: Mutex::default() }) }
    }

    /// What sagas work with.
    pub fn services(&self) -> &Arc<Services> {
        &self.inner.services
    }

    /// Prepares an operation: an id and a record. It is written by [`insert`] in the caller's transaction.
    pub fn prepare(&self, new: NewOperation) -> OperationRecord {
        let (app, app_name) = new.app.unzip();
        OperationRecord {
            id: self.inner.services.ids.next(),
            kind: new.kind.into(),
            version: sagas::by_kind(new.kind).map_or(1, Saga::version),
            app,
            app_name,
            host: new.host,
            parent: new.parent,
            params: new.params,
            data: json!({}),
            state: OperationState::Queued,
            step: None,
            waiting_for: None,
            actor: new.actor,
            request_id: new.request_id,
            created_at: self.inner.services.clock.text(),
            started_at: None,
            ended_at: None,
            error: None,
            cancel_requested: false,
            first_event: 0,
        }
    }

    /// Begins to drive an operation that is written down. Doing it twice drives it once.
    pub fn launch(&self, operation: OperationRecord) {
        let id = operation.id.clone();
        let (cancel, cancelled) = watch::channel(operation.cancel_requested);
        let (end, ended) = watch::channel(false);
        {
            let mut running = self.running();
            if running.contains_key(&id) {
                return;
            }
            running.insert(id.clone(), Running { cancel, ended });
        }
        let engine = self.clone();
        tokio::spawn(async move {
            engine.drive(operation, cancelled).await;
            engine.running().remove(&id);
            // Nobody may be waiting.
            let _ = end.send(true);
        });
    }

    /// Takes up every operation that has not ended. Gives their number.
    ///
    /// # Errors
    /// The store's.
    pub async fn resume(&self) -> Result<usize, StoreError> {
        let unfinished = self.inner.services.store.read(|reader| reader.unfinished_operations()).await?;
        let count = unfinished.len();
        for operation in unfinished {
            tracing::info!(
                operation = operation.id,
                kind = operation.kind,
                app = operation.app_name,
                "taken up again"
            );
            self.launch(operation);
        }
        Ok(count)
    }

    /// Waits until an operation has ended, or is not being driven.
    pub async fn wait(&self, id: &str) {
        let ended = self.running().get(id).map(|running| running.ended.clone());
        if let Some(mut ended) = ended {
            // An error means that its driver is gone, which is an end too.
            let _ = ended.wait_for(|ended| *ended).await;
        }
    }

    /// Asks an operation to cancel. The request is on the disk before it is acted on.
    ///
    /// # Errors
    /// The store's.
    pub async fn cancel(&self, id: &str) -> Result<bool, StoreError> {
        let owned = id.to_string();
        let asked = self.inner.services.store.write(move |tx| tx.request_cancel(&owned)).await?;
        if asked && let Some(running) = self.running().get(id) {
            running.cancel.send_replace(true);
        }
        Ok(asked)
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<String, Running>> {
        self.inner.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn drive(&self, operation: OperationRecord, cancel: watch::Receiver<bool>) {
        let id = operation.id.clone();
        let mut pause = FIRST_PAUSE;
        loop {
            match self.drive_once(operation.clone(), cancel.clone()).await {
                Ok(()) => return,
                Err(StoreError::Closed) => return,
                Err(error) => {
                    // What is on the disk is the truth: once it can be read and written again, it goes on from there.
                    tracing::error!(operation = id, %error, "an operation is held up by the database");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn drive_once(
        &self,
        operation: OperationRecord,
        cancel: watch::Receiver<bool>,
    ) -> Result<(), StoreError> {
        let id = operation.id.clone();
        let store = &self.inner.services.store;
        let read = id.clone();
        let (fresh, journal) =
            store.read(move |reader| Ok((reader.operation(&read)?, reader.journal(&read)?))).await?;
        let operation = fresh.unwrap_or(operation);
        let Some(saga) = sagas::by_kind(&operation.kind) else {
            let problem =
                Problem::new(Code::Internal, format!("this daemon knows no operation `{}`", operation.kind))
                    .hint("it was begun by a newer daemon: go back to that one");
            return self.end(&operation, None, Some(problem.into()), Ending::Stuck).await;
        };
        let mut error = operation.error.clone();
        let context =
            Context::new(Arc::clone(&self.inner.services), self.clone(), operation, journal, cancel);
        Driver { engine: self, saga, cx: &context }.run(&mut error).await
    }

    async fn end(
        &self,
        operation: &OperationRecord,
        saga: Option<&'static dyn Saga>,
        fault: Option<Failure>,
        ending: Ending,
    ) -> Result<(), StoreError> {
        let cancelled = fault.as_ref().is_none() && operation.error.as_ref().is_some_and(is_cancel);
        let state = match ending {
            Ending::Done => OperationState::Done,
            Ending::Stuck => OperationState::NeedsAttention,
            Ending::Undone if cancelled => OperationState::Cancelled,
            Ending::Undone | Ending::Kept => OperationState::Failed,
        };
        let error = fault.map(|failure| record(operation.step.as_deref().unwrap_or(""), failure));
        let (kind, level) = match state {
            OperationState::Done => ("operation.done", Level::Info),
            OperationState::Cancelled => ("operation.cancelled", Level::Warning),
            OperationState::NeedsAttention => ("operation.needs-attention", Level::Error),
            _ => ("operation.failed", Level::Error),
        };
        let why = error.as_ref().or(operation.error.as_ref()).map(|error| error.message.clone());
        let message = match &why {
            Some(why) if state != OperationState::Done => {
                format!("{} {}: {why}", operation.kind, word(state))
            }
            _ => format!("{} {}", operation.kind, word(state)),
        };
        tracing::info!(
            operation = operation.id,
            kind = operation.kind,
            app = operation.app_name,
            "{message}"
        );
        let operation = operation.clone();
        self.inner
            .services
            .store
            .write(move |tx| {
                if let Some(error) = &error {
                    tx.set_operation_error(&operation.id, error)?;
                }
                if let Some(saga) = saga {
                    saga.ended(&operation, ending, tx)?;
                }
                // An id that it took and does not use, because the daemon died between the two, is free again.
                let used = match ending {
                    Ending::Undone => None,
                    _ => operation.data["vmid"].as_u64().and_then(|vmid| u32::try_from(vmid).ok()),
                };
                tx.release_unused_vmids(&operation.id, used)?;
                tx.end_operation(&operation.id, state)?;
                let mut event = crate::store::NewEvent::info(kind, message);
                event.level = level;
                event.app = operation.app_name.clone();
                event.operation = Some(operation.id.clone());
                event.data = json!({"state": state});
                tx.event(event).map(drop)
            })
            .await
    }
}

/// Writes an operation down: its row, and the event that it was accepted.
///
/// # Errors
/// [`StoreError::Unique`] when the app has one at work, or the request id was used.
pub fn insert(tx: &mut Tx<'_>, operation: &mut OperationRecord) -> Result<(), StoreError> {
    let mut event =
        crate::store::NewEvent::info("operation.accepted", format!("{} accepted", operation.kind));
    event.app = operation.app_name.clone();
    event.operation = Some(operation.id.clone());
    event.data = json!({"kind": operation.kind, "actor": operation.actor});
    operation.first_event = tx.event(event)?;
    tx.insert_operation(operation)
}

fn word(state: OperationState) -> &'static str {
    match state {
        OperationState::Done => "done",
        OperationState::Cancelled => "cancelled",
        OperationState::NeedsAttention => "needs attention",
        _ => "failed",
    }
}

const CANCELLED: &str = "cancelled";

fn is_cancel(error: &OperationError) -> bool {
    error.kind == CANCELLED
}

fn record(step: &str, failure: Failure) -> OperationError {
    OperationError {
        step: step.into(),
        kind: failure.problem.code.kind().into(),
        message: failure.problem.message,
        causes: failure.problem.causes,
        hints: failure.problem.hints,
        log: failure.log,
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        Failure { problem, log: Vec::new() }
    }
}

/// Drives one operation to its end.
struct Driver<'a> {
    engine: &'a Engine,
    saga: &'static dyn Saga,
    cx: &'a Context,
}

impl Driver<'_> {
    async fn run(&self, error: &mut Option<OperationError>) -> Result<(), StoreError> {
        let names: Vec<&str> = self.saga.steps().iter().map(|step| step.name).collect();
        let pivot = self.saga.pivot().and_then(|pivot| names.iter().position(|name| *name == pivot));
        let keep_failed = self.cx.operation.params["keep_failed"] == true;
        if self.cx.operation.version != self.saga.version() && error.is_none() {
            let problem =
                Problem::new(Code::Failed, "the operation was begun by another version of the daemon");
            self.fail("", problem.into(), error).await?;
        }
        let mut pause = FIRST_PAUSE;
        loop {
            let facts = Facts {
                failed: error.is_some(),
                keep_failed: keep_failed && !error.as_ref().is_some_and(is_cancel),
                pivot,
            };
            let next = plan(&names, &self.journal(), facts);
            let outcome = match next {
                Next::Forward(_) if self.cx.cancelled() => Err(StepError::Cancelled),
                Next::Forward(index) => self.forward(index).await,
                Next::Backward(index) => self.backward(index).await,
                Next::Finish => return self.end(None, Ending::Done, error).await,
                Next::Undone => return self.end(None, Ending::Undone, error).await,
                Next::Keep => return self.end(None, Ending::Kept, error).await,
            };
            match outcome {
                Ok(()) => pause = FIRST_PAUSE,
                Err(StepError::Wait(why)) => {
                    self.hold(&why, next, &mut pause, error).await?;
                }
                // Credentials or a certificate that changed since are mended by a person, and then the undo goes on.
                Err(refusal) if refusal.is_refusal() && matches!(next, Next::Backward(_)) => {
                    let StepError::Failed(failure) = refusal else { continue };
                    let hint = failure.problem.hints.first().map(|hint| format!("; {hint}"));
                    let why = format!("{}{}", failure.problem.message, hint.unwrap_or_default());
                    self.hold(&why, next, &mut pause, error).await?;
                }
                Err(StepError::Cancelled) => self.cancel(error).await?,
                Err(StepError::Store(store)) => return Err(store),
                Err(StepError::Failed(failure)) => match next {
                    Next::Forward(index) => self.fail(names[index], *failure, error).await?,
                    _ => return self.end(Some(*failure), Ending::Stuck, error).await,
                },
            }
        }
    }

    /// Shows what holds it up, and waits a while.
    async fn hold(
        &self,
        why: &str,
        next: Next,
        pause: &mut Duration,
        error: &mut Option<OperationError>,
    ) -> Result<(), StoreError> {
        self.store(self.cx.show_waiting(Some(why)).await)?;
        // An undo is not broken off by a cancel: it is what a cancel asks for.
        if matches!(next, Next::Forward(_)) {
            if let Err(StepError::Cancelled) = self.cx.pause(*pause).await {
                self.cancel(error).await?;
            }
        } else {
            tokio::time::sleep(*pause).await;
        }
        *pause = (*pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }

    async fn forward(&self, index: usize) -> Result<(), StepError> {
        let step = self.saga.steps()[index];
        self.begin(step.name);
        let id = self.cx.id().to_string();
        let event = self.cx.event("step.started", step.title, json!({"step": step.name, "index": index}));
        let again = self.cx.is_waiting();
        if !again {
            self.cx
                .journal_with(JournalKind::StepStarted, json!({}), move |tx| {
                    tx.set_operation_state(&id, OperationState::Running, Some(step.name), None)?;
                    tx.event(event).map(drop)
                })
                .await?;
        }
        let done = self.saga.run(step.name, self.cx).await?;
        self.cx.show_waiting(None).await?;
        let (kind, event_kind, message) = match done {
            Done::Did(message) => (JournalKind::StepDone, "step.done", message),
            Done::Skipped(why) => (JournalKind::StepSkipped, "step.skipped", Some(why)),
        };
        let text = message.clone().unwrap_or_else(|| step.title.to_string());
        let event = self.cx.event(event_kind, text, json!({"step": step.name, "index": index}));
        let data = message.map_or_else(|| json!({}), |message| json!({"message": message}));
        self.cx.journal_with(kind, data, move |tx| tx.event(event).map(drop)).await
    }

    async fn backward(&self, index: usize) -> Result<(), StepError> {
        let step = self.saga.steps()[index];
        self.begin(step.name);
        let id = self.cx.id().to_string();
        let message = format!("undoing: {}", step.title);
        let event = self.cx.event("step.undoing", message, json!({"step": step.name, "index": index}));
        if !self.cx.is_waiting() {
            self.cx
                .journal_with(JournalKind::UndoStarted, json!({}), move |tx| {
                    tx.set_operation_state(&id, OperationState::Undoing, Some(step.name), None)?;
                    tx.event(event).map(drop)
                })
                .await?;
        }
        self.saga.undo(step.name, self.cx).await?;
        self.cx.show_waiting(None).await?;
        let message = format!("undone: {}", step.title);
        let event = self.cx.event("step.undone", message, json!({"step": step.name, "index": index}));
        self.cx.journal_with(JournalKind::UndoDone, json!({}), move |tx| tx.event(event).map(drop)).await
    }

    async fn fail(
        &self,
        step: &'static str,
        failure: Failure,
        error: &mut Option<OperationError>,
    ) -> Result<(), StoreError> {
        let message = failure.problem.message.clone();
        self.turn_back(step, record(step, failure), &message, error).await
    }

    async fn cancel(&self, error: &mut Option<OperationError>) -> Result<(), StoreError> {
        let step = self.cx.step();
        let cancelled = OperationError {
            step: step.into(),
            kind: CANCELLED.into(),
            message: "it was cancelled".into(),
            causes: Vec::new(),
            hints: Vec::new(),
            log: Vec::new(),
        };
        self.turn_back(step, cancelled, "cancelled", error).await
    }

    /// From here on the operation goes back.
    async fn turn_back(
        &self,
        step: &'static str,
        why: OperationError,
        message: &str,
        error: &mut Option<OperationError>,
    ) -> Result<(), StoreError> {
        let id = self.cx.id().to_string();
        let data =
            json!({"step": step, "error": {"message": why.message, "causes": why.causes, "log": why.log}});
        let mut event = self.cx.event("step.failed", message, data);
        event.level = Level::Error;
        let stored = why.clone();
        let written = self
            .cx
            .journal_with(JournalKind::StepFailed, json!({"message": message}), move |tx| {
                tx.set_operation_error(&id, &stored)?;
                tx.set_operation_state(&id, OperationState::Undoing, None, None)?;
                tx.event(event).map(drop)
            })
            .await;
        self.store(written)?;
        self.cx.forget_waiting();
        *error = Some(why);
        Ok(())
    }

    async fn end(
        &self,
        fault: Option<Failure>,
        ending: Ending,
        error: &Option<OperationError>,
    ) -> Result<(), StoreError> {
        let mut operation = self.cx.operation.clone();
        operation.error = error.clone();
        operation.step = Some(self.cx.step().into());
        operation.data = self.cx.data_now();
        // A person needs both: what failed first, and what could not be undone after it.
        let fault = fault.map(|mut failure| {
            if let Some(first) = error {
                failure.problem.causes.push(format!("this came after: {}", first.message));
                failure.problem.causes.extend(first.causes.iter().cloned());
            }
            failure.problem.message = format!("undoing failed: {}", failure.problem.message);
            failure
        });
        self.engine.end(&operation, Some(self.saga), fault, ending).await
    }

    fn begin(&self, step: &'static str) {
        *self.cx.step.lock().unwrap_or_else(PoisonError::into_inner) = step;
    }

    fn journal(&self) -> Vec<JournalEntry> {
        self.cx.journal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writing the journal can only fail by the store.
    fn store(&self, result: Result<(), StepError>) -> Result<(), StoreError> {
        match result {
            Err(StepError::Store(error)) => Err(error),
            _ => Ok(()),
        }
    }
}
