//! Makes a template out of any plain Compose file, so that it can be deployed as it is.
//!
//! Guesses the web page and the probe; labels of a service say better: `proximity.web` (a container port,
//! optionally `PORT/https`), `proximity.path`, and `proximity.probe` (`http`, `tcp` or `none`).

use std::collections::BTreeMap;

use crate::compose::{Compose, MountKind, PublishedPort, ReadCompose, Rules, Service, parse_image, read};
use crate::diagnostic::{Diagnostic, Report, Severity};
use crate::settings::{Setting, SettingKind};
use crate::size::{Seconds, Size};
use crate::template::{
    Address, Category, Check, Follow, Image, Links, Origin, Port, Probe, Protocol, RESERVED_VARIABLES,
    ResourceNeeds, Resources, Scheme, StatusRange, Template, Volume, Web,
};
use crate::words::{is_label, is_secret_name};

/// Container ports that web apps usually listen on, the likeliest first.
const WEB_PORTS: [u16; 14] =
    [80, 8080, 3000, 8000, 5000, 8888, 9000, 8081, 8096, 8123, 5678, 4000, 1337, 443];
/// Container ports that speak HTTPS.
const TLS_PORTS: [u16; 3] = [443, 8443, 9443];
/// Container ports of databases and other services without a web page.
const NO_WEB_PORTS: [u16; 12] = [22, 25, 53, 1433, 1883, 3306, 5432, 5672, 6379, 8883, 11211, 27017];

/// What an app of a person's own gets: the file does not say what it needs.
const RESOURCES: ResourceNeeds = ResourceNeeds {
    minimum: Resources { cores: 1, memory: Size::mib(512), disk: Size::gib(4) },
    default: Resources { cores: 2, memory: Size::gib(2), disk: Size::gib(16) },
};

/// Reads a Compose file. `name` becomes the template's id; `text` is kept byte for byte.
pub(crate) fn template_from(name: &str, text: &str) -> Result<Template, Vec<Diagnostic>> {
    let report = Report::new("compose.yaml", text);
    if !is_label(name) {
        report.error_hint(
            0,
            format!("`{name}` cannot be an app's name"),
            "a name is 1 to 63 lower-case letters, digits and inner hyphens (RFC 1123)",
        );
    }
    let ReadCompose { compose: model, findings } =
        read(text, &BTreeMap::new(), Rules::for_origin(Origin::Compose));
    for found in findings {
        report.push(found.severity, found.at, found.message, found.hint);
    }
    let images = images(&report, &model);
    let web = guess_web(&report, &model);
    let probe = guess_probe(&model, web.as_ref());
    if report.has_errors() {
        return Err(report.finish());
    }
    let uses_address =
        model.variables.iter().any(|v| matches!(v.name.as_str(), "APP_URL" | "APP_HOST" | "APP_IP"));
    Ok(Template {
        id: name.to_owned(),
        version: "1.0.0".to_owned(),
        name: name.to_owned(),
        category: Category::Other,
        description: format!("The Compose file of {name}."),
        links: Links::default(),
        resources: RESOURCES,
        ports: other_ports(&model, web.as_ref()),
        web,
        probe,
        settings: settings(&model),
        images,
        volumes: volumes(&model),
        address: Address {
            settings: Vec::new(),
            follow: if uses_address { Follow::Restart } else { Follow::Nothing },
            text: None,
            commands: Vec::new(),
        },
        compose: text.to_owned(),
        notes: String::new(),
        origin: Origin::Compose,
        source: text.to_owned(),
        model,
        warnings: report.finish(),
    })
}

fn images(report: &Report<'_>, model: &Compose) -> BTreeMap<String, Image> {
    let mut images = BTreeMap::new();
    for service in &model.services {
        let Some(image) = service.image.as_deref().and_then(parse_image) else { continue };
        if image.tag == "latest" && image.digest.is_none() {
            report.push(
                Severity::Warning,
                service.image_at,
                format!("the image of `{}` has no fixed version", service.name),
                Some("name a version after the `:`, so that a restore brings back the same app".to_owned()),
            );
        }
        images.insert(service.name.clone(), image);
    }
    images
}

/// The ports of a service that can be reached from outside over TCP.
fn reachable(service: &Service) -> impl Iterator<Item = &PublishedPort> {
    service
        .ports
        .iter()
        .filter(|port| port.host.is_some() && port.protocol == Protocol::Tcp && !port.is_loopback())
}

fn guess_web(report: &Report<'_>, model: &Compose) -> Option<Web> {
    for service in &model.services {
        if let Some(label) = service.labels.get("proximity.web") {
            return labelled_web(report, service, label);
        }
    }
    let candidates = || {
        model
            .services
            .iter()
            .filter(|service| service.profiles.is_empty())
            .flat_map(|service| reachable(service).map(move |port| (service, port)))
    };
    let known = WEB_PORTS.iter().find_map(|wanted| candidates().find(|(_, port)| port.container == *wanted));
    let (service, port) =
        known.or_else(|| candidates().find(|(_, port)| !NO_WEB_PORTS.contains(&port.container)))?;
    Some(web(service, port.container, None))
}

fn web(service: &Service, port: u16, scheme: Option<Scheme>) -> Web {
    let guessed = if TLS_PORTS.contains(&port) { Scheme::Https } else { Scheme::Http };
    let path = service.labels.get("proximity.path").filter(|path| path.starts_with('/'));
    Web {
        service: service.name.clone(),
        port,
        path: path.cloned().unwrap_or_else(|| "/".to_owned()),
        scheme: scheme.unwrap_or(guessed),
    }
}

/// `proximity.web: "8080"` or `"8443/https"`.
fn labelled_web(report: &Report<'_>, service: &Service, label: &str) -> Option<Web> {
    let (port, scheme) = match label.split_once('/') {
        Some((port, "http")) => (port, Some(Scheme::Http)),
        Some((port, "https")) => (port, Some(Scheme::Https)),
        Some(_) => ("", None),
        None => (label, None),
    };
    let port: Option<u16> = port.parse().ok();
    let Some(port) = port.filter(|wanted| reachable(service).any(|port| port.container == *wanted)) else {
        report.error_hint(
            service.at,
            format!(
                "the label `proximity.web: {label}` of `{}` names no port that it publishes",
                service.name
            ),
            "write a container port, such as \"8080\" or \"8443/https\", and publish it under `ports`",
        );
        return None;
    };
    Some(web(service, port, scheme))
}

fn guess_probe(model: &Compose, web: Option<&Web>) -> Probe {
    let label = model.services.iter().find_map(|service| service.labels.get("proximity.probe"));
    let check = match (label.map(String::as_str), web) {
        (Some("none"), _) | (_, None) => Check::Running,
        (Some("tcp"), Some(web)) => Check::Tcp { service: web.service.clone(), port: web.port },
        // Any answer but a server's own error shows that the app is up; a page may want a password.
        (_, Some(web)) => Check::Http {
            service: web.service.clone(),
            port: web.port,
            path: web.path.clone(),
            scheme: web.scheme,
            status: vec![StatusRange { first: 100, last: 499 }],
        },
    };
    Probe { check, start_period: Seconds(180), interval: Seconds(2), timeout: Seconds(5) }
}

fn other_ports(model: &Compose, web: Option<&Web>) -> Vec<Port> {
    let mut ports = Vec::new();
    for service in &model.services {
        for port in service.ports.iter().filter(|port| port.host.is_some() && !port.is_loopback()) {
            let is_web = web.is_some_and(|web| {
                web.service == service.name && web.port == port.container && port.protocol == Protocol::Tcp
            });
            if !is_web {
                ports.push(Port {
                    name: format!("{}-{}-{}", service.name, port.container, port.protocol),
                    service: service.name.clone(),
                    port: port.container,
                    protocol: port.protocol,
                    description: format!("Port {} of {}", port.container, service.name),
                });
            }
        }
    }
    ports
}

/// The variables that Proximity does not write itself, as settings.
fn settings(model: &Compose) -> Vec<Setting> {
    let mut found: Vec<Setting> = Vec::new();
    for variable in
        model.variables.iter().filter(|variable| !RESERVED_VARIABLES.contains(&variable.name.as_str()))
    {
        // A default that holds another variable is left to Compose: the setting is then optional.
        let default = variable.default.clone().filter(|default| !default.contains('$'));
        match found.iter_mut().find(|setting| setting.key == variable.name) {
            Some(known) => {
                known.required |= !variable.optional;
                known.default = known.default.take().or(default);
            }
            None => found.push(Setting {
                key: variable.name.clone(),
                kind: SettingKind::String,
                secret: is_secret_name(&variable.name),
                required: !variable.optional,
                default,
                generated: None,
                values: Vec::new(),
                pattern: None,
                min: None,
                max: None,
                help: format!("The Compose file's ${{{}}}.", variable.name),
            }),
        }
    }
    for setting in &mut found {
        setting.required &= setting.default.is_none();
    }
    found
}

fn volumes(model: &Compose) -> Vec<Volume> {
    let mut found: Vec<Volume> = Vec::new();
    for service in &model.services {
        for mount in service.mounts.iter().filter(|mount| mount.kind == MountKind::Volume) {
            let name = mount.source.clone().unwrap_or_default();
            if !found.iter().any(|volume| volume.name == name) {
                let description = format!("Data of {}", service.name);
                found.push(Volume {
                    name,
                    service: service.name.clone(),
                    path: mount.target.clone(),
                    description,
                });
            }
        }
    }
    found
}
