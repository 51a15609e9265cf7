//! Whole recorded stories against the embedded node: every step's status, reason, body, task end and log.
//!
//! `PVE_FLOWS=DIR` plays another folder of stories; without it the repository's own are played. The node's clock is
//! held and goes on as the recorded one did, so that what was seen half-way is seen half-way; every name that a node
//! gives by itself (a task, a backup, a MAC address) stands for one of the recording from the first time they meet.

#![allow(clippy::unwrap_used)]

mod flow_player;

use std::path::PathBuf;

use flow_player::compare::ON_PURPOSE;
use flow_player::play_all;
use flow_player::story::{own, read_all};

fn asked_for() -> PathBuf {
    std::env::var_os("PVE_FLOWS").map_or_else(own, PathBuf::from)
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
