//! Docker Compose in a guest: where the app's files are, and what Compose says of it.
//!
//! The project is a plain one: `cd /opt/app && docker compose ps` is all a person needs, with or without Proximity.

use std::collections::BTreeMap;
use std::time::Duration;

use proto_json::app::Port;
use serde::Deserialize;

use super::{Job, Output};

/// The app's directory in the guest: `compose.yaml`, `.env`, and a person's own `compose.override.yaml`.
pub const DIR: &str = "/opt/app";

/// Puts the Compose file and the env file in place, each whole or not at all. `$1` is the Compose file's length in bytes.
const WRITE: &str = r#"umask 022
mkdir -p /opt/app
cd /opt/app
head -c "$1" >.compose.yaml.new
(umask 077; cat >.env.new)
sync
mv .compose.yaml.new compose.yaml
mv .env.new .env
"#;

/// A job that writes the app's files.
pub fn write_files(id: String, compose: &str, env: &str) -> Job {
    let length = compose.len().to_string();
    Job::script(id, WRITE, &[&length], Duration::from_secs(60)).stdin(format!("{compose}{env}"))
}

/// A `docker compose` job in the app's directory.
pub fn compose(id: String, args: &[&str], timeout: Duration) -> Job {
    let argv: Vec<&str> = ["docker", "compose", "--ansi", "never", "--project-directory", DIR]
        .into_iter()
        .chain(args.iter().copied())
        .collect();
    Job::new(id, &argv, timeout)
}

/// A job that prints how the project's containers are, for [`read_ps`].
pub fn services(id: String) -> Job {
    compose(id, &["ps", "--all", "--format", "json"], Duration::from_secs(60))
}

/// A job that prints the repository digests of images, a line of JSON each.
pub fn digests(id: String, images: &[&str]) -> Job {
    // One line for each image, also for one that is not there: the lines are matched by their order.
    let script = "for image in \"$@\"; do docker image inspect --format '{{json .RepoDigests}}' \"$image\" || echo '[]'; done";
    Job::script(id, script, images, Duration::from_secs(60))
}

/// A container of the project, as `docker compose ps --all --format json` prints it, a line each.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ServiceState {
    /// The service.
    pub service: String,
    /// `running`, `exited`, `restarting`, `created`, `paused`, `dead`.
    #[serde(default)]
    pub state: String,
    /// `healthy`, `unhealthy`, `starting`, or empty where there is no health check.
    #[serde(default)]
    pub health: String,
    /// Its exit code, when it has ended.
    #[serde(default)]
    pub exit_code: i64,
    /// Its published ports.
    #[serde(default)]
    pub publishers: Option<Vec<Publisher>>,
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Publisher {
    /// The port in the service.
    pub target_port: u16,
    /// The port outside; 0 for one that is only exposed.
    #[serde(default)]
    pub published_port: u16,
    /// `tcp` or `udp`.
    #[serde(default)]
    pub protocol: String,
}

impl ServiceState {
    /// It runs, and its own health check does not say otherwise.
    pub fn well(&self) -> bool {
        self.state == "running" && (self.health.is_empty() || self.health == "healthy")
    }

    /// In words, for an error.
    pub fn words(&self) -> String {
        match (self.state.as_str(), self.health.as_str()) {
            ("running", "") => format!("{} runs", self.service),
            ("running", health) => format!("{} runs and is {health}", self.service),
            (state, _) => format!("{} is {state} with exit code {}", self.service, self.exit_code),
        }
    }
}

/// Reads what `docker compose ps` printed: a JSON object a line, or (before Compose 2.21) one array.
pub fn read_ps(output: &Output) -> Vec<ServiceState> {
    let text = output.text();
    if let Ok(list) = serde_json::from_str::<Vec<ServiceState>>(text.trim()) {
        return list;
    }
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The published ports, each once (Docker prints one for IPv4 and one for IPv6).
pub fn ports(services: &[ServiceState]) -> Vec<Port> {
    let mut ports = BTreeMap::new();
    for service in services {
        for publisher in service.publishers.iter().flatten().filter(|publisher| publisher.published_port != 0)
        {
            let key = (
                service.service.clone(),
                publisher.target_port,
                publisher.protocol.clone(),
                publisher.published_port,
            );
            ports.entry(key).or_insert_with(|| Port {
                service: service.service.clone(),
                target: publisher.target_port,
                published: publisher.published_port,
                protocol: publisher.protocol.clone(),
            });
        }
    }
    ports.into_values().collect()
}

/// Reads what a [`digests`] job printed: the first digest of each image, in their order.
pub fn read_digests(output: &Output) -> Vec<Option<String>> {
    output
        .text()
        .lines()
        .map(|line| {
            let list: Vec<String> = serde_json::from_str(line).unwrap_or_default();
            list.first().and_then(|reference| reference.split_once('@')).map(|(_, digest)| digest.to_string())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(text: &str) -> Output {
        Output { status: 0, stdout: text.into(), stderr: Vec::new() }
    }

    // As Compose 2.26 prints it, shortened to what is read and some of what is not.
    const LINE: &str = r#"{"Command":"\"/whoami\"","ExitCode":0,"Health":"","ID":"0fd3","Image":"traefik/whoami","Labels":"a=b","Name":"app-whoami-1","Project":"app","Publishers":[{"URL":"0.0.0.0","TargetPort":80,"PublishedPort":8080,"Protocol":"tcp"},{"URL":"::","TargetPort":80,"PublishedPort":8080,"Protocol":"tcp"}],"Service":"whoami","State":"running","Status":"Up 2 seconds"}"#;

    #[test]
    fn compose_ps_is_read_in_both_its_forms() {
        let lines = read_ps(&output(&format!("{LINE}\n")));
        let array = read_ps(&output(&format!("[{LINE}]")));
        assert_eq!(lines, array);
        assert!(lines[0].well());
        assert_eq!(ports(&lines).len(), 1);
        assert_eq!(ports(&lines)[0].published, 8080);
    }

    #[test]
    fn a_service_that_is_down_is_said_in_words() {
        let text = LINE.replace("running", "exited").replace("\"ExitCode\":0", "\"ExitCode\":3");
        let services = read_ps(&output(&text));
        assert!(!services[0].well());
        assert_eq!(services[0].words(), "whoami is exited with exit code 3");
    }

    #[test]
    fn digests_are_read_and_may_be_missing() {
        let digests = read_digests(&output("[\"a/b@sha256:00ff\"]\n[]\nnull\n"));
        assert_eq!(digests, [Some("sha256:00ff".into()), None, None]);
    }
}
