//! The template file as a whole: its own fields, and the order in which the parts are read.
//!
//! The Compose document is read first, because most other parts name its services, ports and volumes.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::DeTable;

use super::{compose, images, network, settings};
use crate::compose::{Compose, ReadCompose, Rules, Service, read};
use crate::diagnostic::{Diagnostic, OffsetMap, Report, Severity};
use crate::placeholders::{self, Placeholder};
use crate::reader::{At, Fields};
use crate::settings::{Setting, is_url};
use crate::size::Size;
use crate::template::{
    Address, Category, Check, Follow, Links, Origin, Probe, ResourceNeeds, Resources, Template,
};
use crate::words::{is_label, nearest, quoted_list};

const FIELDS: [&str; 16] = [
    "id",
    "version",
    "name",
    "category",
    "description",
    "links",
    "resources",
    "web",
    "ports",
    "probe",
    "settings",
    "images",
    "volumes",
    "address",
    "compose",
    "notes",
];

/// The longest description, in characters.
const MAX_DESCRIPTION: usize = 300;
const MAX_CORES: i64 = 128;
const LEAST_MEMORY: Size = Size::mib(64);
const LEAST_DISK: Size = Size::gib(1);

/// What the readers of the parts share.
pub(super) struct Context<'a> {
    pub(super) report: &'a Report<'a>,
    pub(super) compose: &'a Compose,
    /// Offsets of the Compose document to offsets of the file.
    pub(super) map: &'a OffsetMap,
}

impl<'a> Context<'a> {
    /// The service a field names; a name that is none is reported.
    pub(super) fn service(&self, name: &At<String>) -> Option<&'a Service> {
        let found = self.compose.service(&name.value);
        if found.is_none() && !self.compose.services.is_empty() {
            let names = || self.compose.services.iter().map(|service| service.name.as_str());
            let hint = match nearest(&name.value, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the services are {}", quoted_list(names())),
            };
            let message = format!("the Compose document has no service `{}`", name.value);
            self.report.error_hint(name.at, message, hint);
        }
        found
    }

    /// Reports at a place of the Compose document.
    pub(super) fn in_compose(&self, severity: Severity, at: usize, message: String, hint: &str) {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        self.report.push(severity, self.map.source(at), message, hint);
    }
}

/// Reads a template. `file` is used in messages, and its stem must be the template's id.
pub(crate) fn parse(text: &str, file: &str) -> Result<Template, Vec<Diagnostic>> {
    let report = Report::new(file, text);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        report.error(at, format!("this is not valid TOML: {}", error.message()));
    }
    if report.has_errors() {
        return Err(report.finish());
    }
    let fields = Fields::open(&report, document.get_ref(), 0, "", &FIELDS);
    let template = read_document(&report, &fields, text, file);
    match template {
        Some(mut template) if !report.has_errors() => {
            template.warnings = report.finish();
            Ok(template)
        }
        _ => Err(report.finish()),
    }
}

fn read_document(report: &Report<'_>, fields: &Fields<'_, '_>, text: &str, file: &str) -> Option<Template> {
    let (compose_text, map, model) = read_compose(report, fields, text);
    let cx = Context { report, compose: &model, map: &map };
    let id = read_id(report, fields, file);
    let version = read_version(report, fields);
    let name = fields.required_str("name");
    let categories = Category::ALL.map(|category| (category.as_str(), category));
    let category = fields.required_choice("category", &categories);
    let description = read_description(report, fields);
    let links = read_links(report, fields);
    let resources = read_resources(report, fields);
    let settings = settings::read(&cx, fields);
    let images = images::read_images(&cx, fields);
    let volumes = images::read_volumes(&cx, fields);
    let web = network::read_web(&cx, fields);
    let ports = network::read_ports(&cx, fields);
    let probe = network::read_probe(&cx, fields);
    let address = network::read_address(&cx, fields, &settings);
    let notes = read_notes(report, fields, &settings, text);
    compose::check(&cx, &settings, &images, &volumes, address.is_some());
    let no_probe = Probe {
        check: Check::Running,
        start_period: network::START_PERIOD,
        interval: network::INTERVAL,
        timeout: network::TIMEOUT,
    };
    let nothing = Address { settings: Vec::new(), follow: Follow::Nothing, text: None, commands: Vec::new() };
    Some(Template {
        id: id?,
        version: version?,
        name: name?.value,
        category: category?.value,
        description: description?,
        links,
        resources: resources?,
        web,
        ports,
        // A missing probe has been reported, and the template is thrown away.
        probe: probe.unwrap_or(no_probe),
        settings,
        images,
        volumes,
        address: address.unwrap_or(nothing),
        compose: compose_text,
        notes,
        origin: Origin::Template,
        source: text.to_owned(),
        model,
        warnings: Vec::new(),
    })
}

fn read_compose(report: &Report<'_>, fields: &Fields<'_, '_>, text: &str) -> (String, OffsetMap, Compose) {
    let Some(compose) = fields.required_str("compose") else {
        return (String::new(), OffsetMap::identity(""), Compose::default());
    };
    let span = fields.raw("compose").expect("the field was just read").span();
    let map = OffsetMap::of_toml_string(text, span, &compose.value);
    // Settings' defaults are read later: a template's published ports are fixed numbers.
    let ReadCompose { compose: model, findings } =
        read(&compose.value, &BTreeMap::new(), Rules::for_origin(Origin::Template));
    for found in findings {
        report.push(found.severity, map.source(found.at), found.message, found.hint);
    }
    (compose.value, map, model)
}

fn read_id(report: &Report<'_>, fields: &Fields<'_, '_>, file: &str) -> Option<String> {
    let id = fields.required_str("id")?;
    if !is_label(&id.value) {
        report.error_hint(
            id.at,
            format!("`{}` cannot be an id", id.value),
            "an id is 1 to 63 lower-case letters, digits and inner hyphens (RFC 1123)",
        );
        return None;
    }
    let stem = Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    if stem != id.value {
        let message = format!("the id `{}` is not the file's name `{stem}`", id.value);
        report.error_hint(id.at, message, format!("call the file `{}.toml`", id.value));
    }
    Some(id.value)
}

fn read_version(report: &Report<'_>, fields: &Fields<'_, '_>) -> Option<String> {
    let version = fields.required_str("version")?;
    let number = |part: &str| {
        part.bytes().all(|b| b.is_ascii_digit())
            && (part == "0" || (!part.is_empty() && !part.starts_with('0')))
    };
    let parts: Vec<&str> = version.value.split('.').collect();
    if parts.len() != 3 || !parts.iter().all(|part| number(part)) {
        report.error_hint(
            version.at,
            format!("`{}` is not a semantic version", version.value),
            "write three numbers, such as 1.0.0; it is the template's version, not the app's",
        );
        return None;
    }
    Some(version.value)
}

fn read_description(report: &Report<'_>, fields: &Fields<'_, '_>) -> Option<String> {
    let text = fields.required_str("description")?;
    let length = text.value.chars().count();
    if length > MAX_DESCRIPTION || text.value.contains('\n') {
        let message = format!("the description has {length} characters or more than one line");
        report.error_hint(
            text.at,
            message,
            format!("write one line of at most {MAX_DESCRIPTION} characters"),
        );
    }
    Some(text.value)
}

fn read_links(report: &Report<'_>, fields: &Fields<'_, '_>) -> Links {
    let Some(links) = fields.required_table("links", &["website", "source", "docs"]) else {
        return Links::default();
    };
    let link = |key: &str| {
        let link = links.str(key)?;
        if !is_url(&link.value) {
            report.error(link.at, format!("`{key}` must be a URL that begins with http:// or https://"));
        }
        Some(link.value)
    };
    if links.raw("docs").is_none() {
        links.missing("docs");
    }
    Links { website: link("website"), source: link("source"), docs: link("docs") }
}

fn read_resources(report: &Report<'_>, fields: &Fields<'_, '_>) -> Option<ResourceNeeds> {
    let table = fields.required_table("resources", &["minimum", "default"])?;
    let amounts = |key: &str| {
        let amounts = table.required_table(key, &["cores", "memory", "disk"])?;
        for field in ["cores", "memory", "disk"] {
            if amounts.raw(field).is_none() {
                amounts.missing(field);
            }
        }
        let cores = amounts.integer("cores");
        if let Some(cores) = cores.filter(|cores| !(1..=MAX_CORES).contains(&cores.value)) {
            report.error(cores.at, format!("`cores` must be from 1 to {MAX_CORES}"));
        }
        let size = |field: &str, least: Size| {
            let size = amounts.parsed::<Size>(field)?;
            if size.value < least {
                report.error(size.at, format!("`{field}` must be at least {least}"));
            }
            Some(size)
        };
        Some((cores?, size("memory", LEAST_MEMORY)?, size("disk", LEAST_DISK)?))
    };
    let (minimum, default) = (amounts("minimum"), amounts("default"));
    let (minimum, default) = (minimum?, default?);
    let below = |at: usize, field: &str| {
        report.error(at, format!("the default `{field}` is less than the minimum"));
    };
    if default.0.value < minimum.0.value {
        below(default.0.at, "cores");
    }
    if default.1.value < minimum.1.value {
        below(default.1.at, "memory");
    }
    if default.2.value < minimum.2.value {
        below(default.2.at, "disk");
    }
    let resources = |(cores, memory, disk): (At<i64>, At<Size>, At<Size>)| Resources {
        cores: u32::try_from(cores.value).unwrap_or(1),
        memory: memory.value,
        disk: disk.value,
    };
    Some(ResourceNeeds { minimum: resources(minimum), default: resources(default) })
}

fn read_notes(report: &Report<'_>, fields: &Fields<'_, '_>, settings: &[Setting], text: &str) -> String {
    let Some(notes) = fields.str("notes") else { return String::new() };
    let span = fields.raw("notes").expect("the field was just read").span();
    let map = OffsetMap::of_toml_string(text, span, &notes.value);
    check_placeholders(report, &notes.value, &|at| map.source(at), settings);
    notes.value
}

/// Reports every `{{…}}` of a text that stands for nothing, or for a secret.
pub(super) fn check_placeholders(
    report: &Report<'_>,
    text: &str,
    place: &dyn Fn(usize) -> usize,
    settings: &[Setting],
) {
    for (at, placeholder) in placeholders::find(text) {
        match placeholder {
            Placeholder::Setting(key) => match settings.iter().find(|setting| setting.key == key) {
                Some(setting) if setting.secret => report.error_hint(
                    place(at),
                    format!("`{{{{setting.{key}}}}}` would show a secret"),
                    "tell the person to run `proximityctl config show {{name}} --reveal`",
                ),
                Some(_) => {}
                None => {
                    let near = nearest(key, settings.iter().map(|setting| setting.key.as_str()));
                    let hint = near.map_or_else(
                        || "declare it in a [[settings]] table".to_owned(),
                        |near| format!("did you mean `{near}`?"),
                    );
                    report.error_hint(place(at), format!("there is no setting `{key}`"), hint);
                }
            },
            Placeholder::Unknown(name) => report.error_hint(
                place(at),
                format!("`{{{{{name}}}}}` stands for nothing"),
                "there are {{url}}, {{host}}, {{ip}}, {{name}} and {{setting.KEY}}",
            ),
            _ => {}
        }
    }
}
