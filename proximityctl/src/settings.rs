//! An app's settings, from `--set`, from a file, or from a person.
//!
//! Everybody on a machine can read the arguments of its processes. So a secret is taken from a prompt, from a file
//! or from standard input, and refused on the command line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proto_json::catalog::TemplateSetting;

use crate::error::Error;
use crate::prompt;
use crate::session::Session;
use crate::ui::Ui;

/// One `--set`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    key: String,
    value: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Argument(String),
    File(PathBuf),
    Stdin,
}

impl Given {
    /// Reads `KEY=VALUE`, `KEY=@FILE` or `KEY=-`; a value that begins with `@` is written `KEY=@@…`.
    ///
    /// # Errors
    /// A sentence that says what to write.
    pub fn parse(text: &str) -> Result<Given, String> {
        let (key, value) =
            text.split_once('=').ok_or("a setting is written KEY=VALUE, KEY=@FILE or KEY=-")?;
        check_key(key)?;
        let value = match value.strip_prefix('@') {
            Some(literal) if literal.starts_with('@') => Source::Argument(literal.into()),
            Some("") => return Err("after KEY=@ comes the name of a file".into()),
            Some(file) => Source::File(file.into()),
            None if value == "-" => Source::Stdin,
            None => Source::Argument(value.into()),
        };
        Ok(Given { key: key.into(), value })
    }
}

fn check_key(key: &str) -> Result<(), String> {
    let first = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if first && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Ok(());
    }
    Err(format!("`{key}` is no setting's key: letters, digits and `_`, not beginning with a digit"))
}

/// Whether a key says itself that its value is a secret. For one that nothing else is known of.
fn sounds_secret(key: &str) -> bool {
    let key = key.to_ascii_uppercase();
    ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "APIKEY", "API_KEY", "PRIVATE_KEY"]
        .iter()
        .any(|word| key.contains(word))
}

/// Puts the settings together: the file's, then those given one by one, then what a person is asked for.
///
/// `known` are the template's settings, or the Compose file's; none for one that cannot be read.
///
/// # Errors
/// [`Error::Usage`] for a secret on the command line and for what is missing without a terminal; [`Error::File`].
pub fn gather(
    ui: Ui,
    given: &[Given],
    env_file: Option<&Path>,
    known: Option<&[TemplateSetting]>,
) -> Result<BTreeMap<String, String>, Error> {
    let is_secret = |key: &str| match known.and_then(|known| known.iter().find(|setting| setting.key == key))
    {
        Some(setting) => setting.secret,
        None => sounds_secret(key),
    };
    // Refused before anything is read or asked.
    for Given { key, value } in given {
        if matches!(value, Source::Argument(_)) && is_secret(key) {
            return Err(secret_argument(key));
        }
    }
    if given.iter().filter(|given| given.value == Source::Stdin).count() > 1 {
        return Err(Error::usage(
            "only one setting can come from standard input",
            "use KEY=@FILE or --env-file FILE",
        ));
    }
    let mut settings = match env_file {
        Some(file) => read_env(file, &Session::read_text(file)?)?,
        None => BTreeMap::new(),
    };
    for Given { key, value } in given {
        let (value, from) = match value {
            Source::Argument(value) => (value.clone(), None),
            Source::File(path) => (one_value(&Session::read_text(path)?), Some(path.display().to_string())),
            Source::Stdin => (one_value(&Session::read_text(Path::new("-"))?), Some("standard input".into())),
        };
        if let Some(from) = from.filter(|_| value.is_empty() && is_secret(key)) {
            return Err(empty_secret(key, &format!("{from} holds nothing"), known));
        }
        settings.insert(key.clone(), value);
    }
    // One that is needed and that nothing makes up is asked for below.
    let made_up = known.unwrap_or_default().iter().filter(|setting| setting.secret && setting.generated);
    if let Some(setting) =
        made_up.into_iter().find(|setting| settings.get(&setting.key).is_some_and(String::is_empty))
    {
        return Err(empty_secret(&setting.key, "it is given an empty value", known));
    }
    ask_for_missing(ui, known.unwrap_or_default(), &mut settings)?;
    Ok(settings)
}

/// An empty secret is never what was meant: the file was not written, or the program before the pipe failed.
fn empty_secret(key: &str, why: &str, known: Option<&[TemplateSetting]>) -> Error {
    let setting = known.and_then(|known| known.iter().find(|setting| setting.key == key));
    let without = match setting {
        Some(setting) if setting.generated => "leave it out, and it is made up",
        Some(setting) if setting.required => "leave it out, and it is asked for on a terminal",
        _ => "leave it out to be without it",
    };
    Error::Usage {
        message: format!("`{key}` is a secret, and {why}"),
        hints: vec![
            without.into(),
            format!("or give it: --set {key}=@FILE, --set {key}=- or --env-file FILE"),
        ],
    }
}

fn secret_argument(key: &str) -> Error {
    Error::Usage {
        message: format!("`{key}` is a secret, and everybody on this machine can read the command line"),
        hints: vec![
            format!(
                "leave it out, and it is asked for on a terminal (or made up, where the template allows it)"
            ),
            format!("read it from a file: --set {key}=@FILE"),
            format!("or from standard input: --set {key}=-"),
            "or put it with others in a file: --env-file FILE".into(),
        ],
    }
}

fn ask_for_missing(
    ui: Ui,
    known: &[TemplateSetting],
    settings: &mut BTreeMap<String, String>,
) -> Result<(), Error> {
    let missing: Vec<&TemplateSetting> = known
        .iter()
        .filter(|setting| setting.required && !setting.generated && setting.default.is_none())
        .filter(|setting| settings.get(&setting.key).is_none_or(String::is_empty))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !ui.interactive || ui.yes {
        let keys: Vec<&str> = missing.iter().map(|setting| setting.key.as_str()).collect();
        let plural = if keys.len() == 1 { "a setting is" } else { "settings are" };
        return Err(Error::Usage {
            message: format!("{plural} missing: {}", keys.join(", ")),
            hints: missing.iter().map(|setting| missing_hint(setting)).collect(),
        });
    }
    for setting in missing {
        ui.say(&format!("{}: {}", setting.key, setting.help));
        let flag = format!("--set {}=@FILE", setting.key);
        let value = match setting.secret {
            true => prompt::secret(ui, &setting.key, &flag)?,
            false => prompt::text(ui, &setting.key, None, &flag)?,
        };
        settings.insert(setting.key.clone(), value);
    }
    Ok(())
}

fn missing_hint(setting: &TemplateSetting) -> String {
    let value = match (setting.secret, setting.values.is_empty()) {
        (true, _) => "@FILE".to_string(),
        (false, true) => "VALUE".to_string(),
        (false, false) => setting.values.join("|"),
    };
    format!("--set {}={value}  ({})", setting.key, setting.help)
}

/// A file that holds one value: the line end that editors add is not part of it.
fn one_value(text: &str) -> String {
    text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text)).unwrap_or(text).to_string()
}

/// Reads a file of settings by Docker Compose's own rules for `.env` files.
fn read_env(path: &Path, text: &str) -> Result<BTreeMap<String, String>, Error> {
    proximity_catalog::read_env(text).map_err(|error| {
        let message = format!("{}: {error}", path.display());
        // No message of it shows a value.
        let hint = match error {
            proximity_catalog::EnvError::Variable { key, .. } => {
                format!("between single quotes every character stands for itself: {key}='…'")
            }
            _ => "it is read by the rules of Docker Compose's .env files".into(),
        };
        Error::usage(message, hint)
    })
}

/// The settings of a Compose file: its variables. None for one that cannot be deployed, which the daemon explains.
pub fn of_compose(name: &str, text: &str) -> Option<Vec<TemplateSetting>> {
    let template = proximity_catalog::Template::from_compose(name, text).ok()?;
    let setting = |setting: proximity_catalog::Setting| TemplateSetting {
        key: setting.key,
        kind: String::new(),
        default: setting.default,
        required: setting.required,
        secret: setting.secret,
        generated: setting.generated.is_some(),
        values: setting.values,
        help: setting.help,
    };
    Some(template.settings.into_iter().map(setting).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(key: &str, secret: bool) -> TemplateSetting {
        TemplateSetting {
            key: key.into(),
            kind: "string".into(),
            default: None,
            required: true,
            secret,
            generated: false,
            values: Vec::new(),
            help: format!("The {} of the app.", key.to_lowercase()),
        }
    }

    fn given(text: &str) -> Vec<Given> {
        vec![Given::parse(text).unwrap()]
    }

    #[test]
    fn a_secret_on_the_command_line_is_refused_and_not_repeated() {
        let known = [setting("ADMIN", true)];
        let error = gather(Ui::plain(), &given("ADMIN=hunter2"), None, Some(&known)).unwrap_err();
        assert_eq!(error.exit_status(), 2);
        insta::assert_snapshot!(Ui::plain().error_text(&error.report()), @r"
        error: `ADMIN` is a secret, and everybody on this machine can read the command line
        hint: leave it out, and it is asked for on a terminal (or made up, where the template allows it)
        hint: read it from a file: --set ADMIN=@FILE
        hint: or from standard input: --set ADMIN=-
        hint: or put it with others in a file: --env-file FILE
        ");
    }

    #[test]
    fn without_a_template_a_key_that_sounds_secret_counts_as_one() {
        assert!(gather(Ui::plain(), &given("DB_PASSWORD=x"), None, None).is_err());
        assert!(gather(Ui::plain(), &given("DB_NAME=x"), None, None).is_ok());
    }

    #[test]
    fn the_variables_of_a_compose_file_are_its_settings() {
        let text = "services:\n  db:\n    image: postgres:17\n    environment:\n      P: ${DB_PASSWORD:?}\n";
        let known = of_compose("shop", text).unwrap();
        assert_eq!((known[0].key.as_str(), known[0].secret, known[0].required), ("DB_PASSWORD", true, true));
        assert_eq!(of_compose("shop", "services: 5"), None);
    }

    #[test]
    fn what_is_missing_without_a_terminal_is_named_with_its_flag() {
        let known = [setting("HOST", false), setting("ADMIN", true)];
        let error = gather(Ui::plain(), &[], None, Some(&known)).unwrap_err();
        insta::assert_snapshot!(Ui::plain().error_text(&error.report()), @r"
        error: settings are missing: HOST, ADMIN
        hint: --set HOST=VALUE  (The host of the app.)
        hint: --set ADMIN=@FILE  (The admin of the app.)
        ");
    }

    #[test]
    fn what_is_given_one_by_one_wins_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let (env, secret) = (dir.path().join("env"), dir.path().join("secret"));
        std::fs::write(&env, "# settings\nexport A=1\nB=\"two words\"\n\nC='x'\n").unwrap();
        std::fs::write(&secret, "hunter2\n").unwrap();
        let given =
            [Given::parse("A=3").unwrap(), Given::parse(&format!("ADMIN=@{}", secret.display())).unwrap()];
        let settings = gather(Ui::plain(), &given, Some(&env), Some(&[setting("ADMIN", true)])).unwrap();
        let settings: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(settings, [("A", "3"), ("ADMIN", "hunter2"), ("B", "two words"), ("C", "x")]);
    }

    #[test]
    fn a_bad_line_of_the_file_is_named_by_its_place_only() {
        let error = read_env(Path::new("env"), "A=1\nhunter 2\n").unwrap_err();
        assert_eq!(error.to_string(), "env: line 2: this is not `NAME=value`");
    }

    #[test]
    fn a_dollar_sign_that_stands_for_nothing_is_told_with_single_quotes_and_without_the_value() {
        let error = read_env(Path::new("env"), "A=1\nTOKEN=pa$word\n").unwrap_err();
        assert_eq!(error.exit_status(), 2);
        insta::assert_snapshot!(Ui::plain().error_text(&error.report()), @r"
        error: env: line 2: the value of `TOKEN` has a `$` that stands for nothing in this file
        hint: between single quotes every character stands for itself: TOKEN='…'
        ");
    }

    #[test]
    fn an_empty_secret_is_refused_wherever_it_comes_from() {
        let dir = tempfile::tempdir().unwrap();
        let (env, empty) = (dir.path().join("env"), dir.path().join("empty"));
        std::fs::write(&env, "ADMIN=\n").unwrap();
        std::fs::write(&empty, "\n").unwrap();
        let from_file = Given::parse(&format!("ADMIN=@{}", empty.display())).unwrap();
        let made_up = [TemplateSetting { required: false, generated: true, ..setting("ADMIN", true) }];
        let optional = [TemplateSetting { required: false, ..setting("ADMIN", true) }];
        for known in [Some(&made_up[..]), Some(&optional), None] {
            // Without the template a key counts that sounds like a secret.
            let key = if known.is_none() { "ADMIN_TOKEN" } else { "ADMIN" };
            let given = [Given { key: key.into(), ..from_file.clone() }];
            let error = gather(Ui::plain(), &given, None, known).unwrap_err();
            assert_eq!(error.exit_status(), 2);
            assert!(error.to_string().ends_with("empty holds nothing"), "{error}");
        }
        let error = gather(Ui::plain(), &[], Some(&env), Some(&made_up)).unwrap_err();
        insta::assert_snapshot!(Ui::plain().error_text(&error.report()), @r"
        error: `ADMIN` is a secret, and it is given an empty value
        hint: leave it out, and it is made up
        hint: or give it: --set ADMIN=@FILE, --set ADMIN=- or --env-file FILE
        ");
        // A line left blank in a file of settings is no mistake where the app does without.
        let settings = gather(Ui::plain(), &[], Some(&env), Some(&optional)).unwrap();
        assert_eq!(settings["ADMIN"], "");
    }

    #[test]
    fn settings_are_strict_about_their_form() {
        for text in ["", "A", "=x", "1A=x", "A B=x", "A-B=x", "A=@"] {
            assert!(Given::parse(text).is_err(), "{text}");
        }
        assert_eq!(Given::parse("A=@@x").unwrap().value, Source::Argument("@x".into()));
        assert_eq!(Given::parse("A=x=y").unwrap().value, Source::Argument("x=y".into()));
    }
}
