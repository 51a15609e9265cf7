//! What Proximity needs to know of a Compose document.
//!
//! Not the whole of Compose: the document itself goes into the container unchanged, and Docker Compose alone
//! gives it its meaning. Reading it is left to [`super::read`].

use std::collections::BTreeMap;

use serde::Serialize;

use super::read::{Rules, read};
use super::variables::VariableUse;
use crate::diagnostic::{Diagnostic, Report, Severity};
use crate::template::{Origin, Protocol};

/// A Compose document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Compose {
    /// The services, in the order of the document.
    pub services: Vec<Service>,
    /// The named volumes that are declared.
    pub volumes: Vec<String>,
    /// Every `${VARIABLE}` in it, in the order of the document.
    pub variables: Vec<VariableUse>,
}

/// A service of a Compose document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Service {
    /// Its name, under which the other services reach it.
    pub name: String,
    /// The image reference with variables filled in, if all of them are known.
    pub image: Option<String>,
    /// The image reference as written.
    pub image_as_written: Option<String>,
    /// The ports it publishes; a range is written out.
    pub ports: Vec<PublishedPort>,
    /// Its volumes and binds.
    pub mounts: Vec<Mount>,
    /// The environment; `None` for a variable that is handed through.
    pub environment: BTreeMap<String, Option<String>>,
    /// What it waits for.
    pub depends_on: Vec<Dependency>,
    /// The command that replaces the image's.
    pub command: Option<CommandLine>,
    /// The entry point that replaces the image's.
    pub entrypoint: Option<CommandLine>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its restart policy as written.
    pub restart: Option<String>,
    /// Whether it has a health check of its own (the image may have one too).
    pub healthcheck: bool,
    /// The profiles it belongs to. A service with profiles is not started by itself.
    pub profiles: Vec<String>,
    /// Device paths it asks for.
    pub devices: Vec<String>,
    #[serde(skip)]
    pub(crate) at: usize,
    #[serde(skip)]
    pub(crate) image_at: usize,
    #[serde(skip)]
    pub(crate) environment_at: BTreeMap<String, usize>,
}

/// A port that a service publishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublishedPort {
    /// The address it is bound to; all when `None`.
    pub host_ip: Option<String>,
    /// The port outside; Docker picks one when `None`.
    pub host: Option<u16>,
    /// The port inside the service's container.
    pub container: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
    #[serde(skip)]
    pub(crate) at: usize,
}

/// What kind of storage a service mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MountKind {
    /// A named volume.
    Volume,
    /// A volume without a name, lost when the service is made anew.
    Anonymous,
    /// A path of the container that Docker runs in.
    Bind,
    /// Memory.
    Tmpfs,
    /// Something else, such as another image.
    Other,
}

/// A volume or bind of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// What it is.
    pub kind: MountKind,
    /// The volume's name or the path outside.
    pub source: Option<String>,
    /// The path inside.
    pub target: String,
    /// Whether the service cannot write to it.
    pub read_only: bool,
    #[serde(skip)]
    pub(crate) at: usize,
}

/// What a service waits for before it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dependency {
    /// The other service.
    pub service: String,
    /// `service_started`, `service_healthy` or `service_completed_successfully`.
    pub condition: String,
    #[serde(skip)]
    pub(crate) at: usize,
}

/// A command as Compose takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum CommandLine {
    /// One text that Docker splits.
    Shell(String),
    /// The words themselves.
    Exec(Vec<String>),
}

impl Compose {
    /// Reads a Compose document for looking at. Variables take their defaults; findings that only matter for a
    /// deploy are not among the errors.
    pub fn parse(text: &str, file: &str) -> Result<Compose, Vec<Diagnostic>> {
        let done = read(text, &BTreeMap::new(), Rules::for_origin(Origin::Compose));
        let report = Report::new(file, text);
        for found in done.findings {
            if found.severity == Severity::Error {
                report.push(found.severity, found.at, found.message, found.hint);
            }
        }
        if report.has_errors() { Err(report.finish()) } else { Ok(done.compose) }
    }

    /// Reads a document that is known to be sound, with these values for its variables.
    pub(crate) fn read(text: &str, values: &BTreeMap<String, String>) -> Result<Compose, ()> {
        let done = read(text, values, Rules::for_origin(Origin::Compose));
        let broken = done.findings.iter().any(|found| found.severity == Severity::Error);
        if broken { Err(()) } else { Ok(done.compose) }
    }

    /// The service of that name.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }

    /// The port outside for a service's port inside, if it is published at a fixed one.
    pub fn host_port(&self, service: &str, container: u16, protocol: Protocol) -> Option<u16> {
        let ports = &self.service(service)?.ports;
        let wanted = |port: &&PublishedPort| port.container == container && port.protocol == protocol;
        ports.iter().filter(wanted).find(|port| !port.is_loopback())?.host
    }
}

impl PublishedPort {
    /// Whether it is bound to a loopback address, where nothing outside the app's container reaches it.
    pub fn is_loopback(&self) -> bool {
        let ip = self.host_ip.as_ref().and_then(|ip| ip.parse::<std::net::IpAddr>().ok());
        ip.is_some_and(|ip| ip.is_loopback())
    }
}
