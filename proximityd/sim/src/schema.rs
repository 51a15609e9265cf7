//! The API as data: which paths and methods there are, what parameters they take, who may call them.
//!
//! The facts are in `data/api.json` (path, method, parameters, permission expression); nothing here knows
//! what a method does.

mod check;
mod format;
mod places;
mod property_string;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;

pub(crate) use check::{check_parameters, numbered};
pub(crate) use format::{parse_size, print_size, split_list};
pub(crate) use property_string::{PropertyString, parse_property_string, print_property_string};

/// One parameter (or one key of a property string).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Property {
    /// `string`, `integer`, `number`, `boolean`, `array`, `object`.
    #[serde(rename = "type")]
    pub kind: String,
    /// May be left out.
    pub optional: bool,
    /// A named format, or the keys of a property string.
    pub format: Option<Format>,
    /// The values allowed.
    #[serde(rename = "enum")]
    pub choices: Option<Vec<Value>>,
    /// A Perl regular expression the whole value must match.
    pub pattern: Option<String>,
    /// Smallest number.
    pub minimum: Option<f64>,
    /// Greatest number.
    pub maximum: Option<f64>,
    /// Fewest characters.
    pub min_length: Option<usize>,
    /// Most characters.
    pub max_length: Option<usize>,
    /// Another parameter that must be given too (a schema of several is not checked here).
    pub requires: Option<Value>,
    /// The value taken when left out.
    pub default: Option<Value>,
    /// What an array holds.
    pub items: Option<Box<Property>>,
    /// Alternatives, by the value of another parameter.
    pub one_of: Option<Vec<Property>>,
    /// The key of a property string that may stand without its name.
    #[serde(rename = "default_key")]
    pub default_key: bool,
}

/// How a string is built.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Format {
    /// A name such as `pve-vmid` or `dns-name-list`.
    Named(String),
    /// The keys of a property string (`a=1,b=2`).
    Keys(BTreeMap<String, Property>),
}

/// One method of one path.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Method {
    /// The parameters, those in the path included.
    pub parameters: BTreeMap<String, Property>,
    /// Who may call it; none means `root@pam` alone.
    pub permissions: Option<Permissions>,
    /// An API token may not call it when false.
    pub token: Option<bool>,
    /// Handed to the node that `node` names.
    pub proxy: bool,
}

/// A method's permission rule.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Permissions {
    /// `all` (any authenticated user) or `world`.
    pub user: Option<String>,
    /// An expression such as `["perm", "/vms/{vmid}", ["VM.Audit"]]`.
    pub check: Option<Value>,
}

/// The whole API.
#[derive(Debug)]
pub(crate) struct Api {
    paths: Vec<Template>,
}

#[derive(Debug)]
struct Template {
    path: String,
    parts: Vec<Part>,
    methods: BTreeMap<String, Method>,
}

#[derive(Debug)]
enum Part {
    Literal(String),
    Name(String),
    /// A volume: the rest of the path, slashes included.
    Rest(String),
}

/// A path found: its template, its methods, and the values in it.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    /// `/nodes/{node}/lxc`.
    pub template: &'a str,
    /// The method asked for, if the path has it.
    pub method: Option<&'a Method>,
    /// The values of the names in the path.
    pub values: Vec<(String, String)>,
}

impl Api {
    /// The API described by the embedded data file.
    pub(crate) fn get() -> &'static Self {
        static API: OnceLock<Api> = OnceLock::new();
        API.get_or_init(|| {
            let data: BTreeMap<String, BTreeMap<String, Method>> =
                serde_json::from_str(include_str!("../data/api.json"))
                    .expect("the embedded API data is valid");
            let mut paths: Vec<_> = data
                .into_iter()
                .map(|(path, methods)| Template { parts: split_template(&path), path, methods })
                .collect();
            // A literal wins over a name at the same place.
            paths.sort_by_key(|t| t.parts.iter().filter(|p| !matches!(p, Part::Literal(_))).count());
            Self { paths }
        })
    }

    /// Looks a decoded path (without `/api2/json`) up.
    pub(crate) fn find(&self, method: &str, path: &str) -> Option<Found<'_>> {
        let given: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
        self.paths.iter().find_map(|template| {
            let values = matches(&template.parts, &given)?;
            Some(Found { template: &template.path, method: template.methods.get(method), values })
        })
    }

    /// A method by its template, for other methods that share its parameters.
    pub(crate) fn method(&self, method: &str, template: &str) -> Option<&Method> {
        self.paths.iter().find(|t| t.path == template)?.methods.get(method)
    }
}

fn split_template(path: &str) -> Vec<Part> {
    path.split('/')
        .filter(|s| !s.is_empty())
        .map(|s| match s.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
            Some("volume") => Part::Rest("volume".into()),
            Some(name) => Part::Name(name.into()),
            None => Part::Literal(s.into()),
        })
        .collect()
}

fn matches(parts: &[Part], given: &[&str]) -> Option<Vec<(String, String)>> {
    let mut values = Vec::new();
    for (i, part) in parts.iter().enumerate() {
        let value = *given.get(i)?;
        match part {
            Part::Literal(text) if text == value => {}
            Part::Literal(_) => return None,
            Part::Name(name) => values.push((name.clone(), value.to_owned())),
            Part::Rest(name) => {
                values.push((name.clone(), given[i..].join("/")));
                return Some(values);
            }
        }
    }
    (parts.len() == given.len()).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_wins_over_a_name() {
        let found = Api::get().find("GET", "/nodes/pve1/lxc/200/status/current").expect("the path is known");
        assert_eq!(found.template, "/nodes/{node}/lxc/{vmid}/status/current");
        assert_eq!(found.values[1], ("vmid".to_owned(), "200".to_owned()));
    }

    #[test]
    fn a_volume_takes_the_rest_of_the_path() {
        let found = Api::get()
            .find("GET", "/nodes/pve1/storage/local/content/local:backup/a.tar.zst")
            .expect("the path is known");
        assert_eq!(found.values[2].1, "local:backup/a.tar.zst");
    }

    #[test]
    fn an_unknown_path_is_not_found_and_an_unknown_method_has_no_entry() {
        assert!(Api::get().find("GET", "/nosuch").is_none());
        assert!(Api::get().find("POST", "/version").expect("the path is known").method.is_none());
    }
}
