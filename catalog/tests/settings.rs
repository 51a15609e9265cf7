//! Settings, secrets and the `.env` file.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use proximity_catalog::{EnvError, Generator, Setting, SettingKind, Template, read_env, render_env};

fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

fn n8n() -> Template {
    proximity_catalog::Catalog::builtin().get("n8n").unwrap().clone()
}

fn errors(pairs: &[(&str, &str)]) -> String {
    let errors = n8n().resolve_settings(&given(pairs), &mut |_| "made".into()).unwrap_err();
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn defaults_and_secrets_are_filled_in_and_what_is_given_wins() {
    let pairs = given(&[("SECURE_COOKIE", "yes"), ("PUBLIC_URL", "https://n8n.example.org/")]);
    let resolved = n8n().resolve_settings(&pairs, &mut |generator| generator.to_string()).unwrap();
    assert_eq!(resolved.get("SECURE_COOKIE"), Some("true"));
    assert_eq!(resolved.get("PUBLIC_URL"), Some("https://n8n.example.org"));
    assert_eq!(resolved.get("PROXY_HOPS"), Some("0"));
    let key = &resolved.values["ENCRYPTION_KEY"];
    assert_eq!((key.value.as_str(), key.secret, key.generated), ("hex:32", true, true));
}

#[test]
fn present_values_given_again_are_kept_and_nothing_is_generated() {
    let pairs = given(&[("ENCRYPTION_KEY", "old")]);
    let resolved = n8n().resolve_settings(&pairs, &mut |_| unreachable!()).unwrap();
    assert_eq!(resolved.get("ENCRYPTION_KEY"), Some("old"));
}

#[test]
fn an_optional_setting_given_empty_is_empty() {
    let resolved = n8n().resolve_settings(&given(&[("PUBLIC_URL", "")]), &mut |_| "x".into()).unwrap();
    assert_eq!(resolved.get("PUBLIC_URL"), Some(""));
}

#[test]
fn a_secret_that_is_needed_cannot_be_given_empty() {
    assert_eq!(
        errors(&[("ENCRYPTION_KEY", "")]),
        "`ENCRYPTION_KEY` must not be empty; leave it out, and it is made up"
    );
    let compose =
        Template::from_compose("mine", "services: {a: {image: 'x:1', labels: {p: '${PASSWORD}'}}}").unwrap();
    let found = compose.resolve_settings(&given(&[("PASSWORD", "")]), &mut |_| unreachable!()).unwrap_err();
    assert_eq!(found[0].to_string(), "`PASSWORD` must not be empty");
}

#[test]
fn wrong_settings_are_told_all_at_once() {
    insta::assert_snapshot!(errors(&[
        ("secure_cookie", "true"),
        ("APP_URL", "x"),
        ("SOMETHING_ELSE", "x"),
        ("PROXY_HOPS", "eleven"),
        ("PUBLIC_URL", "n8n"),
    ]));
    insta::assert_snapshot!(errors(&[("PROXY_HOPS", "11")]), @"`PROXY_HOPS` must be at most 10");
    insta::assert_snapshot!(errors(&[("PUBLIC_URL", "https://a\nb")]), @"`PUBLIC_URL` must be a single line");
    insta::assert_snapshot!(
        errors(&[("ENCRYPTION_KEY", "a\0b")]),
        @"`ENCRYPTION_KEY` must not hold a NUL character, which no environment can hold"
    );
}

#[test]
fn a_secret_is_not_in_a_debug_print() {
    let resolved =
        n8n().resolve_settings(&given(&[("ENCRYPTION_KEY", "hunter2")]), &mut |_| "x".into()).unwrap();
    assert!(!format!("{resolved:?}").contains("hunter2"));
}

#[test]
fn every_kind_of_setting_checks_its_values() {
    let setting = |kind| Setting {
        key: "K".into(),
        kind,
        secret: false,
        required: false,
        default: None,
        generated: None,
        values: vec!["a".into(), "b".into()],
        pattern: None,
        min: None,
        max: None,
        help: String::new(),
    };
    for (kind, good, bad) in [
        (SettingKind::Integer, "-5", "5.0"),
        (SettingKind::Boolean, "Off", "maybe"),
        (SettingKind::Enum, "b", "c"),
        (SettingKind::Port, "8080", "0"),
        (SettingKind::Url, "http://host:80/x", "http://it's"),
        (SettingKind::Email, "a@b.example", "a b@c"),
        (SettingKind::String, "any 'text' $x", "two\nlines"),
    ] {
        assert!(setting(kind).check(good).is_ok(), "{kind:?} {good}");
        assert!(setting(kind).check(bad).is_err(), "{kind:?} {bad}");
    }
    let pattern = Setting { pattern: Some("[a-z]+".into()), ..setting(SettingKind::String) };
    assert!(pattern.check("abc").is_ok());
    assert_eq!(pattern.check("abc1").unwrap_err(), "must match the pattern [a-z]+");
}

#[test]
fn secrets_have_the_length_and_the_letters_they_say() {
    let mut next = 0u8;
    let mut fill = |bytes: &mut [u8]| {
        bytes.iter_mut().for_each(|byte| {
            next = next.wrapping_add(37);
            *byte = next
        })
    };
    let password = "password:24".parse::<Generator>().unwrap().generate(&mut fill);
    assert!(password.len() == 24 && password.bytes().all(|b| b.is_ascii_alphanumeric()), "{password}");
    let hex = Generator::Hex(32).generate(&mut fill);
    assert!(hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
    assert_eq!(
        Generator::Base64(12).generate(&mut |bytes| bytes.copy_from_slice(b"hello, world")),
        "aGVsbG8sIHdvcmxk"
    );
    assert_eq!(
        Generator::Base64(13).generate(&mut |bytes| bytes.copy_from_slice(b"hello, world!")),
        "aGVsbG8sIHdvcmxkIQ=="
    );
    for text in ["password", "password:5", "words:24", "hex:-1", "hex:500"] {
        assert!(text.parse::<Generator>().is_err(), "{text}");
    }
}

#[test]
fn env_values_are_written_as_plainly_as_they_can_be() {
    let pairs = [
        ("PLAIN", "a.b/c:1"),
        ("EMPTY", ""),
        ("SPACE", "a b #c"),
        ("DOLLAR", "a$b"),
        ("QUOTE", "it's \"x\""),
        ("SLASH", r"a\n"),
        ("LINES", "a\nb"),
        ("BOTH", r"\$'x"),
    ];
    insta::assert_snapshot!(render_env(pairs).unwrap(), @r#"
    PLAIN=a.b/c:1
    EMPTY=
    SPACE='a b #c'
    DOLLAR='a$b'
    QUOTE="it's \"x\""
    SLASH="a\\n"
    LINES="a\nb"
    BOTH="\\\$'x"
    "#);
}

#[test]
fn what_no_environment_can_hold_is_refused() {
    assert_eq!(render_env([("A", "x\0y")]), Err(EnvError::Nul("A".into())));
    assert_eq!(render_env([("A B", "x")]), Err(EnvError::Name("A B".into())));
    assert_eq!(render_env([("", "x")]), Err(EnvError::Name(String::new())));
}

/// Cases whose results Compose's own tests and documentation give.
#[test]
fn env_files_are_read_by_the_rules_of_compose() {
    for (line, value) in [
        ("A=b", "b"),
        ("A = b", "b"),
        ("export A=b", "b"),
        ("A: b", "b"),
        ("A=b # c", "b"),
        ("A=b#c", "b#c"),
        ("A='b # c'", "b # c"),
        ("A=\"b # c\" # d", "b # c"),
        ("A='$B'", "$B"),
        ("A=\"\\$B\"", "$B"),
        ("A=\"$$B\"", "$B"),
        ("B=x\nA=${B}y", "xy"),
        ("B=x\nA=\"$B\"", "x"),
        ("A=${NONE:-z}", "z"),
        ("A='it\\'s'", "it's"),
        ("A=\"a\\nb\"", "a\nb"),
        ("A='a\\nb'", "a\\nb"),
        ("A='a\nb'", "a\nb"),
        ("A=", ""),
        ("A=b\r\n", "b"),
        ("\u{feff}A=b", "b"),
        ("#x\n\nA=b", "b"),
        ("A=x=y", "x=y"),
        ("A=a\\b", "a\\b"),
    ] {
        assert_eq!(read_env(line).unwrap()["A"], value, "{line:?}");
    }
    assert_eq!(read_env("A='x").unwrap_err().to_string(), "line 1: the quoted value of `A` does not end");
    assert_eq!(read_env("\nA B=x").unwrap_err().to_string(), "line 2: this is not `NAME=value`");
    assert!(read_env("INHERITED\n").unwrap().is_empty());
}

#[test]
fn a_dollar_sign_that_stands_for_nothing_is_an_error_and_never_vanishes() {
    for value in
        ["pa$", "pa$word", "abc $HOME \"q\"", "\"abc $HOME\"", "\"${HOME}\"", "${NONE:?tell}", "${NONE:-$B}"]
    {
        let error = read_env(&format!("X=1\nA={value}\n")).unwrap_err();
        assert_eq!(error, EnvError::Variable { line: 2, key: "A".into() }, "{value}");
    }
    let error = read_env("X=1\nA=pa$word\n").unwrap_err().to_string();
    assert_eq!(error, "line 2: the value of `A` has a `$` that stands for nothing in this file");
    for (text, value) in [("A='pa$word'", "pa$word"), ("A=${NONE:+x}", ""), ("NONE=\nA=x${NONE}", "x")] {
        assert_eq!(read_env(text).unwrap()["A"], value, "{text}");
    }
}

proptest! {
    #[test]
    fn every_value_arrives_whole(values in prop::collection::vec(r#"[ -~\n\r\té'"\\$#{}]{0,20}"#, 0..6)) {
        let pairs: BTreeMap<String, String> =
            values.into_iter().enumerate().map(|(i, value)| (format!("KEY_{i}"), value)).collect();
        prop_assert_eq!(read_env(&render_env(&pairs).unwrap()).unwrap(), pairs);
    }

    #[test]
    fn every_character_arrives_whole(value in any::<String>().prop_filter("NUL", |v| !v.contains('\0'))) {
        let file = render_env([("A", &value), ("B", &"after".to_owned())]).unwrap();
        let read = read_env(&file).unwrap();
        prop_assert_eq!(&read["A"], &value);
        prop_assert_eq!(&read["B"], "after");
    }

    #[test]
    fn no_text_breaks_the_env_reader(text in ".*") {
        let _ = read_env(&text);
    }
}
