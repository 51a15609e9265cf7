//! Reading a method's parameters, with an error that says what to write instead.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Code, Problem};

/// Reads parameters into a method's type.
///
/// # Errors
/// [`Code::InvalidParams`]; an unknown field names the nearest one that exists.
pub fn read<P: DeserializeOwned>(method: &str, params: Value) -> Result<P, Problem> {
    serde_json::from_value(params).map_err(|error| {
        let text = error.to_string();
        let problem = Problem::new(Code::InvalidParams, format!("the parameters do not fit `{method}`"));
        match unknown_field(&text) {
            Some((unknown, valid)) => {
                let problem = problem.cause(format!("unknown field `{unknown}`"));
                match nearest(&unknown, valid.iter().map(String::as_str)) {
                    Some(near) => problem.hint(format!("did you mean `{near}`?")),
                    None if valid.is_empty() => problem.hint("it takes no parameters"),
                    None => problem.hint(format!("it takes: {}", valid.join(", "))),
                }
            }
            None => problem.cause(text),
        }
    })
}

/// The name nearest to a misspelt one, if one is near enough to be meant.
pub fn nearest<'a>(wrong: &str, valid: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    valid
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len().max(wrong.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// serde's words are "unknown field `x`, expected one of `a`, `b`", "expected `a`" or "there are no fields".
fn unknown_field(text: &str) -> Option<(String, Vec<String>)> {
    let rest = text.strip_prefix("unknown field `")?;
    let mut quoted = rest.split('`');
    let unknown = quoted.next()?.to_string();
    let valid = quoted.skip(1).step_by(2).map(str::to_string).collect();
    Some((unknown, valid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{AppName, DeployParams};

    #[test]
    fn an_unknown_field_is_refused_with_the_nearest_name() {
        let params = serde_json::json!({"template": "whoami", "memroy": 5});
        let problem = read::<DeployParams>("app.deploy", params).unwrap_err();
        assert_eq!(problem.code, Code::InvalidParams);
        assert_eq!(problem.causes, ["unknown field `memroy`"]);
        assert_eq!(problem.hints, ["did you mean `memory`?"]);
    }

    #[test]
    fn a_field_like_no_other_lists_them_all() {
        let problem = read::<AppName>("app.get", serde_json::json!({"zzzzzzz": 5})).unwrap_err();
        assert_eq!(problem.hints, ["it takes: name"]);
    }

    #[test]
    fn a_wrong_type_says_what_was_expected() {
        let problem = read::<AppName>("app.get", serde_json::json!({"name": 5})).unwrap_err();
        assert!(problem.causes[0].contains("expected a string"), "{problem:?}");
    }
}
