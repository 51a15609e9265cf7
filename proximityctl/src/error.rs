//! Every way a command can end without success, with its exit status and its words.
//!
//! An error reaches a person as `error:`, `caused by:` and `hint:` lines, and a program as one JSON object; both are
//! made from the same [`Report`].

use std::io;
use std::path::{Path, PathBuf};

use proto_json::operation::{Operation, OperationState};
use proto_json::{Code, Problem};
use serde::Serialize;

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The daemon, or Proxmox VE behind it, said no.
    #[error("{0}")]
    Daemon(#[from] Problem),
    /// The command was not given as it must be.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to write.
        hints: Vec<String>,
    },
    /// The daemon's socket does not answer.
    #[error("the daemon cannot be reached at {}", socket.display())]
    Unreachable {
        /// The socket tried.
        socket: PathBuf,
        /// Why.
        cause: String,
        /// The socket is there and may not be opened.
        denied: bool,
        /// Operations that go on there.
        operations: Vec<String>,
    },
    /// An operation ended otherwise than done.
    #[error("{}", operation_message(.0))]
    Operation(Box<Operation>),
    /// The `--timeout` passed.
    #[error("{message}")]
    Timeout {
        /// What was waited for.
        message: String,
        /// Operations that go on in the daemon.
        operations: Vec<String>,
    },
    /// Ctrl-C while waiting.
    #[error("detached")]
    Detached {
        /// The operations that go on.
        operations: Vec<String>,
    },
    /// Ctrl-C, and nothing goes on.
    #[error("{what}")]
    Interrupted {
        /// What became of the work.
        what: String,
    },
    /// A file that was named, or standard input, cannot be read or is no text: another argument mends it.
    #[error("cannot read {file}")]
    Input {
        /// The file.
        file: String,
        /// Why.
        cause: String,
    },
    /// A file could not be read or written.
    #[error("cannot {verb} {}", path.display())]
    File {
        /// What was tried: `read`, `write`, …
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Standard output could not be written.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    /// Of several, some failed; each was told by itself.
    #[error("{message}")]
    Several {
        /// How many, and which.
        message: String,
        /// The first one's exit status.
        status: u8,
    },
    /// The files that were to be checked are wrong: what is wrong with them was told.
    #[error("the files are wrong")]
    Invalid,
    /// The command did its work, and what it found is bad: nothing more is to be said.
    #[error("the check failed")]
    Unhealthy,
    /// Something failed here, not in the daemon.
    #[error("{message}")]
    Failed {
        /// One sentence.
        message: String,
        /// Why, outermost first.
        causes: Vec<String>,
        /// What to do.
        hints: Vec<String>,
        /// The last lines of a log that says more.
        log: Vec<String>,
    },
}

fn operation_message(operation: &Operation) -> String {
    let what = match &operation.app {
        Some(app) => format!("{} of {app}", operation.kind),
        None => operation.kind.clone(),
    };
    match (&operation.error, operation.state) {
        (_, OperationState::Cancelled) => format!("{what} was cancelled; what it did is undone"),
        (Some(error), _) => format!("{what} failed: {}", error.message),
        (None, _) => format!("{what} failed"),
    }
}

impl Error {
    /// A usage error with one hint.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::Usage { message: message.into(), hints: vec![hint.into()] }
    }

    /// A failure of our own, without causes.
    pub fn failed(message: impl Into<String>) -> Error {
        Error::Failed { message: message.into(), causes: Vec::new(), hints: Vec::new(), log: Vec::new() }
    }

    /// A failure to read a file.
    pub fn read(path: impl AsRef<Path>, source: io::Error) -> Error {
        Error::File { verb: "read", path: path.as_ref().into(), source }
    }

    /// A failure to write a file.
    pub fn write(path: impl AsRef<Path>, source: io::Error) -> Error {
        Error::File { verb: "write", path: path.as_ref().into(), source }
    }

    /// The exit status of a command that ends with it.
    pub fn exit_status(&self) -> u8 {
        match self {
            Error::Daemon(problem) => problem.code.exit_status(),
            Error::Usage { .. } | Error::Input { .. } | Error::Invalid => 2,
            // The socket's mode keeps the caller out: refused, not out of reach.
            Error::Unreachable { denied: true, .. } => 4,
            Error::Unreachable { .. } => 6,
            Error::Operation(operation) => operation_code(operation).map_or(1, Code::exit_status),
            Error::Timeout { .. } => 124,
            Error::Detached { .. } | Error::Interrupted { .. } => 130,
            Error::Several { status, .. } => *status,
            // Who reads has had enough: `proximityctl ls | head -1`.
            Error::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Error::File { .. } | Error::Output(_) | Error::Unhealthy | Error::Failed { .. } => 1,
        }
    }

    /// It in words.
    pub fn report(&self) -> Report {
        let mut report = Report {
            code: None,
            kind: "failed".into(),
            message: self.to_string(),
            causes: Vec::new(),
            hints: Vec::new(),
            log: Vec::new(),
            operations: Vec::new(),
        };
        match self {
            Error::Daemon(problem) => {
                report.kind = problem.code.kind().into();
                report.code = Some(problem.code.number());
                report.causes.clone_from(&problem.causes);
                report.hints.clone_from(&problem.hints);
            }
            Error::Usage { hints, .. } => {
                report.kind = "usage".into();
                report.hints.clone_from(hints);
            }
            Error::Input { cause, .. } => {
                report.kind = "usage".into();
                report.causes.push(cause.clone());
            }
            Error::Unreachable { cause, denied, operations, .. } => {
                report.kind = "daemon-unreachable".into();
                report.causes.push(cause.clone());
                report.hints = unreachable_hints(*denied, operations);
                report.operations.clone_from(operations);
            }
            Error::Operation(operation) => operation_report(operation, &mut report),
            Error::Timeout { operations, .. } => {
                report.kind = Code::Timeout.kind().into();
                report.code = Some(Code::Timeout.number());
                report.hints = return_hints(operations);
                report.operations.clone_from(operations);
            }
            Error::Detached { operations } => {
                report.kind = "detached".into();
                report.hints = return_hints(operations);
                report.operations.clone_from(operations);
            }
            Error::Interrupted { .. } => report.kind = "interrupted".into(),
            Error::File { source, .. } | Error::Output(source) => report.causes.push(source.to_string()),
            Error::Unhealthy | Error::Invalid | Error::Several { .. } => {}
            Error::Failed { causes, hints, log, .. } => {
                report.causes.clone_from(causes);
                report.hints.clone_from(hints);
                report.log.clone_from(log);
            }
        }
        report
    }

    /// Whether nothing is left to be said: the output told it, or nobody listens.
    pub fn is_silent(&self) -> bool {
        matches!(self, Error::Unhealthy | Error::Invalid)
            || matches!(self, Error::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// How to return to what goes on.
fn return_hints(operations: &[String]) -> Vec<String> {
    operations.iter().map(|id| format!("it goes on; to return to it: proximityctl op wait {id}")).collect()
}

/// The code whose kind an operation's error names.
fn operation_code(operation: &Operation) -> Option<Code> {
    let kind = &operation.error.as_ref()?.kind;
    Code::ALL.into_iter().find(|code| code.kind() == kind)
}

fn operation_report(operation: &Operation, report: &mut Report) {
    report.operations.push(operation.id.clone());
    report.code = operation_code(operation).map(Code::number);
    if operation.state == OperationState::Cancelled {
        report.kind = "cancelled".into();
    }
    if let Some(error) = &operation.error {
        if !error.kind.is_empty() && operation.state != OperationState::Cancelled {
            report.kind.clone_from(&error.kind);
        }
        report.causes.clone_from(&error.causes);
        report.hints.clone_from(&error.hints);
        report.log.clone_from(&error.log);
    }
    if operation.state == OperationState::NeedsAttention {
        report.hints.push("it could not be undone; a person must look at what is left".into());
    }
    report.hints.push(format!("every step of it: proximityctl op show {}", operation.id));
}

fn unreachable_hints(denied: bool, operations: &[String]) -> Vec<String> {
    if denied {
        return vec!["you may not open the socket: join its group, or ask who runs the daemon".into()];
    }
    if !operations.is_empty() {
        let mut hints = vec!["start the daemon again: systemctl start proximityd".to_string()];
        hints.extend(operations.iter().map(|id| format!("then go on with: proximityctl op wait {id}")));
        return hints;
    }
    vec![
        "start it: systemctl start proximityd".into(),
        "or with an embedded node in place of a Proxmox VE host: proximityd --embedded".into(),
        "or look around with a throw-away one: proximityctl try".into(),
    ]
}

/// An error in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The JSON-RPC error code, when there is one.
    pub code: Option<i64>,
    /// A stable word.
    pub kind: String,
    /// One sentence.
    pub message: String,
    /// Why, outermost first.
    pub causes: Vec<String>,
    /// What to do.
    pub hints: Vec<String>,
    /// The last lines of a log that says more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    /// The operations concerned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_fails_with_the_status_of_its_errors_kind() {
        for code in Code::ALL {
            let operation = crate::testing::failed_operation(code.kind());
            assert_eq!(Error::Operation(Box::new(operation)).exit_status(), code.exit_status());
        }
        let operation = crate::testing::failed_operation("something-new");
        assert_eq!(Error::Operation(Box::new(operation)).exit_status(), 1);
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let error = Error::Output(io::ErrorKind::BrokenPipe.into());
        assert!(error.is_silent());
        assert_eq!(error.exit_status(), 0);
    }
}
