//! Whole recorded stories against the embedded node: every step's status, reason, body, task end and log.
//!
//! `PVE_FLOWS=DIR` plays another folder of stories; without it the repository's own are played.

#![allow(clippy::unwrap_used)]

mod flow_player;

use std::path::PathBuf;

use flow_player::compare::ON_PURPOSE;
use flow_player::story::{Story, read_all};
use flow_player::{Played, play};
use futures_util::future::join_all;

fn own() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/flows")
}

fn asked_for() -> PathBuf {
    std::env::var_os("PVE_FLOWS").map_or_else(own, PathBuf::from)
}

async fn play_all(stories: &[Story]) -> Vec<Played> {
    join_all(stories.iter().map(play)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_every_story_goes_as_recorded() {
    let stories = read_all(&asked_for());
    assert!(!stories.is_empty(), "there are no stories in {}", asked_for().display());
    let played = play_all(&stories).await;
    let (mut matching, mut steps) = (0, 0);
    for (story, played) in stories.iter().zip(&played) {
        for mismatch in &played.mismatches {
            let asked = &story.steps[mismatch.step - 1];
            println!("{} step {}: {} {}", story.name, mismatch.step, asked.method, asked.path);
            mismatch.what.iter().for_each(|what| println!("    {what}"));
        }
        let good = story.steps.len() - played.mismatches.len();
        println!("{}: {good} of {} steps match", story.name, story.steps.len());
        matching += good;
        steps += story.steps.len();
    }
    for (what, why) in ON_PURPOSE {
        println!("on purpose: {what}: {why}");
    }
    println!("flows: {matching} of {steps} steps match");
    assert_eq!(matching, steps, "steps went otherwise than recorded");
}
