//! A secret is never in a log, an event, an error, a process's arguments or a file that others can read.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use proximity_tests::{Daemon, SecondHost, Setup, processes_of};
use serde_json::json;

const CANARY: &str = "canary-4f1c9d27e5b84c0a";

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&entry.path())),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

/// The files below a directory that hold a text.
fn files_with(dir: &Path, text: &str) -> Vec<PathBuf> {
    let holds = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    files(dir).into_iter().filter(holds).collect()
}

/// Runs a command and watches the arguments of all processes meanwhile.
fn watched(daemon: &Daemon, args: &[&str]) -> proximity_tests::Output {
    let mut child = daemon.ctl_spawn(args);
    while child.try_wait().unwrap().is_none() {
        let shown = processes_of(Path::new(CANARY));
        assert!(shown.is_empty(), "a process shows the secret: {shown:?}");
    }
    proximity_tests::Output::new(args.join(" "), &child.wait_with_output().unwrap())
}

/// Everything that the daemon says about what happened.
fn everything_said(daemon: &Daemon, app: &str) -> String {
    let mut said = daemon.log();
    for args in [
        &["events", "--since", "0", "-o", "json"][..],
        &["op", "ls", "-o", "json"],
        &["ls", "--all", "-o", "json"],
        &["info", app],
        &["info", app, "-o", "json"],
        &["host", "ls", "-o", "json"],
        &["status", "-o", "json"],
    ] {
        let output = daemon.ctl(args);
        said.push_str(&output.stdout);
        said.push_str(&output.stderr);
    }
    let operations = daemon.ctl(&["op", "ls", "-o", "json"]).ok().json();
    for operation in operations.as_array().unwrap() {
        let output = daemon.ctl(&["op", "show", operation["id"].as_str().unwrap()]).ok();
        said.push_str(&output.stdout);
    }
    said
}

fn a_setting_stays_secret(log_format: &str) {
    let setup = Setup { log: "debug".into(), log_format: log_format.into(), ..Setup::default() };
    let mut daemon = Daemon::with(setup);
    let env = daemon.file("settings.env", &format!("DB_PASSWORD={CANARY}\n"));
    let token = daemon.file("token", CANARY);
    let secret = format!("ADMIN_PASSWORD=@{token}");
    let output = watched(&daemon, &["deploy", "nextcloud", "--env-file", &env, "--set", &secret, "-vv"]).ok();
    assert!(!(output.stdout + &output.stderr).contains(CANARY), "the command tells the secret");
    // An error about it does not tell it either.
    let output = daemon.ctl(&["deploy", "nextcloud", "--env-file", &env]).exits(5);
    assert!(!output.stderr.contains(CANARY));
    let output = daemon
        .ctl(&["deploy", "nextcloud", "--name", "x", "--env-file", &env, "--set", "NO_SUCH=1"])
        .exits(2);
    assert!(!output.stderr.contains(CANARY), "{}", output.stderr);
    daemon.ctl(&["restart", "nextcloud", "-q"]).ok();

    assert!(!everything_said(&daemon, "nextcloud").contains(CANARY), "something tells the secret");
    // What is in the guest is the guest's: its storage is left out.
    let outside: Vec<PathBuf> = files_with(&daemon.data(), CANARY)
        .into_iter()
        .filter(|path| !path.starts_with(daemon.data().join("node/guests")))
        .collect();
    assert!(outside.is_empty(), "files that hold the secret: {outside:?}");
    assert_eq!(daemon.stop(), 0);
    assert!(!daemon.log().contains(CANARY));
    daemon.run();
    let guest = files_with(&daemon.data().join("node/guests"), CANARY);
    assert!(!guest.is_empty(), "the secret did arrive in the container");
}

#[test]
fn a_secret_setting_is_in_no_text_log_event_error_argument_or_file() {
    a_setting_stays_secret("text");
}

#[test]
fn a_secret_setting_is_in_no_json_log_either() {
    a_setting_stays_secret("json");
}

#[test]
fn a_hosts_credentials_are_in_no_log_event_output_or_file() {
    a_hosts_credentials_stay_secret("debug");
}

#[test]
fn a_hosts_credentials_are_in_no_log_of_the_finest_level_either() {
    a_hosts_credentials_stay_secret("trace");
}

fn a_hosts_credentials_stay_secret(log: &str) {
    let host = SecondHost::start();
    let node = host.node();
    let daemon = Daemon::with(Setup { log: log.into(), ..Setup::default() });
    let secret = node.text("token_secret").to_string();
    let more = ["--endpoint", node.text("listen"), "--fingerprint", node.text("fingerprint"), "-vv"];
    let added = daemon.add_host("second", &node, &secret, &more).ok();
    assert!(!(added.stdout + &added.stderr).contains(&secret));
    daemon.ctl(&["deploy", "whoami", "--host", "second", "-q"]).ok();
    assert!(!everything_said(&daemon, "whoami").contains(&secret), "something tells the token");
    let holding = files_with(&daemon.data(), &secret);
    assert!(holding.is_empty(), "{holding:?}");
    let password = node.text("root_password").to_string();
    let file = daemon.file("password", &password);
    let args = [
        "host",
        "add",
        "third",
        "--endpoint",
        node.text("listen"),
        "--user",
        "root@pam",
        "--password-file",
        &file,
        "--fingerprint",
        node.text("fingerprint"),
    ];
    daemon.ctl(&args).ok();
    assert!(!everything_said(&daemon, "whoami").contains(&password), "something tells the password");
    let holding = files_with(&daemon.data(), &password);
    assert!(holding.is_empty(), "{holding:?}");
}

#[test]
fn a_generated_secret_is_shown_nowhere() {
    let daemon = Daemon::start();
    daemon.ctl(&["deploy", "gitea", "-q"]).ok();
    let info = daemon.rpc("app.get", &json!({ "name": "gitea" })).unwrap();
    let secrets: Vec<_> =
        info["settings"].as_array().unwrap().iter().filter(|setting| setting["secret"] == true).collect();
    assert!(!secrets.is_empty());
    assert!(
        secrets.iter().all(|setting| setting["value"].is_null() && setting["generated"] == true),
        "{secrets:?}"
    );
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn nobody_else_can_read_what_the_daemon_keeps() {
    let daemon = Daemon::start();
    daemon.ctl(&["deploy", "gitea", "-q"]).ok();
    assert_eq!(mode(&daemon.data()), 0o700);
    assert_eq!(mode(&daemon.data().join("identity.key")), 0o600);
    assert_eq!(mode(&daemon.socket()), 0o660);
    for name in ["proximity.db", "proximity.db-wal"] {
        let mode = mode(&daemon.data().join(name));
        assert_eq!(mode & 0o007, 0, "{name} has mode {mode:o}");
    }
    for name in ["node.json", "secrets.json", "state.json", "tasks.jsonl"] {
        let mode = mode(&daemon.data().join("node").join(name));
        assert_eq!(mode & 0o077, 0, "node/{name} has mode {mode:o}");
    }
}
