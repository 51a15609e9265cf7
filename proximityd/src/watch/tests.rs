//! What a look says of an app.

use super::*;

fn app(state: AppState) -> App {
    App {
        id: "a".into(),
        name: "whoami".into(),
        host: "h".into(),
        template: "whoami".into(),
        template_version: "1.0.0".into(),
        state,
        reason: None,
        node: Some("pve1".into()),
        vmid: Some(100),
        ip: None,
        url: None,
        operation: None,
        created_at: String::new(),
        checked_at: None,
    }
}

fn guest(status: &str, node: &str) -> pve::Resource {
    serde_json::from_value(serde_json::json!({"type": "lxc", "vmid": 100, "node": node, "status": status}))
        .unwrap()
}

#[test]
fn a_container_that_runs_makes_no_app_running() {
    for state in [AppState::Stopped, AppState::Unknown, AppState::Missing] {
        assert_eq!(judge(&app(state), Some(&guest("running", "pve1"))).state, AppState::Starting);
    }
    assert_eq!(judge(&app(AppState::Running), Some(&guest("running", "pve1"))).state, AppState::Running);
    assert_eq!(judge(&app(AppState::Degraded), Some(&guest("running", "pve1"))).state, AppState::Degraded);
}

#[test]
fn what_was_done_by_hand_is_seen_and_nothing_is_forgotten() {
    let stopped = judge(&app(AppState::Running), Some(&guest("stopped", "pve1")));
    assert_eq!(stopped.state, AppState::Stopped);
    let moved = judge(&app(AppState::Running), Some(&guest("running", "pve2")));
    assert_eq!((moved.state, moved.node.as_deref()), (AppState::Running, Some("pve2")));
    let gone = judge(&app(AppState::Running), None);
    assert_eq!(gone.state, AppState::Missing);
    assert!(gone.reason.unwrap().contains("100"));
}

#[test]
fn a_status_that_proxmox_does_not_know_is_unknown() {
    assert_eq!(judge(&app(AppState::Running), Some(&guest("unknown", "pve1"))).state, AppState::Unknown);
}

#[test]
fn a_failed_deployment_stays_what_it_is() {
    assert_eq!(judge(&app(AppState::Failed), Some(&guest("running", "pve1"))).state, AppState::Failed);
    assert_eq!(judge(&app(AppState::Failed), None).state, AppState::Failed);
}
