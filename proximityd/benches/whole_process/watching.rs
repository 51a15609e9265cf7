//! What the daemon does while nobody asks anything: calls of Proxmox VE and processor time, with 1,000 guests.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proto_json::app::AppState;
use proximityd::model::app::AppRecord;
use proximityd::model::clock::Clock;

use crate::daemon::{Daemon, app};
use crate::node::Node;

const GUESTS: usize = 1000;
const CYCLES: u64 = 6;
const CYCLE: Duration = Duration::from_secs(10);

pub(crate) fn run() {
    let mut daemon = Daemon::start(tempfile::tempdir().unwrap(), &["--embedded"]);
    // One app makes the golden container that the guests are cloned from.
    daemon.ctl(&["deploy", "whoami"]);
    let first = guests(&daemon);
    daemon.stop();
    let clock = Clock::system();
    daemon.seed((0..GUESTS - 1).map(move |number| AppRecord {
        host: "embedded".into(),
        state: AppState::Stopped,
        vmid: Some(first + u32::try_from(number).unwrap()),
        ..app(number, &clock)
    }));
    let config = daemon.dir.path().join("config.toml");
    std::fs::write(&config, format!("[poll]\nhost-seconds = {}\nprobe-seconds = 0\n", CYCLE.as_secs()))
        .unwrap();
    daemon.again(&["--embedded", "--config", config.to_str().unwrap()]);
    let node = Node::of(&daemon.data());
    // The first look may write; what comes after is what it is at rest.
    std::thread::sleep(CYCLE + CYCLE / 2);
    let (before, ticks, begun) = (node.counts(), daemon.ticks(), Instant::now());
    std::thread::sleep(CYCLE * u32::try_from(CYCLES).unwrap());
    let share = (daemon.ticks() - ticks) as f64 / 100.0 / begun.elapsed().as_secs_f64() * 100.0;
    let before: BTreeMap<String, u64> = before.into_iter().collect();
    println!("{GUESTS} guests, looked at every {} s, probes off:", CYCLE.as_secs());
    println!("  idle CPU     {share:>8.2} % of a core");
    println!("  RSS          {}", daemon.memory());
    for (call, count) in node.counts() {
        let made = count - before.get(&call).copied().unwrap_or(0);
        if made > 0 {
            println!("  {call}: {made} calls in {CYCLES} cycles");
        }
    }
}

/// Clones the golden container, until there are so many guests; gives the first one's id.
fn guests(daemon: &Daemon) -> u32 {
    let node = Node::of(&daemon.data());
    let all = node.control("/sim/state");
    let golden = all["guests"].as_array().unwrap().iter();
    let golden =
        golden.filter(|guest| guest["running"] == false).map(|guest| guest["vmid"].as_u64().unwrap());
    let (golden, first) = (golden.min().unwrap(), 10_000);
    for number in 0..u32::try_from(GUESTS).unwrap() - 1 {
        let (vmid, pool) = ((first + number).to_string(), node.text("pool").to_string());
        let path = format!("/nodes/pve1/lxc/{golden}/clone");
        let form = [("newid", vmid.as_str()), ("pool", &pool), ("full", "0"), ("hostname", "guest")];
        let upid = node.call(reqwest::Method::POST, &path, &form);
        let status = format!("/nodes/pve1/tasks/{}/status", upid.as_str().unwrap());
        let begun = Instant::now();
        while node.call(reqwest::Method::GET, &status, &[])["status"] == "running" {
            assert!(begun.elapsed() < CYCLE, "a clone does not end");
        }
    }
    first
}
