//! Whole processes that list the apps; the daemon's start and its memory.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::daemon::{Daemon, binary, median, with_apps};

const RUNS: usize = 21;
const STARTS: usize = 11;

pub(crate) fn run() {
    for count in [10, 100, 1000, 10_000] {
        let mut daemon = with_apps(count);
        list(count, &daemon);
        println!("{count:>6} apps  RSS, after   {}", daemon.memory());
        let starts = (0..STARTS).map(|_| {
            daemon.again(&[]);
            daemon.first_answer.as_secs_f64() * 1000.0
        });
        let starts: Vec<f64> = starts.collect();
        println!("{count:>6} apps  first answer {:>8.2} ms", median(starts));
        println!("{count:>6} apps  RSS, started {}", daemon.memory());
    }
}

/// Whole-process times in milliseconds, each command's runs taken in turn with the others'.
fn times(commands: &[(&str, Vec<String>)]) -> Vec<(String, f64)> {
    let mut all: Vec<Vec<f64>> = vec![Vec::new(); commands.len()];
    for run in 0..=RUNS {
        for ((_, words), times) in commands.iter().zip(&mut all) {
            let begun = Instant::now();
            let status = Command::new(&words[0]).args(&words[1..]).stdout(Stdio::null()).status().unwrap();
            assert!(status.success(), "{words:?}");
            // The first run warms the caches.
            if run > 0 {
                times.push(begun.elapsed().as_secs_f64() * 1000.0);
            }
        }
    }
    commands.iter().zip(all).map(|((name, _), times)| ((*name).to_string(), median(times))).collect()
}

fn list(count: usize, daemon: &Daemon) {
    let socket = daemon.socket().display().to_string();
    let ctl = binary("proximityctl").display().to_string();
    let floor = std::env::current_exe().unwrap().display().to_string();
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_string()).collect::<Vec<_>>();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"app.list"}"#;
    let mut commands = vec![
        ("floor", words(&[&floor, "--floor", &socket])),
        ("ls -o json", words(&[&ctl, "--socket", &socket, "ls", "-o", "json"])),
        ("floor, table", words(&[&floor, "--floor-table", &socket])),
        ("ls", words(&[&ctl, "--socket", &socket, "ls"])),
    ];
    if Path::new("/usr/bin/curl").exists() {
        commands.push(("curl", words(&["curl", "-s", "--unix-socket", &socket, "-d", body, "http://x/rpc"])));
    }
    let times = times(&commands);
    let (least, table) = (times[0].1, times[2].1);
    for (name, time) in times {
        let (floor, of) = if name == "ls" { (table, "the table's floor") } else { (least, "the floor") };
        println!("{count:>6} apps  {name:<12} {time:>8.2} ms  {:.2}× {of}", time / floor);
    }
}
