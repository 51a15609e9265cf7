//! A person's own Compose file, deployed as it is.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proximity_catalog::{Check, Follow, Origin, Protocol, SettingError, StatusRange, Template};

fn template(yaml: &str) -> Template {
    Template::from_compose("mine", yaml).unwrap_or_else(|found| panic!("{found:?}"))
}

fn refused(yaml: &str) -> String {
    let found = Template::from_compose("mine", yaml).unwrap_err();
    found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_document_is_kept_byte_for_byte() {
    let yaml = "# mine\r\nservices:\n  a: {image: 'nginx:1.29', ports: ['8080:80']}\n";
    let template = template(yaml);
    assert_eq!(template.compose, yaml);
    assert_eq!(template.origin, Origin::Compose);
    assert_eq!(template.images["a"].reference(), "docker.io/library/nginx:1.29");
}

#[test]
fn the_web_page_is_the_likeliest_published_port() {
    let web = |ports: &str| {
        let web = template(&format!("services: {{a: {{image: 'x:1', ports: [{ports}]}}}}")).web?;
        Some((web.port, web.scheme.as_str()))
    };
    assert_eq!(web("'5432:5432', '9999:3000'"), Some((3000, "http")));
    assert_eq!(web("'443:443', '80:80'"), Some((80, "http")));
    assert_eq!(web("'443:443'"), Some((443, "https")));
    assert_eq!(web("'7777:7777'"), Some((7777, "http")));
    assert_eq!(web("'5432:5432'"), None);
    assert_eq!(web("'127.0.0.1:80:80'"), None);
    assert_eq!(web("'53:53/udp'"), None);
    assert_eq!(web("{target: 80, published: '8080', protocol: tcp}"), Some((80, "http")));
}

#[test]
fn labels_say_better_than_guesses() {
    let labelled = template(
        "services:\n  a:\n    image: x:1\n    ports: ['80:80', '9443:9000']\n    labels:\n      proximity.web: 9000/https\n      proximity.path: /ui\n      proximity.probe: tcp\n",
    );
    let web = labelled.web.clone().unwrap();
    assert_eq!((web.port, web.path.as_str(), web.scheme.as_str()), (9000, "/ui", "https"));
    assert_eq!(labelled.probe.check, Check::Tcp { service: "a".into(), port: 9000 });
    assert_eq!(labelled.ports.len(), 1);
    let settings = labelled.resolve_settings(&BTreeMap::new(), &mut |_| unreachable!()).unwrap();
    assert_eq!(labelled.web_url(&settings, "192.0.2.1").unwrap(), "https://192.0.2.1:9443/ui");
    insta::assert_snapshot!(refused("services:\n  a:\n    image: x:1\n    labels: ['proximity.web=80']\n"));
}

#[test]
fn any_answer_but_a_server_error_counts_as_up() {
    let probe = template("services: {a: {image: 'x:1', ports: ['80:80']}}").probe;
    let Check::Http { status, .. } = probe.check else { panic!() };
    assert_eq!(status, [StatusRange { first: 100, last: 499 }]);
    assert_eq!(template("services: {a: {image: 'x:1'}}").probe.check, Check::Running);
}

#[test]
fn undeclared_variables_become_settings() {
    let template = template(
        "services:\n  a:\n    image: x:${TAG:-1.2}\n    ports: ['${PORT:-8080}:80']\n    environment:\n      A: ${DB_PASSWORD}\n      B: ${GREETING:-hello}\n      C: ${MAYBE:-}\n      D: ${APP_URL}\n      E: $$not\n",
    );
    let seen: Vec<_> = template
        .settings
        .iter()
        .map(|s| (s.key.as_str(), s.required, s.secret, s.default.as_deref()))
        .collect();
    assert_eq!(
        seen,
        [
            ("TAG", false, false, Some("1.2")),
            ("PORT", false, false, Some("8080")),
            ("DB_PASSWORD", true, true, None),
            ("GREETING", false, false, Some("hello")),
            ("MAYBE", false, false, Some("")),
        ]
    );
    assert_eq!(template.address.follow, Follow::Restart);
    let missing = template.resolve_settings(&BTreeMap::new(), &mut |_| unreachable!()).unwrap_err();
    assert!(
        matches!(&missing[..], [SettingError::Missing { key, secret: true, .. }] if key == "DB_PASSWORD")
    );
    let given = BTreeMap::from([("DB_PASSWORD".into(), "x".into()), ("PORT".into(), "9000".into())]);
    let settings = template.resolve_settings(&given, &mut |_| unreachable!()).unwrap();
    assert_eq!(template.host_port(&settings, "a", 80, Protocol::Tcp), Some(9000));
    assert_eq!(template.web_url(&settings, "192.0.2.1").unwrap(), "http://192.0.2.1:9000");
}

#[test]
fn what_cannot_work_is_refused_with_the_way_out() {
    insta::assert_snapshot!(refused(
        "include: [other.yaml]\nservices:\n  a:\n    build: .\n    network_mode: host\n    privileged: true\n    env_file: secrets.env\n  b:\n    image: x:1\n    depends_on: [c]\n    volumes: ['data:/data']\n"
    ));
}

#[test]
fn what_may_surprise_is_a_warning() {
    let warnings = template(
        "services:\n  a:\n    image: nginx\n    ports: ['80']\n    volumes: ['./html:/html', '/srv:/srv', '/var/run/docker.sock:/var/run/docker.sock']\n",
    )
    .warnings;
    let shown: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_key_or_a_name_that_compose_refuses_is_refused_where_it_stands() {
    insta::assert_snapshot!(refused(
        "servces: {}\nx-own: {}\nservices:\n  a:\n    image: x:1\n    imge: y:1\n    colour: red\n    x-own: 1\n  'b c':\n    image: x:1\n"
    ), @r"
    compose.yaml:1:1: error: Compose has no key `servces` here
      hint: did you mean `services`?
    compose.yaml:6:5: error: Compose has no key `imge` here
      hint: did you mean `image`?
    compose.yaml:7:5: error: Compose has no key `colour` here
    compose.yaml:9:3: error: `b c` cannot be a service's name
      hint: Compose takes letters, digits, `.`, `_` and `-`
    ");
}

#[test]
fn an_app_of_which_nothing_would_run_is_refused() {
    insta::assert_snapshot!(refused(
        "services:\n  a:\n    image: x:1\n    profiles: [one]\n  b:\n    image: x:1\n    profiles: [two]\n"
    ), @r"
    compose.yaml:4:15: error: no service runs without a profile, and Proximity chooses none
      hint: remove `profiles` from what the app needs
    ");
    template("services: {a: {image: 'x:1', profiles: [debug]}, b: {image: 'x:1'}}");
    template("services: {a: {image: 'x:1', profiles: []}}");
    template("services: {a: {image: 'x:${COMPOSE_PROFILES:-1}', profiles: [debug]}}");
}

#[test]
fn copies_of_a_service_with_a_fixed_port_are_refused() {
    for copies in ["scale: 2", "deploy: {replicas: 3}", "deploy: {replicas: '${N:-2}'}"] {
        let found = refused(&format!("services: {{a: {{image: 'x:1', ports: ['80:80'], {copies}}}}}"));
        assert!(found.contains("error: copies of `a` cannot share port 80"), "{copies}: {found}");
        template(&format!("services: {{a: {{image: 'x:1', {copies}}}}}"));
        template(&format!("services: {{a: {{image: 'x:1', ports: ['9000-9009:80'], {copies}}}}}"));
    }
    template("services: {a: {image: 'x:1', ports: ['80:80'], deploy: {replicas: 1}}}");
}

#[test]
fn a_name_that_is_no_label_is_refused() {
    assert!(Template::from_compose("No Name", "services: {a: {image: x}}").is_err());
}

#[test]
fn anchors_merges_and_long_forms_are_read() {
    let template = template(
        "x-base: &base\n  restart: always\n  environment: {A: b}\nservices:\n  one:\n    <<: *base\n    image: x:1\n    volumes:\n      - {type: volume, source: data, target: /data, read_only: true}\n  two:\n    <<: *base\n    image: y:1\n    depends_on: {one: {condition: service_started}}\nvolumes: {data: {}}\n",
    );
    let one = template.model.service("one").unwrap();
    assert_eq!(one.restart.as_deref(), Some("always"));
    assert!(one.mounts[0].read_only);
    assert_eq!(template.model.service("two").unwrap().depends_on[0].service, "one");
    assert_eq!(template.volumes[0].path, "/data");
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in "[ -~\n]{0,300}") {
        let _ = Template::from_compose("mine", &text);
    }
}
