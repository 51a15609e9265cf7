//! The role in the README is least: without any one of its privileges something fails, in Proxmox VE's own words, and `doctor`
//! names what is missing before anything is begun.

use proximity_tests::Daemon;
use serde_json::Value;

/// Takes a privilege out of a role of the embedded node.
fn take(daemon: &Daemon, role: &str, privilege: &str) {
    let node = daemon.node();
    let path = format!("/access/roles/{role}");
    let has = node.as_root("GET", &path);
    let has = has.as_object().unwrap();
    assert!(has.contains_key(privilege), "{role} has no {privilege}");
    let left: Vec<&str> = has.keys().map(String::as_str).filter(|name| *name != privilege).collect();
    node.as_root_with("PUT", &path, &format!("privs={}", left.join("%20")));
}

/// What `doctor` says is amiss: the worst status, and every message that is not well.
fn doctor(daemon: &Daemon) -> (bool, String) {
    let report = daemon.ctl(&["doctor", "-o", "json"]).json();
    let amiss = report["checks"].as_array().unwrap().iter().filter(|check| check["status"] != "ok");
    let amiss: Vec<&str> = amiss.filter_map(|check| check["message"].as_str()).collect();
    (report["healthy"] == Value::Bool(true), amiss.join("\n"))
}

/// The first command that fails of an app's whole life, and its words.
fn first_failure(daemon: &Daemon) -> Option<(String, String)> {
    let life: [&[&str]; 5] = [
        &["deploy", "whoami"],
        &["stop", "whoami"],
        &["start", "whoami"],
        &["deploy", "whoami", "--name", "second", "--disk", "9G"],
        &["rm", "--yes", "whoami"],
    ];
    for command in life {
        let output = daemon.ctl(&[command, &["--timeout", "20s", "-q"]].concat());
        if output.status != 0 {
            return Some((command[0].to_string(), output.stderr));
        }
    }
    None
}

/// Without a privilege: the command that fails (None where it is for what is not there yet), and words of its error.
fn without(role: &str, privilege: &str, fails: Option<(&str, &str)>) {
    let daemon = Daemon::start();
    take(&daemon, role, privilege);
    let (healthy, amiss) = doctor(&daemon);
    assert!(amiss.contains(privilege), "doctor does not name {privilege}: {amiss}");
    assert_eq!(healthy, fails.is_none(), "doctor on {privilege}: {amiss}");
    match (fails, first_failure(&daemon)) {
        (None, None) => {}
        (Some((command, words)), Some((failed, error))) => {
            assert_eq!(failed, command, "without {privilege}: {error}");
            assert!(error.contains(words), "without {privilege}: {error}");
        }
        (expected, found) => panic!("without {privilege}: expected {expected:?}, found {found:?}"),
    }
}

macro_rules! without {
    ($($name:ident: $role:literal $privilege:literal $fails:expr;)*) => {
        $(#[test] fn $name() { without($role, $privilege, $fails); })*
        const TRIED: &[(&str, &str)] = &[$(($role, $privilege)),*];
    };
}

without! {
    allocate: "ProximityPool" "VM.Allocate" Some(("deploy", "Permission check failed"));
    audit: "ProximityPool" "VM.Audit" Some(("deploy", "VM.Audit"));
    clone: "ProximityPool" "VM.Clone" Some(("deploy", "VM.Clone"));
    console: "ProximityPool" "VM.Console" Some(("deploy", "VM.Console"));
    power: "ProximityPool" "VM.PowerMgmt" Some(("deploy", "VM.PowerMgmt"));
    cpu: "ProximityPool" "VM.Config.CPU" Some(("deploy", "VM.Config.CPU"));
    disk: "ProximityPool" "VM.Config.Disk" Some(("deploy", "VM.Config.Disk"));
    memory: "ProximityPool" "VM.Config.Memory" Some(("deploy", "VM.Config.Memory"));
    network: "ProximityPool" "VM.Config.Network" Some(("deploy", "VM.Config.Network"));
    options: "ProximityPool" "VM.Config.Options" Some(("deploy", "VM.Config.Options"));
    backup: "ProximityPool" "VM.Backup" None;
    snapshot: "ProximityPool" "VM.Snapshot" None;
    rollback: "ProximityPool" "VM.Snapshot.Rollback" None;
    migrate: "ProximityPool" "VM.Migrate" None;
    pool_allocate: "ProximityPool" "Pool.Allocate" None;
    pool_audit: "ProximityPool" "Pool.Audit" None;
    storage_audit: "ProximityStorage" "Datastore.Audit" None;
    storage_space: "ProximityStorage" "Datastore.AllocateSpace" Some(("deploy", "Datastore.AllocateSpace"));
    storage_template: "ProximityStorage" "Datastore.AllocateTemplate" Some(("deploy", "Datastore.AllocateTemplate"));
    bridge: "ProximityBridge" "SDN.Use" Some(("deploy", "SDN.Use"));
    nodes: "ProximityNodes" "Sys.Audit" None;
}

#[test]
fn every_privilege_of_the_documented_role_is_tried() {
    let daemon = Daemon::start();
    let script = daemon.ctl(&["init", "--print-token-setup"]).ok().stdout;
    for line in script.lines().filter(|line| line.starts_with("pveum role add ")) {
        let privileges = line.split('\'').nth(1).unwrap();
        for privilege in privileges.split(' ') {
            assert!(TRIED.iter().any(|(_, tried)| *tried == privilege), "{privilege} is not tried");
        }
    }
}
