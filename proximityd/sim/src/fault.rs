//! Faults the node is told to show: refusals, delays, cut connections, tasks that fail or die.
//!
//! Only the embedded node has these. Rules come from a TOML file at start or over the control API.

use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A list of rules.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultPlan {
    /// The rules; the first that fits acts.
    #[serde(default, rename = "rule")]
    pub rules: Vec<FaultRule>,
}

/// One rule.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// `GET`, `POST`, …; none is any.
    #[serde(default)]
    pub method: Option<String>,
    /// A path without `/api2/json`, in which `*` stands for anything; none is any.
    #[serde(default)]
    pub path: Option<String>,
    /// A task type such as `vzcreate`, for `task_*` actions; none is any.
    #[serde(default)]
    pub task: Option<String>,
    /// A container's id, for `task_*` actions; none is any.
    #[serde(default)]
    pub vmid: Option<u32>,
    /// The first match that acts, counted from 1.
    #[serde(default = "one")]
    pub nth: u64,
    /// How many matches act from there on; 0 is all.
    #[serde(default = "one")]
    pub times: u64,
    /// What happens.
    pub action: Action,
    /// How often the rule has matched.
    #[serde(default)]
    pub matched: u64,
    /// How often it has acted.
    #[serde(default)]
    pub acted: u64,
}

fn one() -> u64 {
    1
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Answers with a status and message; the call has no effect.
    Status {
        /// The status.
        status: u16,
        /// The message.
        message: String,
    },
    /// Lets the call through after a while.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// Ends the connection before the call has an effect.
    CutBefore,
    /// Ends the connection after the call had its effect, without a reply.
    CutAfter,
    /// Answers 596, as the proxy does when it cannot reach the node.
    Unreachable,
    /// The call has its effect; the reply is no JSON.
    Garbage,
    /// The call has its effect; the reply's body comes 16 bytes at a time.
    Drip {
        /// Milliseconds before each of them.
        ms: u64,
    },
    /// Never answers.
    Hang,
    /// A task fails with this text, without doing anything.
    TaskFail {
        /// The text.
        message: String,
    },
    /// A task does its work and fails with this text.
    TaskFailAfter {
        /// The text.
        message: String,
    },
    /// A task's worker is killed at its first step: nothing is cleaned up, locks stay.
    TaskDie,
    /// A task runs until it is stopped.
    TaskHang,
}

/// What happens to a task.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TaskFault {
    Fail(String),
    FailAfter(String),
    Die,
    Hang,
}

impl Action {
    fn of_task(&self) -> Option<TaskFault> {
        match self {
            Self::TaskFail { message } => Some(TaskFault::Fail(message.clone())),
            Self::TaskFailAfter { message } => Some(TaskFault::FailAfter(message.clone())),
            Self::TaskDie => Some(TaskFault::Die),
            Self::TaskHang => Some(TaskFault::Hang),
            _ => None,
        }
    }

    /// How long it holds a call up.
    pub fn delay(&self) -> Option<Duration> {
        match self {
            Self::Delay { ms } => Some(Duration::from_millis(*ms)),
            _ => None,
        }
    }
}

impl FaultRule {
    /// Counts a match and tells whether the rule acts on it.
    fn counts(&mut self) -> bool {
        self.matched += 1;
        let acts = self.matched >= self.nth && (self.times == 0 || self.matched < self.nth + self.times);
        self.acted += u64::from(acts);
        acts
    }
}

/// The rules in force.
#[derive(Debug, Default)]
pub struct Faults(Mutex<FaultPlan>);

impl Faults {
    /// Starts with a plan.
    pub fn new(plan: FaultPlan) -> Self {
        Self(Mutex::new(plan))
    }

    /// Replaces the plan.
    pub fn set(&self, plan: FaultPlan) {
        *self.0.lock().expect("no panic holds the faults") = plan;
    }

    /// The plan with its counters.
    pub fn plan(&self) -> FaultPlan {
        self.0.lock().expect("no panic holds the faults").clone()
    }

    /// What happens to a call.
    pub fn for_call(&self, method: &str, path: &str) -> Option<Action> {
        let mut plan = self.0.lock().expect("no panic holds the faults");
        plan.rules
            .iter_mut()
            .filter(|r| r.action.of_task().is_none())
            .filter(|r| r.method.as_deref().is_none_or(|m| m.eq_ignore_ascii_case(method)))
            .filter(|r| r.path.as_deref().is_none_or(|p| glob(p, path)))
            .find_map(|r| r.counts().then(|| r.action.clone()))
    }

    /// What happens to a task.
    pub fn for_task(&self, kind: &str, id: &str) -> Option<TaskFault> {
        let mut plan = self.0.lock().expect("no panic holds the faults");
        plan.rules
            .iter_mut()
            .filter(|r| r.action.of_task().is_some())
            .filter(|r| r.task.as_deref().is_none_or(|t| t == kind))
            .filter(|r| r.vmid.is_none_or(|v| id == v.to_string()))
            .find_map(|r| if r.counts() { r.action.of_task() } else { None })
    }
}

/// Whether a text fits a pattern in which `*` stands for anything.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|tail| {
            (0..=tail.len()).filter(|i| tail.is_char_boundary(*i)).any(|i| glob(rest, &tail[i..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        assert!(glob("/nodes/*/lxc/*/clone", "/nodes/pve1/lxc/100/clone"));
        assert!(!glob("/nodes/*/lxc", "/nodes/pve1/lxc/100"));
        assert!(glob("*", ""));
    }

    #[test]
    fn a_rule_acts_from_its_nth_match_for_its_times() {
        let plan: FaultPlan = toml::from_str(
            "[[rule]]\nmethod = 'POST'\npath = '/nodes/*/lxc'\nnth = 2\ntimes = 2\naction = { kind = 'cut_after' }\n",
        )
        .unwrap();
        let faults = Faults::new(plan);
        let acted: Vec<bool> = (0..4).map(|_| faults.for_call("POST", "/nodes/pve1/lxc").is_some()).collect();
        assert_eq!(acted, [false, true, true, false]);
        assert!(faults.for_call("GET", "/nodes/pve1/lxc").is_none());
        assert_eq!((faults.plan().rules[0].matched, faults.plan().rules[0].acted), (4, 2));
    }

    #[test]
    fn a_task_rule_fits_by_type_and_container() {
        let plan: FaultPlan = toml::from_str(
            "[[rule]]\ntask = 'vzstart'\nvmid = 100\naction = { kind = 'task_fail', message = 'no' }\n",
        )
        .unwrap();
        let faults = Faults::new(plan);
        assert_eq!(faults.for_task("vzstart", "101"), None);
        assert_eq!(faults.for_call("POST", "/x"), None);
        assert_eq!(faults.for_task("vzstart", "100"), Some(TaskFault::Fail("no".into())));
    }
}
