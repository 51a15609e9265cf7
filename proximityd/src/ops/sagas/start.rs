//! Starting an app, and following a changed address: both bring it up as its records say, and wait for its probe.

use async_trait::async_trait;
use proto_json::app::{AppState, Port};
use serde::{Deserialize, Serialize};

use crate::model::app::ProbeFrom;
use crate::model::operation::OperationRecord;
use crate::ops::container::Container;
use crate::ops::context::Context;
use crate::ops::failure::StepError;
use crate::ops::project::Project;
use crate::ops::saga::{Done, Ending, Saga, StepDef};
use crate::ops::{health, inside, network, settle};
use crate::store::{StoreError, Tx};

/// Starts an app.
#[derive(Debug, Clone, Copy)]
pub struct Start;

/// Follows a change of an app's address.
#[derive(Debug, Clone, Copy)]
pub struct Address;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Data {
    address: String,
    ports: Vec<Port>,
    probe_from: ProbeFrom,
}

pub(super) const CONTAINER: StepDef = StepDef {
    name: "start-container",
    title: "Start the container",
    explanation: "Starts it (POST /nodes/NODE/lxc/ID/status/start), unless it runs.",
};
pub(super) const NETWORK: StepDef = StepDef {
    name: "network",
    title: "Wait for its address",
    explanation: "Asks Proxmox VE for the container's interfaces until one has an address.",
};
pub(super) const SERVICES: StepDef = StepDef {
    name: "services",
    title: "Start the services",
    explanation: "Writes a changed address into the app's env file, and runs `docker compose up --detach`.",
};
pub(super) const HEALTHY: StepDef = StepDef {
    name: "healthy",
    title: "Wait until the app answers",
    explanation: "Asks the app's own health probe until it is well.",
};

#[async_trait]
impl Saga for Start {
    fn kind(&self) -> &'static str {
        "start"
    }

    fn steps(&self) -> &'static [StepDef] {
        &[CONTAINER, NETWORK, SERVICES, HEALTHY]
    }

    /// An app that was started stays so: what failed is seen, not hidden by stopping it again.
    fn pivot(&self) -> Option<&'static str> {
        Some(CONTAINER.name)
    }

    async fn run(&self, step: &'static str, cx: &Context) -> Result<Done, StepError> {
        bring_up(step, cx).await
    }

    fn ended(&self, operation: &OperationRecord, ending: Ending, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        brought_up(operation, ending, tx)
    }
}

#[async_trait]
impl Saga for Address {
    fn kind(&self) -> &'static str {
        "address"
    }

    fn steps(&self) -> &'static [StepDef] {
        &[NETWORK, SERVICES, HEALTHY]
    }

    fn pivot(&self) -> Option<&'static str> {
        Some(NETWORK.name)
    }

    async fn run(&self, step: &'static str, cx: &Context) -> Result<Done, StepError> {
        bring_up(step, cx).await
    }

    fn ended(&self, operation: &OperationRecord, ending: Ending, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        brought_up(operation, ending, tx)
    }
}

/// The steps that bring an app up.
pub(super) async fn bring_up(step: &'static str, cx: &Context) -> Result<Done, StepError> {
    let app = cx.app().await?;
    let container = Container::of(cx, &app)?;
    let mut data: Data = cx.data()?;
    if step != HEALTHY.name {
        container.belongs_to(&app).await?;
    }
    match step {
        "start-container" => Ok(match container.start(cx).await? {
            true => Done::Did(None),
            false => Done::Skipped("it runs".into()),
        }),
        "network" => {
            data.address = network::wait(cx, &container).await?;
            cx.keep(&data).await?;
            Ok(Done::did(data.address))
        }
        "services" => {
            let guest = container.guest(cx);
            inside::look_after(cx, &container, &*guest, &app, &data.address).await?;
            let project = Project::of(&cx.services, &app).await?;
            let zone = cx.services.time_zone.as_str();
            let moved = app.ip.as_deref() != Some(data.address.as_str());
            let env = |ports: &[Port]| project.env(&app, &data.address, ports, zone);
            let told = env(&app.spec.ports)?;
            if moved {
                project.write(cx, &*guest, "write", &told).await?;
            }
            data.ports = settle::up(cx, &*guest, &project, told, env).await?;
            cx.keep(&data).await?;
            let message = match moved {
                true => Some(follow(cx, &project, &app, &data).await?),
                false => None,
            };
            let (ip, ports) = (data.address.clone(), data.ports.clone());
            let url = project.web(&data.ports, &data.address).map(|(_, url)| url);
            cx.change_app(move |app| {
                app.ip = Some(ip);
                app.url = url;
                app.spec.ports = ports;
                app.state = AppState::Starting;
            })
            .await?;
            Ok(Done::Did(message))
        }
        _ => {
            let project = Project::of(&cx.services, &app).await?;
            let guest = container.guest(cx);
            let patience = app.spec.timeout_seconds;
            data.probe_from =
                health::wait(cx, &*guest, &project, &data.ports, &data.address, patience).await?;
            cx.keep(&data).await?;
            Ok(Done::did(app.url.unwrap_or_else(|| "the app is well".into())))
        }
    }
}

/// Runs what the template says is to be run in the app after its address changed, or says what a person has to do.
async fn follow(
    cx: &Context,
    project: &Project,
    app: &crate::model::app::AppRecord,
    data: &Data,
) -> Result<String, StepError> {
    let guest = Container::of(cx, app)?.guest(cx);
    let mut deployment = project.deployment(app, &data.address, &cx.services.time_zone);
    deployment.ip.clone_from(&data.address);
    for (number, command) in project.template.address.commands.iter().enumerate() {
        let words =
            proximity_catalog::render_command(command, &project.template, &project.settings, &deployment);
        let mut args = vec!["exec", "-T"];
        if let Some(user) = &command.user {
            args.extend(["--user", user]);
        }
        args.push(&command.service);
        args.extend(words.iter().map(String::as_str));
        let time = std::time::Duration::from_secs(120);
        let what = format!("follow-{number}");
        let output = cx.exec(&*guest, &what, |id| crate::guest::docker::compose(id, &args, time)).await?;
        crate::ops::project::well(&output, "the app could not be told its new address")
            .map_err(|error| project.without_secrets(error))?;
    }
    let mut message = format!("its address is now {}", data.address);
    if let Some(text) = &project.template.address.text {
        message.push_str("; ");
        message.push_str(text);
    }
    cx.progress(message.clone()).await?;
    Ok(message)
}

/// What the app's record says when it is up, or is not.
pub(super) fn brought_up(
    operation: &OperationRecord,
    ending: Ending,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let id = operation.app.clone().unwrap_or_default();
    let Some(mut app) = tx.app(&id)? else { return Ok(()) };
    let data: Data = serde_json::from_value(operation.data.clone()).unwrap_or_default();
    match ending {
        Ending::Done => {
            app.state = AppState::Running;
            app.reason = None;
            app.spec.probe_from = data.probe_from;
        }
        // How it is now is for the next look at it to say.
        _ => {
            app.state = if operation.step.as_deref() == Some("start-container") {
                AppState::Stopped
            } else {
                AppState::Degraded
            };
            app.reason = operation.error.as_ref().map(|error| error.message.clone());
        }
    }
    app.checked_at = Some(tx.now().to_string());
    tx.update_app(&app)
}
