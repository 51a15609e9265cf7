//! The catalog entry: everything Proximity knows about how an app is built.
//!
//! Only the types, and what can be said from them alone. Reading them from a file is left to the reader
//! modules, and doing anything with them (containers, probes, backups) to the daemon.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::compose::Compose;
use crate::diagnostic::Diagnostic;
use crate::settings::{ResolvedSettings, Setting};
use crate::size::{Seconds, Size};
use crate::tag::TagPolicy;

/// Where a template came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A template file of the catalog's format.
    Template,
    /// A plain Compose file that a person brought along.
    Compose,
}

/// How an app is built. See `docs/catalog.md` for the file it is read from.
#[derive(Clone, Debug, Serialize)]
pub struct Template {
    /// Its id: an RFC 1123 label.
    pub id: String,
    /// The template's own semantic version, which is not the app's.
    pub version: String,
    /// The app's name for people.
    pub name: String,
    /// What kind of app it is.
    pub category: Category,
    /// One or two sentences.
    pub description: String,
    /// Where to read more.
    pub links: Links,
    /// What its container needs.
    pub resources: ResourceNeeds,
    /// Its web page, if it has one.
    pub web: Option<Web>,
    /// The ports it publishes beside the web page's.
    pub ports: Vec<Port>,
    /// How to tell that it works.
    pub probe: Probe,
    /// What can be set, in the order of the file.
    pub settings: Vec<Setting>,
    /// The images by service. A service that shares another's image is not in it.
    pub images: BTreeMap<String, Image>,
    /// The data that backups hold.
    pub volumes: Vec<Volume>,
    /// What to do when the app's address changes.
    pub address: Address,
    /// The Compose document, byte for byte as it goes into the container.
    pub compose: String,
    /// What to tell a person after a deploy; see [`crate::render_notes`].
    pub notes: String,
    /// Template file or plain Compose file.
    pub origin: Origin,
    /// The text it was read from. `Template::parse` (or `from_compose`) of it gives this template again.
    #[serde(skip)]
    pub source: String,
    /// The Compose document as read with the settings' defaults.
    #[serde(skip)]
    pub model: Compose,
    /// What a person should look at although the template can be used.
    pub warnings: Vec<Diagnostic>,
}

/// What kind of app it is: a closed list, so that a catalog can be browsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// Rules, flows and jobs.
    Automation,
    /// Chat, mail and calls.
    Communication,
    /// Start pages and overviews.
    Dashboard,
    /// Databases and their tools.
    Database,
    /// Source code, builds and tools for developers.
    Development,
    /// Paper, notes, wikis and office work.
    Documents,
    /// File storage and synchronisation.
    Files,
    /// The smart home.
    Home,
    /// Films, music, pictures and books.
    Media,
    /// Metrics, logs and alarms.
    Monitoring,
    /// DNS, proxies, VPNs.
    Network,
    /// Everything a person brings along themself.
    Other,
    /// Passwords, identities and keys.
    Security,
    /// Web servers and sites.
    Web,
}

impl Category {
    /// Every category, in alphabetical order.
    pub const ALL: [Category; 14] = [
        Category::Automation,
        Category::Communication,
        Category::Dashboard,
        Category::Database,
        Category::Development,
        Category::Documents,
        Category::Files,
        Category::Home,
        Category::Media,
        Category::Monitoring,
        Category::Network,
        Category::Other,
        Category::Security,
        Category::Web,
    ];

    /// The name as it is written in a template.
    pub fn as_str(self) -> &'static str {
        match self {
            Category::Automation => "automation",
            Category::Communication => "communication",
            Category::Dashboard => "dashboard",
            Category::Database => "database",
            Category::Development => "development",
            Category::Documents => "documents",
            Category::Files => "files",
            Category::Home => "home",
            Category::Media => "media",
            Category::Monitoring => "monitoring",
            Category::Network => "network",
            Category::Other => "other",
            Category::Security => "security",
            Category::Web => "web",
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where to read more about an app. All are `http` or `https` URLs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Links {
    /// The project's site.
    pub website: Option<String>,
    /// Its source code.
    pub source: Option<String>,
    /// Its documentation; always there for a template file.
    pub docs: Option<String>,
}

/// What an app's container needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ResourceNeeds {
    /// Less than this and the app does not work.
    pub minimum: Resources,
    /// What it gets when nobody says otherwise.
    pub default: Resources,
}

/// An amount of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Resources {
    /// CPU cores.
    pub cores: u32,
    /// Memory.
    pub memory: Size,
    /// Root disk, images and data together.
    pub disk: Size,
}

/// The scheme of an app's web page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS, usually with a certificate nobody signed.
    Https,
}

impl Scheme {
    /// As in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The port that a URL of this scheme need not name.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// An app's web page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Web {
    /// The Compose service that serves it.
    pub service: String,
    /// The port it listens on inside that service's container.
    pub port: u16,
    /// The path of the page, beginning with `/`.
    pub path: String,
    /// HTTP or HTTPS.
    pub scheme: Scheme,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}

/// A published port that is not the web page's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Port {
    /// What it is called, such as `ssh`.
    pub name: String,
    /// The Compose service that listens on it.
    pub service: String,
    /// The port inside that service's container.
    pub port: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// What it is for.
    pub description: String,
}

/// How to tell that an app works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// What is asked.
    pub check: Check,
    /// How long the app may take to answer for the first time.
    pub start_period: Seconds,
    /// The time between two attempts.
    pub interval: Seconds,
    /// How long one attempt may take.
    pub timeout: Seconds,
}

/// What a probe asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Check {
    /// A GET request is answered with one of these statuses. Redirects are not followed.
    Http {
        /// The service asked.
        service: String,
        /// Its port, inside the container; it is published.
        port: u16,
        /// The path, beginning with `/`.
        path: String,
        /// HTTP or HTTPS (the certificate is not checked).
        scheme: Scheme,
        /// The statuses that mean "works".
        status: Vec<StatusRange>,
    },
    /// A TCP connection is accepted.
    Tcp {
        /// The service asked.
        service: String,
        /// Its port, inside the container; it is published.
        port: u16,
    },
    /// A command in a service's container ends with status 0.
    Command {
        /// The service it runs in.
        service: String,
        /// The command and its arguments; no shell is involved.
        command: Vec<String>,
    },
    /// Every service runs, and is healthy where it has a health check. Only for plain Compose files.
    Running,
}

/// HTTP statuses from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StatusRange {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl StatusRange {
    /// Whether a status is in the range.
    pub fn contains(self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}

/// The image of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Image {
    /// Registry and repository, such as `docker.io/library/nextcloud`.
    pub repository: String,
    /// The tag that was tested; `latest` for an untagged image of a plain Compose file.
    pub tag: String,
    /// The digest, for an image of a plain Compose file that names one.
    pub digest: Option<String>,
    /// What it may be updated to; `None` for a plain Compose file, which keeps its tag.
    pub policy: Option<TagPolicy>,
}

impl Image {
    /// The full reference: `repository:tag`, or `repository@digest`.
    pub fn reference(&self) -> String {
        match &self.digest {
            Some(digest) => format!("{}@{digest}", self.repository),
            None => format!("{}:{}", self.repository, self.tag),
        }
    }
}

/// Data that backups hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Volume {
    /// The named volume in the Compose document.
    pub name: String,
    /// A service that mounts it.
    pub service: String,
    /// Where that service sees it.
    pub path: String,
    /// What is in it.
    pub description: String,
}

/// What to do when the app's address changes (a new DHCP lease, another network).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Address {
    /// The settings in which a person may fix the address, such as a public URL behind a proxy.
    pub settings: Vec<String>,
    /// Whether Proximity can make the app follow.
    pub follow: Follow,
    /// What to tell the person; always there when the app cannot follow.
    pub text: Option<String>,
    /// What to run in the app after it came up with its new address.
    pub commands: Vec<ExecCommand>,
}

/// Whether an app can follow a change of its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Follow {
    /// Nothing in the app holds its address.
    Nothing,
    /// Rewrite `.env`, bring the Compose project up again, then run the commands.
    Restart,
    /// Only a person can do it; the text says how.
    Manual,
}

/// A command for `docker compose exec -T`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExecCommand {
    /// The service it runs in.
    pub service: String,
    /// The user it runs as, if not the image's.
    pub user: Option<String>,
    /// The command and its arguments. `{{url}}`, `{{host}}`, `{{ip}}`, `{{name}}` and `{{setting.KEY}}`
    /// stand for their values; see [`crate::render_command`].
    pub command: Vec<String>,
}

/// Where a deployed app is to be found: what the reserved variables are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The app's unique name.
    pub name: String,
    /// The address of its container, without a prefix length. An IPv6 address without brackets.
    pub ip: String,
    /// IANA time zone, such as `Europe/Rome`.
    pub time_zone: String,
    /// Full image references by service, where they are not the template's tested ones.
    pub images: BTreeMap<String, String>,
}

impl Template {
    /// The setting of that key.
    pub fn setting(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }

    /// The Compose document read with these settings, whose values may stand in a published port.
    pub fn compose_with(&self, settings: &ResolvedSettings) -> Compose {
        let values = settings.values.iter().map(|(key, value)| (key.clone(), value.value.clone())).collect();
        Compose::read(&self.compose, &values).unwrap_or_else(|_| self.model.clone())
    }

    /// The host port under which a service's container port can be reached from outside.
    pub fn host_port(
        &self,
        settings: &ResolvedSettings,
        service: &str,
        port: u16,
        protocol: Protocol,
    ) -> Option<u16> {
        self.compose_with(settings).host_port(service, port, protocol)
    }

    /// `host[:port]` of the web page: the container's address, with the port where the scheme does not imply
    /// it. The bare address for an app without a web page.
    pub fn app_host(&self, settings: &ResolvedSettings, ip: &str) -> String {
        let host = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
        let Some(web) = &self.web else { return host };
        match self.host_port(settings, &web.service, web.port, Protocol::Tcp) {
            Some(port) if port != web.scheme.default_port() => format!("{host}:{port}"),
            _ => host,
        }
    }

    /// The value of `APP_URL`: scheme and [`Template::app_host`], without path or final slash.
    pub fn app_url(&self, settings: &ResolvedSettings, ip: &str) -> String {
        let scheme = self.web.as_ref().map_or(Scheme::Http, |web| web.scheme);
        format!("{}://{}", scheme.as_str(), self.app_host(settings, ip))
    }

    /// The URL a person opens, or `None` for an app without a web page.
    pub fn web_url(&self, settings: &ResolvedSettings, ip: &str) -> Option<String> {
        let web = self.web.as_ref()?;
        let path = if web.path == "/" { "" } else { &web.path };
        Some(format!("{}{path}", self.app_url(settings, ip)))
    }

    /// Everything that stands in the app's `.env` file, sorted: the settings, the reserved variables, and
    /// the images. Give it to [`crate::render_env`].
    pub fn env(&self, settings: &ResolvedSettings, deployment: &Deployment) -> BTreeMap<String, String> {
        let mut env: BTreeMap<String, String> =
            settings.values.iter().map(|(key, value)| (key.clone(), value.value.clone())).collect();
        env.insert("APP_URL".into(), self.app_url(settings, &deployment.ip));
        env.insert("APP_HOST".into(), self.app_host(settings, &deployment.ip));
        env.insert("APP_IP".into(), deployment.ip.clone());
        env.insert("APP_NAME".into(), deployment.name.clone());
        env.insert("TZ".into(), deployment.time_zone.clone());
        if self.origin == Origin::Template {
            for (service, image) in &self.images {
                let reference = deployment.images.get(service).cloned().unwrap_or_else(|| image.reference());
                env.insert(image_variable(service), reference);
            }
        }
        env
    }
}

/// The variables that Proximity writes for every app, beside `IMAGE_<SERVICE>`.
pub const RESERVED_VARIABLES: [&str; 5] = ["APP_URL", "APP_HOST", "APP_IP", "APP_NAME", "TZ"];

/// The variable that holds a service's image reference: `IMAGE_` and the service in upper case, with `_` for
/// every character a variable cannot have.
pub fn image_variable(service: &str) -> String {
    let name = service.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    "IMAGE_".chars().chain(name).collect()
}

/// Whether Proximity writes this variable, so that no setting may be called so.
pub fn is_reserved(key: &str) -> bool {
    RESERVED_VARIABLES.contains(&key) || key.starts_with("IMAGE_")
}
