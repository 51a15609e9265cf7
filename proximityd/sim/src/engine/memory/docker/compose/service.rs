//! One service of a Compose file: its fields in the forms the format allows, and what is wrong with them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::merge::pairs;
use crate::engine::memory::docker::state::Port;

/// Keys a service may have.
const KEYS: &[&str] = &[
    "annotations",
    "attach",
    "blkio_config",
    "build",
    "cap_add",
    "cap_drop",
    "cgroup",
    "cgroup_parent",
    "command",
    "configs",
    "container_name",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpus",
    "cpuset",
    "credential_spec",
    "depends_on",
    "deploy",
    "develop",
    "device_cgroup_rules",
    "devices",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "entrypoint",
    "env_file",
    "environment",
    "expose",
    "extends",
    "external_links",
    "extra_hosts",
    "gpus",
    "group_add",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "ipc",
    "isolation",
    "label_file",
    "labels",
    "links",
    "logging",
    "mac_address",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "models",
    "network_mode",
    "networks",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "platform",
    "ports",
    "post_start",
    "pre_stop",
    "privileged",
    "profiles",
    "provider",
    "pull_policy",
    "read_only",
    "restart",
    "runtime",
    "scale",
    "secrets",
    "security_opt",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "storage_opt",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "use_api_socket",
    "user",
    "userns_mode",
    "uts",
    "volumes",
    "volumes_from",
    "working_dir",
];

/// What a service depends on, and when that is fulfilled.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub(super) struct Dependency {
    pub service: String,
    /// `service_started`, `service_healthy`, `service_completed_successfully`.
    pub condition: String,
    pub required: bool,
}

/// A mount as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MountSource {
    /// A named volume.
    Volume(String),
    /// A path, relative to the project or absolute.
    Bind(String),
    /// A volume without a name.
    Anonymous,
    /// Memory.
    Tmpfs,
}

/// A service.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub(super) struct Service {
    pub name: String,
    pub image: String,
    pub built: bool,
    pub container_name: Option<String>,
    pub entrypoint: Option<Vec<String>>,
    pub command: Option<Vec<String>>,
    pub environment: BTreeMap<String, Option<String>>,
    /// Path, and whether it must exist.
    pub env_files: Vec<(String, bool)>,
    pub labels: BTreeMap<String, String>,
    pub ports: Vec<Port>,
    pub mounts: Vec<(MountSource, String, bool)>,
    pub networks: Vec<String>,
    pub depends_on: Vec<Dependency>,
    pub restart: String,
    pub health_test: Option<Value>,
    pub working_dir: String,
    pub profiles: Vec<String>,
    pub pull_policy: String,
    pub scale: u32,
    /// The service as merged and interpolated.
    pub document: Value,
}

/// A scalar as text.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(items)) => items.iter().filter_map(scalar).collect(),
        Some(Value::Object(map)) => map.keys().cloned().collect(),
        Some(other) => scalar(other).into_iter().collect(),
        None => Vec::new(),
    }
}

/// Splits a command line into words as a shell would, without expansion.
pub(super) fn split_words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some('\''), c) => word.push(c),
            (_, '\\') => {
                word.extend(chars.next());
                begun = true;
            }
            (Some(_), c) => word.push(c),
            (None, '\'' | '"') => (quote, begun) = (Some(c), true),
            (None, c) if c.is_whitespace() => {
                if begun || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (None, c) => word.push(c),
        }
    }
    if begun || !word.is_empty() {
        words.push(word);
    }
    words
}

fn argv(value: Option<&Value>) -> Option<Vec<String>> {
    match value? {
        Value::String(text) => Some(split_words(text)),
        Value::Array(items) => Some(items.iter().filter_map(scalar).collect()),
        _ => None,
    }
}

fn port_range(text: &str, service: &str) -> Result<Vec<u16>, String> {
    let bad = || format!("services.{service}.ports: invalid port specification: {text}");
    match text.split_once('-') {
        Some((low, high)) => {
            let (low, high): (u16, u16) = (low.parse().map_err(|_| bad())?, high.parse().map_err(|_| bad())?);
            if low > high { Err(bad()) } else { Ok((low..=high).collect()) }
        }
        None => Ok(vec![text.parse().map_err(|_| bad())?]),
    }
}

fn pair_ports(
    published: Option<&str>,
    target: &str,
    host_ip: &str,
    protocol: &str,
    service: &str,
) -> Result<Vec<Port>, String> {
    let targets = port_range(target, service)?;
    let published = match published.filter(|p| !p.is_empty()) {
        Some(text) => port_range(text, service)?,
        None => vec![0; targets.len()],
    };
    let published = match (published.len(), targets.len()) {
        (a, b) if a == b => published,
        (_, 1) => vec![published[0]],
        _ => {
            return Err(format!(
                "services.{service}.ports: invalid ranges: the lengths of the port ranges do not match"
            ));
        }
    };
    Ok(published
        .into_iter()
        .zip(targets)
        .map(|(published, target)| Port {
            host_ip: if host_ip.is_empty() { "0.0.0.0".to_owned() } else { host_ip.to_owned() },
            published,
            actual: 0,
            target,
            protocol: protocol.to_owned(),
        })
        .collect())
}

fn ports(value: &Value, service: &str) -> Result<Vec<Port>, String> {
    let mut found = Vec::new();
    let Value::Array(items) = value else {
        return Err(format!("services.{service}.ports must be a list"));
    };
    for item in items {
        if let Value::Object(map) = item {
            let text = |key: &str| map.get(key).and_then(scalar);
            let target =
                text("target").ok_or_else(|| format!("services.{service}.ports.target is required"))?;
            let protocol = text("protocol").unwrap_or_else(|| "tcp".to_owned());
            let host_ip = text("host_ip").unwrap_or_default();
            found.extend(pair_ports(text("published").as_deref(), &target, &host_ip, &protocol, service)?);
            continue;
        }
        let text =
            scalar(item).ok_or_else(|| format!("services.{service}.ports contains an invalid type"))?;
        let (spec, protocol) = text.rsplit_once('/').unwrap_or((&text, "tcp"));
        let (left, target) = match spec.rsplit_once(':') {
            Some((left, target)) => (Some(left), target),
            None => (None, spec),
        };
        let (host_ip, published) = match left {
            None => ("", None),
            Some(left) => match left.rsplit_once(':') {
                Some((ip, published)) => (ip.trim_matches(['[', ']']), Some(published)),
                None if left.contains('.') => (left, None),
                None => ("", Some(left)),
            },
        };
        found.extend(pair_ports(published, target, host_ip, protocol, service)?);
    }
    Ok(found)
}

fn mounts(value: &Value, service: &str) -> Result<Vec<(MountSource, String, bool)>, String> {
    let Value::Array(items) = value else {
        return Err(format!("services.{service}.volumes must be a list"));
    };
    let mut found = Vec::new();
    for item in items {
        if let Value::Object(map) = item {
            let text = |key: &str| map.get(key).and_then(scalar);
            let target =
                text("target").ok_or_else(|| format!("services.{service}.volumes.target is required"))?;
            let read_only = map.get("read_only").and_then(Value::as_bool).unwrap_or(false);
            let source = match (text("type").as_deref(), text("source")) {
                (Some("bind"), Some(path)) => MountSource::Bind(path),
                (Some("tmpfs"), _) => MountSource::Tmpfs,
                (_, Some(name)) => MountSource::Volume(name),
                _ => MountSource::Anonymous,
            };
            found.push((source, target, read_only));
            continue;
        }
        let text =
            scalar(item).ok_or_else(|| format!("services.{service}.volumes contains an invalid type"))?;
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, mode) = match parts.as_slice() {
            [target] => ("", *target, ""),
            [source, target] => (*source, *target, ""),
            [source, target, mode] => (*source, *target, *mode),
            _ => return Err(format!("invalid spec: {text}: too many colons")),
        };
        if target.is_empty() || !target.starts_with('/') {
            return Err(format!(
                "invalid spec: {text}: invalid mount path: '{target}' mount path must be absolute"
            ));
        }
        let source = match source {
            "" => MountSource::Anonymous,
            path if path.starts_with(['/', '.', '~']) => MountSource::Bind(path.to_owned()),
            name => MountSource::Volume(name.to_owned()),
        };
        found.push((source, target.to_owned(), mode.split(',').any(|m| m == "ro")));
    }
    Ok(found)
}

fn dependencies(value: Option<&Value>) -> Vec<Dependency> {
    match value {
        Some(Value::Object(map)) => map
            .iter()
            .map(|(name, spec)| Dependency {
                service: name.clone(),
                condition: spec
                    .get("condition")
                    .and_then(scalar)
                    .unwrap_or_else(|| "service_started".to_owned()),
                required: spec.get("required").and_then(Value::as_bool).unwrap_or(true),
            })
            .collect(),
        list => strings(list)
            .into_iter()
            .map(|service| Dependency { service, condition: "service_started".to_owned(), required: true })
            .collect(),
    }
}

fn env_files(value: Option<&Value>) -> Vec<(String, bool)> {
    let one = |item: &Value| match item {
        Value::Object(map) => {
            let required = map.get("required").and_then(Value::as_bool).unwrap_or(true);
            map.get("path").and_then(scalar).map(|path| (path, required))
        }
        other => scalar(other).map(|path| (path, true)),
    };
    match value {
        Some(Value::Array(items)) => items.iter().filter_map(one).collect(),
        Some(other) => one(other).into_iter().collect(),
        None => Vec::new(),
    }
}

impl Service {
    /// Reads a service.
    pub(super) fn read(project: &str, name: &str, document: &Value) -> Result<Self, String> {
        let empty = Map::new();
        let map = match document {
            Value::Object(map) => map,
            Value::Null => &empty,
            _ => return Err(format!("services.{name} must be a mapping")),
        };
        if let Some(key) = map.keys().find(|key| !key.starts_with("x-") && !KEYS.contains(&key.as_str())) {
            return Err(format!("services.{name} additional properties '{key}' not allowed"));
        }
        let text = |key: &str| map.get(key).and_then(scalar);
        if map.get("image").is_some_and(|v| !v.is_string()) {
            return Err(format!("services.{name}.image must be a string"));
        }
        let built = map.contains_key("build");
        let image = match text("image").filter(|image| !image.is_empty()) {
            Some(image) => image,
            None if built => format!("{project}-{name}"),
            None => {
                return Err(format!(
                    "service \"{name}\" has neither an image nor a build context specified: invalid compose project"
                ));
            }
        };
        let restart = text("restart").unwrap_or_else(|| "no".to_owned());
        if !matches!(restart.as_str(), "no" | "always" | "unless-stopped" | "false")
            && !restart.starts_with("on-failure")
        {
            return Err(format!("services.{name}.restart: invalid restart policy {restart}"));
        }
        let health = map.get("healthcheck");
        let disabled = health.and_then(|h| h.get("disable")).and_then(Value::as_bool).unwrap_or(false);
        let replicas = map.get("deploy").and_then(|d| d.get("replicas")).and_then(Value::as_u64);
        let scale = map.get("scale").and_then(Value::as_u64).or(replicas).unwrap_or(1);
        Ok(Self {
            name: name.to_owned(),
            image,
            built,
            container_name: text("container_name"),
            entrypoint: argv(map.get("entrypoint")),
            command: argv(map.get("command")),
            environment: map
                .get("environment")
                .map(|value| pairs(value).iter().map(|(k, v)| (k.clone(), scalar(v))).collect())
                .unwrap_or_default(),
            env_files: env_files(map.get("env_file")),
            labels: map
                .get("labels")
                .map(|value| {
                    pairs(value).iter().map(|(k, v)| (k.clone(), scalar(v).unwrap_or_default())).collect()
                })
                .unwrap_or_default(),
            ports: map.get("ports").map_or(Ok(Vec::new()), |value| ports(value, name))?,
            mounts: map.get("volumes").map_or(Ok(Vec::new()), |value| mounts(value, name))?,
            networks: strings(map.get("networks")),
            depends_on: dependencies(map.get("depends_on")),
            restart,
            health_test: health.filter(|_| !disabled).and_then(|h| h.get("test")).cloned(),
            working_dir: text("working_dir").unwrap_or_else(|| "/".to_owned()),
            profiles: strings(map.get("profiles")),
            pull_policy: text("pull_policy").unwrap_or_else(|| "missing".to_owned()),
            scale: u32::try_from(scale).unwrap_or(1).min(32),
            document: document.clone(),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ports_are_read_in_every_form() {
        let value = json!(["8080:80", "127.0.0.1:9000-9001:90-91", "53:53/udp", 443, {"target": 1, "published": "2"}]);
        let read: Vec<(String, u16, u16, String)> = ports(&value, "a")
            .unwrap()
            .into_iter()
            .map(|p| (p.host_ip, p.published, p.target, p.protocol))
            .collect();
        let want = |ip: &str, a, b, proto: &str| (ip.to_owned(), a, b, proto.to_owned());
        assert_eq!(
            read,
            [
                want("0.0.0.0", 8080, 80, "tcp"),
                want("127.0.0.1", 9000, 90, "tcp"),
                want("127.0.0.1", 9001, 91, "tcp"),
                want("0.0.0.0", 53, 53, "udp"),
                want("0.0.0.0", 0, 443, "tcp"),
                want("0.0.0.0", 2, 1, "tcp"),
            ]
        );
        assert!(ports(&json!(["99999:1"]), "a").is_err());
    }

    #[test]
    fn a_service_without_an_image_and_an_unknown_key_are_refused() {
        assert!(Service::read("p", "a", &json!({})).unwrap_err().contains("neither an image"));
        assert!(Service::read("p", "a", &json!({"image": "x", "imagee": 1})).unwrap_err().contains("imagee"));
    }
}
