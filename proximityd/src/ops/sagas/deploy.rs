//! From a template to a URL that answers.

mod finish;
pub(crate) use finish::word;
mod plan;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use proto_json::app::{AppState, Port};
use proto_json::operation::OperationState;
use proto_json::{Code, Problem};
use proximity_pve as pve;
use serde::{Deserialize, Serialize};

use super::golden::{ours, tag, taken};
use super::place;
use crate::guest::{Job, provision};
use crate::hosts::Host;
use crate::model::app::{AppRecord, ProbeFrom};
use crate::model::golden::{Golden, GoldenState};
use crate::model::notes::{Kind, Notes};
use crate::model::operation::OperationRecord;
use crate::ops::container::Container;
use crate::ops::context::Context;
use crate::ops::engine::{NewOperation, insert};
use crate::ops::failure::{Failure, StepError};
use crate::ops::project::{Project, well};
use crate::ops::saga::{Done, Ending, Saga, StepDef};
use crate::ops::task::{Once, Trace};
use crate::ops::{health, network};
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
        explanation: "Makes new SSH host keys, and waits until Docker answers in the container.",
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
            "golden" => golden(cx, &host, &app, &mut data).await,
            "create-container" => create(cx, &host, &app, &mut data).await,
            "configure" => configure(cx, &host, &app, &data).await,
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
                let job = |id| Job::script(id, provision::FIRST_BOOT, &[], FIRST_BOOT);
                let output = cx.exec(&*guest, "first-boot", job).await?;
                well(&output, "Docker does not answer in the container")?;
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
                project.up(cx, &*guest, "up").await?;
                data.ports = crate::guest::docker::ports(&project.services(cx, &*guest, "ps").await?);
                // What the app was told before its ports were known may differ from where it really is.
                let told = project.env(app, &data.address, &[], time_zone)?;
                let real = project.env(app, &data.address, &data.ports, time_zone)?;
                if told != real {
                    project.write(cx, &*guest, "write-ports", &real).await?;
                    project.up(cx, &*guest, "up-ports").await?;
                }
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

/// Finds the golden container, or has it built, once, whoever asks first.
async fn golden(cx: &Context, host: &Arc<Host>, app: &AppRecord, data: &mut Data) -> Result<Done, StepError> {
    let place = Golden {
        operation: String::new(),
        host: host.config.name.clone(),
        node: data.node.clone(),
        storage: data.storage.clone(),
        recipe: provision::recipe(),
        vmid: None,
        state: GoldenState::Building,
    };
    loop {
        let params = super::golden::Params {
            node: data.node.clone(),
            storage: data.storage.clone(),
            templates: data.templates.clone(),
            bridge: data.bridge.clone(),
            ip: app.spec.ip.clone(),
            gateway: app.spec.gateway.clone(),
            recipe: place.recipe.clone(),
        };
        let mut operation = cx.engine.prepare(NewOperation {
            kind: "golden",
            app: None,
            host: place.host.clone(),
            parent: Some(cx.id().into()),
            params: serde_json::to_value(&params).expect("plain strings are representable as JSON"),
            actor: cx.operation.actor.clone(),
            request_id: None,
        });
        let wanted = Golden { operation: operation.id.clone(), ..place.clone() };
        let (found, new) = cx
            .services
            .store
            .write(move |tx| match tx.golden_for(&wanted)? {
                Some(found) => Ok::<_, StoreError>((found, None)),
                None => {
                    insert(tx, &mut operation)?;
                    tx.insert_golden(&wanted)?;
                    Ok((wanted, Some(operation)))
                }
            })
            .await?;
        if let Some(operation) = new {
            cx.engine.launch(operation);
        }
        match (found.state, found.vmid) {
            (GoldenState::Ready, Some(vmid)) if still_there(host, &found, vmid).await? => {
                data.golden = vmid;
                cx.keep(data).await?;
                return Ok(Done::did(format!("container {vmid}")));
            }
            (GoldenState::Ready, vmid) => {
                let id = found.operation.clone();
                cx.services.store.write(move |tx| tx.set_golden(&id, vmid, GoldenState::Retired)).await?;
                cx.progress("the golden container is gone; building a new one").await?;
            }
            _ => built(cx, &found.operation).await?,
        }
    }
}

/// Whether a golden container that was ready still is: a person may have removed it.
async fn still_there(host: &Arc<Host>, golden: &Golden, vmid: u32) -> Result<bool, StepError> {
    let container = Container::new(Arc::clone(host), &golden.node, vmid)?;
    Ok(match container.owner().await? {
        crate::ops::container::Owner::Ours(notes, config) => {
            notes.kind == Kind::Golden && notes.id == golden.recipe && config.template
        }
        _ => false,
    })
}

/// Waits for a golden container that is being built.
async fn built(cx: &Context, operation: &str) -> Result<(), StepError> {
    cx.progress("the golden container is being built; this happens once for each node and storage").await?;
    let mut cancel = cx.cancel.clone();
    tokio::select! {
        () = cx.engine.wait(operation) => {}
        _ = cancel.wait_for(|cancel| *cancel) => return Err(StepError::Cancelled),
    }
    let id = operation.to_string();
    let ended = cx.services.store.read(move |reader| reader.operation(&id)).await?;
    match ended {
        Some(record) if record.state == OperationState::Done => Ok(()),
        Some(OperationRecord { error: Some(error), ended_at: Some(_), .. }) => {
            let code = Code::ALL.into_iter().find(|code| code.kind() == error.kind).unwrap_or(Code::Failed);
            let causes = std::iter::once(error.message).chain(error.causes).collect();
            let problem = Problem {
                code,
                message: "the golden container could not be built".into(),
                causes,
                hints: error.hints,
            };
            Err(StepError::Failed(Box::new(Failure { problem, log: error.log })))
        }
        Some(OperationRecord { ended_at: Some(_), .. }) => {
            Err(StepError::failed(Problem::new(Code::Failed, "the golden container could not be built")))
        }
        // Not driven at this moment, after a restart perhaps: looked at again.
        _ => Err(StepError::Wait("the golden container is being built".into())),
    }
}

/// Clones the golden container.
async fn create(cx: &Context, host: &Arc<Host>, app: &AppRecord, data: &mut Data) -> Result<Done, StepError> {
    let node = pve::NodeName::new(&data.node)?;
    let golden = pve::Vmid::new(data.golden)?;
    // A clone locks its source: clones of one golden container stand in line.
    let turn = cx.services.queues.turn(format!("clone {}/{golden}", host.config.name)).await;
    loop {
        let container = Container::new(Arc::clone(host), &data.node, data.vmid)?;
        let notes = Notes {
            kind: Kind::App,
            id: app.id.clone(),
            vmid: data.vmid,
            operation: cx.id().into(),
            name: Some(app.name.clone()),
            template: Some(app.template.clone()),
            template_version: Some(app.template_version.clone()),
            created_at: Some(app.created_at.clone()),
        };
        let from = if data.linked { pve::ClonedFrom::TemplateLinked } else { pve::ClonedFrom::Full };
        let mut clone = pve::CloneLxc::new(container.vmid, from);
        clone.hostname = Some(app.name.clone());
        clone.description = Some(notes.text(&format!(
            "**{}**, managed by Proximity (template {}). Its Compose project is in /opt/app.",
            app.name, app.template
        )));
        clone.pool = Some(pve::PoolId::new(&host.config.pool)?);
        if !data.linked {
            clone.storage = Some(pve::StorageId::new(&data.storage)?);
        }
        let key = format!("clone-{}-{}", data.vmid, if data.linked { "linked" } else { "full" });
        let source = golden.to_string();
        let once = Once {
            key: &key,
            node: &node,
            id: &source,
            kind: "vzclone",
            failure: "the container cannot be created",
        };
        let submit = async || host.client.clone_lxc(&node, golden, &clone).await.map(Some);
        match cx.task_traced(host, once, submit, async || traced(&container, cx.id()).await).await {
            Err(error) if taken(&error) && !ours(&container, cx.id()).await? => {
                data.vmid = place::reserve_vmid(cx, host, &node).await?;
                cx.keep(data).await?;
            }
            // Told by the storage itself: not every one of its kind can (pve-storage, feature `clone`).
            Err(error) if data.linked && no_linked_clones(&error) => {
                data.linked = false;
                cx.keep(data).await?;
                cx.progress("the storage makes no linked clones; making a full one").await?;
            }
            Err(error) => return Err(error),
            Ok(()) => break,
        }
    }
    drop(turn);
    let (node, vmid, storage, bridge) =
        (data.node.clone(), data.vmid, data.storage.clone(), data.bridge.clone());
    cx.change_app(move |app| {
        app.node = Some(node);
        app.vmid = Some(vmid);
        app.spec.storage = Some(storage);
        app.spec.bridge = Some(bridge);
    })
    .await?;
    Ok(Done::did(format!("container {} on {}", data.vmid, data.node)))
}

/// What became of a clone whose answer was lost: PVE writes the new container's configuration, with our notes and the lock
/// `create`, before it answers, and takes the lock away at the end.
async fn traced(container: &Container, operation: &str) -> Result<Trace, StepError> {
    use crate::ops::container::Owner;
    match container.owner().await? {
        Owner::Ours(notes, config) if notes.operation == operation => match &config.lock {
            None => Ok(Trace::Done),
            Some(lock) => {
                Err(StepError::Wait(format!("container {} is still locked ({lock})", container.vmid)))
            }
        },
        _ => Ok(Trace::None),
    }
}

fn no_linked_clones(error: &StepError) -> bool {
    match error {
        StepError::Failed(failure) => {
            let causes = failure.problem.causes.join(" ").to_lowercase();
            causes.contains("linked clone") || causes.contains("clone feature is not available")
        }
        _ => false,
    }
}

/// Sets what a clone does not inherit, and grows its disk.
async fn configure(cx: &Context, host: &Arc<Host>, app: &AppRecord, data: &Data) -> Result<Done, StepError> {
    let container = Container::new(Arc::clone(host), &data.node, data.vmid)?;
    let mut net = network::card(&data.bridge, &app.spec.ip, app.spec.gateway.as_deref());
    let config = host.client.lxc_config(&container.node, container.vmid, &pve::ConfigView::Current).await?;
    // The address of the network card stays when the step is repeated.
    net.hwaddr = config.nets.get(&0).and_then(|net| net.hwaddr.clone());
    let options = pve::LxcOptions {
        cores: Some(app.spec.resources.cores),
        memory: Some(app.spec.resources.memory >> 20),
        swap: Some(512),
        nets: [(0, net)].into(),
        onboot: Some(true),
        ..pve::LxcOptions::default()
    };
    let update = pve::UpdateLxc { options, ..pve::UpdateLxc::default() };
    host.client.update_lxc(&container.node, container.vmid, &update).await?;
    tag(&container).await?;
    let wanted = app.spec.resources.disk.div_ceil(1 << 30);
    let has = config.rootfs.and_then(|rootfs| rootfs.size).map_or(0, pve::DiskSize::as_bytes);
    if has < wanted << 30 {
        let id = data.vmid.to_string();
        let once = Once {
            key: "resize",
            node: &container.node,
            id: &id,
            kind: "resize",
            failure: "the disk cannot be grown",
        };
        let size = pve::Resize::To(pve::DiskSize::gib(wanted));
        let submit = async || host.client.resize_lxc(&container.node, container.vmid, "rootfs", size).await;
        cx.task(host, once, submit).await?;
    }
    let memory = app.spec.resources.memory >> 20;
    Ok(Done::did(format!("{} cores, {memory} MiB, {wanted} GiB", app.spec.resources.cores)))
}
