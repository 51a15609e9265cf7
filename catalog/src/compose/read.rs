//! Reads a Compose document into its model, and says what Proximity refuses in it and why.
//!
//! A template must keep to stricter rules than a file that a person brings along; [`Rules`] tells them apart.
//! How the document fits the rest of a template is left to the template's own checks.

use std::collections::BTreeMap;

use super::image::parse_image;
use super::model::{CommandLine, Compose, Dependency, MountKind, PublishedPort, Service};
use super::variables::{VariableUse, fill, split, uses};
use super::{mounts, ports};
use crate::template::{Origin, Protocol};
use crate::words::{nearest, quoted_list};
use crate::yaml::{self, Finding, Node, Value};

/// How strict to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// The rules for template files.
    pub(crate) strict: bool,
}

impl Rules {
    pub(crate) fn for_origin(origin: Origin) -> Rules {
        Rules { strict: origin == Origin::Template }
    }
}

/// What reading gave.
#[derive(Debug, Default)]
pub(crate) struct ReadCompose {
    pub(crate) compose: Compose,
    pub(crate) findings: Vec<Finding>,
}

/// Top-level keys of the Compose specification.
const TOP_LEVEL: [&str; 9] =
    ["services", "volumes", "networks", "configs", "secrets", "name", "version", "include", "models"];

/// Keys of a service, from the Compose specification's chapter on services.
const SERVICE_KEYS: &str = "annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command \
    configs container_name cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus \
    cpuset credential_spec depends_on deploy develop device_cgroup_rules devices dns dns_opt dns_search domainname \
    entrypoint env_file environment expose extends external_links extra_hosts gpus group_add healthcheck hostname \
    image init ipc isolation label_file labels links logging mac_address mem_limit mem_reservation mem_swappiness \
    memswap_limit models network_mode networks oom_kill_disable oom_score_adj pid pids_limit platform ports \
    post_start pre_stop privileged profiles provider pull_policy pull_refresh_after read_only restart runtime scale \
    secrets security_opt shm_size stdin_open stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits \
    use_api_socket user userns_mode uts volumes volumes_from working_dir";

/// Host paths that a template may mount, and only for reading.
pub(crate) const ALLOWED_BINDS: [&str; 2] = ["/etc/localtime", "/etc/timezone"];
/// A bind that hands over Docker itself: allowed, with a warning.
pub(crate) const DOCKER_SOCKET: &str = "/var/run/docker.sock";

struct Reader<'a> {
    source: &'a str,
    values: &'a BTreeMap<String, String>,
    rules: Rules,
    findings: Vec<Finding>,
    compose: Compose,
}

/// Reads a document; variables take their value from `values`, else their default.
pub(crate) fn read(source: &str, values: &BTreeMap<String, String>, rules: Rules) -> ReadCompose {
    let mut reader = Reader { source, values, rules, findings: Vec::new(), compose: Compose::default() };
    match yaml::parse(source) {
        Ok(root) => reader.document(&root),
        Err(found) => reader.findings.push(found),
    }
    ReadCompose { compose: reader.compose, findings: reader.findings }
}

impl Reader<'_> {
    fn error(&mut self, at: usize, message: impl Into<String>, hint: &str) {
        let found = Finding::error(at, message);
        self.findings.push(if hint.is_empty() { found } else { found.hint(hint) });
    }

    fn warning(&mut self, at: usize, message: impl Into<String>, hint: &str) {
        let found = Finding::warning(at, message);
        self.findings.push(if hint.is_empty() { found } else { found.hint(hint) });
    }

    fn document(&mut self, root: &Node) {
        self.variables(root);
        let Some(entries) = root.entries() else {
            self.error(root.at(), "this is not a Compose document: it is not a mapping", "");
            return;
        };
        for (key, _) in entries {
            let name = key.text().unwrap_or_default();
            if !TOP_LEVEL.contains(&name) && !name.starts_with("x-") {
                self.unknown_key(key.at(), name, &TOP_LEVEL);
            }
        }
        if let Some(include) = root.get("include") {
            self.error(
                include.at(),
                "`include` is refused: other files do not come along",
                "put everything into one file",
            );
        }
        for section in ["configs", "secrets"] {
            for (name, entry) in root.get(section).and_then(Node::entries).unwrap_or_default() {
                if let Some(file) = entry.get("file") {
                    let what = format!(
                        "`{section}.{}` reads a file, and other files do not come along",
                        name.text().unwrap_or_default()
                    );
                    self.error(
                        file.at(),
                        what,
                        "write `content:` with the file's text, or `environment:` with a variable",
                    );
                }
            }
        }
        for (section, what) in [("volumes", "volume"), ("networks", "network")] {
            for (name, entry) in root.get(section).and_then(Node::entries).unwrap_or_default() {
                let name = name.text().unwrap_or_default();
                if let Some(external) = entry.get("external").filter(|external| external.is_true()) {
                    let message =
                        format!("the {what} `{name}` is external, but nothing exists outside a new app");
                    self.error(external.at(), message, "remove `external: true`");
                }
                if section == "volumes" {
                    self.compose.volumes.push(name.to_owned());
                }
            }
        }
        match root.get("services").map(|services| (services, services.entries())) {
            Some((_, Some(services))) if !services.is_empty() => {
                for (name, node) in services {
                    self.service(name, node);
                }
                self.profiles(services);
            }
            Some((services, _)) => self.error(services.at(), "there is no service", ""),
            None => self.error(root.at(), "there are no `services`", ""),
        }
        self.relations();
    }

    /// Some service must be started without being asked for by a profile.
    fn profiles(&mut self, services: &[(Node, Node)]) {
        let chosen = self.compose.variables.iter().any(|variable| variable.name == "COMPOSE_PROFILES");
        let first = services.first().and_then(|(_, service)| service.get("profiles"));
        if let Some(first) = first
            && !chosen
            && self.compose.services.iter().all(|service| !service.profiles.is_empty())
        {
            self.error(
                first.at(),
                "no service runs without a profile, and Proximity chooses none",
                "remove `profiles` from what the app needs",
            );
        }
    }

    fn unknown_key(&mut self, at: usize, name: &str, known: &[&str]) {
        let hint = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => String::new(),
        };
        // Compose refuses the whole document for it, so a warning would only come before that failure.
        self.error(at, format!("Compose has no key `{name}` here"), &hint);
    }

    /// Finds every variable of the document, and the dollar signs that are none.
    fn variables(&mut self, root: &Node) {
        let mut found: Vec<VariableUse> = Vec::new();
        let mut stray = Vec::new();
        root.for_each_scalar(&mut |node| {
            let raw = &self.source[node.span.clone()];
            let dollars: Vec<usize> = raw.match_indices('$').map(|(at, _)| at).collect();
            let place = |dollar: usize| node.at() + dollars.get(dollar).copied().unwrap_or(0);
            match split(node.text().unwrap_or_default()) {
                Ok(pieces) => uses(&pieces, &place, &mut found),
                Err(at) => stray.push(place(at.0)),
            }
        });
        for at in stray {
            self.error(at, "this `$` begins no variable that Compose knows", "write `$$` for a dollar sign");
        }
        found.sort_by_key(|variable| variable.at);
        found.dedup();
        self.compose.variables = found;
    }

    /// A scalar's text with its variables filled in.
    fn text(&self, node: &Node) -> Option<String> {
        let pieces = split(node.text()?).ok()?;
        fill(&pieces, &|name| self.values.get(name).cloned())
    }

    fn service(&mut self, key: &Node, node: &Node) {
        let name = key.text().unwrap_or_default().to_owned();
        let Some(entries) = node.entries() else {
            self.error(node.at(), format!("the service `{name}` is not a mapping"), "");
            return;
        };
        if !is_service_name(&name) {
            self.error(
                key.at(),
                format!("`{name}` cannot be a service's name"),
                "Compose takes letters, digits, `.`, `_` and `-`",
            );
        }
        let known: Vec<&str> = SERVICE_KEYS.split_whitespace().collect();
        for (key, _) in entries {
            let field = key.text().unwrap_or_default();
            if !known.contains(&field) && !field.starts_with("x-") {
                self.unknown_key(key.at(), field, &known);
            }
        }
        self.refusals(&name, node);
        let mut service = Service { name, at: key.at(), image_at: key.at(), ..Service::default() };
        if let Some(image) = node.get("image") {
            service.image_at = image.at();
            service.image_as_written = image.text().map(str::to_owned);
            service.image = self.text(image);
            if let Some(reference) = service.image.as_deref().filter(|r| parse_image(r).is_none()) {
                self.error(image.at(), format!("`{reference}` is not an image reference"), "");
            }
        } else if node.get("build").is_none() {
            self.error(key.at(), format!("the service `{}` has no image", service.name), "");
        }
        service.ports = self.ports(node);
        self.copies(node, &service);
        self.mounts(node, &mut service);
        for (name, at, value) in self.pairs(node, "environment") {
            service.environment_at.insert(name.clone(), at);
            service.environment.insert(name, value);
        }
        for (name, _, value) in self.pairs(node, "labels") {
            service.labels.insert(name, value.unwrap_or_default());
        }
        service.depends_on = depends_on(node);
        service.command = self.command(node.get("command"));
        service.entrypoint = self.command(node.get("entrypoint"));
        service.restart = node.get("restart").and_then(|restart| self.text(restart));
        let disabled = |check: &Node| check.get("disable").is_some_and(Node::is_true);
        service.healthcheck = node.get("healthcheck").is_some_and(|check| !disabled(check));
        service.profiles = self.list(node.get("profiles"));
        service.devices = self.list(node.get("devices"));
        self.compose.services.push(service);
    }

    /// What no app may do.
    fn refusals(&mut self, name: &str, node: &Node) {
        let text = |field: &str| node.get(field).and_then(|value| Some((value.at(), self.text(value)?)));
        if let Some((at, _)) = text("network_mode").filter(|(_, mode)| mode == "host") {
            self.error(
                at,
                "`network_mode: host` is refused: without a network of their own the services cannot reach each other by name",
                "remove it, and publish the app's ports, such as `ports: [\"8080:80\"]`",
            );
        }
        if let Some(privileged) = node.get("privileged").filter(|value| value.is_true()) {
            self.error(
                privileged.at(),
                "`privileged: true` is refused: it hands the service the whole container, and an unprivileged container cannot grant it",
                "name what it needs with `cap_add` or `devices`",
            );
        }
        if let Some(build) = node.get("build") {
            self.error(
                build.at(),
                format!("`build` is refused: the service `{name}` would be built from files that do not come along"),
                "build and push the image elsewhere, and name it with `image:`",
            );
        }
        if let Some(file) = node.get("extends").and_then(|extends| extends.get("file")) {
            self.error(
                file.at(),
                "`extends.file` is refused: other files do not come along",
                "put everything into one file",
            );
        }
        if let Some(file) = node.get("env_file").filter(|file| !is_dot_env(file)) {
            self.error(
                file.at(),
                "`env_file` is refused: other files do not come along",
                "write the variables under `environment:` and give their values as settings",
            );
        }
        if let Some(container_name) = node.get("container_name").filter(|_| self.rules.strict) {
            self.error(
                container_name.at(),
                "`container_name` is refused: Compose names the containers, and a copy of the app must not clash",
                "remove it; services reach each other by service name",
            );
        }
    }

    fn ports(&mut self, node: &Node) -> Vec<PublishedPort> {
        let mut found = Vec::new();
        let Some(items) = node.get("ports").and_then(Node::items) else { return found };
        for item in items {
            let read = match &item.value {
                Value::Mapping(_) => self.long_port(item),
                _ => match self.text(item) {
                    Some(text) => ports::parse_short(&text, item.at()),
                    // A port that is a required setting is known only at the deploy.
                    None => Ok(Vec::new()),
                },
            };
            match read {
                Ok(ports) => found.extend(ports),
                Err(message) => self.error(item.at(), message, ""),
            }
        }
        for port in &found {
            if port.host.is_none() {
                let message = format!(
                    "port {} is published at a port that Docker picks anew at every start",
                    port.container
                );
                let hint = format!("write `\"{0}:{0}\"`", port.container);
                if self.rules.strict {
                    self.error(port.at, message, &hint);
                } else {
                    self.warning(port.at, message, &hint);
                }
            }
        }
        found
    }

    /// Copies of a service cannot share a fixed port.
    fn copies(&mut self, node: &Node, service: &Service) {
        let replicas = node.get("deploy").and_then(|deploy| deploy.get("replicas"));
        let number = |node: &Node| self.text(node)?.parse::<u64>().ok();
        let several = [node.get("scale"), replicas].into_iter().flatten().find(|node| number(node) > Some(1));
        let fixed = service.ports.iter().find_map(|port| port.host);
        if let (Some(several), Some(port)) = (several, fixed) {
            self.error(
                several.at(),
                format!(
                    "copies of `{}` cannot share port {port}: all but the first would not start",
                    service.name
                ),
                "run one, or publish a service in front of it that spreads the requests",
            );
        }
    }

    fn long_port(&self, node: &Node) -> Result<Vec<PublishedPort>, String> {
        let field = |name: &str| node.get(name).and_then(|value| self.text(value));
        let target = field("target").ok_or("a published port needs its `target`")?;
        let range = |text: &str| ports::parse_range(text).ok_or_else(|| format!("`{text}` is not a port"));
        let protocol = field("protocol").map_or(Ok(Protocol::Tcp), |text| ports::parse_protocol(&text))?;
        let host = field("published").filter(|text| !text.is_empty());
        let host = host.map(|text| range(&text)).transpose()?;
        ports::pair(field("host_ip"), host, range(&target)?, protocol, node.at())
            .ok_or_else(|| "the published range has another length than the target's".to_owned())
    }

    fn mounts(&mut self, node: &Node, service: &mut Service) {
        for item in node.get("volumes").and_then(Node::items).unwrap_or_default() {
            let mount = match &item.value {
                Value::Mapping(_) => mounts::parse_long(item, &|node| self.text(node)),
                _ => match self.text(item) {
                    Some(text) => mounts::parse_short(&text, item.at()),
                    None => continue,
                },
            };
            match mount {
                Some(mount) => service.mounts.push(mount),
                None => self.error(item.at(), "this is not a volume", "write `name:/path/in/the/container`"),
            }
        }
        for mount in &service.mounts {
            if mount.kind == MountKind::Bind {
                self.bind(mount.source.as_deref().unwrap_or_default(), mount.read_only, mount.at);
            }
        }
    }

    fn bind(&mut self, source: &str, read_only: bool, at: usize) {
        if ALLOWED_BINDS.contains(&source) && read_only {
            return;
        }
        if source == DOCKER_SOCKET {
            self.warning(
                at,
                "the Docker socket gives this service control over every service of the app",
                "keep it only if the app is about Docker",
            );
        } else if !source.starts_with('/') {
            self.warning(
                at,
                format!(
                    "`{source}` begins as an empty directory: files beside the Compose file do not come along"
                ),
                "use a named volume for data, and `configs:` with `content:` for files",
            );
        } else if self.rules.strict {
            self.error(
                at,
                format!("the host path `{source}` is refused: a template's data lives in named volumes"),
                "declare a volume; only /etc/localtime and /etc/timezone may be mounted, with `:ro`",
            );
        } else {
            self.warning(at, format!("`{source}` is a path of the app's own container, not of the Proxmox VE node, and begins empty"), "use a named volume, or a bind mount of the app");
        }
    }

    /// `KEY: value` or `- KEY=value`.
    fn pairs(&mut self, node: &Node, field: &str) -> Vec<(String, usize, Option<String>)> {
        let mut found = Vec::new();
        let Some(node) = node.get(field) else { return found };
        for (key, value) in node.entries().unwrap_or_default() {
            let name = key.text().unwrap_or_default().to_owned();
            if matches!(value.value, Value::Sequence(_) | Value::Mapping(_)) {
                self.error(value.at(), format!("the value of `{name}` must be a text"), "");
            }
            found.push((name, value.at(), value.text().map(str::to_owned)));
        }
        for item in node.items().unwrap_or_default() {
            match item.text() {
                Some(text) => {
                    let (name, value) = match text.split_once('=') {
                        Some((name, value)) => (name, Some(value.to_owned())),
                        None => (text, None),
                    };
                    found.push((name.to_owned(), item.at(), value));
                }
                None => self.error(item.at(), format!("an entry of `{field}` must be `NAME=value`"), ""),
            }
        }
        found
    }

    fn list(&self, node: Option<&Node>) -> Vec<String> {
        let items = node.and_then(Node::items).unwrap_or_default();
        items.iter().filter_map(|item| self.text(item)).collect()
    }

    fn command(&self, node: Option<&Node>) -> Option<CommandLine> {
        match &node?.value {
            Value::Scalar { text, .. } => Some(CommandLine::Shell(text.clone())),
            Value::Sequence(items) => {
                let words = items.iter().filter_map(Node::text).map(str::to_owned).collect();
                Some(CommandLine::Exec(words))
            }
            _ => None,
        }
    }

    /// What must hold between the services.
    fn relations(&mut self) {
        let names: Vec<String> = self.compose.services.iter().map(|service| service.name.clone()).collect();
        let mut found = Vec::new();
        let mut taken: BTreeMap<(u16, Protocol), &str> = BTreeMap::new();
        for service in &self.compose.services {
            for dependency in service.depends_on.iter().filter(|d| !names.contains(&d.service)) {
                let message =
                    format!("`{}` waits for `{}`, which is no service", service.name, dependency.service);
                found.push(
                    Finding::error(dependency.at, message)
                        .hint(format!("the services are {}", quoted_list(names.iter().map(String::as_str)))),
                );
            }
            for mount in service.mounts.iter().filter(|mount| mount.kind == MountKind::Volume) {
                let source = mount.source.as_deref().unwrap_or_default();
                if !self.compose.volumes.iter().any(|volume| volume == source) {
                    let message = format!("the volume `{source}` is not declared");
                    found.push(
                        Finding::error(mount.at, message).hint(format!("add `{source}:` under `volumes:`")),
                    );
                }
            }
            for port in &service.ports {
                let Some(host) = port.host else { continue };
                if let Some(other) = taken.insert((host, port.protocol), &service.name)
                    && other != service.name
                {
                    let message = format!("port {host}/{} is published by `{other}` already", port.protocol);
                    found.push(Finding::error(port.at, message));
                }
            }
        }
        self.findings.extend(found);
    }
}

/// What the Compose specification's schema takes: `^[a-zA-Z0-9._-]+$`.
fn is_service_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn depends_on(node: &Node) -> Vec<Dependency> {
    let Some(node) = node.get("depends_on") else { return Vec::new() };
    let started = || "service_started".to_owned();
    let long = node.entries().unwrap_or_default().iter().filter_map(|(key, value)| {
        let condition = value.get("condition").and_then(Node::text).map_or_else(started, str::to_owned);
        Some(Dependency { service: key.text()?.to_owned(), condition, at: key.at() })
    });
    let short = node.items().unwrap_or_default().iter().filter_map(|item| {
        Some(Dependency { service: item.text()?.to_owned(), condition: started(), at: item.at() })
    });
    long.chain(short).collect()
}

/// Whether an `env_file` names nothing but the `.env` that Proximity writes.
fn is_dot_env(node: &Node) -> bool {
    let path = |node: &Node| {
        let named = node.text().or_else(|| node.get("path").and_then(Node::text));
        matches!(named, Some(".env" | "./.env"))
    };
    match node.items() {
        Some(items) => items.iter().all(path),
        None => path(node),
    }
}
