//! What cannot be is refused clearly, with the right exit status, and leaves nothing behind.

use proximity_tests::{Daemon, Output};
use serde_json::{Value, json};

use crate::operations::SICK;

/// Nothing was made.
#[track_caller]
fn nothing_is_left(daemon: &Daemon) {
    daemon.settle();
    assert_eq!(daemon.apps(), [] as [Value; 0]);
    assert_eq!(daemon.node().plain_containers(), [0; 0]);
    daemon.assert_node_holds_what_is_known();
}

/// A command on a fresh daemon that is refused; gives the error.
#[track_caller]
fn refused(args: &[&str], status: i32) -> String {
    let daemon = Daemon::start();
    let error = daemon.ctl(args).exits(status).error(daemon.dir());
    nothing_is_left(&daemon);
    error
}

/// The same with a file.
#[track_caller]
fn refused_file(name: &str, text: &str, args: &[&str], status: i32) -> String {
    let daemon = Daemon::start();
    daemon.file(name, text);
    let error = daemon.ctl(args).exits(status).error(daemon.dir());
    nothing_is_left(&daemon);
    error
}

#[test]
fn an_unknown_template_is_told_with_the_nearest() {
    insta::assert_snapshot!(refused(&["deploy", "nextclout"], 3), @r"
    error: there is no template `nextclout`
    hint: did you mean nextcloud?
    ");
}

#[test]
fn a_name_that_is_taken_is_a_conflict() {
    let daemon = Daemon::start();
    daemon.ctl(&["deploy", "whoami", "-q"]).ok();
    let output = daemon.ctl(&["deploy", "nginx", "--name", "whoami"]).exits(5);
    insta::assert_snapshot!(output.error(daemon.dir()), @r"
    error: there is an app `whoami` already
    hint: choose another with --name, or look at it with `proximityctl info`
    ");
    assert_eq!(daemon.apps().len(), 1);
    daemon.assert_node_holds_what_is_known();
}

#[test]
fn a_name_that_cannot_be_one_says_what_a_name_is() {
    insta::assert_snapshot!(refused(&["deploy", "whoami", "--name", "My_App"], 2), @r"
    error: `My_App` is no name for an app
      caused by: `M` may not be in it
    hint: a name has 1 to 63 lower-case letters, digits and hyphens, and begins and ends with a letter or digit
    ");
}

#[test]
fn an_app_that_does_not_exist_is_not_found() {
    for args in [
        &["info", "nowhere"][..],
        &["stop", "nowhere"],
        &["rm", "--yes", "nowhere"],
        &["op", "show", "nowhere"],
    ] {
        let error = refused(args, 3);
        assert!(error.contains("nowhere"), "{args:?}: {error}");
    }
}

#[test]
fn a_filter_that_names_nothing_is_not_found() {
    let daemon = Daemon::start();
    let known =
        daemon.ctl(&["host", "ls", "-o", "json"]).ok().json()[0]["name"].as_str().unwrap().to_string();
    let wrong = format!("{known}x");
    let error = daemon.ctl(&["ls", "--host", &wrong]).exits(3).error(daemon.dir());
    assert!(error.contains(&format!("hint: did you mean `{known}`?")), "{error}");
    daemon.ctl(&["ls", "--host", &known]).ok();
    daemon.ctl(&["events", "--app", "nowhere"]).exits(3);
    daemon.ctl(&["events", "--operation", "nowhere"]).exits(3);
    daemon.ctl(&["deploy", "whoami", "-q"]).ok();
    daemon.ctl(&["rm", "--yes", "whoami", "-q"]).ok();
    let events = daemon.ctl(&["events", "--app", "whoami"]).ok().stdout;
    assert!(events.contains("whoami"), "a removed app has events: {events}");
}

#[test]
fn a_storage_that_takes_no_containers_says_which_do() {
    insta::assert_snapshot!(refused(&["deploy", "whoami", "--storage", "local"], 1), @r"
    error: deploy of whoami failed: the storage `local` takes no containers
      caused by: its content is vztmpl, iso, backup, snippets, import
    hint: storages that take containers: local-lvm
    hint: or allow it: Datacenter > Storage > Edit > Content > Container, in the Proxmox VE web page
    hint: every step of it: proximityctl op show ID
    ");
}

#[test]
fn unknown_places_are_not_found_and_the_known_are_named() {
    insta::assert_snapshot!(refused(&["deploy", "whoami", "--storage", "nope"], 3), @r"
    error: deploy of whoami failed: there is no storage `nope` on pve1
    hint: storages that take containers there: local-lvm
    hint: every step of it: proximityctl op show ID
    ");
    insta::assert_snapshot!(refused(&["deploy", "whoami", "--node", "nope"], 3), @r"
    error: deploy of whoami failed: there is no node `nope`
    hint: `embedded` has: pve1
    hint: every step of it: proximityctl op show ID
    ");
    insta::assert_snapshot!(refused(&["deploy", "whoami", "--bridge", "nope"], 3), @r"
    error: deploy of whoami failed: there is no bridge `nope` on pve1
    hint: bridges that the token may use there: vmbr0
    hint: every step of it: proximityctl op show ID
    ");
    insta::assert_snapshot!(refused(&["deploy", "whoami", "--host", "nope"], 3), @r"
    error: there is no host `nope`
    hint: there are: embedded
    ");
}

#[test]
fn a_full_storage_is_told_before_anything_is_made() {
    let daemon = Daemon::start();
    daemon.node().turn(json!({ "storage_free": { "storage": "local-lvm", "bytes": 1 << 30 } }));
    let output = daemon.ctl(&["deploy", "whoami"]).exits(1);
    let error = output.error(daemon.dir());
    assert!(error.contains("local-lvm") && error.contains("GiB"), "{error}");
    nothing_is_left(&daemon);
    assert_eq!(daemon.node().containers().len(), 0);
}

#[test]
fn without_any_guest_template_the_golden_container_is_not_begun() {
    let daemon = Daemon::start();
    daemon.node().turn(json!({ "remove_templates": true, "no_appliances": true }));
    let output = daemon.ctl(&["deploy", "whoami"]).exits(1);
    let error = output.error(daemon.dir());
    assert!(error.contains("golden container could not be built"), "{error}");
    assert!(error.to_lowercase().contains("template"), "{error}");
    nothing_is_left(&daemon);
    assert_eq!(daemon.node().containers().len(), 0);
}

#[test]
fn an_image_that_does_not_exist_is_told_in_dockers_words() {
    let text = "services:\n  web:\n    image: docker.io/library/does-not-exist:1\n";
    insta::assert_snapshot!(refused_file("compose.yaml", text, &["deploy", "-f", "compose.yaml", "shop"], 1), @r"
    error: deploy of shop failed: an image cannot be pulled
      caused by: Error response from daemon: pull access denied for does-not-exist, repository does not exist or may require 'docker login': denied: requested access to the resource is denied
      the last lines of the log:
         web Error pull access denied for does-not-exist, repository does not exist or may require 'docker login': denied: requested access to the resource is denied
        Error response from daemon: pull access denied for does-not-exist, repository does not exist or may require 'docker login': denied: requested access to the resource is denied
    hint: check the image's name and tag, and that the container reaches its registry
    hint: every step of it: proximityctl op show ID
    ");
}

#[test]
fn an_app_that_never_gets_well_says_what_its_probe_heard() {
    let daemon = Daemon::start();
    let params = json!({ "compose": SICK, "name": "sick", "timeout_seconds": 2 });
    let started = daemon.rpc("app.deploy", &params).unwrap();
    let id = started["operation"]["id"].as_str().unwrap();
    let error = daemon.ctl(&["op", "wait", id]).exits(1).error(daemon.dir());
    assert!(error.contains("not healthy after 2 s"), "{error}");
    assert!(error.contains("503"), "{error}");
    nothing_is_left(&daemon);
}

#[test]
fn a_hint_about_an_option_names_one_that_does_what_it_says() {
    // `--timeout` is how long the command waits; the work goes on. It gives an app no more time.
    let daemon = Daemon::start();
    let params = json!({ "compose": SICK, "name": "sick", "timeout_seconds": 1 });
    let started = daemon.rpc("app.deploy", &params).unwrap();
    let output = daemon.ctl(&["op", "wait", started["operation"]["id"].as_str().unwrap()]).exits(1);
    assert!(!output.stderr.contains("--timeout gives the app more time"), "{}", output.stderr);
}

#[test]
fn malformed_yaml_is_told_with_its_place() {
    let error = refused_file(
        "compose.yaml",
        "services:\n  web:\n    image: [\n",
        &["deploy", "-f", "compose.yaml", "shop"],
        2,
    );
    insta::assert_snapshot!(error, @r"
    error: the Compose file cannot be deployed
      caused by: compose.yaml:3:12: this is not valid YAML: unclosed bracket '['
    ");
}

fn validated(name: &str, text: &str) -> Output {
    let daemon = Daemon::start();
    daemon.file(name, text);
    daemon.ctl(&["catalog", "validate", name]).exits(2)
}

#[test]
fn a_malformed_template_is_told_with_line_and_column() {
    let output = validated("bad.toml", "id = \"x\"\nname = [\n");
    insta::assert_snapshot!(output.stdout + &output.stderr, @"bad.toml:2:9: error: this is not valid TOML: unclosed array, expected `]`");
    let output = validated("typo.toml", "id = \"x\"\nversoin = \"1.0.0\"\n");
    let said = output.stdout + &output.stderr;
    assert!(said.contains("typo.toml:2:1") && said.contains("`version`"), "{said}");
}

#[test]
fn a_secret_on_the_command_line_is_refused() {
    insta::assert_snapshot!(refused(&["deploy", "vaultwarden", "--set", "ADMIN_TOKEN=hunter2"], 2), @r"
    error: `ADMIN_TOKEN` is a secret, and everybody on this machine can read the command line
    hint: leave it out, and it is asked for on a terminal (or made up, where the template allows it)
    hint: read it from a file: --set ADMIN_TOKEN=@FILE
    hint: or from standard input: --set ADMIN_TOKEN=-
    hint: or put it with others in a file: --env-file FILE
    ");
}

#[test]
fn an_unknown_setting_is_told_with_the_nearest() {
    let error = refused(&["deploy", "nextcloud", "--set", "UPLOAD_LIMT=1G"], 2);
    assert!(error.contains("UPLOAD_LIMT") && error.contains("UPLOAD_LIMIT"), "{error}");
    let error = refused(&["deploy", "nextcloud", "--set", "UPLOAD_LIMIT=lots"], 2);
    assert!(error.contains("UPLOAD_LIMIT"), "{error}");
}

#[test]
fn removing_without_a_terminal_names_the_flag() {
    insta::assert_snapshot!(refused(&["rm", "whoami"], 2), @r"
    error: removing an app asks first, and there is no terminal
    hint: give --yes
    ");
}

#[test]
fn a_daemon_that_does_not_run_is_told_with_exit_6() {
    let mut daemon = Daemon::start();
    assert_eq!(daemon.stop(), 0);
    let output = daemon.ctl(&["ls"]).exits(6);
    assert!(output.stderr.contains("hint:"), "{}", output.stderr);
    assert!(output.stderr.contains(&daemon.socket().display().to_string()), "{}", output.stderr);
}

#[test]
fn an_error_is_an_object_too_for_programs() {
    let daemon = Daemon::start();
    let output = daemon.ctl(&["deploy", "nextclout", "-o", "json"]).exits(3);
    assert_eq!(output.stdout, "");
    let last: Value = serde_json::from_str(output.stderr.lines().last().unwrap()).unwrap();
    assert_eq!((&last["error"]["kind"], &last["error"]["code"]), (&json!("not-found"), &json!(-32001)));
}

#[test]
fn a_node_that_cannot_be_reached_is_exit_7() {
    let daemon = Daemon::start();
    daemon.node().faults(json!([{ "times": 0, "action": { "kind": "unreachable" } }]));
    let output = daemon.ctl(&["deploy", "whoami", "--timeout", "60s"]).exits(7);
    assert!(output.stderr.contains("Proxmox VE cannot be asked now"), "{}", output.stderr);
    assert_eq!(daemon.apps().len(), 0);
}

#[test]
fn an_address_belongs_to_one_app() {
    let daemon = Daemon::start();
    daemon.ctl(&["deploy", "whoami", "--ip", "127.77.1.1/8", "-q"]).ok();
    for more in [&[][..], &["--explain"]] {
        let args = [&["deploy", "whoami", "--name", "second", "--ip", "127.77.1.1/16"], more].concat();
        let output = daemon.ctl(&args).exits(5);
        assert!(output.stderr.contains("the address 127.77.1.1 is the app `whoami`'s"), "{}", output.stderr);
    }
    assert_eq!(daemon.apps().len(), 1);
    daemon.ctl(&["rm", "--yes", "whoami", "-q"]).ok();
    daemon.ctl(&["deploy", "whoami", "--name", "second", "--ip", "127.77.1.1/8", "-q"]).ok();
}

#[test]
fn a_gateway_in_another_network_is_refused_and_none_is_warned_of() {
    let output = refused(&["deploy", "whoami", "--ip", "192.0.2.7/24", "--gateway", "198.51.100.1"], 2);
    assert!(output.contains("is not a neighbour"), "{output}");
    let daemon = Daemon::start();
    let plan = daemon.ctl(&["deploy", "whoami", "--ip", "192.0.2.7/24", "--explain"]).ok();
    assert!(format!("{}{}", plan.stdout, plan.stderr).contains("without --gateway"), "{}", plan.stdout);
}
