//! The `[[settings]]` of a template.

use super::document::Context;
use crate::reader::Fields;
use crate::settings::{Generator, Setting, SettingKind};
use crate::template::is_reserved;
use crate::words::is_key;

const FIELDS: [&str; 11] =
    ["key", "type", "secret", "required", "default", "generated", "values", "pattern", "min", "max", "help"];

pub(super) fn read(cx: &Context<'_>, fields: &Fields<'_, '_>) -> Vec<Setting> {
    let mut found: Vec<Setting> = Vec::new();
    for table in fields.tables("settings", &FIELDS) {
        let Some(setting) = read_one(cx, &table) else { continue };
        let at = table.str("key").map_or(table.at, |key| key.at);
        if found.iter().any(|known| known.key == setting.key) {
            cx.report.error(at, format!("the setting `{}` is declared twice", setting.key));
        }
        if !cx.compose.services.is_empty()
            && !cx.compose.variables.iter().any(|variable| variable.name == setting.key)
        {
            let hint = format!("write `${{{}}}` where it belongs, or remove the setting", setting.key);
            cx.report.error_hint(at, format!("the Compose document does not use `{}`", setting.key), hint);
        }
        found.push(setting);
    }
    found
}

fn read_one(cx: &Context<'_>, table: &Fields<'_, '_>) -> Option<Setting> {
    let report = cx.report;
    let key = table.required_str("key");
    if let Some(key) = &key {
        if is_reserved(&key.value) {
            report.error(key.at, format!("`{}` is written by Proximity and cannot be a setting", key.value));
        } else if !is_key(&key.value) {
            report.error_hint(
                key.at,
                format!("`{}` cannot be a setting's key", key.value),
                "a key begins with a letter and has upper-case letters, digits and `_`",
            );
        }
    }
    let kinds = SettingKind::ALL.map(|kind| (kind.as_str(), kind));
    let kind = match table.raw("type") {
        None => SettingKind::String,
        Some(_) => table.choice("type", &kinds).map_or(SettingKind::String, |kind| kind.value),
    };
    let help = table.required_str("help");
    let values = table.texts("values");
    if (kind == SettingKind::Enum) != values.as_ref().is_some_and(|values| !values.value.is_empty()) {
        let at = values.as_ref().map_or(table.at, |values| values.at);
        report.error(at, "`values` belongs to an `enum`, which needs at least one");
    }
    let pattern = table.str("pattern");
    if let Some(pattern) = &pattern
        && let Err(error) = regex::Regex::new(&format!("^(?:{})$", pattern.value))
    {
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        report.error(pattern.at, format!("`pattern` is not a regular expression: {reason}"));
        return None;
    }
    let (min, max) = (table.integer("min"), table.integer("max"));
    for bound in [min, max].into_iter().flatten() {
        if !matches!(kind, SettingKind::Integer | SettingKind::String) {
            report.error(bound.at, "`min` and `max` belong to an `integer` or a `string`");
        }
    }
    if let (Some(min), Some(max)) = (min, max)
        && min.value > max.value
    {
        report.error(max.at, "`max` is less than `min`");
    }
    let generated = table.parsed::<Generator>("generated");
    let given = |key: &str| table.boolean(key).is_some_and(|flag| flag.value);
    let setting = Setting {
        key: key?.value,
        kind,
        secret: given("secret"),
        required: given("required"),
        default: read_default(table),
        generated: generated.map(|generated| generated.value),
        values: values.map(|v| v.value.into_iter().map(|value| value.value).collect()).unwrap_or_default(),
        pattern: pattern.map(|pattern| pattern.value),
        min: min.map(|min| min.value),
        max: max.map(|max| max.value),
        help: help.map(|help| help.value).unwrap_or_default(),
    };
    check_value(cx, table, &setting);
    Some(setting)
}

/// A default may be written as a text, a number or a boolean.
fn read_default(table: &Fields<'_, '_>) -> Option<String> {
    let value = table.raw("default")?.get_ref();
    if let Some(number) = value.as_integer() {
        return Some(number.as_str().to_owned());
    }
    if let Some(flag) = value.as_bool() {
        return Some(flag.to_string());
    }
    table.str("default").map(|text| text.value)
}

/// What must hold between default, generator and the rest.
fn check_value(cx: &Context<'_>, table: &Fields<'_, '_>, setting: &Setting) {
    let place = |key: &str| table.raw(key).map_or(table.at, |value| value.span().start);
    if let Some(default) = &setting.default {
        if let Err(reason) = setting.check(default) {
            cx.report.error(place("default"), format!("the default of `{}` {reason}", setting.key));
        }
        if setting.secret {
            cx.report.error_hint(
                place("default"),
                format!("the secret `{}` would be the same in every app", setting.key),
                "write `generated = \"password:24\"` in place of the default",
            );
        }
    }
    if setting.generated.is_some() {
        if !setting.secret {
            cx.report.error(place("generated"), "a generated setting is a secret; write `secret = true`");
        }
        if setting.kind != SettingKind::String {
            cx.report.error(place("generated"), "only a `string` can be generated");
        }
        if setting.default.is_some() {
            cx.report.error(place("generated"), "a setting has either a `default` or is `generated`");
        }
    }
    if setting.required && (setting.default.is_some() || setting.generated.is_some()) {
        cx.report.error(place("required"), "a setting with a `default` or a generator is never missing");
    }
}
