//! Error codes, and the one shape in which every error crosses the wire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A JSON-RPC error code. The first five are JSON-RPC 2.0's own; the others are in the range it leaves to servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The body is not JSON.
    Parse,
    /// The JSON is no JSON-RPC 2.0 request.
    InvalidRequest,
    /// No such method.
    MethodNotFound,
    /// The parameters do not fit the method.
    InvalidParams,
    /// A bug in the daemon.
    Internal,
    /// The thing named does not exist.
    NotFound,
    /// Refused: the caller's role or the mode does not allow it.
    Refused,
    /// The name is taken, or something else works on it.
    Conflict,
    /// Proxmox VE cannot be reached.
    PveUnreachable,
    /// Proxmox VE refused, or a task of it failed.
    PveFailed,
    /// The work was done and failed, for a reason the message gives.
    Failed,
    /// It took longer than allowed.
    Timeout,
    /// The daemon cannot take more now.
    Busy,
}

impl Code {
    /// Every code, in the order of the reference.
    pub const ALL: [Code; 13] = [
        Code::Parse,
        Code::InvalidRequest,
        Code::MethodNotFound,
        Code::InvalidParams,
        Code::Internal,
        Code::NotFound,
        Code::Refused,
        Code::Conflict,
        Code::PveUnreachable,
        Code::PveFailed,
        Code::Failed,
        Code::Timeout,
        Code::Busy,
    ];

    /// The number on the wire.
    pub const fn number(self) -> i64 {
        match self {
            Code::Parse => -32700,
            Code::InvalidRequest => -32600,
            Code::MethodNotFound => -32601,
            Code::InvalidParams => -32602,
            Code::Internal => -32603,
            Code::NotFound => -32001,
            Code::Refused => -32002,
            Code::Conflict => -32003,
            Code::PveUnreachable => -32004,
            Code::PveFailed => -32005,
            Code::Failed => -32006,
            Code::Timeout => -32007,
            Code::Busy => -32008,
        }
    }

    /// The code with this number, if there is one.
    pub fn from_number(number: i64) -> Option<Code> {
        Code::ALL.into_iter().find(|code| code.number() == number)
    }

    /// A stable word for it, given as `data.kind`.
    pub const fn kind(self) -> &'static str {
        match self {
            Code::Parse => "parse-error",
            Code::InvalidRequest => "invalid-request",
            Code::MethodNotFound => "method-not-found",
            Code::InvalidParams => "invalid-params",
            Code::Internal => "internal",
            Code::NotFound => "not-found",
            Code::Refused => "refused",
            Code::Conflict => "conflict",
            Code::PveUnreachable => "pve-unreachable",
            Code::PveFailed => "pve-failed",
            Code::Failed => "failed",
            Code::Timeout => "timeout",
            Code::Busy => "busy",
        }
    }

    /// The exit status of a command that ends with it (see the command-line conventions in the user guide).
    pub const fn exit_status(self) -> u8 {
        match self {
            Code::Parse | Code::InvalidRequest | Code::InvalidParams => 2,
            Code::MethodNotFound | Code::NotFound => 3,
            Code::Refused => 4,
            Code::Conflict | Code::Busy => 5,
            Code::PveUnreachable => 7,
            Code::PveFailed | Code::Failed => 1,
            Code::Timeout => 124,
            Code::Internal => 255,
        }
    }
}

/// An error as a person should read it: what went wrong, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind it is.
    pub code: Code,
    /// One sentence.
    pub message: String,
    /// Why, outermost first; Proxmox VE's, Docker's or the guest's own words are kept.
    pub causes: Vec<String>,
    /// What to do about it.
    pub hints: Vec<String>,
}

impl Problem {
    /// A problem with a message and nothing else yet.
    pub fn new(code: Code, message: impl Into<String>) -> Problem {
        Problem { code, message: message.into(), causes: Vec::new(), hints: Vec::new() }
    }

    /// Adds a cause below those there are.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Problem {
        self.causes.push(cause.into());
        self
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hints.push(hint.into());
        self
    }

    /// Adds all the causes of a standard error chain, the error itself first.
    #[must_use]
    pub fn because(mut self, error: &(dyn std::error::Error + 'static)) -> Problem {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            if self.causes.last() != Some(&text) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

/// The `error` member of a JSON-RPC response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorObject {
    /// See [`Code::number`].
    pub code: i64,
    /// One sentence.
    pub message: String,
    /// What a program or a person needs beyond it.
    #[serde(default)]
    pub data: ErrorData,
}

/// The `data` member of an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorData {
    /// A stable word for the code, such as `not-found`.
    #[serde(default)]
    pub kind: String,
    /// Why, outermost first.
    #[serde(default)]
    pub causes: Vec<String>,
    /// What to do about it.
    #[serde(default)]
    pub hints: Vec<String>,
}

impl From<Problem> for ErrorObject {
    fn from(problem: Problem) -> ErrorObject {
        ErrorObject {
            code: problem.code.number(),
            message: problem.message,
            data: ErrorData {
                kind: problem.code.kind().into(),
                causes: problem.causes,
                hints: problem.hints,
            },
        }
    }
}

impl From<ErrorObject> for Problem {
    fn from(object: ErrorObject) -> Problem {
        Problem {
            code: Code::from_number(object.code).unwrap_or(Code::Internal),
            message: object.message,
            causes: object.data.causes,
            hints: object.data.hints,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_again_by_its_number() {
        for code in Code::ALL {
            assert_eq!(Code::from_number(code.number()), Some(code));
        }
        assert_eq!(Code::from_number(1), None);
    }

    #[test]
    fn a_problem_survives_the_wire() {
        let problem = Problem::new(Code::Conflict, "taken").cause("by another").hint("choose");
        let json = serde_json::to_string(&ErrorObject::from(problem.clone())).unwrap();
        assert_eq!(Problem::from(serde_json::from_str::<ErrorObject>(&json).unwrap()), problem);
    }
}
