//! A cluster of three nodes: one goes away and comes back, a container is moved by hand, an endpoint dies. The daemon follows,
//! and no record is ever lost over it.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use proximity_tests::{Daemon, Node, SecondHost, eventually, get_url};
use serde_json::{Value, json};

/// Another way to a node, which can be closed: what a node's own address is to the rest of a cluster.
struct Way {
    address: SocketAddr,
    open: Arc<AtomicBool>,
}

impl Way {
    fn to(node: &Node) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let way = Self { address: listener.local_addr().unwrap(), open: Arc::new(AtomicBool::new(true)) };
        let (target, open) = (node.text("listen").to_string(), Arc::clone(&way.open));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A closed way hangs up on whoever comes, and its listener goes with it.
                if !open.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(server) = TcpStream::connect(&target) else { continue };
                forward(&client, &server, &open);
                forward(&server, &client, &open);
            }
        });
        way
    }

    /// From now on nobody gets through, on connections that are open either.
    fn close(&self) {
        self.open.store(false, Ordering::SeqCst);
        // Wakes the listener up, so that it goes.
        let _ = TcpStream::connect(self.address);
    }
}

fn forward(from: &TcpStream, to: &TcpStream, open: &Arc<AtomicBool>) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    let open = Arc::clone(open);
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while open.load(Ordering::SeqCst) {
            match io::Read::read(&mut from, &mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(read)
                    if !open.load(Ordering::SeqCst)
                        || io::Write::write_all(&mut to, &buffer[..read]).is_err() =>
                {
                    break;
                }
                Ok(_) => {}
            }
        }
        let _ = from.shutdown(std::net::Shutdown::Both);
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}

fn added(daemon: &Daemon, node: &Node, endpoints: &[&str]) {
    let mut more = vec!["--fingerprint", node.text("fingerprint")];
    for endpoint in endpoints {
        more.extend(["--endpoint", endpoint]);
    }
    daemon.add_host("cluster", node, node.text("token_secret"), &more).ok();
}

fn app(daemon: &Daemon) -> Value {
    let apps = daemon.apps();
    assert_eq!(apps.len(), 1, "no record is lost: {apps:#?}");
    apps[0].clone()
}

#[test]
fn a_node_that_goes_away_and_comes_back_is_followed() {
    let host = SecondHost::cluster("pa,pb,pc");
    let daemon = Daemon::start();
    added(&daemon, &host.node(), &[host.node().text("listen")]);
    daemon.ctl(&["deploy", "whoami", "--host", "cluster", "--node", "pb", "-q"]).ok();
    assert_eq!(app(&daemon)["node"], "pb");

    host.node().turn(json!({ "node_offline": "pb" }));
    eventually("the app is not taken for running", || (app(&daemon)["state"] == "unknown").then_some(()));
    let shown = app(&daemon);
    assert!(shown["reason"].as_str().is_some_and(|why| !why.is_empty()), "{shown}");
    // Others are not held up by it.
    daemon.ctl(&["deploy", "whoami", "--name", "other", "--host", "cluster", "-q"]).ok();
    daemon.ctl(&["rm", "--yes", "other", "-q"]).ok();

    host.node().turn(json!({ "node_online": "pb" }));
    eventually("the app runs again", || (app(&daemon)["state"] == "running").then_some(()));
    assert_eq!(app(&daemon)["node"], "pb");
}

#[test]
fn a_container_that_a_person_moves_is_followed() {
    let host = SecondHost::cluster("pa,pb,pc");
    let daemon = Daemon::start();
    let node = host.node();
    added(&daemon, &node, &[node.text("listen")]);
    daemon.ctl(&["deploy", "whoami", "--host", "cluster", "--node", "pb", "-q"]).ok();
    let vmid = app(&daemon)["vmid"].clone();
    daemon.ctl(&["stop", "whoami"]).ok();
    node.task_done(&node.as_root_with("POST", &format!("/nodes/pb/lxc/{vmid}/migrate"), "target=pc"));
    eventually("the app is seen on its new node", || (app(&daemon)["node"] == "pc").then_some(()));
    let moved = |event: &Value| event["kind"] == "app.moved";
    assert!(daemon.all_events().iter().any(moved), "a person is told");
    daemon.ctl(&["start", "whoami"]).ok();
    let shown = app(&daemon);
    assert_eq!((shown["state"].as_str(), shown["node"].as_str()), (Some("running"), Some("pc")));
    assert_eq!(get_url(shown["url"].as_str().unwrap()).unwrap().status, 200);
    daemon.ctl(&["rm", "--yes", "whoami", "-q"]).ok();
    assert_eq!(node.plain_containers(), [0; 0]);
}

#[test]
fn an_endpoint_that_dies_leaves_the_others() {
    let host = SecondHost::cluster("pa,pb,pc");
    let daemon = Daemon::start();
    let node = host.node();
    let first = Way::to(&node);
    added(&daemon, &node, &[&first.address.to_string(), node.text("listen")]);
    daemon.ctl(&["deploy", "whoami", "--host", "cluster", "-q"]).ok();
    first.close();
    daemon.ctl(&["restart", "whoami"]).ok();
    daemon.ctl(&["deploy", "whoami", "--name", "second", "--host", "cluster", "-q"]).ok();
    let states: Vec<Value> = daemon.apps().iter().map(|app| app["state"].clone()).collect();
    assert_eq!(states, ["running", "running"]);
}
