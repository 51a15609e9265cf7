//! Proximity's catalog: app templates, their validation, and the built-in set.
//!
//! A template is one TOML file with a plain Compose document in it; `docs/catalog.md` is the reference of the
//! format. This crate reads templates and people's own Compose files, says exactly what is wrong with them,
//! resolves settings, writes the `.env` file, and decides which image tags an app may be updated to. It talks
//! to nothing: Proxmox VE, Docker, registries, random numbers and clocks are left to the daemon.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod catalog;
mod compose;
mod compose_file;
mod diagnostic;
mod env;
mod placeholders;
mod reader;
mod settings;
mod size;
mod tag;
mod template;
mod template_file;
mod words;
mod yaml;

pub use catalog::{Catalog, CatalogError};
pub use compose::{CommandLine, Compose, Dependency, Mount, MountKind, PublishedPort, Service, VariableUse};
pub use diagnostic::{Diagnostic, Severity};
pub use env::{EnvError, read_env, render_env};
pub use placeholders::{render_command, render_notes};
pub use settings::{
    Generator, GeneratorError, ResolvedSettings, Setting, SettingError, SettingKind, SettingValue,
};
pub use size::{Seconds, SecondsError, Size, SizeError};
pub use tag::{TagError, TagPolicy, Version, VersionRange};
pub use template::{
    Address, Category, Check, Deployment, ExecCommand, Follow, Image, Links, Origin, Port, Probe, Protocol,
    RESERVED_VARIABLES, ResourceNeeds, Resources, Scheme, StatusRange, Template, Volume, Web, image_variable,
    is_reserved,
};

impl Template {
    /// Reads a template file and checks it. `file_name` is used in messages; its stem must be the id.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, in the order of the file, warnings included. The warnings of a valid
    /// template are in [`Template::warnings`].
    pub fn parse(text: &str, file_name: &str) -> Result<Template, Vec<Diagnostic>> {
        template_file::parse(text, file_name)
    }

    /// Makes a template of a person's own Compose file, which is deployed as it is.
    ///
    /// `name` becomes the id. The variables of the file become settings.
    ///
    /// # Errors
    ///
    /// What Proximity refuses in it, in the order of the file, warnings included.
    pub fn from_compose(name: &str, yaml_text: &str) -> Result<Template, Vec<Diagnostic>> {
        compose_file::template_from(name, yaml_text)
    }
}
