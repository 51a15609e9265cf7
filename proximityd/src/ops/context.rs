//! What a step sees of its operation: its inputs, its data, its journal, and a word to whoever watches.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto_json::event::Level;
use proto_json::operation::OperationState;
use proto_json::{Code, Problem};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::engine::Engine;
use super::failure::StepError;
use super::services::Services;
use crate::guest::{Exec, GuestError, Job, Output, jobs};
use crate::hosts::Host;
use crate::model::app::AppRecord;
use crate::model::operation::{JournalEntry, JournalKind, OperationRecord};
use crate::store::{NewEvent, StoreError};

/// A step's view of its operation.
pub struct Context {
    /// What it works with.
    pub services: Arc<Services>,
    /// The engine, for operations that are part of this one.
    pub engine: Engine,
    /// The operation as it was when the daemon took it up; its data is in `data`.
    pub operation: OperationRecord,
    pub(super) step: Mutex<&'static str>,
    pub(super) data: Mutex<Value>,
    pub(super) journal: Mutex<Vec<JournalEntry>>,
    pub(super) cancel: watch::Receiver<bool>,
    place: Mutex<Option<OwnedSemaphorePermit>>,
    waiting: Mutex<Option<String>>,
    /// How often in a row a guest answered what cannot be understood.
    garbled: AtomicU32,
}

/// After so many answers in a row that cannot be understood, the next will not be either.
const MOST_GARBLED: u32 = 5;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Context {
    pub(super) fn new(
        services: Arc<Services>,
        engine: Engine,
        operation: OperationRecord,
        journal: Vec<JournalEntry>,
        cancel: watch::Receiver<bool>,
    ) -> Context {
        Context {
            services,
            engine,
            data: Mutex::new(operation.data.clone()),
            waiting: Mutex::new(operation.waiting_for.clone()),
            operation,
            step: Mutex::new(""),
            journal: Mutex::new(journal),
            cancel,
            place: Mutex::default(),
            garbled: AtomicU32::new(0),
        }
    }

    /// The operation's id.
    pub fn id(&self) -> &str {
        &self.operation.id
    }

    /// The step at work.
    pub fn step(&self) -> &'static str {
        *locked(&self.step)
    }

    /// What it was asked for.
    ///
    /// # Errors
    /// When a daemon of another version wrote what this one cannot read.
    pub fn params<T: DeserializeOwned>(&self) -> Result<T, StepError> {
        read(&self.operation.params)
    }

    /// What it has found out and decided so far.
    ///
    /// # Errors
    /// When a daemon of another version wrote what this one cannot read.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, StepError> {
        let data = locked(&self.data).clone();
        read(&data)
    }

    /// Keeps what it found out or decided, before anything is done with it.
    ///
    /// # Errors
    /// The store's.
    pub async fn keep<T: Serialize>(&self, data: &T) -> Result<(), StepError> {
        let value = serde_json::to_value(data).expect("a saga's data is representable as JSON");
        let (id, stored) = (self.id().to_string(), value.clone());
        self.services.store.write(move |tx| tx.set_operation_data(&id, &stored)).await?;
        *locked(&self.data) = value;
        Ok(())
    }

    /// The app that it is about, as its record is now.
    ///
    /// # Errors
    /// The store's; and when there is no record, which is a fault of ours.
    pub async fn app(&self) -> Result<AppRecord, StepError> {
        let id = self.operation.app.clone().unwrap_or_default();
        let app = self.services.store.read(move |reader| reader.app(&id)).await?;
        app.ok_or_else(|| {
            StepError::failed(Problem::new(Code::Internal, "the operation's app has no record"))
        })
    }

    /// Changes the app's record.
    ///
    /// # Errors
    /// The store's.
    pub async fn change_app(
        &self,
        change: impl FnOnce(&mut AppRecord) + Send + 'static,
    ) -> Result<AppRecord, StepError> {
        let id = self.operation.app.clone().unwrap_or_default();
        let changed = self
            .services
            .store
            .write(move |tx| {
                let mut app =
                    tx.app(&id)?.ok_or_else(|| StoreError::Damaged("an app without a record".into()))?;
                change(&mut app);
                tx.update_app(&app)?;
                Ok::<_, StoreError>(app)
            })
            .await?;
        Ok(changed)
    }

    /// The host that it works on.
    ///
    /// # Errors
    /// [`Code::NotFound`] when it is not configured any more.
    pub fn host(&self) -> Result<Arc<Host>, StepError> {
        self.services.hosts.get(&self.operation.host).ok_or_else(|| {
            let message = format!("the host `{}` is not configured any more", self.operation.host);
            StepError::failed(Problem::new(Code::NotFound, message))
        })
    }

    /// Takes a place on a node, for as long as the operation runs.
    pub async fn take_place(&self, node: &str) {
        if locked(&self.place).is_none() {
            let place = self.services.queues.place(&self.operation.host, node).await;
            locked(&self.place).get_or_insert(place);
        }
    }

    /// Tells whoever watches what is going on.
    ///
    /// # Errors
    /// The store's.
    pub async fn progress(&self, message: impl Into<String>) -> Result<(), StepError> {
        let event = self.event("step.progress", message, json!({"step": self.step()}));
        self.services.store.write(move |tx| tx.event(event).map(drop)).await?;
        Ok(())
    }

    /// Shows what it waits for, once; None when it goes on.
    ///
    /// # Errors
    /// The store's.
    pub async fn show_waiting(&self, why: Option<&str>) -> Result<(), StepError> {
        if locked(&self.waiting).as_deref() == why {
            return Ok(());
        }
        let (id, step) = (self.id().to_string(), self.step());
        let (state, level, message) = match why {
            Some(why) => (OperationState::Waiting, Level::Warning, format!("waiting: {why}")),
            None => (OperationState::Running, Level::Info, "going on".to_string()),
        };
        let mut event = self.event("operation.waiting", message, json!({"step": step, "waiting_for": why}));
        event.level = level;
        let waiting = why.map(str::to_string);
        let stored = waiting.clone();
        self.services
            .store
            .write(move |tx| {
                tx.set_operation_state(&id, state, Some(step), stored.as_deref())?;
                tx.event(event).map(drop)
            })
            .await?;
        *locked(&self.waiting) = waiting;
        Ok(())
    }

    pub(super) fn is_waiting(&self) -> bool {
        locked(&self.waiting).is_some()
    }

    pub(super) fn forget_waiting(&self) {
        locked(&self.waiting).take();
    }

    pub(super) fn data_now(&self) -> Value {
        locked(&self.data).clone()
    }

    pub(super) fn event(&self, kind: &'static str, message: impl Into<String>, data: Value) -> NewEvent {
        NewEvent {
            app: self.operation.app_name.clone(),
            operation: Some(self.id().into()),
            data,
            ..NewEvent::info(kind, message)
        }
    }

    /// Whether a person asked to cancel.
    pub fn cancelled(&self) -> bool {
        *self.cancel.borrow()
    }

    /// Waits a while, but not past a cancel.
    ///
    /// # Errors
    /// [`StepError::Cancelled`].
    pub async fn pause(&self, time: Duration) -> Result<(), StepError> {
        let mut cancel = self.cancel.clone();
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            _ = cancel.wait_for(|cancel| *cancel) => Err(StepError::Cancelled),
        }
    }

    /// Runs a command in a container. `what` names it within the step.
    ///
    /// # Errors
    /// See [`crate::guest::GuestError`].
    pub async fn exec(
        &self,
        guest: &dyn Exec,
        what: &str,
        job: impl FnOnce(String) -> Job,
    ) -> Result<Output, StepError> {
        let job = job(jobs::id(self.id(), self.step(), what));
        let mut cancel = self.cancel.clone();
        let result = tokio::select! {
            result = guest.run(&job) => result,
            _ = cancel.wait_for(|cancel| *cancel) => return Err(StepError::Cancelled),
        };
        match result {
            Err(error @ GuestError::Garbled(_))
                if self.garbled.fetch_add(1, Ordering::Relaxed) + 1 >= MOST_GARBLED =>
            {
                let problem = Problem::new(Code::Failed, error.to_string())
                    .cause(format!("that was so {MOST_GARBLED} times in a row"))
                    .hint("open the container's console in Proxmox VE and see what writes there");
                Err(StepError::failed(problem))
            }
            Err(error) => Err(error.into()),
            Ok(output) => {
                self.garbled.store(0, Ordering::Relaxed);
                Ok(output)
            }
        }
    }

    /// Journal entries of this step with this key, oldest first.
    pub(super) fn entries(&self, key: &str) -> Vec<JournalEntry> {
        let step = self.step();
        let of_key = |entry: &&JournalEntry| entry.step == step && entry.data["key"] == key;
        locked(&self.journal).iter().filter(of_key).cloned().collect()
    }

    /// Writes a journal entry; when this returns, it is on the disk.
    pub(super) async fn journal(&self, kind: JournalKind, data: Value) -> Result<(), StepError> {
        self.journal_with(kind, data, |_| Ok(())).await
    }

    /// Writes a journal entry, and more in the same transaction.
    pub(super) async fn journal_with(
        &self,
        kind: JournalKind,
        data: Value,
        more: impl FnOnce(&mut crate::store::Tx<'_>) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StepError> {
        let (id, step) = (self.id().to_string(), self.step());
        let at = self.services.clock.text();
        let entry = JournalEntry { seq: 0, step: step.into(), kind: kind.clone(), data: data.clone(), at };
        self.services
            .store
            .write(move |tx| {
                tx.journal(&id, step, &kind, &data)?;
                more(tx)
            })
            .await?;
        locked(&self.journal).push(entry);
        Ok(())
    }
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, StepError> {
    serde_json::from_value(value.clone()).map_err(|error| {
        StepError::failed(
            Problem::new(Code::Internal, "the operation's data cannot be read").cause(error.to_string()),
        )
    })
}
