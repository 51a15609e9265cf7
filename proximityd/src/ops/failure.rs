//! Why a step did not come to its end, and what follows from it.

use proto_json::{Code, Problem};
use proximity_pve as pve;

use crate::guest::GuestError;
use crate::store::StoreError;
use crate::vault::VaultError;

/// A failure, with the last lines of the failing part's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong.
    pub problem: Problem,
    /// The last lines of its log.
    pub log: Vec<String>,
}

/// Why a step did not come to its end.
#[derive(Debug, Clone)]
pub enum StepError {
    /// It failed: the operation goes back.
    Failed(Box<Failure>),
    /// Something outside holds it up: it is tried again, for as long as it takes.
    Wait(String),
    /// A person asked to cancel.
    Cancelled,
    /// The daemon's own memory failed: the operation stays where it is until that works again.
    Store(StoreError),
}

impl StepError {
    /// A failure without a log.
    pub fn failed(problem: Problem) -> StepError {
        StepError::Failed(Box::new(Failure { problem, log: Vec::new() }))
    }

    /// A failure with the last lines of a log.
    pub fn with_log(problem: Problem, log: Vec<String>) -> StepError {
        StepError::Failed(Box::new(Failure { problem, log }))
    }

    /// Whether a change outside, of credentials or of trust, can mend it: an undo waits for that.
    pub fn is_refusal(&self) -> bool {
        matches!(self, StepError::Failed(failure) if failure.problem.code == Code::Refused)
    }

    /// Says what was being done, above Proxmox VE's own words.
    #[must_use]
    pub fn doing(self, what: &str) -> StepError {
        match self {
            StepError::Failed(mut failure) => {
                let old = std::mem::replace(&mut failure.problem.message, what.to_string());
                failure.problem.causes.insert(0, old);
                StepError::Failed(failure)
            }
            other => other,
        }
    }
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> StepError {
        StepError::Store(error)
    }
}

impl From<Problem> for StepError {
    fn from(problem: Problem) -> StepError {
        StepError::failed(problem)
    }
}

impl From<VaultError> for StepError {
    fn from(error: VaultError) -> StepError {
        StepError::failed(Problem::new(Code::Failed, "a secret cannot be read").because(&error))
    }
}

impl From<pve::InvalidId> for StepError {
    fn from(error: pve::InvalidId) -> StepError {
        StepError::failed(Problem::new(Code::Failed, error.to_string()))
    }
}

/// What is out of reach, or held by a lock that goes away, is waited for; a read or a write that was certainly not done
/// can be done again. The rest is Proxmox VE's word, and final.
impl From<pve::Error> for StepError {
    fn from(error: pve::Error) -> StepError {
        if error.is_unreachable() || error.fate_unknown() {
            return StepError::Wait(error.to_string());
        }
        if error.is_retryable() {
            return StepError::Wait(format!("Proxmox VE: {error}"));
        }
        StepError::failed(pve_problem(&error))
    }
}

impl From<GuestError> for StepError {
    fn from(error: GuestError) -> StepError {
        match error {
            GuestError::Pve(error) => error.into(),
            GuestError::Busy { .. } | GuestError::Cut(_) | GuestError::Garbled(_) | GuestError::Ssh(_) => {
                StepError::Wait(error.to_string())
            }
            GuestError::Refused { hint, .. } => {
                StepError::failed(Problem::new(Code::Refused, error.to_string()).hint(hint))
            }
            GuestError::Stopped { vmid } => StepError::failed(
                Problem::new(Code::Failed, error.to_string())
                    .cause("a person, its own init, or the kernel for want of memory ended it")
                    .hint(format!("the node's log says which: journalctl -u pve-container@{vmid}")),
            ),
            GuestError::Timeout { ref tail, .. } => {
                let log = tail.clone();
                StepError::with_log(Problem::new(Code::Timeout, error.to_string()), log)
            }
        }
    }
}

/// Proxmox VE's error as a person should read it: its own words, and what to do.
pub fn pve_problem(error: &pve::Error) -> Problem {
    use pve::ErrorKind;
    let code = match error.kind() {
        Some(ErrorKind::Unauthorized | ErrorKind::Forbidden { .. }) => Code::Refused,
        Some(ErrorKind::Locked { .. }) => Code::Conflict,
        None if error.is_unreachable() => Code::PveUnreachable,
        None if matches!(error, pve::Error::Untrusted { .. }) => Code::Refused,
        _ => Code::PveFailed,
    };
    let problem = Problem::new(code, error.to_string());
    match error.kind() {
        Some(ErrorKind::Unauthorized) => problem.hint(
            "the token or password is wrong, expired or disabled; give a new one with `proximityctl host add --replace`, and see \
             the exact commands with `proximityctl init --print-token-setup`",
        ),
        Some(ErrorKind::Forbidden { .. }) => problem.hint(
            "the token lacks a privilege; `proximityctl doctor` names it, and `proximityctl init --print-token-setup` \
             prints the commands that grant it",
        ),
        _ => match error {
            pve::Error::Unreachable(_) => problem.hint(
                "check that the host is up, that its address and port are right (Proxmox VE's port is 8006), and that nothing \
                 blocks the way",
            ),
            pve::Error::Untrusted { .. } => problem.hint(
                "compare the fingerprint with the one that `pvenode cert info` prints on the host; if it is right, give \
                 it with --fingerprint (`proximityctl host add --replace` for a host that is configured)",
            ),
            _ => problem,
        },
    }
}
