//! The app inside its container: its template, its settings, its Compose project.

use std::collections::BTreeMap;
use std::time::Duration;

use proto_json::app::Port;
use proto_json::{Code, Problem};
use proximity_catalog::{Deployment, ResolvedSettings, Scheme, SettingValue, Template};
use secrecy::ExposeSecret;

use super::context::Context;
use super::failure::StepError;
use super::services::Services;
use crate::guest::{Exec, Job, Output, docker};
use crate::model::app::{AppRecord, Source};

/// Lines of output that an error shows.
const LOG_LINES: usize = 25;
/// A secret shorter than this would be found in words that are none.
const SHORTEST_SECRET: usize = 4;
/// Time for pulling all of an app's images.
const PULL: Duration = Duration::from_secs(3600);
/// Time for Compose to start everything, health checks of dependencies included.
const UP: Duration = Duration::from_secs(1200);

/// An app's template with its settings, secrets opened. It is never written anywhere but into the guest's env file.
#[derive(Debug)]
pub struct Project {
    /// The template, as it was when the app was asked for.
    pub template: Template,
    /// The settings.
    pub settings: ResolvedSettings,
}

/// Reads the template that an app was made from.
///
/// # Errors
/// When this daemon cannot read what an earlier one could.
pub fn template_of(app: &AppRecord) -> Result<Template, Problem> {
    let read = match app.spec.source {
        Source::Catalog => Template::parse(&app.spec.document, &format!("{}.toml", app.template)),
        Source::Compose => Template::from_compose(&app.name, &app.spec.document),
    };
    read.map_err(|diagnostics| {
        let causes = diagnostics.iter().map(ToString::to_string).collect();
        let message = format!("the template that `{}` was made from cannot be read any more", app.name);
        Problem { causes, ..Problem::new(Code::Failed, message) }
    })
}

impl Project {
    /// An app's template and settings.
    ///
    /// # Errors
    /// The store's and the vault's.
    pub async fn of(services: &Services, app: &AppRecord) -> Result<Project, StepError> {
        let template = template_of(app)?;
        let id = app.id.clone();
        let sealed = services.store.read(move |reader| reader.secrets(&id)).await?;
        let mut values = BTreeMap::new();
        for (key, value) in &app.spec.settings {
            let generated = app.spec.generated.contains(key);
            values.insert(key.clone(), SettingValue { value: value.clone(), secret: false, generated });
        }
        for (key, bytes) in &sealed {
            let value = services.vault.open_secret(bytes)?.expose_secret().to_string();
            let generated = app.spec.generated.contains(key);
            values.insert(key.clone(), SettingValue { value, secret: true, generated });
        }
        Ok(Project { template, settings: ResolvedSettings { values } })
    }

    /// Where the app is, for its reserved variables and its notes.
    pub fn deployment(&self, app: &AppRecord, ip: &str, time_zone: &str) -> Deployment {
        Deployment {
            name: app.name.clone(),
            ip: ip.into(),
            time_zone: time_zone.into(),
            images: app.spec.images.clone(),
        }
    }

    /// The port outside for a service's port, as the guest publishes it.
    pub fn published(&self, ports: &[Port], service: &str, target: u16) -> Option<u16> {
        ports
            .iter()
            .find(|port| port.service == service && port.target == target && port.protocol != "udp")
            .map(|port| port.published)
    }

    /// `host[:port]` and URL of the web page, with the port as the guest publishes it.
    pub fn web(&self, ports: &[Port], ip: &str) -> Option<(String, String)> {
        let web = self.template.web.as_ref()?;
        let port = self.published(ports, &web.service, web.port)?;
        let host = if ip.contains(':') { format!("[{ip}]") } else { ip.to_string() };
        let host = if port == web.scheme.default_port() { host } else { format!("{host}:{port}") };
        let scheme = match web.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        let path = if web.path == "/" { "" } else { &web.path };
        Some((host.clone(), format!("{scheme}://{host}{path}")))
    }

    /// The text of the env file.
    ///
    /// # Errors
    /// When a value cannot stand in one.
    pub fn env(
        &self,
        app: &AppRecord,
        ip: &str,
        ports: &[Port],
        time_zone: &str,
    ) -> Result<String, StepError> {
        let mut env = self.template.env(&self.settings, &self.deployment(app, ip, time_zone));
        // The guest may publish on another port than asked for; what the app is told must be where it is.
        if let (Some((host, _)), Some(web)) = (self.web(ports, ip), &self.template.web) {
            let scheme = if matches!(web.scheme, Scheme::Https) { "https" } else { "http" };
            env.insert("APP_URL".into(), format!("{scheme}://{host}"));
            env.insert("APP_HOST".into(), host);
        }
        proximity_catalog::render_env(env).map_err(|error| {
            StepError::failed(
                Problem::new(Code::InvalidParams, "a setting cannot be written").cause(error.to_string()),
            )
        })
    }

    /// Writes the Compose file and the env file.
    ///
    /// # Errors
    /// The guest's.
    pub async fn write(
        &self,
        cx: &Context,
        guest: &dyn Exec,
        what: &str,
        env: &str,
    ) -> Result<(), StepError> {
        let output = cx.exec(guest, what, |id| docker::write_files(id, &self.template.compose, env)).await?;
        well(&output, "the app's files cannot be written")
    }

    /// Takes the app's secrets out of lines that are shown and kept: what an app writes to its log is its own affair.
    pub fn redact(&self, lines: Vec<String>) -> Vec<String> {
        let secrets: Vec<&str> = self
            .settings
            .values
            .values()
            .filter(|value| value.secret && value.value.len() >= SHORTEST_SECRET)
            .map(|value| value.value.as_str())
            .collect();
        let clean =
            |line: String| secrets.iter().fold(line, |line, secret| line.replace(secret, "[redacted]"));
        lines.into_iter().map(clean).collect()
    }

    /// A failure without the app's secrets in its words.
    pub fn without_secrets(&self, error: StepError) -> StepError {
        match error {
            StepError::Failed(mut failure) => {
                failure.log = self.redact(failure.log);
                failure.problem.causes = self.redact(failure.problem.causes);
                StepError::Failed(failure)
            }
            other => other,
        }
    }

    /// Pulls the images.
    ///
    /// # Errors
    /// Docker's own words.
    pub async fn pull(&self, cx: &Context, guest: &dyn Exec) -> Result<(), StepError> {
        for attempt in 1..=3 {
            let what = format!("pull-{attempt}");
            let output = cx.exec(guest, &what, |id| docker::compose(id, &["pull", "--quiet"], PULL)).await?;
            if output.status == 0 {
                return Ok(());
            }
            // What cannot be pulled may be there: in the golden container, or by hand.
            if self.present(cx, guest, attempt).await? {
                cx.progress("the registry does not give the images; taking those that the container has")
                    .await?;
                return Ok(());
            }
            if attempt == 3 || !passing(&output) {
                let hint = "check the image's name and tag, and that the container reaches its registry";
                return Err(self.without_secrets(docker_failed(&output, "an image cannot be pulled", hint)));
            }
            cx.progress(format!("the registry did not answer; trying again ({attempt} of 3)")).await?;
            cx.pause(Duration::from_secs(3)).await?;
        }
        Ok(())
    }

    /// Whether the container has every image of the project already.
    async fn present(&self, cx: &Context, guest: &dyn Exec, attempt: u32) -> Result<bool, StepError> {
        let script = "images=$(docker compose --project-directory \"$1\" config --images); [ -n \"$images\" ] && \
                      docker image inspect $images >/dev/null";
        let time = Duration::from_secs(60);
        let what = format!("present-{attempt}");
        let output = cx.exec(guest, &what, |id| Job::script(id, script, &[docker::DIR], time)).await?;
        Ok(output.status == 0)
    }

    /// Starts the project, or brings it up to what its files say now.
    ///
    /// # Errors
    /// Docker's own words.
    pub async fn up(&self, cx: &Context, guest: &dyn Exec, what: &str) -> Result<(), StepError> {
        let args = ["up", "--detach", "--remove-orphans", "--no-color"];
        let output = cx.exec(guest, what, |id| docker::compose(id, &args, UP)).await?;
        if output.status == 0 {
            return Ok(());
        }
        let mut error = docker_failed(&output, "the services cannot be started", "see the log's last lines");
        if let StepError::Failed(failure) = &mut error {
            failure.log.extend(logs(cx, guest).await.unwrap_or_default());
        }
        Err(self.without_secrets(error))
    }

    /// What Compose says of the services.
    ///
    /// # Errors
    /// The guest's.
    pub async fn services(
        &self,
        cx: &Context,
        guest: &dyn Exec,
        what: &str,
    ) -> Result<Vec<docker::ServiceState>, StepError> {
        let output = cx.exec(guest, what, docker::services).await?;
        well(&output, "Compose cannot tell how the services are")?;
        Ok(docker::read_ps(&output))
    }

    /// The digests of the images that were pulled, by service. Those that Docker does not know are left out.
    ///
    /// # Errors
    /// The guest's.
    pub async fn digests(
        &self,
        cx: &Context,
        guest: &dyn Exec,
        images: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, StepError> {
        let references: Vec<&str> = images.values().map(String::as_str).collect();
        if references.is_empty() {
            return Ok(BTreeMap::new());
        }
        let output = cx.exec(guest, "digests", |id| docker::digests(id, &references)).await?;
        let found = docker::read_digests(&output);
        Ok(images
            .keys()
            .zip(found)
            .filter_map(|(service, digest)| Some((service.clone(), digest?)))
            .collect())
    }
}

/// The last lines that the services wrote.
///
/// # Errors
/// The guest's.
pub async fn logs(cx: &Context, guest: &dyn Exec) -> Result<Vec<String>, StepError> {
    let args = ["logs", "--no-color", "--tail", "20"];
    let output = cx.exec(guest, "logs", |id| docker::compose(id, &args, Duration::from_secs(60))).await?;
    Ok(output.tail(LOG_LINES))
}

/// A job that must have succeeded.
///
/// # Errors
/// Its last words.
pub fn well(output: &Output, failure: &str) -> Result<(), StepError> {
    if output.status == 0 {
        return Ok(());
    }
    let problem = Problem::new(Code::Failed, failure).cause(format!("exit status {}", output.status));
    Err(StepError::with_log(problem, output.tail(LOG_LINES)))
}

fn docker_failed(output: &Output, failure: &str, hint: &str) -> StepError {
    let log = output.tail(LOG_LINES);
    // Docker's last line is its reason.
    let problem = Problem::new(Code::Failed, failure)
        .cause(log.last().cloned().unwrap_or_else(|| format!("exit status {}", output.status)))
        .hint(hint);
    StepError::with_log(problem, log)
}

/// Whether a pull failed for a reason that may pass: the network's, not the image's.
fn passing(output: &Output) -> bool {
    let text = output.tail(LOG_LINES).join("\n").to_lowercase();
    [
        "timeout",
        "timed out",
        "connection reset",
        "temporary failure",
        "no route to host",
        "unexpected eof",
        "tls handshake",
    ]
    .iter()
    .any(|sign| text.contains(sign))
}
