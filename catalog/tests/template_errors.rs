//! What a person is told about a wrong template, and where.
#![allow(clippy::unwrap_used)]

use proximity_catalog::{Diagnostic, Severity, Template};

/// A sound template to break in one place.
const SOUND: &str = r#"id = "notes"
version = "1.0.0"
name = "Notes"
category = "documents"
description = "Keeps notes."
notes = "See {{url}} as {{setting.USER}}."
compose = '''
services:
  app:
    image: ${IMAGE_APP}
    restart: unless-stopped
    depends_on:
      db:
        condition: service_healthy
    ports:
      - "8080:80"
    environment:
      USER: ${USER}
      DB_PASSWORD: ${DB_PASSWORD}
      URL: ${APP_URL}
  db:
    image: ${IMAGE_DB}
    restart: unless-stopped
    environment:
      POSTGRES_PASSWORD: ${DB_PASSWORD}
    healthcheck:
      test: ["CMD", "pg_isready"]
    volumes:
      - db:/var/lib/postgresql/data
volumes:
  db:
'''
[links]
docs = "https://example.org/docs"
[resources.minimum]
cores = 1
memory = "512M"
disk = "4G"
[resources.default]
cores = 1
memory = "1G"
disk = "8G"
[web]
service = "app"
port = 80
[probe]
type = "http"
service = "app"
port = 80
[images.app]
repository = "docker.io/example/notes"
tag = "1.2.3"
range = ">=1.0, <2"
[images.db]
repository = "docker.io/library/postgres"
tag = "17.11-alpine"
range = ">=17, <18"
suffix = "-alpine"
[[volumes]]
name = "db"
service = "db"
path = "/var/lib/postgresql/data"
description = "The database"
[[settings]]
key = "USER"
default = "admin"
help = "The first account."
[[settings]]
key = "DB_PASSWORD"
secret = true
generated = "password:24"
help = "The database's password."
[address]
follow = "restart"
"#;

fn findings(text: &str) -> Vec<Diagnostic> {
    Template::parse(text, "notes.toml").map_or_else(|found| found, |template| template.warnings)
}

fn shown(text: &str) -> String {
    findings(text).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// What is said when one text of the sound template is replaced by another.
fn broken(from: &str, to: &str) -> String {
    assert!(SOUND.contains(from), "{from}");
    shown(&SOUND.replacen(from, to, 1))
}

/// The only finding, and the text of the file at its place.
fn place(from: &str, to: &str) -> (String, String) {
    let text = SOUND.replacen(from, to, 1);
    let found = findings(&text);
    assert_eq!(found.len(), 1, "{found:?}");
    let line = text.lines().nth(found[0].line - 1).unwrap();
    (found[0].message.clone(), line.chars().skip(found[0].column - 1).collect())
}

#[test]
fn the_sound_template_has_no_finding() {
    assert_eq!(shown(SOUND), "");
}

#[test]
fn everything_wrong_is_told_at_once() {
    let text = SOUND
        .replace("category = \"documents\"", "category = \"document\"")
        .replace("port = 80\n[probe]", "prot = 80\n[probe]")
        .replace(
            "restart: unless-stopped\n    depends_on",
            "network_mode: host\n    privileged: true\n    depends_on",
        )
        .replace("USER: ${USER}", "USER: ${USR}")
        .replace("memory = \"1G\"", "memory = \"256M\"")
        .replace("{{setting.USER}}", "{{setting.DB_PASSWORD}}");
    insta::assert_snapshot!(shown(&text));
}

#[test]
fn an_unknown_field_names_the_nearest() {
    insta::assert_snapshot!(broken("[web]\nservice", "[web]\nservce"), @"
    notes.toml:43:1: error: the field `service` is missing in [web]
    notes.toml:44:1: error: unknown field `servce` in [web]
      hint: did you mean `service`?
    ");
}

#[test]
fn broken_toml_is_placed() {
    insta::assert_snapshot!(broken("name = \"Notes\"", "name = \"Notes"));
}

#[test]
fn broken_yaml_is_placed_in_the_template() {
    let (message, rest) = place("  db:\n    image", "   db:\n    image");
    assert!(message.starts_with("this is not valid YAML"), "{message}");
    assert!(!rest.is_empty());
}

#[test]
fn findings_in_the_compose_document_point_at_the_word_itself() {
    for (from, to, message, rest) in [
        ("${USER}", "${USR}", "the variable `USR` is not declared", "${USR}"),
        (
            "image: ${IMAGE_APP}",
            "image: nginx:1.2",
            "the image of `app` is written into the Compose document",
            "nginx:1.2",
        ),
        (
            "${DB_PASSWORD}\n      URL",
            "hunter2\n      URL",
            "`DB_PASSWORD` is a fixed secret, the same in every app",
            "hunter2",
        ),
        (
            "    ports:",
            "    container_name: x\n    ports:",
            "`container_name` is refused: Compose names the containers, and a copy of the app must not clash",
            "x",
        ),
        ("- db:/var", "- data:/var", "", ""),
        ("URL: ${APP_URL}", "URL: 5$", "this `$` begins no variable that Compose knows", "$"),
        (
            "condition: service_healthy",
            "condition: service_started",
            "`app` does not wait until `db` is healthy",
            "db:",
        ),
        (
            "- \"8080:80\"",
            "- \"8080:80\"\n      - \"9090\"",
            "port 9090 is published at a port that Docker picks anew at every start",
            "\"9090\"",
        ),
    ] {
        if message.is_empty() {
            assert!(
                broken(from, to).contains("error: the volume `data` is not declared"),
                "{}",
                broken(from, to)
            );
            continue;
        }
        let mut text = SOUND.replacen(from, to, 1);
        if to.contains("USR") {
            text = text.replace("{{setting.USER}}", "you").replace("key = \"USER\"", "key = \"OTHER\"");
        }
        let found = findings(&text);
        let hit = found.iter().find(|found| found.message == message).unwrap_or_else(|| panic!("{found:?}"));
        let line = text.lines().nth(hit.line - 1).unwrap();
        let seen: String = line.chars().skip(hit.column - 1).collect();
        assert_eq!(seen, rest);
    }
}

#[test]
fn host_networking_and_privilege_are_refused_with_a_reason() {
    insta::assert_snapshot!(broken("    ports:", "    network_mode: host\n    privileged: true\n    ports:"));
}

#[test]
fn binds_are_refused_but_for_the_time_zone() {
    let bind = |source: &str| broken("    ports:", &format!("    volumes:\n      - {source}\n    ports:"));
    assert_eq!(bind("/etc/localtime:/etc/localtime:ro"), "");
    insta::assert_snapshot!(bind("/srv/data:/data"));
    insta::assert_snapshot!(bind("/var/run/docker.sock:/var/run/docker.sock"));
}

#[test]
fn a_port_that_is_not_published_is_found() {
    insta::assert_snapshot!(broken("port = 80\n[probe]", "port = 81\n[probe]"), @"
    notes.toml:45:8: error: the service `app` does not publish its port 81/tcp
      hint: it publishes 80/tcp
    ");
}

#[test]
fn an_image_is_pinned_below_the_next_major_version() {
    insta::assert_snapshot!(broken("tag = \"1.2.3\"", "tag = \"latest\""));
    insta::assert_snapshot!(broken("range = \">=1.0, <2\"", "range = \">=1.0\""));
    insta::assert_snapshot!(broken("tag = \"1.2.3\"", "tag = \"2.2.3\""));
    insta::assert_snapshot!(broken("docker.io/example/notes", "example/notes"));
}

#[test]
fn bounds_of_the_probe_are_kept() {
    for (line, message) in [
        ("start_period = \"2h\"", "`start_period` must be from 1s to 30m"),
        ("interval = \"0s\"", "`interval` must be from 1s to 1m"),
        (
            "timeout = \"5\"",
            "`timeout`: `5` is not a length of time; write a whole number and s, m or h, such as 180s or 5m",
        ),
        ("status = [700]", "this is not an HTTP status"),
        ("status = []", "`status` is empty, so that no answer would do"),
        ("command = [\"x\"]", "`command` has no meaning for a probe of this type"),
        ("path = \"x\"", "`path` must begin with `/` and hold no white space"),
    ] {
        assert_eq!(place("type = \"http\"", &format!("type = \"http\"\n{line}")).0, message);
    }
}

#[test]
fn settings_that_contradict_themselves_are_refused() {
    for (from, to, message) in [
        (
            "default = \"admin\"",
            "type = \"integer\"\ndefault = \"admin\"",
            "the default of `USER` must be a whole number",
        ),
        (
            "default = \"admin\"",
            "default = \"admin\"\nrequired = true",
            "a setting with a `default` or a generator is never missing",
        ),
        ("default = \"admin\"", "default = \"admin\"\npattern = \"[\"", ""),
        (
            "generated = \"password:24\"",
            "default = \"x\"",
            "the secret `DB_PASSWORD` would be the same in every app",
        ),
        ("generated = \"password:24\"", "generated = \"password:4\"", ""),
        (
            "default = \"admin\"",
            "type = \"enum\"\ndefault = \"admin\"",
            "`values` belongs to an `enum`, which needs at least one",
        ),
        ("default = \"admin\"\n", "", "the setting `USER` may have no value here"),
    ] {
        let shown = broken(from, to);
        assert!(shown.contains(message) && !shown.is_empty(), "{shown}");
    }
    assert!(broken("key = \"USER\"", "key = \"APP_URL\"").contains("is written by Proximity"));
}

#[test]
fn an_app_that_knows_its_address_must_say_how_it_follows() {
    insta::assert_snapshot!(broken("[address]\nfollow = \"restart\"\n", ""));
}

#[test]
fn the_id_is_the_name_of_the_file() {
    let found = Template::parse(SOUND, "/somewhere/other.toml").unwrap_err();
    insta::assert_snapshot!(found[0].to_string(), @"
    /somewhere/other.toml:1:6: error: the id `notes` is not the file's name `other`
      hint: call the file `notes.toml`
    ");
}

#[test]
fn a_missing_description_of_a_volume_is_a_warning_only() {
    let text = SOUND.split("[[volumes]]").next().unwrap().to_owned()
        + "[[settings]]"
        + SOUND.split_once("[[settings]]").unwrap().1;
    let template = Template::parse(&text, "notes.toml").unwrap();
    assert_eq!(template.warnings[0].severity, Severity::Warning);
    assert_eq!(template.warnings[0].message, "the volume `db` is not described");
}

#[test]
fn an_empty_file_is_told_all_it_lacks() {
    insta::assert_snapshot!(shown(""));
}

#[test]
fn a_template_serialises_with_its_settings_and_bytes_as_integers() {
    let template = Template::parse(SOUND, "notes.toml").unwrap();
    let json = serde_json::to_value(&template).unwrap();
    assert_eq!(json["resources"]["default"]["memory"], 1 << 30);
    assert_eq!(json["probe"]["check"]["type"], "http");
    assert_eq!(json["settings"][1]["generated"], "password:24");
    assert_eq!(json["images"]["db"]["policy"]["range"], ">=17, <18");
}

proptest::proptest! {
    #[test]
    fn no_change_of_a_template_breaks_the_reader(at in 0usize..2000, cut in 0usize..40, put in "[ -~\n]{0,8}") {
        let at = at.min(SOUND.len());
        let end = (at + cut).min(SOUND.len());
        let text = format!("{}{put}{}", &SOUND[..at], &SOUND[end..]);
        let _ = Template::parse(&text, "notes.toml");
    }
}

#[test]
fn the_example_of_the_reference_is_valid() {
    let reference = include_str!("../../docs/catalog.md");
    let example = reference.split("```toml\n").nth(1).unwrap().split("```\n").next().unwrap();
    assert_eq!(shown(example), "");
}

#[test]
fn the_reference_lists_every_built_in_app_with_its_tags() {
    let reference = include_str!("../../docs/catalog.md");
    for template in proximity_catalog::Catalog::builtin().list() {
        let row = reference.lines().find(|line| line.starts_with(&format!("| `{}` |", template.id))).unwrap();
        assert!(template.images.values().all(|image| row.contains(&format!("`{}`", image.tag))), "{row}");
    }
}
