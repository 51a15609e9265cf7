//! Waiting for tasks: one loop, an outage in between, logs on the way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use percent_encoding::percent_decode_str;
use proximity_pve::*;
use serde_json::{Value, json};

use crate::support::server::{Answer, Seen, Server};

/// The tasks of a node: identifier to exit status (`None` while it runs) and log.
#[derive(Default)]
struct Node {
    tasks: BTreeMap<String, (Option<String>, Vec<String>)>,
    /// Answer as a node that this token may not audit: own tasks are not in the list.
    hide_list: bool,
    down: bool,
}

#[derive(Clone, Default)]
struct Cluster(Arc<Mutex<Node>>);

fn upid(number: u32) -> Upid {
    format!("UPID:pve1:{number:08X}:0004FE7C:6B036FAB:vzcreate:{}:a@pve!b:", number + 100).parse().unwrap()
}

impl Cluster {
    fn begin(&self, number: u32) -> Upid {
        let upid = upid(number);
        self.0.lock().unwrap().tasks.insert(upid.to_string(), (None, Vec::new()));
        upid
    }

    fn end(&self, upid: &Upid, status: &str) {
        self.0.lock().unwrap().tasks.get_mut(upid.as_str()).unwrap().0 = Some(status.to_owned());
    }

    fn log(&self, upid: &Upid, line: &str) {
        self.0.lock().unwrap().tasks.get_mut(upid.as_str()).unwrap().1.push(line.to_owned());
    }

    fn set_down(&self, down: bool) {
        self.0.lock().unwrap().down = down;
    }

    async fn serve(&self) -> Server {
        let this = self.clone();
        Server::start(move |seen| this.answer(seen)).await
    }

    fn answer(&self, seen: &Seen) -> Answer {
        let node = self.0.lock().unwrap();
        if node.down {
            return Answer::Cut;
        }
        let parts: Vec<String> =
            seen.path.split('/').map(|p| percent_decode_str(p).decode_utf8().unwrap().into_owned()).collect();
        if parts.len() == 4 {
            assert!(seen.query.contains("source=active"), "{}", seen.query);
            let running = |(upid, (status, _)): (&String, &(Option<String>, Vec<String>))| {
                (status.is_none() && !node.hide_list).then(|| json!({"upid": upid, "starttime": 1}))
            };
            return Answer::data(node.tasks.iter().filter_map(running).collect());
        }
        let Some((status, log)) = node.tasks.get(&parts[4]) else {
            let body = json!({"data": null, "message": "Parameter verification failed.\n", "errors": {"upid": "no such task"}});
            return Answer::Reply {
                status: 400,
                reason: "Parameter verification failed.".into(),
                body: body.to_string(),
            };
        };
        if parts[5] == "log" {
            let number = |name: &str| {
                let at = seen.query.find(name).unwrap() + name.len() + 1;
                seen.query[at..].split('&').next().unwrap().parse::<usize>().unwrap()
            };
            let (start, limit) = (number("start"), number("limit"));
            let lines: Vec<Value> = log
                .iter()
                .enumerate()
                .skip(start)
                .take(limit)
                .map(|(i, text)| json!({"n": i + 1, "t": text}))
                .collect();
            let body = json!({"data": lines, "total": log.len()}).to_string();
            return Answer::Reply { status: 200, reason: "OK".into(), body };
        }
        Answer::data(match status {
            None => json!({"status": "running", "upid": parts[4]}),
            Some(exit) => json!({"status": "stopped", "exitstatus": exit, "upid": parts[4]}),
        })
    }
}

#[tokio::test]
async fn a_short_task_is_noticed_at_once_and_comes_with_its_log() {
    let cluster = Cluster::default();
    let server = cluster.serve().await;
    let task = cluster.begin(1);
    cluster.log(&task, "extracting archive");
    cluster.end(&task, "WARNINGS: 1");
    let began = Instant::now();
    let outcome = server.client().tasks().wait(&task).await.unwrap();
    assert_eq!(outcome.status, TaskStatus::Warnings(1));
    assert_eq!(outcome.log[0].text, "extracting archive");
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(server.seen().len(), 2, "one question and one log");
}

#[tokio::test]
async fn many_tasks_of_a_node_share_one_list() {
    let cluster = Cluster::default();
    let server = cluster.serve().await;
    let client = server.client();
    let tasks: Vec<Upid> = (1..=20).map(|n| cluster.begin(n)).collect();
    let mut waits = tokio::task::JoinSet::new();
    for task in tasks.clone() {
        let poller = client.tasks();
        waits.spawn(async move { poller.wait(&task).await });
    }
    // Enough rounds for the lists to be asked for.
    let mut link = client.tasks().watch(&tasks[0]);
    while server.count("GET", "/tasks") < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.count("GET", "/status"), 0, "the list is enough while all run");
    for (i, task) in tasks.iter().enumerate() {
        cluster.end(task, if i == 7 { "CT is locked (backup)" } else { "OK" });
    }
    let mut failed = 0;
    while let Some(outcome) = waits.join_next().await {
        let outcome = outcome.unwrap().unwrap();
        if let Some(kind) = outcome.status.error_kind() {
            assert_eq!(kind, ErrorKind::Locked("backup".into()));
            failed += 1;
        }
    }
    assert_eq!(failed, 1);
    assert_eq!(server.count("GET", "/status"), 20, "each that left the list is asked for once");
    assert!(matches!(&*link.borrow_and_update(), TaskProgress::Ended(Ok(_))));
    assert_eq!(client.tasks().waiting(), 0);
}

#[tokio::test]
async fn tasks_that_the_list_does_not_show_are_asked_for_singly() {
    let cluster = Cluster::default();
    cluster.0.lock().unwrap().hide_list = true;
    let server = cluster.serve().await;
    let client = server.client();
    let tasks: Vec<Upid> = (1..=4).map(|n| cluster.begin(n)).collect();
    let waits = tasks.iter().map(|task| {
        let poller = client.tasks();
        async move { poller.wait(task).await }
    });
    let end = async {
        while server.count("GET", "/status") < 12 {
            tokio::task::yield_now().await;
        }
        tasks.iter().for_each(|task| cluster.end(task, "OK"));
    };
    let (outcomes, ()) = tokio::join!(futures_util::future::join_all(waits), end);
    assert!(outcomes.iter().all(|o| o.as_ref().unwrap().status == TaskStatus::Ok));
    assert_eq!(server.count("GET", "/tasks"), 1, "a list that shows nothing is not asked for again");
}

#[tokio::test]
async fn an_outage_is_waited_out_and_told() {
    let cluster = Cluster::default();
    let server = cluster.serve().await;
    let client = server.client();
    let poller = client.tasks();
    let task = cluster.begin(1);
    let mut link = poller.link();
    let mut progress = poller.watch(&task);
    cluster.set_down(true);
    let Link::Down { reason, .. } = link.wait_for(|l| *l != Link::Up).await.unwrap().clone() else {
        panic!("the link is down")
    };
    assert!(reason.contains("cannot be reached"), "{reason}");
    progress.wait_for(|p| matches!(p, TaskProgress::Unreachable { .. })).await.unwrap();
    let wait = poller.wait(&task);
    cluster.end(&task, "OK");
    cluster.set_down(false);
    assert_eq!(wait.await.unwrap().status, TaskStatus::Ok);
    assert_eq!(*link.borrow_and_update(), Link::Up);
}

#[tokio::test]
async fn a_task_that_nobody_knows_is_an_error() {
    let server = Cluster::default().serve().await;
    let error = server.client().tasks().wait(&upid(9)).await.unwrap_err();
    assert_eq!(error.kind(), Some(&ErrorKind::TaskNotFound));
}

#[tokio::test]
async fn a_log_is_followed_line_by_line_to_its_end() {
    let cluster = Cluster::default();
    let server = cluster.serve().await;
    let task = cluster.begin(1);
    cluster.log(&task, "first");
    let client = server.client();
    let mut follow = client.tasks().follow(&task);
    let mut lines = Vec::new();
    loop {
        match follow.next().await {
            Some(TaskEvent::Line(line)) => {
                if line.number == 1 {
                    (2..=700).for_each(|n| cluster.log(&task, &format!("line {n}")));
                }
                if line.number == 700 {
                    cluster.log(&task, "TASK OK");
                    cluster.end(&task, "OK");
                }
                lines.push(line.number);
            }
            Some(TaskEvent::Ended(outcome)) => {
                let outcome = outcome.unwrap();
                assert_eq!(outcome.log.len(), 200);
                assert_eq!(outcome.log.last().unwrap().text, "TASK OK");
                break;
            }
            None => panic!("the end comes before nothing"),
        }
    }
    assert!(follow.next().await.is_none());
    assert_eq!(lines, (1..=701).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_waiter_that_goes_away_ends_the_asking() {
    let cluster = Cluster::default();
    let server = cluster.serve().await;
    let client = server.client();
    let task = cluster.begin(1);
    let receiver = client.tasks().watch(&task);
    while server.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(receiver);
    while client.tasks().waiting() > 0 {
        tokio::task::yield_now().await;
    }
    cluster.end(&task, "OK");
    assert!(client.tasks().wait(&task).await.unwrap().status.is_success(), "a new loop takes over");
}
