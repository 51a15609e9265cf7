//! The parameters of a call after the schema has accepted them.

use serde_json::{Map, Value};

/// A call's parameters. Scalars are kept as Perl would see them: as text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params {
    values: Map<String, Value>,
    /// A JSON `null` was given: it counts as left out, but not as nothing.
    null: bool,
    /// The bytes of a file that came with them.
    file: Option<Vec<u8>>,
}

impl Params {
    /// Takes checked values over: booleans become `1` and `0`, numbers text, lists given as arrays one string.
    pub(crate) fn new(values: Map<String, Value>) -> Self {
        let plain = |value: &Value| match value {
            Value::Bool(b) => u8::from(*b).to_string(),
            Value::String(s) => s.clone(),
            other => other.to_string(),
        };
        let null = values.values().any(Value::is_null);
        let values = values.into_iter().filter(|(_, v)| !v.is_null()).map(|(name, value)| {
            let value = match &value {
                Value::Array(items) => Value::String(items.iter().map(plain).collect::<Vec<_>>().join(";")),
                Value::Object(_) => value,
                scalar => Value::String(plain(scalar)),
            };
            (name, value)
        });
        Self { values: values.collect(), null, file: None }
    }

    /// With the bytes of a file.
    pub(crate) fn with_file(self, file: Option<Vec<u8>>) -> Self {
        Self { file, ..self }
    }

    /// Takes the file out.
    pub(crate) fn take_file(&mut self) -> Option<Vec<u8>> {
        self.file.take()
    }

    /// A text.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(Value::as_str)
    }

    /// A parameter that the schema demands.
    pub(crate) fn need(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// A boolean; absent is `None`.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).map(|v| v == "1")
    }

    /// Whether a boolean is given and set.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.flag(name) == Some(true)
    }

    /// A number.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.get(name).and_then(|v| v.trim_start_matches('+').parse().ok())
    }

    /// The container's id.
    pub(crate) fn vmid(&self) -> u32 {
        self.number("vmid").and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
    }

    /// Takes a parameter out.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        match self.values.remove(name)? {
            Value::String(s) => Some(s),
            other => Some(other.to_string()),
        }
    }

    /// All names and texts.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().filter_map(|(k, v)| Some((k.as_str(), v.as_str()?)))
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty() && !self.null
    }
}
