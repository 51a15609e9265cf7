//! What a service's main process does, read off its command and labels.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::engine::memory::commands::seconds;

/// What the main process does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Behaviour {
    /// It ends at once with this status.
    pub exits: Option<i32>,
    /// It runs but listens nowhere.
    pub idle: bool,
    /// The HTTP status it answers.
    pub status: u16,
    /// What it answers; its own page when none is given.
    pub body: Option<String>,
    /// Milliseconds from start to serving.
    pub delay_ms: u64,
    /// What it prints when it starts.
    pub output: Vec<String>,
}

/// The behaviour of `argv` (entrypoint and command; empty for the image's own).
pub(crate) fn of(argv: &[String], labels: &BTreeMap<String, String>) -> Behaviour {
    let mut behaviour = Behaviour { status: 200, ..Behaviour::default() };
    run(argv, &mut behaviour);
    let label = |name: &str| labels.get(&format!("proximity.sim.{name}"));
    if let Some(status) = label("status").and_then(|s| s.parse().ok()) {
        behaviour.status = status;
    }
    if let Some(delay) = label("start-delay").and_then(|s| delay(s)) {
        behaviour.delay_ms = (delay * 1000.0) as u64;
    }
    if let Some(status) = label("exit").and_then(|s| s.parse().ok()) {
        behaviour.exits = Some(status);
    }
    behaviour.body = label("body").cloned();
    behaviour
}

fn delay(text: &str) -> Option<f64> {
    match text.strip_suffix("ms") {
        Some(number) => number.parse::<f64>().ok().map(|n| n / 1000.0),
        None => seconds(text),
    }
}

fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

fn run(argv: &[String], behaviour: &mut Behaviour) {
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    if let [first, rest @ ..] = words.as_slice() {
        match base(first) {
            "sleep" | "tail" => behaviour.idle = true,
            "true" => behaviour.exits = Some(0),
            "false" => behaviour.exits = Some(1),
            "echo" => {
                behaviour.output.push(rest.join(" "));
                behaviour.exits = Some(0);
            }
            "sh" | "bash" | "ash" | "dash" => {
                if let Some(at) = rest.iter().position(|w| w.starts_with('-') && w.contains('c'))
                    && let Some(text) = rest.get(at + 1)
                {
                    script(text, behaviour);
                }
            }
            "tini" | "dumb-init" | "exec" | "env" => {
                let skip = rest.iter().take_while(|w| w.starts_with('-') || w.contains('=')).count();
                run(&argv[1 + skip..], behaviour);
            }
            _ => {}
        }
    }
}

fn script(text: &str, behaviour: &mut Behaviour) {
    let text = text.replace("2>&1", "").replace(">&2", "");
    for command in text.split([';', '\n', '&', '|']) {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            ["exit"] => return behaviour.exits = Some(0),
            ["exit", status, ..] => return behaviour.exits = Some(status.parse().unwrap_or(0) & 0xff),
            ["echo", rest @ ..] => {
                behaviour.output.push(rest.join(" ").trim_matches(['"', '\'']).to_owned());
            }
            ["while" | "until", ..] => return behaviour.idle = true,
            [first, ..] if matches!(base(first), "sleep" | "tail") => return behaviour.idle = true,
            ["exec", first, ..] if matches!(base(first), "sleep" | "tail") => return behaviour.idle = true,
            ["true"] => behaviour.exits = Some(0),
            ["false"] => behaviour.exits = Some(1),
            _ => {
                // Something this stand-in knows nothing of: it serves.
                behaviour.exits = None;
                return;
            }
        }
    }
    if behaviour.exits.is_none() && !behaviour.output.is_empty() {
        behaviour.exits = Some(0);
    }
}

/// Whether a health check's test succeeds; `None` for no check.
pub(crate) fn health(test: Option<&serde_json::Value>) -> Option<bool> {
    let fails = |text: &str| {
        let text = text.trim();
        text == "false" || text.strip_prefix("exit ").is_some_and(|n| n.trim() != "0")
    };
    match test? {
        serde_json::Value::String(text) => Some(!fails(text)),
        serde_json::Value::Array(words) => {
            let words: Vec<&str> = words.iter().filter_map(serde_json::Value::as_str).collect();
            match words.as_slice() {
                ["NONE", ..] | [] => None,
                ["CMD-SHELL", text, ..] => Some(!fails(text)),
                ["CMD", "sh" | "/bin/sh", "-c", text] => Some(!fails(text)),
                ["CMD", first, ..] => Some(base(first) != "false"),
                _ => Some(true),
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_words(words: &[&str]) -> Behaviour {
        of(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>(), &BTreeMap::new())
    }

    #[test]
    fn the_command_says_what_the_process_does() {
        assert!(of_words(&["sleep", "infinity"]).idle);
        assert_eq!(of_words(&["/bin/false"]).exits, Some(1));
        assert_eq!(of_words(&["sh", "-c", "echo boom >&2; exit 3"]).exits, Some(3));
        assert_eq!(of_words(&["nginx", "-g", "daemon off;"]).exits, None);
        assert!(!of_words(&[]).idle);
    }
}
