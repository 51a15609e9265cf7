//! What a saga is.

use async_trait::async_trait;

use super::context::Context;
use super::failure::StepError;
use crate::model::operation::OperationRecord;
use crate::store::{StoreError, Tx};

/// One step of a saga, as it is shown and explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepDef {
    /// Its name: stable, since journals hold it.
    pub name: &'static str,
    /// For a person.
    pub title: &'static str,
    /// What it does, for `--explain`.
    pub explanation: &'static str,
}

/// How a step came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// It did its work; what a person may want to know of it.
    Did(Option<String>),
    /// There was nothing to do, and why.
    Skipped(String),
}

impl Done {
    /// It did its work.
    pub fn did(message: impl Into<String>) -> Done {
        Done::Did(Some(message.into()))
    }
}

/// How an operation came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All steps are done.
    Done,
    /// It failed or was cancelled, and what it did is undone.
    Undone,
    /// It failed, and what it did is kept because that was asked for.
    Kept,
    /// Undoing failed: a person must look.
    Stuck,
}

/// A kind of operation: an ordered list of steps, each repeatable and each with an undo.
///
/// A step may be run again after it was cut off at any point, and must then come to the same end; so may an undo, also
/// of a step that was never begun in earnest.
#[async_trait]
pub trait Saga: Send + Sync {
    /// Its name: the operation's `kind`.
    fn kind(&self) -> &'static str;

    /// Its version. A journal of another version is not continued but undone.
    fn version(&self) -> u32 {
        1
    }

    /// Its steps in order.
    fn steps(&self) -> &'static [StepDef];

    /// The step from which on it only goes forward: from there a failure is not undone.
    fn pivot(&self) -> Option<&'static str> {
        None
    }

    /// Does a step.
    async fn run(&self, step: &'static str, cx: &Context) -> Result<Done, StepError>;

    /// Undoes a step. The default has nothing to undo.
    async fn undo(&self, step: &'static str, cx: &Context) -> Result<(), StepError> {
        let _ = (step, cx);
        Ok(())
    }

    /// What the records say when it has ended, in the transaction that ends it.
    ///
    /// # Errors
    /// The store's.
    fn ended(&self, operation: &OperationRecord, ending: Ending, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let _ = (operation, ending, tx);
        Ok(())
    }
}
