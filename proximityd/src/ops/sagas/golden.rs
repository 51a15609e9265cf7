//! The golden container: a Docker-ready template, built once for each node, storage and recipe, and cloned from then on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use proto_json::{Code, Problem};
use proximity_pve as pve;
use serde::{Deserialize, Serialize};

use super::place;
use crate::guest::{Job, provision};
use crate::hosts::Host;
use crate::model::golden::GoldenState;
use crate::model::notes::{Kind, Notes};
use crate::model::operation::OperationRecord;
use crate::ops::container::{Container, Owner, TAG};
use crate::ops::context::Context;
use crate::ops::failure::StepError;
use crate::ops::network;
use crate::ops::project::well;
use crate::ops::saga::{Done, Ending, Saga, StepDef};
use crate::ops::task::Once;
use crate::store::{StoreError, Tx};

/// Builds a golden container.
#[derive(Debug, Clone, Copy)]
pub struct Golden;

/// Where to build it. Resolved by the deployment that needs it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Params {
    /// The node.
    pub node: String,
    /// The storage of its root file system.
    pub storage: String,
    /// The storage for OS templates.
    pub templates: Option<String>,
    /// The bridge.
    pub bridge: String,
    /// Its address while it is built: `dhcp`, or that of the app it is first needed for, which does not run yet.
    pub ip: String,
    /// The gateway of a static address.
    pub gateway: Option<String>,
    /// Its recipe.
    pub recipe: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Data {
    os_template: String,
    vmid: u32,
}

/// Memory and cores while it is built: apt and dpkg need no more.
const MEMORY_MIB: u64 = 1024;
const CORES: u32 = 2;
/// Time for installing Docker: some 120 MB of packages, perhaps over a slow line.
const INSTALL: Duration = Duration::from_secs(1800);
const READY: Duration = Duration::from_secs(90);
const SEAL: Duration = Duration::from_secs(180);
const SHUTDOWN_SECONDS: u32 = 90;

const STEPS: &[StepDef] = &[
    StepDef {
        name: "os-template",
        title: "Make sure of the guest OS template",
        explanation: "Looks for the Debian 13 system template on the node's storages, and has Proxmox VE download it from its \
                      own appliance index where it is missing (POST /nodes/NODE/aplinfo).",
    },
    StepDef {
        name: "reserve-vmid",
        title: "Reserve a container id",
        explanation: "Takes a free id (GET /cluster/nextid) that no backup belongs to.",
    },
    StepDef {
        name: "create-container",
        title: "Create the golden container",
        explanation: "Creates an unprivileged container with nesting and a root console (POST /nodes/NODE/lxc).",
    },
    StepDef { name: "start", title: "Start it", explanation: "Starts the container." },
    StepDef {
        name: "install",
        title: "Install Docker",
        explanation: "Installs Docker and Compose from Debian's packages, over the container's console, unless the guest \
                      template brought them.",
    },
    StepDef {
        name: "seal",
        title: "Seal it",
        explanation: "Stops Docker, and removes what no two containers may share: SSH host keys, the machine-id, Docker's \
                      engine-id. Then shuts the container down cleanly.",
    },
    StepDef {
        name: "convert",
        title: "Convert it to a template",
        explanation: "Makes it a Proxmox VE template (POST /nodes/NODE/lxc/ID/template), from which apps are cloned.",
    },
];

#[async_trait]
impl Saga for Golden {
    fn kind(&self) -> &'static str {
        "golden"
    }

    fn steps(&self) -> &'static [StepDef] {
        STEPS
    }

    async fn run(&self, step: &'static str, cx: &Context) -> Result<Done, StepError> {
        let params: Params = cx.params()?;
        let mut data: Data = cx.data()?;
        let host = cx.host()?;
        let node = pve::NodeName::new(&params.node)?;
        match step {
            "os-template" => {
                data.os_template = os_template(cx, &host, &node, &params).await?;
                cx.keep(&data).await?;
                Ok(Done::did(data.os_template))
            }
            "reserve-vmid" => {
                if data.vmid == 0 {
                    data.vmid = place::reserve_vmid(cx, &host, &node).await?;
                    cx.keep(&data).await?;
                }
                Ok(Done::did(format!("container id {}", data.vmid)))
            }
            "create-container" => create(cx, &host, &node, &params, &mut data).await,
            "start" => {
                let container = Container::new(host, &params.node, data.vmid)?;
                container.start(cx).await?;
                Ok(Done::Did(None))
            }
            "install" => {
                let container = Container::new(host, &params.node, data.vmid)?;
                let guest = container.guest(cx);
                let ready =
                    cx.exec(&*guest, "ready", |id| Job::script(id, provision::READY, &[], READY)).await?;
                if ready.status == 0 {
                    let versions = ready.tail(2).join(", Compose ");
                    return Ok(Done::Skipped(format!("the template brought Docker {versions}")));
                }
                network::wait(cx, &container).await?;
                cx.progress("installing Docker; this takes a minute or two, once for each node").await?;
                let output = cx
                    .exec(&*guest, "install", |id| Job::script(id, provision::INSTALL, &[], INSTALL))
                    .await?;
                well(&output, "Docker cannot be installed in the golden container")?;
                let versions = output.tail(2).join(", Compose ");
                Ok(Done::did(format!("Docker {versions}")))
            }
            "seal" => {
                let container = Container::new(host, &params.node, data.vmid)?;
                if container.runs().await? {
                    let guest = container.guest(cx);
                    let output =
                        cx.exec(&*guest, "seal", |id| Job::script(id, provision::SEAL, &[], SEAL)).await?;
                    well(&output, "the golden container cannot be sealed")?;
                    container.shutdown(cx, "shutdown", SHUTDOWN_SECONDS, false).await?;
                }
                Ok(Done::Did(None))
            }
            _ => convert(cx, &Container::new(host, &params.node, data.vmid)?).await,
        }
    }

    async fn undo(&self, step: &'static str, cx: &Context) -> Result<(), StepError> {
        let params: Params = cx.params()?;
        let data: Data = cx.data()?;
        match step {
            "create-container" if data.vmid != 0 => {
                let container = Container::new(cx.host()?, &params.node, data.vmid)?;
                container.destroy(cx, &params.recipe, Some(cx.id())).await?;
            }
            "reserve-vmid" if data.vmid != 0 => place::release_vmid(cx, data.vmid).await?,
            _ => {}
        }
        Ok(())
    }

    fn ended(&self, operation: &OperationRecord, ending: Ending, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let vmid = operation.data["vmid"].as_u64().and_then(|vmid| u32::try_from(vmid).ok());
        let state = if ending == Ending::Done { GoldenState::Ready } else { GoldenState::Retired };
        tx.set_golden(&operation.id, vmid.filter(|vmid| *vmid != 0), state)
    }
}

/// The OS template's volid: one that is there, else one that Proxmox VE downloads, else an older one that is there.
async fn os_template(
    cx: &Context,
    host: &Arc<Host>,
    node: &pve::NodeName,
    params: &Params,
) -> Result<String, StepError> {
    let found = find_os_template(host, node).await?;
    if let Some((fitness, volid)) = &found
        && *fitness >= provision::GOOD
    {
        return Ok(volid.to_string());
    }
    let none = |why: &str| {
        let problem = Problem::new(Code::Failed, "there is no guest OS template to be had")
            .cause(format!("no storage on {node} has a template `{}…`, and {why}", provision::OS_TEMPLATE))
            .hint(format!(
                "on the node, run: pveam update && pveam download STORAGE $(pveam available --section system | grep -o \
                 '{}[^ ]*')",
                provision::OS_TEMPLATE
            ));
        StepError::failed(problem)
    };
    let offered = match &params.templates {
        Some(_) => host.client.appliances(node).await?,
        None => Vec::new(),
    };
    let newest = offered
        .iter()
        .filter(|appliance| appliance.template.starts_with(provision::OS_TEMPLATE))
        .max_by(|a, b| a.template.cmp(&b.template));
    let (storage, template) = match (newest, &params.templates, found) {
        (Some(newest), Some(storage), _) => (storage, newest.template.clone()),
        // It serves only if it brings Docker and Compose; the next step finds out.
        (_, _, Some((_, older))) => return Ok(older.to_string()),
        (None, Some(_), None) => return Err(none("Proxmox VE's appliance index does not offer one")),
        (_, None, None) => return Err(none("no storage takes templates (content `vztmpl`)")),
    };
    cx.progress(format!("downloading {template} to {storage}")).await?;
    let storage = pve::StorageId::new(storage)?;
    let turn = cx.services.queues.turn(format!("template {}/{node}/{storage}", host.config.name)).await;
    let once = Once {
        key: "download",
        node,
        id: &template,
        kind: "download",
        failure: "the guest OS template cannot be downloaded",
    };
    let submit = async || host.client.download_appliance(node, &storage, &template).await.map(Some);
    let trace = async || match find_os_template(host, node).await? {
        Some((fitness, _)) if fitness >= provision::GOOD => Ok(crate::ops::task::Trace::Done),
        _ => Ok(crate::ops::task::Trace::None),
    };
    cx.task_traced(host, once, submit, trace).await?;
    drop(turn);
    Ok(format!("{storage}:vztmpl/{template}"))
}

/// The guest template on the node's storages that serves best.
async fn find_os_template(
    host: &Arc<Host>,
    node: &pve::NodeName,
) -> Result<Option<(u8, pve::Volid)>, StepError> {
    let filter = pve::StorageFilter {
        content: Some(pve::ContentType::Vztmpl),
        enabled: true,
        ..pve::StorageFilter::default()
    };
    let mut found: Vec<(u8, pve::Volid)> = Vec::new();
    for storage in host.client.storages(node, &filter).await?.iter().filter(|storage| storage.active) {
        let content = host
            .client
            .storage_content(node, &storage.storage, Some(&pve::ContentType::Vztmpl), None)
            .await?;
        found.extend(
            content.into_iter().map(|volume| (provision::fitness(volume.volid.file_name()), volume.volid)),
        );
    }
    let best = found.into_iter().filter(|(fitness, _)| *fitness > 0);
    Ok(best.max_by(|a, b| (a.0, a.1.file_name()).cmp(&(b.0, b.1.file_name()))))
}

async fn create(
    cx: &Context,
    host: &Arc<Host>,
    node: &pve::NodeName,
    params: &Params,
    data: &mut Data,
) -> Result<Done, StepError> {
    let storage = pve::StorageId::new(&params.storage)?;
    loop {
        let container = Container::new(Arc::clone(host), &params.node, data.vmid)?;
        let notes = Notes {
            kind: Kind::Golden,
            id: params.recipe.clone(),
            vmid: data.vmid,
            operation: cx.id().into(),
            name: None,
            template: None,
            template_version: None,
            created_at: Some(cx.operation.created_at.clone()),
        };
        let mut create = pve::CreateLxc::new(container.vmid, &data.os_template);
        create.pool = Some(pve::PoolId::new(&host.config.pool)?);
        create.options = pve::LxcOptions {
            hostname: Some("proximity-golden".into()),
            cores: Some(CORES),
            memory: Some(MEMORY_MIB),
            swap: Some(0),
            rootfs: Some(pve::RootFs::new(pve::Volume::allocate(storage.clone(), provision::GOLDEN_DISK_GIB))),
            nets: [(0, network::card(&params.bridge, &params.ip, params.gateway.as_deref()))].into(),
            features: Some(pve::Features::nesting()),
            description: Some(notes.text(
                "**Golden container of Proximity**: Debian with Docker. Apps are cloned from it; do not start or change it.",
            )),
            // A root shell on the console: it cannot be set on a running container, and clones inherit it.
            cmode: Some("shell".into()),
            ..pve::LxcOptions::default()
        };
        let (key, id) = (format!("create-{}", data.vmid), data.vmid.to_string());
        let once = Once {
            key: &key,
            node,
            id: &id,
            kind: "vzcreate",
            failure: "the golden container cannot be created",
        };
        let created =
            cx.task(host, once, async || host.client.create_lxc(node, &create).await.map(Some)).await;
        match created {
            Err(error) if taken(&error) && !ours(&container, cx.id()).await? => {
                let taken = data.vmid;
                data.vmid = place::reserve_vmid(cx, host, node).await?;
                cx.keep(data).await?;
                place::release_vmid(cx, taken).await?;
            }
            Err(error) => return Err(error),
            Ok(()) => {
                // The tag is refused at create with a token of a pool's own (pve-container checks it on the new id).
                tag(&container).await?;
                return Ok(Done::did(format!("container {} on {}", data.vmid, params.storage)));
            }
        }
    }
}

/// Gives a container of ours its tag, if it has none.
pub(super) async fn tag(container: &Container) -> Result<(), StepError> {
    let config =
        container.host.client.lxc_config(&container.node, container.vmid, &pve::ConfigView::Current).await?;
    if config.tags.contains(TAG) {
        return Ok(());
    }
    let mut tags = config.tags.clone();
    tags.insert(TAG);
    let options = pve::LxcOptions { tags: Some(tags), ..pve::LxcOptions::default() };
    let update = pve::UpdateLxc { options, ..pve::UpdateLxc::default() };
    Ok(container.host.client.update_lxc(&container.node, container.vmid, &update).await?)
}

/// Whether a request failed because its vmid was taken in the meantime.
pub(super) fn taken(error: &StepError) -> bool {
    match error {
        StepError::Failed(failure) => {
            failure.problem.causes.iter().any(|cause| cause.contains("already exists"))
        }
        _ => false,
    }
}

/// Whether the container at that place was made by this operation.
pub(super) async fn ours(container: &Container, operation: &str) -> Result<bool, StepError> {
    Ok(matches!(container.owner().await?, Owner::Ours(notes, _) if notes.operation == operation))
}

async fn convert(cx: &Context, container: &Container) -> Result<Done, StepError> {
    let config =
        container.host.client.lxc_config(&container.node, container.vmid, &pve::ConfigView::Current).await?;
    if config.template {
        return Ok(Done::Did(None));
    }
    let id = container.vmid.to_string();
    let once = Once {
        key: "convert",
        node: &container.node,
        id: &id,
        kind: "vztemplate",
        failure: "the golden container cannot be made a template",
    };
    let submit = async || container.host.client.make_template(&container.node, container.vmid).await;
    cx.task(&container.host, once, submit).await?;
    Ok(Done::did(format!("container {} is ready to be cloned", container.vmid)))
}
