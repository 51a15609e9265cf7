//! Hosts: configured Proxmox VE endpoints.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::daemon::Check;
use crate::method::{NoParams, method};

/// A host. Its credentials are never given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its endpoints, `host:port`, tried in order.
    pub endpoints: Vec<String>,
    /// How we authenticate: `token` or `password`.
    pub auth: String,
    /// The token's id or the user.
    pub identity: String,
    /// How its certificate is trusted: `system`, `ca-file` or the pinned fingerprint.
    pub trust: String,
    /// The pool our containers are in.
    pub pool: String,
    /// The storage for containers, when one is set.
    pub storage: Option<String>,
    /// The bridge, when one is set.
    pub bridge: Option<String>,
    /// It is an embedded node of ours.
    pub embedded: bool,
    /// It answered when last asked.
    pub reachable: bool,
    /// Its version, as last seen.
    pub version: Option<String>,
    /// When it last answered (RFC 3339, UTC).
    pub seen_at: Option<String>,
    /// Why it cannot be used, when it cannot.
    pub problem: Option<String>,
    /// Number of apps on it.
    pub apps: u32,
}

/// A host to add. It is tried first, and refused when it does not work.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AddParams {
    /// Its name; `default` when not given.
    pub name: Option<String>,
    /// One or more endpoints of the same node or cluster: `pve.example.org` or `192.0.2.1:8006`.
    pub endpoints: Vec<String>,
    /// An API token's id, `user@realm!name`.
    pub token_id: Option<String>,
    /// The API token's secret.
    pub token_secret: Option<String>,
    /// A user, `user@realm`, when there is no token.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<String>,
    /// SHA-256 fingerprint of its certificate, confirmed by a person.
    pub fingerprint: Option<String>,
    /// PEM text of the authority that its certificate is from.
    pub ca_pem: Option<String>,
    /// The pool for our containers (default `proximity`).
    pub pool: Option<String>,
    /// The storage for containers (default: the one with most room).
    pub storage: Option<String>,
    /// The bridge (default: the first one).
    pub bridge: Option<String>,
    /// The account for SSH to the nodes (default `root`; another one runs `pct` by `sudo -n`). SSH serves where the version
    /// gives an API token no container console; it is off without `ssh_host_key`.
    pub ssh_user: Option<String>,
    /// The port for SSH (default 22).
    pub ssh_port: Option<u16>,
    /// The private key's file on the daemon's machine, readable by its user alone (default: the agent of that user).
    pub ssh_key_file: Option<String>,
    /// The nodes' public host keys, such as `ssh-ed25519 AAAA…`, one a line; each is accepted for every node.
    pub ssh_host_key: Option<String>,
    /// Add it though it cannot be tried now.
    pub unchecked: bool,
    /// There is a host of that name: take over these endpoints, credentials and trust for it; its apps stay.
    pub replace: bool,
}

/// Names one host.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostName {
    /// The host's name.
    pub name: String,
}

/// An endpoint to look at.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateParams {
    /// `host` or `host:port` (port 8006 when not given).
    pub endpoint: String,
}

/// The certificate that an endpoint shows. No credentials were sent to get it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CertificateOutput {
    /// The endpoint, with its port.
    pub endpoint: String,
    /// SHA-256 fingerprint, as `pvenode cert info` prints it.
    pub fingerprint: String,
    /// The system's certificate authorities vouch for it: no pin is needed.
    pub trusted_by_system: bool,
}

/// What a test of a host found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestOutput {
    /// Whether apps can be deployed on it.
    pub usable: bool,
    /// Each thing checked.
    pub checks: Vec<Check>,
}

method!(Add = "host.add", "Connects a Proxmox VE host or cluster.", Admin, Essential, Change, AddParams => Host);
method!(Certificate = "host.certificate", "Shows the certificate of an endpoint, for a person to confirm.", Admin, Essential, Read, CertificateParams => CertificateOutput);
method!(List = "host.list", "Lists the hosts.", Viewer, Essential, Read, NoParams => Vec<Host>);
method!(Test = "host.test", "Checks that a host has what a deployment needs.", Operator, Essential, Read, HostName => TestOutput);
method!(Remove = "host.remove", "Forgets a host that has no apps.", Admin, Essential, Change, HostName => Host);
