//! Deployments on the embedded node: how much of their time is ours.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::daemon::{Daemon, median, quantile};
use crate::node::Node;

/// Deployments at once.
const MANY: usize = 16;

pub(crate) fn run() {
    beyond_tasks();
    at_once();
}

/// Tasks take what they took on a real node. What a deployment takes beyond the sum of its own is the daemon's, and the
/// guest's; in the embedded node's guests commands take next to no time.
fn beyond_tasks() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::recorded(&dir.path().join("d"));
    let daemon = Daemon::start(dir, &["--embedded"]);
    println!("deployments, tasks of recorded time:");
    println!(
        "  the first, which builds the golden container {:>8.0} ms",
        daemon.ctl(&["deploy", "whoami", "--name", "first"])
    );
    // Its wall time, and what its clone and its other tasks ran; a clone's UPID is of the container it is made from.
    let one = |name: String| {
        let before = node.tasks();
        let wall = daemon.ctl(&["deploy", "whoami", "--name", &name]);
        let new: Vec<(String, f64)> = node
            .tasks()
            .into_iter()
            .filter(|(upid, _)| !before.contains_key(upid))
            .map(|(_, task)| task)
            .collect();
        let of = |clone: bool| {
            new.iter().filter(|(kind, _)| (kind == "vzclone") == clone).map(|(_, ms)| ms).sum::<f64>()
        };
        [wall, of(true), of(false)]
    };
    let all: Vec<[f64; 3]> = (0..9).map(|number| one(format!("w{number}"))).collect();
    let [wall, clone, others] = [0, 1, 2].map(|part| median(all.iter().map(|one| one[part]).collect()));
    let tasks = clone + others;
    let allowed = 1.03 * tasks + 300.0;
    println!(
        "  from the golden container {wall:>8.0} ms, its tasks {tasks:.0} ms; 1.03 of them and 0.3 s are {allowed:.0} ms"
    );
    let (wall, meanwhile) = many(&daemon);
    // Linked clones of one container are made one at a time, by its lock; everything else can be done together.
    let ideal = MANY as f64 * clone + others;
    println!(
        "  {MANY} at once {wall:>8.0} ms, {:.2}× the {ideal:.0} ms of their clones and one's other tasks",
        wall / ideal
    );
    told("  ls meanwhile", meanwhile);
    drop(daemon);
    drop(node);
}

/// Many at once, tasks of no time, and what a list costs meanwhile.
fn at_once() {
    let daemon = Daemon::start(tempfile::tempdir().unwrap(), &["--embedded"]);
    println!("deployments, tasks of no time:");
    println!(
        "  the first, which builds the golden container {:>8.0} ms",
        daemon.ctl(&["deploy", "whoami", "--name", "first"])
    );
    let singles = (0..9).map(|number| daemon.ctl(&["deploy", "whoami", "--name", &format!("s{number}")]));
    let single = median(singles.collect());
    println!("  one alone {single:>8.0} ms");
    told("  ls, idle", (0..100).map(|_| ls(&daemon)).collect());
    let (wall, meanwhile) = many(&daemon);
    println!("  {MANY} at once {wall:>8.0} ms, {:.2}× one alone", wall / single);
    told("  ls meanwhile", meanwhile);
    let (ticks, begun) = (daemon.ticks(), Instant::now());
    std::thread::sleep(Duration::from_secs(30));
    let share = (daemon.ticks() - ticks) as f64 / 100.0 / begun.elapsed().as_secs_f64() * 100.0;
    println!("  afterwards, 26 apps, probes on: idle CPU {share:.2} % of a core, RSS {}", daemon.memory());
}

/// Starts many at once; gives the time until all are done, and those of lists meanwhile.
fn many(daemon: &Daemon) -> (f64, Vec<f64>) {
    let busy = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let lists = scope.spawn(|| {
            let mut times = Vec::new();
            while busy.load(Ordering::Relaxed) {
                times.push(ls(daemon));
                std::thread::sleep(Duration::from_millis(5));
            }
            times
        });
        let begun = Instant::now();
        let deployments: Vec<_> = (0..MANY)
            .map(|number| {
                scope.spawn(move || daemon.ctl(&["deploy", "whoami", "--name", &format!("p{number}")]))
            })
            .collect();
        for deployment in deployments {
            deployment.join().unwrap();
        }
        let wall = begun.elapsed().as_secs_f64() * 1000.0;
        busy.store(false, Ordering::Relaxed);
        (wall, lists.join().unwrap())
    })
}

fn ls(daemon: &Daemon) -> f64 {
    daemon.ctl(&["ls", "-o", "json"])
}

fn told(what: &str, times: Vec<f64>) {
    println!("{what}: p50 {:.1} ms  p99 {:.1} ms", quantile(times.clone(), 0.5), quantile(times, 0.99));
}
