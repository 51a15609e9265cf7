//! `proximityctl try`: everything at once, and nothing left.

use proximity_tests::{Daemon, Output, Setup, get_url, processes_of};

/// A directory for `try` to work in; its daemon is none of ours.
fn place() -> Daemon {
    Daemon::prepared(Setup::default())
}

fn entries(place: &Daemon) -> Vec<String> {
    let all = std::fs::read_dir(place.dir()).unwrap().flatten();
    all.map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name != "config.toml")
        .collect()
}

#[test]
fn try_once_deploys_checks_and_leaves_nothing() {
    let place = place();
    let output = place.ctl(&["try", "--once"]).ok();
    assert!(output.stderr.contains("whoami answered"), "{}", output.stderr);
    assert!(processes_of(place.dir()).is_empty(), "{:?}", processes_of(place.dir()));
    assert_eq!(entries(&place), [""; 0]);
}

#[test]
fn try_goes_on_until_it_is_stopped() {
    let place = place();
    let app = place.ctl(&["try", "nginx", "-o", "json"]).ok().json();
    assert_eq!(get_url(app["url"].as_str().unwrap()).unwrap().status, 200);
    assert!(!processes_of(place.dir()).is_empty());
    place.ctl(&["try", "--stop"]).ok();
    assert!(processes_of(place.dir()).is_empty(), "{:?}", processes_of(place.dir()));
    assert_eq!(entries(&place), [""; 0]);
}

#[test]
fn a_try_that_fails_leaves_nothing_either() {
    let place = place();
    place.ctl(&["try", "no-such-app", "--once"]).exits(3);
    assert!(processes_of(place.dir()).is_empty(), "{:?}", processes_of(place.dir()));
    assert_eq!(entries(&place), [""; 0]);
}

#[test]
fn a_try_that_is_interrupted_leaves_nothing_either() {
    let place = place();
    let child = place.ctl_spawn(&["try", "--once"]);
    proximity_tests::eventually("a daemon runs", || (processes_of(place.dir()).len() >= 2).then_some(()));
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = Output::new("try".into(), &child.wait_with_output().unwrap());
    assert_ne!(output.status, 0, "{}", output.stderr);
    assert!(processes_of(place.dir()).is_empty(), "{:?}", processes_of(place.dir()));
    assert_eq!(entries(&place), [""; 0]);
}
