//! Promises about the templates that come with Proximity.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use proximity_catalog::{
    Catalog, Check, Deployment, Follow, Generator, Image, ResolvedSettings, Template, render_command,
    render_env, render_notes,
};

const APPS: [&str; 15] = [
    "adguard-home",
    "gitea",
    "grafana",
    "home-assistant",
    "homepage",
    "immich",
    "jellyfin",
    "n8n",
    "nextcloud",
    "nginx",
    "paperless-ngx",
    "uptime-kuma",
    "vaultwarden",
    "whoami",
    "wordpress",
];

fn apps_dir() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("apps")
}

fn resolved(template: &Template) -> ResolvedSettings {
    let mut generate = |generator: &Generator| generator.generate(&mut |bytes| bytes.fill(7));
    template.resolve_settings(&BTreeMap::new(), &mut generate).unwrap()
}

fn deployment(ip: &str) -> Deployment {
    let (name, time_zone) = ("mine".into(), "Europe/Rome".into());
    Deployment { name, ip: ip.into(), time_zone, images: BTreeMap::new() }
}

#[test]
fn all_fifteen_apps_are_there_and_no_file_is_left_out() {
    let ids: Vec<_> = Catalog::builtin().list().map(|template| template.id.as_str()).collect();
    assert_eq!(ids, APPS);
    let on_disk = Catalog::load_dir(apps_dir()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(on_disk.list().map(|template| template.id.as_str()).collect::<Vec<_>>(), APPS);
}

#[test]
fn every_template_is_valid_without_a_warning() {
    let mut wrong = Vec::new();
    for id in APPS {
        let file = apps_dir().join(format!("{id}.toml"));
        match Template::parse(&std::fs::read_to_string(&file).unwrap(), &file.display().to_string()) {
            Ok(template) => wrong.extend(template.warnings),
            Err(found) => wrong.extend(found),
        }
    }
    let wrong: Vec<_> = wrong.iter().map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_app_deploys_with_its_name_alone() {
    for template in Catalog::builtin().list() {
        let settings = resolved(template);
        let env = template.env(&settings, &deployment("192.0.2.10"));
        let mut unset = template.model.variables.iter().filter(|variable| !variable.optional);
        assert!(unset.all(|variable| env.contains_key(&variable.name)), "{}", template.id);
        assert!(render_env(&env).is_ok(), "{}", template.id);
        assert!(template.web_url(&settings, "192.0.2.10").is_some(), "{}", template.id);
    }
}

#[test]
fn every_probe_asks_a_published_port() {
    for template in Catalog::builtin().list() {
        let Check::Http { service, port, .. } = &template.probe.check else { panic!("{}", template.id) };
        let protocol = proximity_catalog::Protocol::Tcp;
        assert!(
            template.host_port(&resolved(template), service, *port, protocol).is_some(),
            "{}",
            template.id
        );
    }
}

#[test]
fn notes_are_filled_in_and_show_no_secret() {
    for template in Catalog::builtin().list() {
        let settings = resolved(template);
        let notes = render_notes(template, &settings, &deployment("192.0.2.10"));
        assert!(notes.contains("192.0.2.10") && !notes.contains("{{"), "{}: {notes}", template.id);
        for value in settings.values.values().filter(|value| value.secret) {
            assert!(!notes.contains(&value.value), "{}", template.id);
        }
    }
}

#[test]
fn every_secret_is_generated_and_differs_from_app_to_app() {
    for template in Catalog::builtin().list() {
        let secrets: Vec<_> = template.settings.iter().filter(|setting| setting.secret).collect();
        assert!(secrets.iter().all(|setting| setting.generated.is_some()), "{}", template.id);
    }
}

#[test]
fn an_update_never_leaves_the_tested_major_version() {
    for template in Catalog::builtin().list() {
        for (service, Image { tag, policy, .. }) in &template.images {
            let policy = policy.as_ref().unwrap();
            let major = policy.version(tag).unwrap().major();
            let next = tag.replacen(&major.to_string(), &(major + 1).to_string(), 1);
            let older = tag.clone();
            assert_eq!(policy.best(&[next, older]).as_ref(), Some(tag), "{}/{service}", template.id);
        }
    }
}

#[test]
fn nextcloud_learns_its_new_address() {
    let template = Catalog::builtin().get("nextcloud").unwrap();
    assert_eq!(template.address.follow, Follow::Restart);
    let words = render_command(
        &template.address.commands[0],
        template,
        &resolved(template),
        &deployment("192.0.2.77"),
    );
    assert_eq!(words.join(" "), "php occ config:system:set trusted_domains 1 --value=192.0.2.77");
}

#[test]
fn the_url_names_the_port_only_where_it_must() {
    let url = |id: &str, ip: &str| {
        let template = Catalog::builtin().get(id).unwrap();
        template.web_url(&resolved(template), ip).unwrap()
    };
    assert_eq!(url("nextcloud", "192.0.2.1"), "http://192.0.2.1");
    assert_eq!(url("jellyfin", "192.0.2.1"), "http://192.0.2.1:8096");
    assert_eq!(url("vaultwarden", "192.0.2.1"), "https://192.0.2.1");
    assert_eq!(url("jellyfin", "2001:db8::1"), "http://[2001:db8::1]:8096");
}

#[test]
fn homepage_answers_to_host_and_port() {
    let template = Catalog::builtin().get("homepage").unwrap();
    let env = template.env(&resolved(template), &deployment("192.0.2.10"));
    assert_eq!(env["APP_HOST"], "192.0.2.10");
    assert_eq!(env["APP_URL"], "http://192.0.2.10");
    assert_eq!(env["IMAGE_APP"], template.images["app"].reference());
}

#[test]
fn a_search_ranks_names_before_descriptions() {
    let ids =
        |query: &str| Catalog::builtin().search(query).iter().map(|t| t.id.as_str()).collect::<Vec<_>>();
    assert_eq!(ids("nextcloud"), ["nextcloud"]);
    assert_eq!(ids("media"), ["immich", "jellyfin"]);
    assert_eq!(ids("photos")[0], "immich");
    assert_eq!(ids("home")[..2], ["home-assistant", "homepage"]);
    assert_eq!(ids("").len(), 15);
    assert_eq!(ids("no such thing"), Vec::<&str>::new());
}

#[test]
fn a_wrong_id_finds_the_nearest() {
    assert_eq!(Catalog::builtin().nearest("nextclud"), ["nextcloud"]);
    assert_eq!(Catalog::builtin().nearest("paperless"), ["paperless-ngx"]);
    assert_eq!(Catalog::builtin().nearest("zzzzzz"), Vec::<String>::new());
}
