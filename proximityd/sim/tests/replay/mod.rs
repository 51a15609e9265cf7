//! Replays recorded exchanges against the node.
#![allow(clippy::unwrap_used)]
// Two tests share it, and each uses its part.
#![allow(dead_code)]

pub(crate) mod compare;
pub(crate) mod differences;
pub(crate) mod exchange;
pub(crate) mod matrix;
pub(crate) mod mutate;
pub(crate) mod player;
pub(crate) mod rules;
pub(crate) mod socket;
pub(crate) mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::Value;

use exchange::Exchange;

/// No recording takes longer to play, the one with a hundred operations included.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a name begins with.
pub(crate) fn family_of(name: &str) -> &str {
    name.split(['-', '.']).next().unwrap_or_default()
}

/// How one recording came out.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) family: String,
    pub(crate) differences: Vec<String>,
    /// Why it may differ.
    pub(crate) on_purpose: Option<&'static str>,
}

/// A recording of any kind.
#[derive(Debug, Clone)]
pub(crate) enum Recording {
    /// A request and its reply.
    Exchange(Exchange),
    /// An attempt to connect a console's websocket: what was done, and what came.
    Attempt(String, Value),
    /// The frames of a console's websocket.
    Transcript(String, Value),
    /// Operations with each privilege left out in turn.
    Matrix(String, Value),
}

impl Recording {
    fn read(name: &str, value: &Value) -> Option<Self> {
        let whole = || (name.to_owned(), value.clone());
        if let Some(exchange) = Exchange::from_file(name, value) {
            return Some(Self::Exchange(exchange));
        }
        if value.get("frames").is_some() {
            let (name, value) = whole();
            return Some(Self::Transcript(name, value));
        }
        if value.get("note").is_some() && value["response"].get("head").is_some() {
            let (name, value) = whole();
            return Some(Self::Attempt(name, value));
        }
        let rows = value.as_object()?.values().all(|entry| entry.get("grants").is_some());
        (rows && !value.as_object()?.is_empty()).then(|| Self::Matrix(name.to_owned(), value.clone()))
    }

    /// The name that the recording has.
    fn name(&self) -> &str {
        match self {
            Self::Exchange(exchange) => &exchange.name,
            Self::Attempt(name, _) | Self::Transcript(name, _) | Self::Matrix(name, _) => name,
        }
    }

    /// Plays it; what cannot be played to its end does not match.
    async fn play_safely(self) -> Outcome {
        let name = self.name().to_owned();
        let played = tokio::time::timeout(PATIENCE, tokio::spawn(self.play())).await;
        let failed = match played {
            Ok(Ok(outcome)) => return outcome,
            Ok(Err(error)) => format!("the replay failed: {error}"),
            Err(_) => "nothing was answered".to_owned(),
        };
        let family = family_of(&name).to_owned();
        Outcome { name, family, differences: vec![failed], on_purpose: None }
    }

    async fn play(self) -> Outcome {
        let (name, differences, on_purpose) = match self {
            Self::Exchange(exchange) => {
                let differences = player::play(&exchange).await;
                let on_purpose = differences::on_purpose(&exchange);
                (exchange.name, differences, on_purpose)
            }
            Self::Attempt(name, value) => {
                let note = value["note"].as_str().unwrap_or_default();
                (name, socket::play_attempt(note, &value["response"]).await, None)
            }
            Self::Transcript(name, value) => (name, socket::play_transcript(&value).await, None),
            Self::Matrix(name, value) => (name, matrix::play(&value).await, None),
        };
        let family = family_of(&name).to_owned();
        Outcome { name, family, differences, on_purpose }
    }
}

/// All recordings of a folder.
pub(crate) fn from_folder(folder: &Path) -> Vec<Recording> {
    let mut found = Vec::new();
    for (name, value) in exchange::files(folder) {
        match Recording::read(&name, &value) {
            Some(recording) => found.push(recording),
            None => println!("{name}: holds no exchange"),
        }
    }
    found
}

/// All recordings of our own fixtures.
pub(crate) fn from_lines(text: &str) -> Vec<Recording> {
    let read = |line: &str| {
        if let Some(exchange) = Exchange::from_line(line) {
            return Some(Recording::Exchange(exchange));
        }
        // What is no plain exchange stands as it is, below its name.
        let value: Value = serde_json::from_str(line).ok()?;
        Recording::read(value["name"].as_str()?, &value["whole"])
    };
    text.lines().map(|line| read(line).unwrap_or_else(|| panic!("no recording: {line}"))).collect()
}

/// Plays them, a few at a time, in order of name.
pub(crate) async fn play_all(recordings: Vec<Recording>) -> Vec<Outcome> {
    let plays = recordings.into_iter().map(Recording::play_safely);
    let mut outcomes: Vec<Outcome> = futures_util::stream::iter(plays).buffer_unordered(4).collect().await;
    outcomes.sort_by(|a, b| a.name.cmp(&b.name));
    outcomes
}

/// Prints every mismatch and the count; the names of those that differ without leave.
pub(crate) fn report(outcomes: &[Outcome]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut families: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for outcome in outcomes {
        let count = families.entry(&outcome.family).or_default();
        count.1 += 1;
        if outcome.differences.is_empty() {
            count.0 += 1;
            continue;
        }
        let told = outcome.on_purpose.map(|reason| format!(" (on purpose: {reason})")).unwrap_or_default();
        println!("{}{told}", outcome.name);
        outcome.differences.iter().for_each(|line| println!("    {line}"));
        if outcome.on_purpose.is_none() {
            wrong.push(outcome.name.clone());
        }
    }
    for (family, (good, all)) in &families {
        println!("{family}: {good} of {all}");
    }
    let good = outcomes.iter().filter(|o| o.differences.is_empty()).count();
    println!("recordings: {good} of {} match", outcomes.len());
    wrong
}
