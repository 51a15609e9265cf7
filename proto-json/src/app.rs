//! Apps: deployed templates, one container each.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::method::method;
use crate::operation::{Operation, Started};

/// How an app is. Nothing is guessed: `running` means that its health probe answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AppState {
    /// Being deployed.
    Deploying,
    /// Its container runs; the probe has not answered yet.
    Starting,
    /// The probe answers.
    Running,
    /// Its container runs, the probe does not answer.
    Degraded,
    /// Its container is stopped.
    Stopped,
    /// Proxmox VE cannot be reached, so nobody knows.
    Unknown,
    /// Proxmox VE answers, and the container is not there (or no longer ours to see).
    Missing,
    /// Its deployment failed, and what was made was kept on request.
    Failed,
    /// Being removed.
    Removing,
    /// Removed; the record is kept.
    Removed,
}

/// An app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct App {
    /// Its id, for good.
    pub id: String,
    /// Its name, unique among the apps that are not removed; also its container's host name.
    pub name: String,
    /// The template it was made from; `compose` for a Compose file of one's own.
    pub template: String,
    /// That template's version.
    pub template_version: String,
    /// How it is.
    pub state: AppState,
    /// Why it is so, when that needs words.
    pub reason: Option<String>,
    /// Its container's id, once it has one.
    pub vmid: Option<u32>,
    /// The node its container is on.
    pub node: Option<String>,
    /// The host (a configured Proxmox VE endpoint).
    pub host: String,
    /// Its address.
    pub ip: Option<String>,
    /// Where its web page answers.
    pub url: Option<String>,
    /// An operation at work on it.
    pub operation: Option<String>,
    /// When it was asked for (RFC 3339, UTC).
    pub created_at: String,
    /// When its state was last looked at.
    pub checked_at: Option<String>,
}

/// An app with everything a person may want to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AppDetail {
    /// The app.
    #[serde(flatten)]
    pub app: App,
    /// What its template says of it.
    pub description: String,
    /// Cores, memory and disk of its container.
    pub resources: Resources,
    /// The storage of its root file system.
    pub storage: Option<String>,
    /// The bridge it is on.
    pub bridge: Option<String>,
    /// Its services and the images they run.
    pub services: Vec<Service>,
    /// Its ports.
    pub ports: Vec<Port>,
    /// Its settings; a secret's value is never given here.
    pub settings: Vec<Setting>,
    /// What to know after deploying it.
    pub notes: String,
    /// Its last operations, newest first.
    pub operations: Vec<Operation>,
}

/// What a container may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resources {
    /// CPU cores.
    pub cores: u32,
    /// Memory, in bytes.
    pub memory: u64,
    /// Root file system, in bytes.
    pub disk: u64,
}

/// A service of the app's Compose file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Service {
    /// Its name in the Compose file.
    pub name: String,
    /// The image reference.
    pub image: String,
    /// The digest that runs, once it is known.
    pub digest: Option<String>,
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Port {
    /// The service that listens.
    pub service: String,
    /// Its port in the service.
    pub target: u16,
    /// The port on the app's address.
    pub published: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}

/// A setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Setting {
    /// Its key.
    pub key: String,
    /// Its value; null for a secret.
    pub value: Option<String>,
    /// Whether it is a secret.
    pub secret: bool,
    /// Whether Proximity made it up.
    pub generated: bool,
}

/// What to deploy, and where.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeployParams {
    /// A template of the catalog. Either this or `compose`.
    pub template: Option<String>,
    /// The text of a Compose file.
    pub compose: Option<String>,
    /// The app's name, an RFC 1123 label; the template's id when not given.
    pub name: Option<String>,
    /// Settings by key.
    pub settings: BTreeMap<String, String>,
    /// The host; needed where several are configured.
    pub host: Option<String>,
    /// The node; the one with most room when not given.
    pub node: Option<String>,
    /// The storage for the container's root file system.
    pub storage: Option<String>,
    /// The bridge.
    pub bridge: Option<String>,
    /// `dhcp` (default) or an IPv4 address in CIDR notation.
    pub ip: Option<String>,
    /// The IPv4 gateway, with a static address.
    pub gateway: Option<String>,
    /// CPU cores.
    pub cores: Option<u32>,
    /// Memory, in bytes.
    pub memory: Option<u64>,
    /// Root file system, in bytes.
    pub disk: Option<u64>,
    /// Seconds to wait for the app to be healthy (default: the template's start period).
    pub timeout_seconds: Option<u64>,
    /// Keep what was made when the deployment fails, to look at it.
    pub keep_failed: bool,
    /// Makes the call safe to repeat: a second call with the same id answers with the first one's operation.
    pub request_id: Option<String>,
}

/// What a deployment would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanOutput {
    /// The app's name.
    pub name: String,
    /// The template, and its version.
    pub template: String,
    /// The host.
    pub host: String,
    /// The node.
    pub node: String,
    /// The storage of the root file system.
    pub storage: String,
    /// The bridge.
    pub bridge: String,
    /// The address asked for.
    pub ip: String,
    /// Cores, memory, disk.
    pub resources: Resources,
    /// The images.
    pub services: Vec<Service>,
    /// The steps, each with what it does and the Proxmox VE calls it makes.
    pub steps: Vec<PlannedStep>,
    /// What one should know before.
    pub warnings: Vec<String>,
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedStep {
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// What it does, in a sentence or two.
    pub explanation: String,
}

/// Names one app.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppName {
    /// The app's name or id.
    pub name: String,
}

/// Which apps to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListParams {
    /// Also those that were removed.
    pub removed: bool,
    /// Only those on this host.
    pub host: Option<String>,
}

/// How to stop an app.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StopParams {
    /// The app's name or id.
    pub name: String,
    /// Seconds that its services and its container get to end by themselves (default 60).
    #[serde(default)]
    pub timeout_seconds: Option<u64>,
    /// End it hard when the time is over, in place of failing.
    #[serde(default)]
    pub force: bool,
}

/// How to remove an app.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveParams {
    /// The app's name or id.
    pub name: String,
    /// Seconds that its container gets to end by itself before it is stopped hard (default 30).
    #[serde(default)]
    pub timeout_seconds: Option<u64>,
}

method!(Deploy = "app.deploy", "Takes an app from the catalog, or a Compose file, to a URL that answers.", Operator, Essential, Operation, DeployParams => Started);
method!(Plan = "app.plan", "Says what a deployment would do, and changes nothing.", Operator, Essential, Read, DeployParams => PlanOutput);
method!(List = "app.list", "Lists the apps.", Viewer, Essential, Read, ListParams => Vec<App>);
method!(Get = "app.get", "Shows one app with everything known of it.", Viewer, Essential, Read, AppName => AppDetail);
method!(Start = "app.start", "Starts an app and waits for its health probe.", Operator, Essential, Operation, AppName => Started);
method!(Stop = "app.stop", "Stops an app.", Operator, Essential, Operation, StopParams => Started);
method!(Restart = "app.restart", "Restarts an app and waits for its health probe.", Operator, Essential, Operation, StopParams => Started);
method!(Remove = "app.remove", "Removes an app's container; its record is kept.", Operator, Essential, Operation, RemoveParams => Started);
