//! What a call costs on a connection that stays open; how soon an event is heard of; durable writes.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use proximityd::model::clock::Clock;
use proximityd::store::{NewEvent, Store, StoreError};

use serde_json::json;

use crate::daemon::{Daemon, call, kept, quantile, read_answer, rpc, with_apps};

const CALLS: usize = 2000;

pub(crate) fn run() {
    kept_open();
    for listeners in [1, 10, 100] {
        events(listeners);
    }
    writes();
}

fn kept_open() {
    let daemon = with_apps(1000);
    let health = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n".to_string();
    for (name, request) in [("health", health), ("app.list", kept(&rpc("app.list")))] {
        let answer = read_once(&daemon.socket(), &request);
        // The least that a server can do: read a request, write the same answer.
        let floor = floor_server(daemon.dir.path().join(format!("floor-{name}")), answer);
        let mut ours = UnixStream::connect(daemon.socket()).unwrap();
        let mut theirs = UnixStream::connect(floor).unwrap();
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..CALLS {
            for (stream, times) in [&mut theirs, &mut ours].into_iter().zip(&mut times) {
                let begun = Instant::now();
                stream.write_all(request.as_bytes()).unwrap();
                read_answer(stream);
                times.push(begun.elapsed().as_secs_f64() * 1e6);
            }
        }
        for (who, times) in ["floor server", "proximityd"].into_iter().zip(times) {
            let (p50, p99) = (quantile(times.clone(), 0.5), quantile(times, 0.99));
            println!("kept open    {name:<9} {who:<12} p50 {p50:>8.0} µs  p99 {p99:>8.0} µs");
        }
    }
}

fn read_once(socket: &Path, request: &str) -> Vec<u8> {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    read_answer(&mut stream)
}

fn floor_server(path: PathBuf, answer: Vec<u8>) -> PathBuf {
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        // Each request comes in one piece: it is small, and the next waits for its answer.
        while stream.read(&mut buffer).is_ok_and(|count| count > 0) {
            stream.write_all(&answer).unwrap();
        }
    });
    path
}

/// From the call that commits an event to each listener having read it. The commit with its fdatasync is part of that, and
/// so is the call; how long the call alone takes until its answer is read is told beside it.
fn events(listeners: usize) {
    const ROUNDS: usize = 100;
    let daemon = Daemon::start(tempfile::tempdir().unwrap(), &["--embedded"]);
    daemon.ctl(&["deploy", "whoami"]);
    let (gate, origin) = (Arc::new(Barrier::new(listeners + 1)), Instant::now());
    let threads: Vec<_> = (0..listeners)
        .map(|_| {
            let (socket, gate) = (daemon.socket(), Arc::clone(&gate));
            std::thread::spawn(move || {
                let mut stream = UnixStream::connect(socket).unwrap();
                stream.write_all(b"GET /events?since=0&app=whoami HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
                let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
                assert!(lines.any(|line| line.contains("operation.done")));
                gate.wait();
                let accepted = lines.filter(|line| line.contains("operation.accepted"));
                accepted.map(|_| origin.elapsed()).take(ROUNDS).collect::<Vec<Duration>>()
            })
        })
        .collect();
    gate.wait();
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    let (mut sent, mut answered) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        sent.push(origin.elapsed());
        let started = call(&mut stream, "app.start", &json!({"name": "whoami"}));
        answered.push(origin.elapsed());
        call(&mut stream, "operation.wait", &json!({"id": started["operation"]["id"]}));
    }
    let heard: Vec<Vec<Duration>> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let since = |starts: &[Duration], ends: &[Duration]| -> Vec<f64> {
        let spans = starts.iter().zip(ends).map(|(start, end)| end.saturating_sub(*start));
        spans.map(|span| span.as_secs_f64() * 1e6).collect()
    };
    let calls = since(&sent, &answered);
    let late: Vec<f64> = heard.iter().flat_map(|heard| since(&sent, heard)).collect();
    println!(
        "events       {listeners:>3} listeners: from the call p50 {:>6.0} µs  p99 {:>6.0} µs; to its answer p50 {:>6.0} µs  p99 {:>6.0} µs",
        quantile(late.clone(), 0.5),
        quantile(late, 0.99),
        quantile(calls.clone(), 0.5),
        quantile(calls, 0.99),
    );
}

/// Writes that are on the disk when they are acknowledged, 64 callers at once, beside the disk's own fdatasync.
fn writes() {
    const CALLERS: usize = 64;
    const EACH: usize = 50;
    let dir = tempfile::tempdir().unwrap();
    let mut file = std::fs::File::create(dir.path().join("floor")).unwrap();
    let syncs = (0..200).map(|_| {
        let begun = Instant::now();
        file.write_all(&[0; 4096]).unwrap();
        file.sync_data().unwrap();
        begun.elapsed().as_secs_f64() * 1000.0
    });
    let floor = quantile(syncs.collect(), 0.5);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let store = Store::open(&dir.path().join("proximity.db"), Clock::system()).unwrap();
    let begun = Instant::now();
    let times = runtime.block_on(async {
        let callers = (0..CALLERS).map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut times = Vec::new();
                for _ in 0..EACH {
                    let begun = Instant::now();
                    let write = store.write(|tx| tx.event(NewEvent::info("bench", "written")).map(drop));
                    Result::<(), StoreError>::unwrap(write.await);
                    times.push(begun.elapsed().as_secs_f64() * 1000.0);
                }
                times
            })
        });
        let mut times = Vec::new();
        for caller in callers.collect::<Vec<_>>() {
            times.extend(caller.await.unwrap());
        }
        times
    });
    let rate = (CALLERS * EACH) as f64 / begun.elapsed().as_secs_f64();
    let p99 = quantile(times, 0.99);
    println!(
        "writes       {rate:>6.0}/s  p99 {p99:.2} ms, {:.1}× the disk's median fdatasync of {floor:.2} ms",
        p99 / floor
    );
}
