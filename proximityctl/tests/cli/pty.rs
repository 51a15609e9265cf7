//! What a person at a terminal sees and types.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};

use proto_json::{Code, Problem};
use rustix::event::{PollFd, PollFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::LocalModes;
use serde_json::json;

use crate::fake::{Act, Fake, app, app_detail, event, hello, operation, setting, template};

/// How long something may take that should take milliseconds.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// A command on a terminal of its own.
struct Terminal {
    screen: File,
    child: Child,
    seen: String,
}

impl Terminal {
    fn run(command: Command) -> Terminal {
        Terminal::sized(command, 40, 100)
    }

    fn sized(mut command: Command, ws_row: u16, ws_col: u16) -> Terminal {
        let controller: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let size = rustix::termios::Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&controller, size).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap().into_string().unwrap();
        let side = || File::options().read(true).write(true).open(&name).unwrap();
        command.env("TERM", "xterm-256color").stdin(side()).stdout(side()).stderr(side());
        let child = command.spawn().unwrap();
        // The command's own copies must be the last ones, so that its end is the terminal's end.
        drop(command);
        Terminal { screen: File::from(controller), child, seen: String::new() }
    }

    /// Reads until a text is on the screen.
    fn until(&mut self, text: &str) {
        while !self.seen.contains(text) {
            assert_ne!(self.read(), 0, "it ended without {text:?}: {:?}", self.seen);
        }
    }

    /// Waits until what is typed is not shown.
    fn until_silent(&mut self) {
        let echoes =
            || rustix::termios::tcgetattr(&self.screen).unwrap().local_modes.contains(LocalModes::ECHO);
        let began = std::time::Instant::now();
        while echoes() {
            assert!(began.elapsed() < PATIENCE, "what is typed would be shown: {:?}", self.seen);
            std::thread::yield_now();
        }
    }

    /// What comes next; nothing when the terminal has ended, which is an error on Linux (EIO).
    fn read(&mut self) -> usize {
        let mut bytes = [0; 4096];
        let mut ready = [PollFd::new(&self.screen, PollFlags::IN)];
        let wait = rustix::event::Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
        assert_ne!(
            rustix::event::poll(&mut ready, Some(&wait)).unwrap(),
            0,
            "nothing comes: {:?}",
            self.seen
        );
        let count = self.screen.read(&mut bytes).unwrap_or(0);
        self.seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        count
    }

    fn type_line(&mut self, text: &str) {
        self.screen.write_all(format!("{text}\r").as_bytes()).unwrap();
    }

    /// Reads to the end, and gives everything that was seen and the exit status.
    fn end(mut self) -> (String, Option<i32>) {
        while self.read() > 0 {}
        (self.seen, self.child.wait().unwrap().code())
    }
}

#[test]
fn a_person_sees_each_step_with_a_mark_and_a_word() {
    let fake = Fake::start();
    fake.answers("catalog.get", template(json!([])));
    fake.answers("app.deploy", json!({"operation": operation("op1", "deploy", "running", 0)}));
    fake.answers("app.get", app_detail("web"));
    fake.operation(&operation("op1", "deploy", "running", 0));
    fake.stream(vec![
        hello(5),
        Act::Snapshot(operation("op1", "deploy", "running", 1)),
        event(5, "op1", "step.done", "Reserve an id"),
        event(6, "op1", "step.progress", "downloading \u{1b}[2J10 %"),
        Act::Snapshot(operation("op1", "deploy", "done", 3)),
        event(7, "op1", "operation.done", "done"),
        Act::Hold,
    ]);
    let (seen, status) = Terminal::run(fake.command(&["deploy", "whoami", "--no-color"])).end();
    assert_eq!(status, Some(0), "{seen}");
    for text in ["Deploying web", "✓ Reserve an id  done in 1.2s", "✓ Create the container  done in 1.2s"]
    {
        assert!(seen.contains(text), "{text}: {seen:?}");
    }
    assert!(!seen.contains("\u{1b}[2J10"), "{seen:?}");
    assert!(seen.contains("http://192.0.2.7:8080"), "{seen:?}");
}

#[test]
fn an_app_is_removed_only_when_its_name_was_typed() {
    for (typed, removed) in [("wbe", false), ("web", true)] {
        let fake = Fake::start();
        fake.answers("app.get", app_detail("web"));
        fake.answers("app.remove", json!({"operation": operation("op1", "remove", "done", 3)}));
        fake.operation(&operation("op1", "remove", "done", 3));
        let mut terminal = Terminal::run(fake.command(&["rm", "web"]));
        terminal.until("Type web to remove it");
        assert!(terminal.seen.contains("container 101 on pve1, its 4 GiB disk"), "{:?}", terminal.seen);
        terminal.type_line(typed);
        let (seen, status) = terminal.end();
        assert_eq!(status == Some(0), removed, "{seen}");
        assert_eq!(!fake.calls("app.remove").is_empty(), removed);
    }
}

#[test]
fn an_app_that_is_not_there_is_told_before_what_would_be_lost() {
    let fake = Fake::start();
    fake.on("app.get", |_| Err(Problem::new(Code::NotFound, "there is no app `web`")));
    let (seen, status) = Terminal::run(fake.command(&["rm", "web"])).end();
    assert_eq!(status, Some(3), "{seen}");
    assert!(seen.contains("there is no app `web`") && !seen.contains("This removes"), "{seen}");
}

#[test]
fn a_terminal_that_does_not_know_its_width_gets_whole_lines() {
    let fake = Fake::start();
    let mut long = app("web");
    long["url"] = json!("http://a-host-with-a-long-name.example.org:8080/path");
    fake.answers("app.list", json!([long]));
    let (seen, _) = Terminal::sized(fake.command(&["ls"]), 0, 0).end();
    assert!(seen.contains("http://a-host-with-a-long-name.example.org:8080/path  pve1  101"), "{seen}");
}

#[test]
fn a_missing_secret_is_asked_for_and_not_shown() {
    let fake = Fake::start();
    fake.answers("catalog.get", template(json!([setting("ADMIN", true)])));
    fake.answers("app.deploy", json!({"operation": operation("op1", "deploy", "running", 0)}));
    let mut terminal = Terminal::run(fake.command(&["deploy", "whoami", "--no-wait"]));
    terminal.until("ADMIN: What it is for.");
    terminal.until_silent();
    terminal.type_line("hunter2");
    let (seen, status) = terminal.end();
    assert_eq!(status, Some(0), "{seen}");
    assert!(!seen.contains("hunter2"), "{seen:?}");
    assert_eq!(fake.calls("app.deploy")[0]["settings"], json!({"ADMIN": "hunter2"}));
}

#[test]
fn a_list_on_a_terminal_cannot_act_on_it() {
    let fake = Fake::start();
    let mut bad = app("web");
    bad["node"] = json!("pve\u{9b}2J\u{1b}[2J1");
    fake.answers("app.list", json!([bad]));
    for format in ["table", "json"] {
        let (seen, _) = Terminal::run(fake.command(&["ls", "-o", format, "--no-color"])).end();
        assert!(!seen.contains("\u{1b}[2J") && !seen.contains('\u{9b}'), "{format}: {seen:?}");
        assert!(seen.contains("web"), "{format}: {seen:?}");
    }
}
