//! What is refused, and with which exit status.

use proto_json::{Code, Problem};
use serde_json::json;

use crate::fake::{Fake, app_detail, command, ran, setting, template};

#[test]
fn a_secret_on_the_command_line_is_refused_and_nothing_is_started() {
    let fake = Fake::start();
    fake.answers("catalog.get", template(json!([setting("ADMIN", true)])));
    let ran = fake.run(&["deploy", "whoami", "--set", "ADMIN=hunter2"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("`ADMIN` is a secret") && !ran.stderr.contains("hunter2"), "{}", ran.stderr);
    assert!(fake.calls("app.deploy").is_empty());
}

#[test]
fn a_secret_from_standard_input_is_taken_without_its_line_end() {
    let fake = Fake::start();
    fake.answers("catalog.get", template(json!([setting("ADMIN", true)])));
    fake.on("app.deploy", |_| Err(Problem::new(Code::Conflict, "enough")));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    std::fs::write(&file, "hunter2\n").unwrap();
    let mut command = fake.command(&["deploy", "whoami", "--set", "ADMIN=-"]);
    command.stdin(std::fs::File::open(&file).unwrap());
    assert_eq!(crate::fake::ran(command).status, 5);
    assert_eq!(fake.calls("app.deploy")[0]["settings"], json!({"ADMIN": "hunter2"}));
}

#[test]
fn an_empty_secret_from_standard_input_is_refused_and_nothing_is_started() {
    let fake = Fake::start();
    let mut made_up = setting("ADMIN_TOKEN", true);
    (made_up["required"], made_up["generated"]) = (json!(false), json!(true));
    fake.answers("catalog.get", template(json!([made_up])));
    let ran = fake.run(&["deploy", "vaultwarden", "--set", "ADMIN_TOKEN=-"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert_eq!(
        ran.stderr,
        "error: `ADMIN_TOKEN` is a secret, and standard input holds nothing\n\
         hint: leave it out, and it is made up\n\
         hint: or give it: --set ADMIN_TOKEN=@FILE, --set ADMIN_TOKEN=- or --env-file FILE\n"
    );
    assert!(fake.calls("app.deploy").is_empty());
}

#[test]
fn removing_without_a_terminal_names_the_flag() {
    let fake = Fake::start();
    let ran = fake.run(&["rm", "web"]);
    assert_eq!(ran.status, 2);
    assert_eq!(ran.stderr, "error: removing an app asks first, and there is no terminal\nhint: give --yes\n");
    assert!(fake.calls("app.remove").is_empty());
}

#[test]
fn a_missing_daemon_is_told_with_ways_to_start_it() {
    let ran = ran(command(&["ls", "--socket", "/nonexistent/proximityd.sock"]));
    assert_eq!(ran.status, 6);
    insta::assert_snapshot!(ran.stderr, @r"
    error: the daemon cannot be reached at /nonexistent/proximityd.sock
      caused by: No such file or directory (os error 2)
    hint: start it: systemctl start proximityd
    hint: or with an embedded node in place of a Proxmox VE host: proximityd --embedded
    hint: or look around with a throw-away one: proximityctl try
    ");
}

#[test]
fn each_error_of_the_daemon_has_its_exit_status() {
    for code in Code::ALL {
        let fake = Fake::start();
        fake.on("app.get", move |_| Err(Problem::new(code, "no")));
        assert_eq!(fake.run(&["info", "web"]).status, i32::from(code.exit_status()), "{code:?}");
    }
}

#[test]
fn a_misspelt_command_and_one_of_another_tool_lead_to_ours() {
    let misspelt = ran(command(&["deplyo"]));
    assert_eq!(misspelt.status, 2);
    assert!(misspelt.stderr.contains("hint: a similar subcommand exists: 'deploy'"), "{}", misspelt.stderr);
    let foreign = ran(command(&["delete", "web"]));
    assert_eq!(foreign.status, 2);
    assert_eq!(
        foreign.stderr,
        "error: there is no command `delete`\nhint: it is called `proximityctl rm` here\n"
    );
}

#[test]
fn sizes_and_durations_that_could_be_misread_are_usage_errors() {
    for args in [
        ["deploy", "x", "--memory", "512"],
        ["deploy", "x", "--disk", "8GB"],
        ["ls", "--all", "--timeout", "5"],
    ] {
        assert_eq!(ran(command(&args)).status, 2, "{args:?}");
    }
}

#[test]
fn an_unknown_certificate_is_pinned_only_by_a_person_or_a_given_fingerprint() {
    let fake = Fake::start();
    let shown = ["AB"; 32].join(":");
    fake.answers("host.list", json!([]));
    fake.answers(
        "host.certificate",
        json!({"endpoint": "pve:8006", "fingerprint": shown, "trusted_by_system": false}),
    );
    fake.on("host.add", |_| Err(Problem::new(Code::PveUnreachable, "no route")));
    let args = ["init", "--endpoint", "pve", "--token-id", "proximity@pve!app", "--yes"];
    let asked = fake.run(&args);
    assert_eq!(asked.status, 2, "{asked:?}");
    assert!(asked.stderr.contains("hint: give --fingerprint SHA256, or --ca-file FILE"), "{}", asked.stderr);
    let other = "cd".repeat(32);
    let wrong = fake.run(&[&args[..], &["--fingerprint", &other]].concat());
    assert_eq!(wrong.status, 4, "{wrong:?}");
    assert!(fake.calls("host.add").is_empty());
    let mut right = fake.command(&[&args[..], &["--fingerprint", &shown]].concat());
    right.env("PROXIMITY_PVE_TOKEN", "s3cret");
    assert_eq!(ran(right).status, 7);
    let added = &fake.calls("host.add")[0];
    assert_eq!((&added["fingerprint"], &added["token_secret"]), (&json!(shown), &json!("s3cret")));
}

#[test]
fn a_host_that_was_added_and_cannot_be_used_is_told_with_what_to_do() {
    let fake = Fake::start();
    let host = json!({
        "name": "home", "endpoints": ["pve:8006"], "auth": "token", "identity": "proximity@pve!app",
        "trust": "system", "pool": "proximity", "storage": null, "bridge": null, "embedded": false,
        "reachable": true, "version": "9.2", "seen_at": null, "problem": null, "apps": 0,
    });
    fake.answers(
        "host.certificate",
        json!({"endpoint": "pve:8006", "fingerprint": "AB", "trusted_by_system": true}),
    );
    fake.answers("host.add", host.clone());
    let check =
        json!({"id": "privileges", "host": "home", "status": "failed", "message": "none", "hints": []});
    fake.answers("host.test", json!({"usable": false, "checks": [check]}));
    let mut command =
        fake.command(&["host", "add", "home", "--endpoint", "pve", "--token-id", "proximity@pve!app"]);
    command.env("PROXIMITY_PVE_TOKEN", "s3cret");
    let ran = crate::fake::ran(command);
    assert_eq!(ran.status, 1, "{ran:?}");
    insta::assert_snapshot!(ran.stderr, @r"
    host home is connected
    error: the host home was added, and cannot be used as it is
    hint: mend what failed above, then look again: proximityctl host test home
    hint: with other credentials, endpoints or flags: proximityctl host add home --replace …
    hint: without it: proximityctl host rm home
    ");
    let mut unusable = host;
    unusable["problem"] = json!("it refuses the token: authentication failed!");
    fake.answers("host.list", json!([unusable]));
    let listed = fake.run(&["host", "ls"]);
    insta::assert_snapshot!(listed.stdout, @r"
    NAME  STATE     VERSION  ENDPOINTS  IDENTITY           APPS
    home  unusable  9.2      pve:8006   proximity@pve!app  0
    ");
    assert_eq!(listed.stderr, "hint: what is wrong with home: proximityctl host test home\n");
}

#[test]
fn a_file_that_is_wrong_or_not_there_is_a_usage_error() {
    let fake = Fake::start();
    fake.answers("catalog.get", template(json!([])));
    let dir = tempfile::tempdir().unwrap();
    let wrong = dir.path().join("compose.yaml");
    std::fs::write(&wrong, "services: {a: {imge: x}}\n").unwrap();
    for args in [
        &["deploy", "-f", "/nonexistent", "web"][..],
        &["deploy", "whoami", "--env-file", "/nonexistent"],
        &["deploy", "whoami", "--set", "A=@/nonexistent"],
        &["init", "--from", "/nonexistent"],
        &["catalog", "validate", "/nonexistent"],
    ] {
        let ran = fake.run(args);
        assert_eq!(ran.status, 2, "{args:?}: {ran:?}");
        assert!(ran.stderr.starts_with("error: cannot read /nonexistent\n  caused by: "), "{ran:?}");
    }
    assert_eq!(fake.run(&["catalog", "validate", wrong.to_str().unwrap()]).status, 2);
}

#[test]
fn what_cannot_be_opened_is_told() {
    let fake = Fake::start();
    let mut detail = app_detail("web");
    detail["url"] = json!(null);
    detail["state"] = json!("stopped");
    fake.answers("app.get", detail);
    let ran = fake.run(&["open", "web"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.starts_with("error: web has no URL: it is stopped\n"), "{}", ran.stderr);
}
