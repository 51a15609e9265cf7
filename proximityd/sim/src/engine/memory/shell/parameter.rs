//! Parameter expansion: `$x`, `${x:-y}`, `${x%y}`, `${x/y/z}` and the rest.

use brush_parser::word::{
    Parameter, ParameterExpr, ParameterTestType, ParameterTransformOp, SpecialParameter, SubstringMatchKind,
};

use super::expand::Fields;
use super::{Flow, Shell, Variable, pattern};

/// A parameter's value: unset, one, or several.
enum Value {
    Unset,
    One(String),
    Many { values: Vec<String>, joined: bool },
}

impl Value {
    fn text(&self) -> Option<String> {
        match self {
            Self::Unset => None,
            Self::One(text) => Some(text.clone()),
            Self::Many { values, .. } if values.is_empty() => None,
            Self::Many { values, .. } => Some(values.join(" ")),
        }
    }

    fn missing(&self, test: &ParameterTestType) -> bool {
        match (self.text(), test) {
            (None, _) => true,
            (Some(text), ParameterTestType::UnsetOrNull) => text.is_empty(),
            (Some(_), ParameterTestType::Unset) => false,
        }
    }
}

impl Shell {
    /// An array's element.
    pub(super) fn element(&self, name: &str, index: i64) -> Option<String> {
        let values = &self.variables.get(name)?.values;
        let at = if index < 0 { values.len() as i64 + index } else { index };
        values.get(usize::try_from(at).ok()?).cloned()
    }

    /// Sets an array's element; those before it are made empty.
    pub(super) fn set_element(&mut self, name: &str, index: i64, value: String) {
        let variable = self.variables.entry(name.to_owned()).or_default();
        variable.array = true;
        let Ok(index) = usize::try_from(index) else { return };
        if index > 100_000 {
            return;
        }
        if variable.values.len() <= index {
            variable.values.resize(index + 1, String::new());
        }
        variable.values[index] = value;
    }

    async fn look_up(&mut self, parameter: &Parameter, indirect: bool) -> Result<Value, Flow> {
        let value = match parameter {
            Parameter::Positional(0) => Value::One(self.name.clone()),
            Parameter::Positional(n) => match self.positional.get(*n as usize - 1) {
                Some(value) => Value::One(value.clone()),
                None => Value::Unset,
            },
            Parameter::Special(special) => match special {
                SpecialParameter::AllPositionalParameters { concatenate } => {
                    Value::Many { values: self.positional.clone(), joined: *concatenate }
                }
                SpecialParameter::PositionalParameterCount => Value::One(self.positional.len().to_string()),
                SpecialParameter::LastExitStatus => Value::One(self.status.to_string()),
                SpecialParameter::CurrentOptionFlags => {
                    let mut flags = String::from("hB");
                    for (set, flag) in [
                        (self.options.errexit, 'e'),
                        (self.options.nounset, 'u'),
                        (self.options.xtrace, 'x'),
                        (self.interactive, 'i'),
                    ] {
                        if set {
                            flags.push(flag);
                        }
                    }
                    Value::One(flags)
                }
                SpecialParameter::ProcessId => Value::One(self.pid.to_string()),
                SpecialParameter::LastBackgroundProcessId => match self.last_background {
                    Some(pid) => Value::One(pid.to_string()),
                    None => Value::Unset,
                },
                SpecialParameter::ShellName => Value::One(self.name.clone()),
            },
            Parameter::Named(name) => match self.dynamic(name) {
                Some(value) => Value::One(value),
                None => self.get(name).map_or(Value::Unset, Value::One),
            },
            Parameter::NamedWithIndex { name, index } => {
                let text = self.single(index).await?;
                let index = self.arithmetic(&text).await?;
                self.element(name, index).map_or(Value::Unset, Value::One)
            }
            Parameter::NamedWithAllIndices { name, concatenate } => Value::Many {
                values: self.variables.get(name).map(|v| v.values.clone()).unwrap_or_default(),
                joined: *concatenate,
            },
        };
        if indirect {
            let name = value.text().unwrap_or_default();
            return Ok(self.get(&name).map_or(Value::Unset, Value::One));
        }
        Ok(value)
    }

    fn dynamic(&self, name: &str) -> Option<String> {
        match name {
            "RANDOM" => Some((rand::random::<u16>() & 0x7fff).to_string()),
            "EPOCHSECONDS" => Some(jiff::Timestamp::now().as_second().to_string()),
            "HOSTNAME" => Some(self.guest().hostname()),
            "UID" | "EUID" => Some("0".to_owned()),
            "BASHPID" | "PPID" => Some(self.pid.to_string()),
            "BASH_VERSION" => Some("5.2.37(1)-release".to_owned()),
            "HOSTTYPE" => Some("x86_64".to_owned()),
            "OSTYPE" => Some("linux-gnu".to_owned()),
            _ => None,
        }
    }

    fn put(value: &Value, quoted: bool, fields: &mut Fields) {
        match value {
            Value::Unset => {}
            Value::One(text) => fields.value(text, quoted),
            Value::Many { values, joined } => fields.list(values, quoted, *joined),
        }
    }

    async fn known(&mut self, parameter: &Parameter, indirect: bool) -> Result<Value, Flow> {
        let value = self.look_up(parameter, indirect).await?;
        if matches!(value, Value::Unset) && self.options.nounset {
            let name = parameter.to_string();
            let name = name.trim_start_matches("${").trim_end_matches('}').trim_start_matches('$').to_owned();
            return self.abort(&format!("{name}: unbound variable")).await;
        }
        Ok(value)
    }

    /// Expands one parameter expression into the fields around it.
    pub(super) async fn parameter(
        &mut self,
        expression: &ParameterExpr,
        quoted: bool,
        fields: &mut Fields,
    ) -> Result<(), Flow> {
        match expression {
            ParameterExpr::Parameter { parameter, indirect } => {
                let value = self.known(parameter, *indirect).await?;
                Self::put(&value, quoted, fields);
            }
            ParameterExpr::UseDefaultValues { parameter, indirect, test_type, default_value } => {
                let value = self.look_up(parameter, *indirect).await?;
                if value.missing(test_type) {
                    self.nested_word(default_value.as_deref().unwrap_or_default(), quoted, fields).await?;
                } else {
                    Self::put(&value, quoted, fields);
                }
            }
            ParameterExpr::AssignDefaultValues { parameter, indirect, test_type, default_value } => {
                let mut value = self.look_up(parameter, *indirect).await?;
                if value.missing(test_type) {
                    let text = self.single(default_value.as_deref().unwrap_or_default()).await?;
                    if let Parameter::Named(name) = parameter {
                        self.set(name, text.clone());
                    }
                    value = Value::One(text);
                }
                Self::put(&value, quoted, fields);
            }
            ParameterExpr::IndicateErrorIfNullOrUnset { parameter, indirect, test_type, error_message } => {
                let value = self.look_up(parameter, *indirect).await?;
                if value.missing(test_type) {
                    let text = match error_message.as_deref().filter(|m| !m.is_empty()) {
                        Some(message) => self.here_text(message).await?,
                        None => "parameter null or not set".to_owned(),
                    };
                    let name = parameter.to_string();
                    let name = name.trim_start_matches("${").trim_end_matches('}').trim_start_matches('$');
                    return self.abort(&format!("{name}: {text}")).await;
                }
                Self::put(&value, quoted, fields);
            }
            ParameterExpr::UseAlternativeValue { parameter, indirect, test_type, alternative_value } => {
                let value = self.look_up(parameter, *indirect).await?;
                if !value.missing(test_type) {
                    let text = alternative_value.as_deref().unwrap_or_default();
                    if quoted && text.contains("$@") && text.trim_matches('"') == "$@" {
                        let positional = self.positional.clone();
                        fields.list(&positional, true, false);
                    } else {
                        self.nested_word(text, quoted, fields).await?;
                    }
                }
            }
            ParameterExpr::ParameterLength { parameter, indirect } => {
                let length = match self.known(parameter, *indirect).await? {
                    Value::Unset => 0,
                    Value::One(text) => text.chars().count(),
                    Value::Many { values, .. } => values.len(),
                };
                fields.value(&length.to_string(), quoted);
            }
            ParameterExpr::VariableNames { prefix, concatenate } => {
                let mut names: Vec<String> =
                    self.variables.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
                names.sort();
                fields.list(&names, quoted, *concatenate);
            }
            ParameterExpr::MemberKeys { variable_name, concatenate } => {
                let count = self.variables.get(variable_name).map_or(0, |v: &Variable| v.values.len());
                let keys: Vec<String> = (0..count).map(|i| i.to_string()).collect();
                fields.list(&keys, quoted, *concatenate);
            }
            changing => {
                let value = self.changed(changing).await?;
                Self::put(&value, quoted, fields);
            }
        }
        Ok(())
    }

    /// Expressions that change each value of a parameter.
    async fn changed(&mut self, expression: &ParameterExpr) -> Result<Value, Flow> {
        use ParameterExpr as E;
        let (parameter, indirect) = match expression {
            E::RemoveSmallestSuffixPattern { parameter, indirect, .. }
            | E::RemoveLargestSuffixPattern { parameter, indirect, .. }
            | E::RemoveSmallestPrefixPattern { parameter, indirect, .. }
            | E::RemoveLargestPrefixPattern { parameter, indirect, .. }
            | E::Substring { parameter, indirect, .. }
            | E::Transform { parameter, indirect, .. }
            | E::UppercaseFirstChar { parameter, indirect, .. }
            | E::UppercasePattern { parameter, indirect, .. }
            | E::LowercaseFirstChar { parameter, indirect, .. }
            | E::LowercasePattern { parameter, indirect, .. }
            | E::ReplaceSubstring { parameter, indirect, .. } => (parameter, *indirect),
            _ => return Ok(Value::Unset),
        };
        let value = self.known(parameter, indirect).await?;
        if let (E::Substring { offset, length, .. }, Value::Many { values, joined }) = (expression, &value) {
            let text = self.here_text(&offset.value).await?;
            let start = usize::try_from(self.arithmetic(&text).await?.max(0)).unwrap_or(0);
            // $@ counts from 1.
            let start =
                if matches!(parameter, Parameter::Special(_)) { start.saturating_sub(1) } else { start };
            let mut kept: Vec<String> = values.iter().skip(start).cloned().collect();
            if let Some(length) = length {
                let text = self.here_text(&length.value).await?;
                kept.truncate(usize::try_from(self.arithmetic(&text).await?.max(0)).unwrap_or(0));
            }
            return Ok(Value::Many { values: kept, joined: *joined });
        }
        Ok(match value {
            Value::Unset => Value::One(String::new()),
            Value::One(text) => Value::One(self.change(expression, text).await?),
            Value::Many { values, joined } => {
                let mut changed = Vec::with_capacity(values.len());
                for text in values {
                    changed.push(self.change(expression, text).await?);
                }
                Value::Many { values: changed, joined }
            }
        })
    }

    async fn change(&mut self, expression: &ParameterExpr, text: String) -> Result<String, Flow> {
        use ParameterExpr as E;
        Ok(match expression {
            E::RemoveSmallestSuffixPattern { pattern, .. } => self.trim(text, pattern, false, false).await?,
            E::RemoveLargestSuffixPattern { pattern, .. } => self.trim(text, pattern, false, true).await?,
            E::RemoveSmallestPrefixPattern { pattern, .. } => self.trim(text, pattern, true, false).await?,
            E::RemoveLargestPrefixPattern { pattern, .. } => self.trim(text, pattern, true, true).await?,
            E::Substring { offset, length, .. } => {
                let chars: Vec<char> = text.chars().collect();
                let count = chars.len() as i64;
                let written = self.here_text(&offset.value).await?;
                let mut start = self.arithmetic(&written).await?;
                if start < 0 {
                    start += count;
                }
                if start < 0 || start > count {
                    return Ok(String::new());
                }
                let mut end = count;
                if let Some(length) = length {
                    let written = self.here_text(&length.value).await?;
                    let length = self.arithmetic(&written).await?;
                    end = if length < 0 { count + length } else { (start + length).min(count) };
                }
                let range = start as usize..(end.max(start)) as usize;
                chars[range].iter().collect()
            }
            E::Transform { op, .. } => match op {
                ParameterTransformOp::ToLowerCase => text.to_lowercase(),
                ParameterTransformOp::ToUpperCase => text.to_uppercase(),
                ParameterTransformOp::Quoted => crate::engine::memory::commands::printf::quote(&text),
                _ => text,
            },
            E::UppercaseFirstChar { .. } => first(&text, |c| c.to_uppercase().collect()),
            E::LowercaseFirstChar { .. } => first(&text, |c| c.to_lowercase().collect()),
            E::UppercasePattern { .. } => text.to_uppercase(),
            E::LowercasePattern { .. } => text.to_lowercase(),
            E::ReplaceSubstring { pattern, replacement, match_kind, .. } => {
                let pattern = self.pattern(pattern).await?;
                let replacement = match replacement {
                    Some(text) => self.single(text).await?,
                    None => String::new(),
                };
                replace(&text, &pattern, &replacement, match_kind)
            }
            _ => text,
        })
    }

    async fn trim(
        &mut self,
        text: String,
        pattern: &Option<String>,
        prefix: bool,
        largest: bool,
    ) -> Result<String, Flow> {
        let Some(pattern) = pattern else { return Ok(text) };
        let glob: Vec<char> = self.pattern(pattern).await?.chars().collect();
        let chars: Vec<char> = text.chars().collect();
        let mut cuts: Vec<usize> = (0..=chars.len()).collect();
        if prefix == largest {
            cuts.reverse();
        }
        for cut in cuts {
            let (head, tail) = chars.split_at(cut);
            if pattern::matches_chars(&glob, if prefix { head } else { tail }) {
                return Ok((if prefix { tail } else { head }).iter().collect());
            }
        }
        Ok(text)
    }
}

fn first(text: &str, change: impl Fn(char) -> String) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| change(c) + chars.as_str()).unwrap_or_default()
}

fn replace(text: &str, glob: &str, with: &str, kind: &SubstringMatchKind) -> String {
    let glob: Vec<char> = glob.chars().collect();
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let mut done = glob.is_empty();
    while at <= chars.len() {
        let longest = || (at..=chars.len()).rev().find(|end| pattern::matches_chars(&glob, &chars[at..*end]));
        let found = match kind {
            _ if done => None,
            SubstringMatchKind::Prefix if at > 0 => None,
            SubstringMatchKind::Suffix => pattern::matches_chars(&glob, &chars[at..]).then_some(chars.len()),
            _ => longest(),
        };
        match found.filter(|end| {
            *end > at || matches!(kind, SubstringMatchKind::Prefix | SubstringMatchKind::Suffix)
        }) {
            Some(end) => {
                out.push_str(with);
                done = !matches!(kind, SubstringMatchKind::Anywhere);
                if end == at {
                    done = true;
                    continue;
                }
                at = end;
            }
            None => {
                if let Some(c) = chars.get(at) {
                    out.push(*c);
                }
                at += 1;
            }
        }
    }
    out
}
