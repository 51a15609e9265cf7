//! Plays recorded stories against the embedded node, each from its stated start to its end.
#![allow(dead_code, clippy::unwrap_used)]

pub(crate) mod alter;
pub(crate) mod client;
pub(crate) mod compare;
pub(crate) mod log;
pub(crate) mod names;
pub(crate) mod start;
pub(crate) mod story;

use std::time::Duration;

use client::Client;
use compare::{Judge, Reply};
use futures_util::future::join_all;
use story::{Step, Story};

/// A step whose reply differs.
#[derive(Debug)]
pub(crate) struct Mismatch {
    pub(crate) step: usize,
    pub(crate) what: Vec<String>,
}

/// A story as it went here.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) replies: Vec<Reply>,
    pub(crate) mismatches: Vec<Mismatch>,
}

/// Plays stories side by side, each on a node of its own.
pub(crate) async fn play_all(stories: &[Story]) -> Vec<Played> {
    join_all(stories.iter().map(play)).await
}

/// Plays a story on a node of its own.
pub(crate) async fn play(story: &Story) -> Played {
    let dir = tempfile::tempdir().unwrap();
    let node = start::node(story, dir.path()).await;
    let client = Client::new(&node);
    let login = start::set_up(story, &client, dir.path()).await;
    let mut judge = Judge::default();
    let mut played = Played { replies: Vec::new(), mismatches: Vec::new() };
    let mut at = 0.0;
    for (index, step) in story.steps.iter().enumerate() {
        let gap = Duration::from_secs_f64((step.at - at).max(0.0));
        at = step.at;
        let reply = ask(&client, &login, &judge, step, gap).await;
        let what = judge.step(step, &reply);
        if !what.is_empty() {
            played.mismatches.push(Mismatch { step: index + 1, what });
        }
        played.replies.push(reply);
    }
    node.shutdown().await;
    played
}

/// Asks what a step asks, as much later than the one before as was recorded.
async fn ask(client: &Client, login: &str, judge: &Judge, step: &Step, gap: Duration) -> Reply {
    let path = translate(judge, &step.path);
    let params = step.params.iter().map(|(key, value)| {
        let value = match value.as_str() {
            Some(text) => judge.names.translate(text).into(),
            None => value.clone(),
        };
        (key.clone(), value)
    });
    let params = params.collect();
    if !step.waits_for_task() {
        client.pass(gap).await;
        return client.ask(login, &step.method, &path, &params).await;
    }
    // A task takes the time it takes: the clock goes from one of its steps to the next.
    loop {
        let reply = client.ask(login, &step.method, &path, &params).await;
        if reply.status != 200 || reply.body["data"]["status"] != "running" {
            return reply;
        }
        client.go_on().await;
    }
}

fn translate(judge: &Judge, path: &str) -> String {
    let segments = path.split('/').map(|segment| {
        let decoded = percent_encoding::percent_decode_str(segment).decode_utf8_lossy();
        let ours = judge.names.translate(&decoded);
        percent_encoding::utf8_percent_encode(&ours, SEGMENT).to_string()
    });
    segments.collect::<Vec<_>>().join("/")
}

const SEGMENT: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
