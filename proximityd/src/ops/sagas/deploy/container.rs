//! The app's container: cloned from the golden one, and configured.

use std::sync::Arc;

use proximity_pve as pve;

use super::Data;
use crate::hosts::Host;
use crate::model::app::AppRecord;
use crate::ops::container::{Container, Owner};
use crate::ops::context::Context;
use crate::ops::failure::StepError;
use crate::ops::network;
use crate::ops::saga::Done;
use crate::ops::sagas::golden::{ours, tag, taken};
use crate::ops::sagas::place;
use crate::ops::task::{Once, Trace};

/// Clones the golden container.
pub(super) async fn create(
    cx: &Context,
    host: &Arc<Host>,
    app: &AppRecord,
    data: &mut Data,
) -> Result<Done, StepError> {
    let node = pve::NodeName::new(&data.node)?;
    let golden = pve::Vmid::new(data.golden)?;
    // A clone locks its source: clones of one golden container stand in line.
    let turn = cx.services.queues.turn(format!("clone {}/{golden}", host.config.name)).await;
    loop {
        // Written before anything is made, so that a container that is kept after a failure is never without a record.
        record_place(cx, data).await?;
        let container = Container::new(Arc::clone(host), &data.node, data.vmid)?;
        let notes = app.notes(data.vmid, cx.id());
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
        match cx.task_traced(host, once, submit, async || traced(&container, &source, cx.id()).await).await {
            Err(error) if taken(&error) && !ours(&container, cx.id()).await? => {
                let taken = data.vmid;
                data.vmid = place::reserve_vmid(cx, host, &node).await?;
                cx.keep(data).await?;
                place::release_vmid(cx, taken).await?;
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
    Ok(Done::did(format!("container {} on {}", data.vmid, data.node)))
}

/// Writes down where the app's container is going to be.
async fn record_place(cx: &Context, data: &Data) -> Result<(), StepError> {
    let (node, vmid, storage, bridge) =
        (data.node.clone(), data.vmid, data.storage.clone(), data.bridge.clone());
    cx.change_app(move |app| {
        app.node = Some(node);
        app.vmid = Some(vmid);
        app.spec.storage = Some(storage);
        app.spec.bridge = Some(bridge);
    })
    .await
    .map(drop)
}

/// What became of a clone whose answer was lost: PVE writes the new container's configuration, with our notes and the lock
/// `create`, before it answers, and takes the lock away at the end.
async fn traced(container: &Container, source: &str, operation: &str) -> Result<Trace, StepError> {
    match container.owner().await? {
        Owner::Ours(notes, config) if notes.operation == operation => match &config.lock {
            None => Ok(Trace::Done),
            Some(lock) => {
                Err(StepError::Wait(format!("container {} is still locked ({lock})", container.vmid)))
            }
        },
        // It is in the pool only when its task has ended: while that runs, it cannot be seen.
        Owner::Hidden => {
            let active = container.host.tasks_of(&container.node, source, "vzclone", true).await?;
            match active.is_empty() {
                false => Err(StepError::Wait(format!("container {} is still being made", container.vmid))),
                true => Err(container.hidden()),
            }
        }
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
pub(super) async fn configure(
    cx: &Context,
    host: &Arc<Host>,
    app: &AppRecord,
    data: &Data,
) -> Result<Done, StepError> {
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
    let (memory, cores) = (app.spec.resources.memory >> 20, app.spec.resources.cores);
    let s = if cores == 1 { "" } else { "s" };
    Ok(Done::did(format!("{cores} core{s}, {memory} MiB, {wanted} GiB")))
}
