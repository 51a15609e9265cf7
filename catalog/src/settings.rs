//! What can be set in an app: kinds, checks, defaults and generated secrets.
//!
//! Random numbers come from the caller. Keeping the values, and asking a person for a missing one, is left
//! to the daemon and the command line.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

use crate::template::{Template, is_reserved};
use crate::words::{nearest, quoted_list};

/// A setting of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The name of the variable it becomes: `[A-Z][A-Z0-9_]*`, for a plain Compose file as written there.
    pub key: String,
    /// What values it takes.
    #[serde(rename = "type")]
    pub kind: SettingKind,
    /// Whether its value must never be shown unasked.
    pub secret: bool,
    /// Whether a deploy without it is refused.
    pub required: bool,
    /// Its value when none is given.
    pub default: Option<String>,
    /// How its value is made when none is given.
    pub generated: Option<Generator>,
    /// The values of an `enum`.
    pub values: Vec<String>,
    /// A regular expression that the whole value must match.
    pub pattern: Option<String>,
    /// The least value of an integer, or the least length in characters of a string.
    pub min: Option<i64>,
    /// The greatest value of an integer, or the greatest length in characters of a string.
    pub max: Option<i64>,
    /// What it is for.
    pub help: String,
}

/// What values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingKind {
    /// Any text of one line.
    String,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// One of a list.
    Enum,
    /// A port, 1 to 65535.
    Port,
    /// An `http` or `https` URL without a final slash.
    Url,
    /// An e-mail address.
    Email,
}

impl SettingKind {
    /// Every kind.
    pub const ALL: [SettingKind; 7] = [
        SettingKind::String,
        SettingKind::Integer,
        SettingKind::Boolean,
        SettingKind::Enum,
        SettingKind::Port,
        SettingKind::Url,
        SettingKind::Email,
    ];

    /// The name as it is written in a template.
    pub fn as_str(self) -> &'static str {
        match self {
            SettingKind::String => "string",
            SettingKind::Integer => "integer",
            SettingKind::Boolean => "boolean",
            SettingKind::Enum => "enum",
            SettingKind::Port => "port",
            SettingKind::Url => "url",
            SettingKind::Email => "email",
        }
    }
}

/// How a secret is made: `password:24`, `hex:32`, `base64:32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generator {
    /// So many ASCII letters and digits.
    Password(u16),
    /// So many random bytes, as twice as many hexadecimal digits.
    Hex(u16),
    /// So many random bytes, in padded standard Base64 (RFC 4648, section 4).
    Base64(u16),
}

/// The least and greatest length a generator takes.
const GENERATOR_LENGTH: std::ops::RangeInclusive<u16> = 12..=128;

/// Why a text is not a generator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a generator; write password:N, hex:N or base64:N with N from 12 to 128")]
pub struct GeneratorError(String);

impl FromStr for Generator {
    type Err = GeneratorError;

    fn from_str(text: &str) -> Result<Generator, GeneratorError> {
        let error = || GeneratorError(text.to_owned());
        let (kind, length) = text.split_once(':').ok_or_else(error)?;
        let length: u16 = length.parse().map_err(|_| error())?;
        if !GENERATOR_LENGTH.contains(&length) {
            return Err(error());
        }
        match kind {
            "password" => Ok(Generator::Password(length)),
            "hex" => Ok(Generator::Hex(length)),
            "base64" => Ok(Generator::Base64(length)),
            _ => Err(error()),
        }
    }
}

impl fmt::Display for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Generator::Password(n) => write!(f, "password:{n}"),
            Generator::Hex(n) => write!(f, "hex:{n}"),
            Generator::Base64(n) => write!(f, "base64:{n}"),
        }
    }
}

impl Serialize for Generator {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Generator {
    /// Makes a value. `fill` fills a buffer with cryptographically random bytes.
    pub fn generate(&self, fill: &mut dyn FnMut(&mut [u8])) -> String {
        match *self {
            Generator::Password(length) => password(usize::from(length), fill),
            Generator::Hex(length) => {
                let bytes = random(usize::from(length), fill);
                bytes.iter().map(|byte| format!("{byte:02x}")).collect()
            }
            Generator::Base64(length) => base64(&random(usize::from(length), fill)),
        }
    }
}

fn random(length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fill(&mut bytes);
    bytes
}

/// Letters and digits, each equally likely: bytes past the last whole multiple of 62 are thrown away.
fn password(length: usize, fill: &mut dyn FnMut(&mut [u8])) -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::with_capacity(length);
    while text.len() < length {
        for byte in random(length, fill) {
            if byte < 62 * 4 && text.len() < length {
                text.push(char::from(LETTERS[usize::from(byte % 62)]));
            }
        }
    }
    text
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i)) as usize & 63];
            text.push(if i <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

/// The value of a setting of a deployed app.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingValue {
    /// The value.
    pub value: String,
    /// Whether it must never be shown unasked.
    pub secret: bool,
    /// Whether it was made by a generator.
    pub generated: bool,
}

impl fmt::Debug for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.secret { "(secret)" } else { &self.value };
        f.debug_struct("SettingValue")
            .field("value", &value)
            .field("secret", &self.secret)
            .field("generated", &self.generated)
            .finish()
    }
}

/// The values of an app's settings. An optional setting without a value is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedSettings {
    /// By key.
    pub values: BTreeMap<String, SettingValue>,
}

impl ResolvedSettings {
    /// The value of a setting.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(|value| value.value.as_str())
    }
}

/// Why given settings do not fit a template. A secret's value is in none of the messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// The template has no such setting.
    #[error("there is no setting `{key}`{}", did_you_mean(.nearest, .known))]
    Unknown {
        /// What was given.
        key: String,
        /// The nearest setting's key.
        nearest: Option<String>,
        /// Every key the template has.
        known: Vec<String>,
    },
    /// Proximity itself writes this variable.
    #[error("`{key}` is written by Proximity and cannot be set")]
    Reserved {
        /// What was given.
        key: String,
    },
    /// A required setting was not given.
    #[error("the setting `{key}` is required: {help}")]
    Missing {
        /// The setting.
        key: String,
        /// What it is for.
        help: String,
        /// Whether it is a secret, to be asked for without showing it.
        secret: bool,
    },
    /// A value does not fit its setting.
    #[error("`{key}` {reason}")]
    Invalid {
        /// The setting.
        key: String,
        /// What it must be, as the end of a sentence.
        reason: String,
    },
}

impl SettingError {
    /// The setting's key.
    pub fn key(&self) -> &str {
        match self {
            SettingError::Unknown { key, .. }
            | SettingError::Reserved { key }
            | SettingError::Missing { key, .. }
            | SettingError::Invalid { key, .. } => key,
        }
    }
}

fn did_you_mean(nearest: &Option<String>, known: &[String]) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None if known.is_empty() => "; this app has no settings".to_owned(),
        None => format!("; there are {}", quoted_list(known.iter().map(String::as_str))),
    }
}

impl Setting {
    /// Whether its value cannot be empty: an app that needs it, or a secret that would be made up, is not to stand
    /// there without one.
    fn needs_value(&self) -> bool {
        self.required || self.generated.is_some()
    }

    /// Checks a value and brings it to its one spelling (`yes` to `true`, a URL without its final slash).
    ///
    /// The error is the end of a sentence that begins with the setting's key.
    pub fn check(&self, value: &str) -> Result<String, String> {
        if value.contains('\0') {
            return Err("must not hold a NUL character, which no environment can hold".into());
        }
        if value.contains(['\n', '\r']) {
            return Err("must be a single line".into());
        }
        if value.is_empty() && self.generated.is_some() {
            return Err("must not be empty; leave it out, and it is made up".into());
        }
        if self.required && value.is_empty() {
            return Err("must not be empty".into());
        }
        let value = match self.kind {
            SettingKind::String => value.to_owned(),
            SettingKind::Integer => {
                let number: i64 = value.parse().map_err(|_| "must be a whole number".to_owned())?;
                number.to_string()
            }
            SettingKind::Boolean => match value.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => "true".into(),
                "false" | "no" | "off" | "0" => "false".into(),
                _ => return Err("must be true or false".into()),
            },
            SettingKind::Enum if self.values.iter().any(|known| known == value) => value.to_owned(),
            SettingKind::Enum => {
                let values = quoted_list(self.values.iter().map(String::as_str));
                return Err(format!("must be one of {values}"));
            }
            SettingKind::Port => match value.parse::<u16>() {
                Ok(port) if port > 0 => port.to_string(),
                _ => return Err("must be a port, 1 to 65535".into()),
            },
            SettingKind::Url if is_url(value) => value.trim_end_matches('/').to_owned(),
            SettingKind::Url => {
                return Err("must be a URL that begins with http:// or https:// and names a host".into());
            }
            SettingKind::Email if is_email(value) => value.to_owned(),
            SettingKind::Email => return Err("must be an e-mail address".into()),
        };
        self.check_bounds(&value)?;
        if let Some(pattern) = &self.pattern {
            let whole = regex::Regex::new(&format!("^(?:{pattern})$"))
                .map_err(|error| format!("has a pattern that cannot be used: {error}"))?;
            if !whole.is_match(&value) {
                return Err(format!("must match the pattern {pattern}"));
            }
        }
        Ok(value)
    }

    fn check_bounds(&self, value: &str) -> Result<(), String> {
        let (number, unit) = match self.kind {
            SettingKind::Integer => (value.parse().unwrap_or(i64::MAX), ""),
            SettingKind::String => (value.chars().count() as i64, " characters long"),
            _ => return Ok(()),
        };
        match (self.min, self.max) {
            (Some(min), _) if number < min => Err(format!("must be at least {min}{unit}")),
            (_, Some(max)) if number > max => Err(format!("must be at most {max}{unit}")),
            _ => Ok(()),
        }
    }
}

/// Whether a text is an `http` or `https` URL with a host, without white space or quotes.
pub(crate) fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !host.is_empty()
            && !host.starts_with(':')
            && !text.contains(|c: char| c.is_whitespace() || "'\"`<>\\".contains(c))
    })
}

fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(local, domain)| {
        let plain = |part: &str| !part.is_empty() && !part.contains([' ', '\t', '@', ',', ';', '<', '>']);
        plain(local) && plain(domain) && !domain.starts_with('.') && !domain.ends_with('.')
    })
}

impl Template {
    /// Checks what was given against the settings, adds defaults, and makes the secrets that are missing.
    ///
    /// To change a deployed app's settings, give its present values together with the new ones; then nothing
    /// is generated anew. All that is wrong is reported at once, in the order of the template.
    pub fn resolve_settings(
        &self,
        given: &BTreeMap<String, String>,
        generate: &mut dyn FnMut(&Generator) -> String,
    ) -> Result<ResolvedSettings, Vec<SettingError>> {
        let mut errors: Vec<SettingError> =
            given.keys().filter(|key| self.setting(key).is_none()).map(|key| self.unknown(key)).collect();
        let mut resolved = ResolvedSettings::default();
        for setting in &self.settings {
            let key = setting.key.clone();
            let (value, generated) = match (given.get(&key), &setting.default, &setting.generated) {
                (Some(value), ..) if value.is_empty() && !setting.needs_value() => (String::new(), false),
                (Some(value), ..) => match setting.check(value) {
                    Ok(value) => (value, false),
                    Err(reason) => {
                        errors.push(SettingError::Invalid { key, reason });
                        continue;
                    }
                },
                (None, Some(default), _) => (default.clone(), false),
                (None, None, Some(generator)) => (generate(generator), true),
                (None, None, None) if setting.required => {
                    let (help, secret) = (setting.help.clone(), setting.secret);
                    errors.push(SettingError::Missing { key, help, secret });
                    continue;
                }
                (None, None, None) => continue,
            };
            resolved.values.insert(key, SettingValue { value, secret: setting.secret, generated });
        }
        if errors.is_empty() { Ok(resolved) } else { Err(errors) }
    }

    fn unknown(&self, key: &str) -> SettingError {
        if is_reserved(key) {
            return SettingError::Reserved { key: key.to_owned() };
        }
        let known: Vec<String> = self.settings.iter().map(|setting| setting.key.clone()).collect();
        let upper = key.to_ascii_uppercase();
        let nearest = nearest(&upper, known.iter().map(String::as_str)).map(str::to_owned);
        SettingError::Unknown { key: key.to_owned(), nearest, known }
    }
}
