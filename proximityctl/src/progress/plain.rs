//! Plain lines: what a log or a pipe gets.

use std::collections::HashMap;

use proto_json::operation::{Operation, OperationState, StepState};

use super::{ended, state_word, title};
use crate::{duration, printable};

/// What was said of each operation.
#[derive(Debug)]
pub struct Plain {
    verbose: bool,
    several: bool,
    said: HashMap<String, Said>,
}

#[derive(Debug, Default)]
struct Said {
    state: Option<OperationState>,
    steps: HashMap<String, StepState>,
    waiting_for: Option<String>,
    prefix: String,
}

impl Plain {
    /// Nothing is said yet.
    pub fn new(verbose: bool, several: bool) -> Plain {
        Plain { verbose, several, said: HashMap::new() }
    }

    /// The lines that tell what is new.
    pub fn update(&mut self, operation: &Operation) -> Vec<String> {
        let verbose = self.verbose;
        let mut lines = Vec::new();
        let said = self.said.entry(operation.id.clone()).or_default();
        if said.state.is_none() {
            if self.several {
                said.prefix = format!("{}: ", operation.app.as_ref().unwrap_or(&operation.id));
            } else {
                lines.push(format!("{} (operation {})", title(operation), operation.id));
            }
        }
        let count = operation.steps.len();
        for (index, step) in operation.steps.iter().enumerate() {
            let before = said.steps.insert(step.name.clone(), step.state);
            if before == Some(step.state) {
                continue;
            }
            let head = format!("step {}/{count} {} …", index + 1, step.title);
            let message = step.message.as_ref().map(|message| format!(" ({message})")).unwrap_or_default();
            match ended(step.state) {
                // A step whose end was missed is told once, by how it ended.
                Some(word) => {
                    let took = duration::between(step.started_at.as_deref(), step.ended_at.as_deref());
                    let took = match (step.state, took) {
                        (StepState::Done | StepState::Failed, Some(took)) => {
                            format!(" in {}", duration::show(took))
                        }
                        _ => String::new(),
                    };
                    let message = if step.state == StepState::Done { String::new() } else { message };
                    lines.push(format!("{head} {word}{took}{message}"));
                }
                None if verbose && step.state == StepState::Running => lines.push(format!("{head}{message}")),
                None => {}
            }
        }
        if operation.waiting_for != said.waiting_for {
            if let Some(what) = &operation.waiting_for {
                lines.push(format!("waiting: {what}"));
            }
            said.waiting_for.clone_from(&operation.waiting_for);
        }
        if said.state != Some(operation.state) {
            let tell = operation.state.ended() && self.several || operation.state == OperationState::Undoing;
            if tell {
                lines.push(state_word(operation.state).to_string());
            }
            said.state = Some(operation.state);
        }
        lines.iter().map(|line| format!("{}{}", said.prefix, printable::line(line))).collect()
    }

    /// The line for a step's own words: only when more is to be said.
    pub fn message(&mut self, operation: &str, message: &str) -> Option<String> {
        let prefix = self.said.get(operation).map_or("", |said| said.prefix.as_str());
        self.verbose.then(|| format!("{prefix}  {}", printable::line(message)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{failed_operation, running_operation};

    #[test]
    fn each_step_gets_one_line_when_it_ends() {
        let mut plain = Plain::new(false, false);
        let mut operation = running_operation();
        insta::assert_snapshot!(plain.update(&operation).join("\n"), @r"
        Deploying web (operation 0199aa)
        step 1/3 Reserve an id … done in 0.2s
        ");
        assert!(plain.update(&operation).is_empty());
        operation.steps[1].state = StepState::Done;
        operation.steps[1].ended_at = Some("2026-01-10T12:00:01.4Z".into());
        operation.steps[2].state = StepState::Skipped;
        operation.state = OperationState::Done;
        insta::assert_snapshot!(plain.update(&operation).join("\n"), @r"
        step 2/3 Create the container … done in 1.2s
        step 3/3 Wait until it answers … nothing to do
        ");
    }

    #[test]
    fn several_operations_are_told_apart_by_their_apps() {
        let mut plain = Plain::new(false, true);
        insta::assert_snapshot!(plain.update(&failed_operation("failed")).join("\n"), @r"
        web: step 1/3 Reserve an id … done in 0.2s
        web: step 2/3 Create the container … undone
        web: step 3/3 Wait until it answers … failed
        web: failed
        ");
    }

    #[test]
    fn a_wait_is_told_once_with_its_reason() {
        let mut plain = Plain::new(false, false);
        let mut operation = running_operation();
        plain.update(&operation);
        operation.state = OperationState::Waiting;
        operation.waiting_for = Some("Proxmox VE cannot be reached".into());
        assert_eq!(plain.update(&operation), ["waiting: Proxmox VE cannot be reached"]);
        assert!(plain.update(&operation).is_empty());
    }

    #[test]
    fn an_escape_sequence_in_a_message_does_not_get_through() {
        let mut plain = Plain::new(true, false);
        assert_eq!(plain.message("x", "pulling \u{1b}[2Jall").unwrap(), "  pulling all");
    }
}
