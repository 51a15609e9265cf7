//! From a template to a URL that answers.

mod container;
mod finish;
pub(crate) use finish::word;
mod golden;
mod plan;
pub(crate) use plan::NO_CONSOLE_HINT;

use std::time::Duration;

use async_trait::async_trait;
use proto_json::app::{AppState, Port};
use proximity_pve as pve;
use serde::{Deserialize, Serialize};

use super::place;
use crate::guest::{Job, provision};
use crate::model::app::{AppRecord, ProbeFrom};
use crate::model::operation::OperationRecord;
use crate::ops::container::Container;
use crate::ops::context::Context;
use crate::ops::failure::StepError;
use crate::ops::project::{Project, well};
use crate::ops::saga::{Done, Ending, Saga, StepDef};
use crate::ops::{health, inside, network, settle};
use crate::store::{StoreError, Tx};

/// Deploys an app.
#[derive(Debug, Clone, Copy)]
pub struct Deploy;

/// What it was asked for beyond what the app's record holds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Params {
    /// The node asked for.
    pub node: Option<String>,
    /// Keep what was made when it fails.
    pub keep_failed: bool,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Data {
    node: String,
    storage: String,
    linked: bool,
    templates: Option<String>,
    bridge: String,
    vmid: u32,
    golden: u32,
    address: String,
    ports: Vec<Port>,
    probe_from: ProbeFrom,
}

/// Time for a clone's Docker to come up after its first boot.
const FIRST_BOOT: Duration = Duration::from_secs(300);

const STEPS: &[StepDef] = &[
    StepDef {
        name: "plan",
        title: "Check and plan",
        explanation: "Reads the nodes, storages and bridges (GET /cluster/resources, /nodes/NODE/storage, \
                      /nodes/NODE/network), chooses where the container goes, checks that there is room, and asks the image \
                      registries for the newest version that the template allows.",
    },
    StepDef {
        name: "reserve-vmid",
        title: "Reserve a container id",
        explanation: "Takes a free id (GET /cluster/nextid) that no backup belongs to.",
    },
    StepDef {
        name: "golden",
        title: "Make sure of the golden container",
        explanation: "The first deployment on a node and storage downloads Debian 13 through Proxmox VE's own API, installs \
                      Docker in a container, and converts that to a template. Later ones find it ready.",
    },
    StepDef {
        name: "create-container",
        title: "Create the container",
        explanation: "Clones the golden container (POST /nodes/NODE/lxc/GOLDEN/clone), as a linked clone where the storage \
                      can, into the pool. The notes say which app it is.",
    },
    StepDef {
        name: "configure",
        title: "Configure the container",
        explanation: "Sets cores, memory, network, start at boot and the tag `proximity` (PUT /nodes/NODE/lxc/ID/config), and \
                      grows the disk (PUT …/resize).",
    },
    StepDef {
        name: "start",
        title: "Start the container",
        explanation: "Starts it (POST /nodes/NODE/lxc/ID/status/start).",
    },
    StepDef {
        name: "network",
        title: "Wait for its address",
        explanation: "Asks Proxmox VE for the container's interfaces until one has an address (GET …/interfaces).",
    },
    StepDef {
        name: "docker",
        title: "Wait for Docker",
        explanation: "Makes new SSH host keys, writes the daemon's key into root's authorized_keys where there is an SSH server \
                      and `guest.ssh` is not turned off, and waits until Docker answers in the container.",
    },
    StepDef {
        name: "files",
        title: "Write the app's files",
        explanation: "Writes /opt/app/compose.yaml and /opt/app/.env (mode 0600) over the container's console.",
    },
    StepDef {
        name: "pull",
        title: "Pull the images",
        explanation: "Runs `docker compose pull`, and records the digests.",
    },
    StepDef {
        name: "up",
        title: "Start the services",
        explanation: "Runs `docker compose up --detach`, and reads which ports it publishes.",
    },
    StepDef {
        name: "healthy",
        title: "Wait until the app answers",
        explanation: "Asks the app's own health probe until it is well: from the daemon, or from inside the container where \
                      the daemon has no route.",
    },
];

#[async_trait]
impl Saga for Deploy {
    fn kind(&self) -> &'static str {
        "deploy"
    }

    fn steps(&self) -> &'static [StepDef] {
        STEPS
    }

    async fn run(&self, step: &'static str, cx: &Context) -> Result<Done, StepError> {
        let mut data: Data = cx.data()?;
        if step == "plan" {
            return plan::run(cx, &mut data).await;
        }
        let app = cx.app().await?;
        let host = cx.host()?;
        cx.take_place(&data.node).await;
        match step {
            "reserve-vmid" => {
                if data.vmid == 0 {
                    let node = pve::NodeName::new(&data.node)?;
                    data.vmid = place::reserve_vmid(cx, &host, &node).await?;
                    cx.keep(&data).await?;
                }
                Ok(Done::did(format!("container id {}", data.vmid)))
            }
            "golden" => golden::make_sure(cx, &host, &app, &mut data).await,
            "create-container" => container::create(cx, &host, &app, &mut data).await,
            "configure" => container::configure(cx, &host, &app, &data).await,
            _ => self.run_inside(step, cx, &app, data).await,
        }
    }

    async fn undo(&self, step: &'static str, cx: &Context) -> Result<(), StepError> {
        let data: Data = cx.data()?;
        let id = cx.operation.app.clone().unwrap_or_default();
        match step {
            "create-container" if data.vmid != 0 => {
                let container = Container::new(cx.host()?, &data.node, data.vmid)?;
                container.destroy(cx, &id, Some(cx.id())).await?;
            }
            "reserve-vmid" if data.vmid != 0 => place::release_vmid(cx, data.vmid).await?,
            _ => {}
        }
        Ok(())
    }

    fn ended(&self, operation: &OperationRecord, ending: Ending, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        finish::ended(operation, ending, tx)
    }
}

impl Deploy {
    /// The steps that have a container to work on.
    async fn run_inside(
        &self,
        step: &'static str,
        cx: &Context,
        app: &AppRecord,
        mut data: Data,
    ) -> Result<Done, StepError> {
        let container = Container::new(cx.host()?, &data.node, data.vmid)?;
        let guest = container.guest(cx);
        let time_zone = cx.services.time_zone.as_str();
        match step {
            "start" => {
                container.start(cx).await?;
                Ok(Done::Did(None))
            }
            "network" => {
                data.address = network::wait(cx, &container).await?;
                cx.keep(&data).await?;
                let address = data.address.clone();
                cx.change_app(|app| app.ip = Some(address)).await?;
                Ok(Done::did(data.address))
            }
            "docker" => {
                let line = inside::line(cx, &data.address);
                let job = |id| Job::script(id, &provision::first_boot(), &[&line], FIRST_BOOT);
                let output = cx.exec(&*guest, "first-boot", job).await?;
                well(&output, "Docker does not answer in the container")?;
                if !line.is_empty() {
                    inside::keep(cx, &container, &line, &output).await?;
                }
                Ok(Done::Did(None))
            }
            "files" => {
                let project = Project::of(&cx.services, app).await?;
                let env = project.env(app, &data.address, &[], time_zone)?;
                project.write(cx, &*guest, "write", &env).await?;
                Ok(Done::Did(None))
            }
            "pull" => {
                let project = Project::of(&cx.services, app).await?;
                project.pull(cx, &*guest).await?;
                let digests = project.digests(cx, &*guest, &app.spec.images).await?;
                let count = app.spec.images.len();
                cx.change_app(move |app| app.spec.digests = digests).await?;
                Ok(Done::did(format!("{count} image{}", if count == 1 { "" } else { "s" })))
            }
            "up" => {
                let project = Project::of(&cx.services, app).await?;
                // What the app was told before its ports were known may differ from where it really is.
                let env = |ports: &[Port]| project.env(app, &data.address, ports, time_zone);
                data.ports = settle::up(cx, &*guest, &project, env(&[])?, env).await?;
                cx.keep(&data).await?;
                let (ports, url) =
                    (data.ports.clone(), project.web(&data.ports, &data.address).map(|(_, url)| url));
                cx.change_app(move |app| {
                    app.spec.ports = ports;
                    app.url = url;
                    app.state = AppState::Starting;
                })
                .await?;
                Ok(Done::Did(None))
            }
            _ => {
                let project = Project::of(&cx.services, app).await?;
                let patience = app.spec.timeout_seconds;
                data.probe_from =
                    health::wait(cx, &*guest, &project, &data.ports, &data.address, patience).await?;
                cx.keep(&data).await?;
                Ok(Done::did(app.url.clone().unwrap_or_else(|| "the app is well".into())))
            }
        }
    }
}
