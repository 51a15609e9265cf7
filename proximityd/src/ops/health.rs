//! Whether an app works: its own probe, from the daemon, or from inside the guest where the daemon has no route.

use std::time::{Duration, Instant};

use proto_json::app::Port;
use proto_json::{Code, Problem};
use proximity_catalog::{Check, Scheme};

use super::context::Context;
use super::failure::StepError;
use super::project::{Project, logs};
use crate::guest::{Exec, GuestError, Job, docker, jobs};
use crate::model::app::ProbeFrom;

/// The least pause between two attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// A pause is this part of the time waited so far: an app is found well at most so much later than it is.
const PART: u32 = 10;
/// How often Compose is asked how the services are, while the probe does not answer.
const LOOK: Duration = Duration::from_secs(5);
/// The least time that an app gets, and the most.
const BOUNDS: (u64, u64) = (1, 3600);

/// How one attempt came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// It works.
    Well,
    /// It answers, but not as it should.
    Wrong(String),
    /// Nothing answers.
    Silent(String),
}

/// Asks an app's probe once from the daemon. None when the probe can only be asked from inside.
pub async fn from_daemon(
    client: &reqwest::Client,
    project: &Project,
    ports: &[Port],
    ip: &str,
) -> Option<Attempt> {
    let probe = &project.template.probe;
    let timeout = Duration::from_secs(probe.timeout.0.into());
    let host = if ip.contains(':') { format!("[{ip}]") } else { ip.to_string() };
    match &probe.check {
        Check::Http { service, port, path, scheme, status } => {
            let Some(published) = project.published(ports, service, *port) else {
                return Some(Attempt::Silent(format!("{service} does not publish its port {port}")));
            };
            let url = format!("{}://{host}:{published}{path}", scheme_word(*scheme));
            Some(match client.get(&url).timeout(timeout).send().await {
                Ok(response) => {
                    let got = response.status().as_u16();
                    match status.iter().any(|range| range.contains(got)) {
                        true => Attempt::Well,
                        false => Attempt::Wrong(format!("{url} answers {got}")),
                    }
                }
                Err(error) => Attempt::Silent(format!("{url}: {}", innermost(&error))),
            })
        }
        Check::Tcp { service, port } => {
            let Some(published) = project.published(ports, service, *port) else {
                return Some(Attempt::Silent(format!("{service} does not publish its port {port}")));
            };
            let connect = tokio::net::TcpStream::connect(format!("{host}:{published}"));
            Some(match tokio::time::timeout(timeout, connect).await {
                Ok(Ok(_)) => Attempt::Well,
                Ok(Err(error)) => Attempt::Silent(format!("{host}:{published}: {error}")),
                Err(_) => Attempt::Silent(format!("{host}:{published}: no answer")),
            })
        }
        Check::Command { .. } | Check::Running => None,
    }
}

/// Asks an app's probe once from inside the guest. `id` names the job.
///
/// # Errors
/// The guest's.
pub async fn from_guest(
    guest: &dyn Exec,
    id: String,
    project: &Project,
    ports: &[Port],
) -> Result<Attempt, GuestError> {
    let probe = &project.template.probe;
    let seconds = probe.timeout.0.to_string();
    let time = Duration::from_secs(u64::from(probe.timeout.0) + 5);
    let unpublished =
        |service: &str, port: u16| Attempt::Silent(format!("{service} does not publish its port {port}"));
    match &probe.check {
        Check::Http { service, port, path, scheme, status } => {
            let Some(published) = project.published(ports, service, *port) else {
                return Ok(unpublished(service, *port));
            };
            let url = format!("{}://127.0.0.1:{published}{path}", scheme_word(*scheme));
            let argv = ["curl", "-sk", "-o", "/dev/null", "-m", &seconds, "-w", "%{http_code}", &url];
            let output = guest.run(&Job::new(id, &argv, time)).await?;
            let got: u16 = output.text().trim().parse().unwrap_or(0);
            Ok(match got {
                0 => Attempt::Silent(format!("inside the container, {url}: no answer")),
                got if status.iter().any(|range| range.contains(got)) => Attempt::Well,
                got => Attempt::Wrong(format!("inside the container, {url} answers {got}")),
            })
        }
        Check::Tcp { service, port } => {
            let Some(published) = project.published(ports, service, *port) else {
                return Ok(unpublished(service, *port));
            };
            let script = format!("exec 3<>/dev/tcp/127.0.0.1/{published}");
            let output =
                guest.run(&Job::new(id, &["timeout", &seconds, "bash", "-c", &script], time)).await?;
            Ok(match output.status {
                0 => Attempt::Well,
                _ => Attempt::Silent(format!("inside the container, nothing listens on port {published}")),
            })
        }
        Check::Command { service, command } => {
            let args: Vec<&str> =
                ["exec", "-T", service].into_iter().chain(command.iter().map(String::as_str)).collect();
            let output = guest.run(&docker::compose(id, &args, time)).await?;
            Ok(match output.status {
                0 => Attempt::Well,
                status => {
                    let last = output.tail(1).pop().unwrap_or_default();
                    Attempt::Wrong(format!("the probe's command in {service} ends with {status}: {last}"))
                }
            })
        }
        Check::Running => {
            let services = docker::read_ps(&guest.run(&docker::services(id)).await?);
            let ill = services.iter().filter(|service| !service.well() && !ended_well(service));
            let ill: Vec<String> = ill.map(docker::ServiceState::words).collect();
            Ok(match (services.is_empty(), ill.is_empty()) {
                (true, _) => Attempt::Silent("no service runs".into()),
                (_, true) => Attempt::Well,
                _ => Attempt::Wrong(ill.join("; ")),
            })
        }
    }
}

/// A service that did its one job and ended, as migrations do.
fn ended_well(service: &docker::ServiceState) -> bool {
    service.state == "exited" && service.exit_code == 0
}

/// Waits until the app works.
///
/// # Errors
/// [`Code::Timeout`] with how the services are and their last words.
pub async fn wait(
    cx: &Context,
    guest: &dyn Exec,
    project: &Project,
    ports: &[Port],
    ip: &str,
    patience: Option<u64>,
) -> Result<ProbeFrom, StepError> {
    let seconds = patience.unwrap_or_else(|| project.template.probe.start_period.0.into());
    let patience = Duration::from_secs(seconds.clamp(BOUNDS.0, BOUNDS.1));
    let longest = Duration::from_secs(project.template.probe.interval.0.into());
    let begun = Instant::now();
    let mut looked = Instant::now();
    let mut number = 0;
    let mut told = String::new();
    loop {
        number += 1;
        let mut attempt = from_daemon(&cx.services.probe_client, project, ports, ip).await;
        let mut from = ProbeFrom::Daemon;
        // Asked from inside where that is the only way, and now and then where the daemon may have no route.
        if attempt.is_none() || (matches!(attempt, Some(Attempt::Silent(_))) && number % 4 == 0) {
            let id = jobs::id(cx.id(), cx.step(), &format!("probe-{number}"));
            let inside = from_guest(guest, id, project, ports).await?;
            if attempt.is_none() || inside == Attempt::Well {
                attempt = Some(inside);
                from = ProbeFrom::Guest;
            }
        }
        let why = match attempt {
            Some(Attempt::Well) => return Ok(from),
            Some(Attempt::Wrong(why) | Attempt::Silent(why)) => why,
            None => unreachable!("asked from inside when the daemon cannot ask"),
        };
        let why = project.redact(vec![why]).pop().unwrap_or_default();
        if why != told {
            cx.progress(format!("not yet: {why}")).await?;
            told = why;
        }
        if begun.elapsed() >= patience {
            return Err(unhealthy(cx, guest, project, number, patience, &told).await?);
        }
        if looked.elapsed() >= LOOK {
            looked = Instant::now();
            let services = project.services(cx, guest, &format!("look-{number}")).await?;
            let dead = services.iter().find(|service| service.state == "exited" && service.exit_code != 0);
            if dead.is_some() {
                return Err(unhealthy(cx, guest, project, number, begun.elapsed(), &told).await?);
            }
        }
        let pause = (begun.elapsed() / PART).min(longest).max(FIRST_PAUSE);
        cx.pause(pause.min(patience.saturating_sub(begun.elapsed()))).await?;
    }
}

async fn unhealthy(
    cx: &Context,
    guest: &dyn Exec,
    project: &Project,
    number: u32,
    after: Duration,
    why: &str,
) -> Result<StepError, StepError> {
    let services = project.services(cx, guest, &format!("last-{number}")).await?;
    let log = project.redact(logs(cx, guest).await?);
    let seconds = after.as_secs();
    let mut problem =
        Problem::new(Code::Failed, format!("the app is not healthy after {seconds} s")).cause(why);
    for service in services.iter().filter(|service| !service.well()) {
        problem = problem.cause(service.words());
    }
    let problem = problem.hint("--keep-failed keeps the container, to look into it");
    Ok(StepError::with_log(problem, log))
}

fn scheme_word(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    }
}

/// reqwest's own sentence repeats the URL; its innermost cause is what a person wants.
fn innermost(error: &reqwest::Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
