//! That the comparison of stories bites: every alteration of an expected reply is noticed.

#![allow(clippy::unwrap_used)]

mod flow_player;

use flow_player::alter::{Alteration, alterations};
use flow_player::compare::{Judge, is_figure};
use flow_player::log::comparable;
use flow_player::story::{Story, own, read_all};
use flow_player::{Played, play_all};

/// Alters every expected reply in every way and plays judge again on what the node answered.
fn missed_alterations(story: &Story, played: &Played) -> (usize, Vec<(usize, Alteration)>) {
    let mut judge = Judge::default();
    let (mut made, mut missed) = (0, Vec::new());
    for (index, (step, reply)) in story.steps.iter().zip(&played.replies).enumerate() {
        for alteration in alterations(step) {
            made += 1;
            if judge.clone().step(&alteration.step, reply).is_empty() {
                missed.push((index + 1, alteration));
            }
        }
        judge.step(step, reply);
    }
    (made, missed)
}

/// Whether a change at a place cannot be noticed: a figure, or a part of a log line that differs each time.
fn cannot_be_determined(story: &Story, step: usize, at: &str) -> bool {
    let original = &story.steps[step - 1];
    let value = original.body.pointer(at);
    if original.reads_log() {
        let line = value.and_then(|v| v.as_str()).unwrap_or_default().to_owned();
        let same = comparable(&[format!("{line}x")]) == comparable(std::slice::from_ref(&line));
        return comparable(&[line]).is_empty() || same;
    }
    is_figure(at.rsplit('/').next().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_alteration_of_a_recorded_reply_is_noticed_but_in_what_cannot_be_determined() {
    let stories = read_all(&own());
    let played = play_all(&stories).await;
    for (story, played) in stories.iter().zip(&played) {
        let (made, missed) = missed_alterations(story, played);
        let unnoticed: Vec<String> = missed
            .iter()
            .filter(|(step, alteration)| {
                !alteration.value_at.as_ref().is_some_and(|at| cannot_be_determined(story, *step, at))
            })
            .map(|(step, alteration)| format!("{} step {step}: {}", story.name, alteration.what))
            .collect();
        println!("{}: {} of {made} alterations noticed", story.name, made - missed.len());
        assert!(unnoticed.is_empty(), "{}", unnoticed.join("\n"));
        // What cannot be determined is the smaller part by far.
        assert!(made > 500 && missed.len() * 10 < made, "{}: {} of {made} missed", story.name, missed.len());
    }
}
