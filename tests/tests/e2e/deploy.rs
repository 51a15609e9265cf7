//! From the catalog to a URL that answers, and what one does with an app then.

use proximity_tests::{Daemon, Setup, get_url};
use serde_json::{Value, json};

fn words<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no text {key} in {value:#}"))
}

#[test]
fn an_app_from_the_catalog_gets_a_url_that_answers() {
    let daemon = Daemon::start();
    let output = daemon.ctl(&["deploy", "whoami", "-o", "json"]).ok();
    assert_eq!(output.stdout.lines().count(), 1, "one line in a pipe: {}", output.stdout);
    let app = output.json();
    for key in ["id", "name", "template", "state", "node", "ip", "url"] {
        assert!(!words(&app, key).is_empty(), "{key}: {app:#}");
    }
    assert!(app["vmid"].as_u64().is_some_and(|vmid| vmid >= 100), "{app:#}");
    assert_eq!((words(&app, "name"), words(&app, "state")), ("whoami", "running"));
    let page = get_url(words(&app, "url")).unwrap();
    assert_eq!(page.status, 200, "{}", page.body);

    let listed = daemon.ctl(&["ls", "-o", "json"]).ok().json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    for key in ["id", "name", "vmid", "url", "state"] {
        assert_eq!(listed[0][key], app[key], "{key}");
    }
    let operations = daemon.ctl(&["op", "ls", "-o", "json"]).ok().json();
    let deploy = operations.as_array().unwrap().iter().find(|op| op["kind"] == "deploy").unwrap();
    assert_eq!((words(deploy, "app"), words(deploy, "state")), ("whoami", "done"));
    assert!(!words(deploy, "id").is_empty());
    let info = daemon.ctl(&["info", "whoami", "-o", "json"]).ok().json();
    assert_eq!(info["id"], app["id"]);
    assert_eq!(info["operations"][0]["id"], deploy["id"]);
    assert!(words(&info["services"][0], "digest").starts_with("sha256:"), "{info:#}");
    daemon.assert_node_holds_what_is_known();
}

#[test]
fn a_removed_app_leaves_nothing_on_the_node_and_its_record_in_the_list() {
    let daemon = Daemon::start();
    daemon.ctl(&["deploy", "whoami", "-q"]).ok();
    let url = daemon.apps()[0]["url"].as_str().unwrap().to_string();
    daemon.ctl(&["rm", "--yes", "whoami"]).ok();
    assert_eq!(daemon.node().plain_containers(), [0; 0]);
    assert_eq!(daemon.node().disks().len(), daemon.node().templates().len());
    assert!(get_url(&url).is_err(), "nothing listens at {url} any more");
    assert_eq!(daemon.ctl(&["ls", "-o", "json"]).ok().json(), json!([]));
    let all = daemon.ctl(&["ls", "--all", "-o", "json"]).ok().json();
    assert_eq!((words(&all[0], "name"), words(&all[0], "state")), ("whoami", "removed"));
    daemon.ctl(&["deploy", "whoami", "-q"]).ok();
    assert_eq!(daemon.ctl(&["ls", "-o", "json"]).ok().json().as_array().map(Vec::len), Some(1));
}

#[test]
fn a_container_of_ours_is_tagged_and_says_in_its_notes_which_app_it_is() {
    let daemon = Daemon::start();
    let app = daemon.ctl(&["deploy", "whoami", "-q", "-o", "json"]).ok().json();
    let path = format!("/nodes/{}/lxc/{}/config", words(&app, "node"), app["vmid"]);
    let config = daemon.node().as_root("GET", &path);
    assert_eq!(config["tags"], "proximity");
    assert_eq!(config["unprivileged"], 1);
    assert!(words(&config, "description").contains(words(&app, "id")), "{config:#}");
    let members = daemon.node().as_root("GET", "/pools/proximity");
    let members: Vec<_> = members["members"].as_array().unwrap().iter().map(|m| m["vmid"].clone()).collect();
    assert!(members.contains(&app["vmid"]), "{members:?}");
}

/// Deploys a template with what it asks for, and looks at its page.
fn deploys(template: &str) {
    deploys_on(&Daemon::start(), template);
}

fn deploys_on(daemon: &Daemon, template: &str) {
    let shown = daemon.ctl(&["catalog", "show", template, "-o", "json"]).ok().json();
    let required = |setting: &&Value| setting["required"] == true;
    let settings = shown["settings"].as_array().cloned().unwrap_or_default();
    let lines =
        settings.iter().filter(required).map(|s| format!("{}=correct-horse-battery-9\n", words(s, "key")));
    let file = daemon.file("settings.env", &lines.collect::<String>());
    let app = daemon.ctl(&["deploy", template, "-o", "json", "--env-file", &file]).ok().json();
    assert_eq!(words(&app, "state"), "running");
    let page = get_url(words(&app, "url")).unwrap_or_else(|error| panic!("{}: {error}", app["url"]));
    assert!(page.status < 500, "{}: {} {}", app["url"], page.status, page.body);
    daemon.assert_node_holds_what_is_known();
}

macro_rules! every_template {
    ($($name:ident $template:literal)*) => {
        const TEMPLATES: &[&str] = &[$($template),*];
        $(#[test] fn $name() { deploys($template); })*
    };
}

every_template! {
    adguard_home_deploys_and_answers "adguard-home"
    gitea_deploys_and_answers "gitea"
    grafana_deploys_and_answers "grafana"
    home_assistant_deploys_and_answers "home-assistant"
    homepage_deploys_and_answers "homepage"
    immich_deploys_and_answers "immich"
    jellyfin_deploys_and_answers "jellyfin"
    n8n_deploys_and_answers "n8n"
    nextcloud_deploys_and_answers "nextcloud"
    nginx_deploys_and_answers "nginx"
    paperless_ngx_deploys_and_answers "paperless-ngx"
    uptime_kuma_deploys_and_answers "uptime-kuma"
    vaultwarden_deploys_and_answers "vaultwarden"
    whoami_deploys_and_answers "whoami"
    wordpress_deploys_and_answers "wordpress"
}

#[test]
fn every_template_deploys_and_starts_again_where_low_ports_cannot_be_had() {
    let env = vec![("PROXIMITY_SIM_LOW_PORTS".to_string(), "no".to_string())];
    let daemon = Daemon::with(Setup { env, ..Setup::default() });
    for template in TEMPLATES {
        deploys_on(&daemon, template);
    }
    for name in ["gitea", "nextcloud"] {
        daemon.ctl(&["restart", name, "-q"]).ok();
        let app = daemon.ctl(&["info", name, "-o", "json"]).ok().json();
        assert_eq!(words(&app, "state"), "running");
        assert!(get_url(words(&app, "url")).unwrap().status < 500, "{app:#}");
    }
}

#[test]
fn no_template_of_the_catalog_is_left_out_here() {
    let daemon = Daemon::start();
    let listed = daemon.ctl(&["catalog", "ls", "-o", "json"]).ok().json();
    let ids: Vec<&str> = listed.as_array().unwrap().iter().map(|t| words(t, "id")).collect();
    assert_eq!(ids, TEMPLATES);
}

pub(crate) const COMPOSE: &str =
    "services:\n  web:\n    image: docker.io/library/nginx:1.29\n    ports:\n      - \"8080:80\"\n";

#[test]
fn a_compose_file_of_ones_own_is_deployed_under_a_name() {
    let daemon = Daemon::start();
    let file = daemon.file("compose.yaml", COMPOSE);
    let app = daemon.ctl(&["deploy", "-f", &file, "shop", "-o", "json"]).ok().json();
    assert_eq!((words(&app, "name"), words(&app, "template")), ("shop", "compose"));
    assert_eq!(get_url(words(&app, "url")).unwrap().status, 200);
}

#[test]
fn stop_closes_the_port_and_start_opens_it_again() {
    let daemon = Daemon::start();
    daemon.ctl(&["deploy", "whoami", "-q"]).ok();
    let state = || daemon.ctl(&["info", "whoami", "-o", "json"]).ok().json();
    let url = words(&state(), "url").to_string();

    daemon.ctl(&["stop", "whoami"]).ok();
    assert_eq!(words(&state(), "state"), "stopped");
    assert!(get_url(&url).is_err(), "nothing listens at {url}");
    daemon.ctl(&["stop", "whoami"]).ok();
    assert_eq!(words(&state(), "state"), "stopped", "a stopped app stays stopped");

    daemon.ctl(&["start", "whoami"]).ok();
    assert_eq!(words(&state(), "state"), "running");
    assert_eq!(get_url(words(&state(), "url")).unwrap().status, 200);
    daemon.ctl(&["start", "whoami"]).ok();
    assert_eq!(words(&state(), "state"), "running", "a running app goes on running");

    daemon.ctl(&["restart", "whoami"]).ok();
    assert_eq!(words(&state(), "state"), "running");
    assert_eq!(get_url(words(&state(), "url")).unwrap().status, 200);
}

#[test]
fn a_plan_says_the_steps_and_changes_nothing() {
    let daemon = Daemon::start();
    let output = daemon.ctl(&["deploy", "nextcloud", "--explain", "-o", "json"]).ok().json();
    let steps: Vec<&str> = output["steps"].as_array().unwrap().iter().map(|s| words(s, "name")).collect();
    assert_eq!(steps.first(), Some(&"plan"));
    assert!(steps.contains(&"create-container"), "{steps:?}");
    assert_eq!(daemon.apps(), [] as [Value; 0]);
    assert_eq!(daemon.node().containers().len(), 0);
}
