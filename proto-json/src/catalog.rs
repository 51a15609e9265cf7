//! The catalog of templates.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::Resources;
use crate::method::method;

/// A template, briefly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TemplateSummary {
    /// Its id: what `deploy` takes.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The template's version.
    pub version: String,
    /// Its category.
    pub category: String,
    /// One or two sentences.
    pub description: String,
}

/// A template, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TemplateDetail {
    /// The template.
    #[serde(flatten)]
    pub summary: TemplateSummary,
    /// Where to read more.
    pub links: Vec<Link>,
    /// The least it needs.
    pub minimum: Resources,
    /// What it gets when nothing is asked for.
    pub default: Resources,
    /// The images: service, reference, and the versions its tag policy allows.
    pub images: Vec<TemplateImage>,
    /// The settings.
    pub settings: Vec<TemplateSetting>,
    /// The Compose document.
    pub compose: String,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    /// `website`, `source` or `docs`.
    pub kind: String,
    /// The URL.
    pub url: String,
}

/// An image of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TemplateImage {
    /// The service.
    pub service: String,
    /// The repository.
    pub repository: String,
    /// The tag that was tested.
    pub tag: String,
    /// The versions that the policy allows, such as `>=31, <33`.
    pub range: Option<String>,
}

/// A setting of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TemplateSetting {
    /// Its key.
    pub key: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its default.
    pub default: Option<String>,
    /// It must be given.
    pub required: bool,
    /// It is a secret: it is asked for, or read from a file, never taken from the command line.
    pub secret: bool,
    /// Proximity makes one up when none is given.
    pub generated: bool,
    /// The values it may have.
    pub values: Vec<String>,
    /// What it is for.
    pub help: String,
}

/// Which templates to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListParams {
    /// Words to look for in id, name, category and description; best match first.
    pub query: Option<String>,
}

/// Names one template.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateId {
    /// The template's id.
    pub id: String,
}

/// A template or Compose file to check.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidateParams {
    /// The file's name, for the messages; `.toml` is a template, anything else a Compose file.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// One thing that is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Diagnostic {
    /// `error` or `warning`.
    pub severity: String,
    /// Line, counting from 1.
    pub line: u32,
    /// Column, counting from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// What was found in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ValidateOutput {
    /// Whether it can be deployed.
    pub valid: bool,
    /// Everything found.
    pub diagnostics: Vec<Diagnostic>,
}

method!(List = "catalog.list", "Lists or searches the templates.", Viewer, Essential, Read, ListParams => Vec<TemplateSummary>);
method!(Get = "catalog.get", "Shows one template.", Viewer, Essential, Read, TemplateId => TemplateDetail);
method!(Validate = "catalog.validate", "Checks a template or a Compose file.", Viewer, Essential, Read, ValidateParams => ValidateOutput);
