//! A container as the sagas handle it: whose it is, starting, stopping and destroying it. Each is safe to repeat.

use std::sync::Arc;

use proto_json::{Code, Problem};
use proximity_pve as pve;

use super::alive::Alive;
use super::context::Context;
use super::failure::StepError;
use super::services::Services;
use super::task::Once;
use crate::guest::Exec;
use crate::guest::inside::Door;
use crate::hosts::Host;
use crate::model::app::AppRecord;
use crate::model::notes::{Kind, Notes};

/// The PVE tag that every container of ours carries.
pub const TAG: &str = "proximity";

/// A container on its node.
#[derive(Debug, Clone)]
pub struct Container {
    /// The host.
    pub host: Arc<Host>,
    /// The node.
    pub node: pve::NodeName,
    /// The id.
    pub vmid: pve::Vmid,
}

/// Whose a container is, as its freshly read notes say.
#[derive(Debug)]
pub enum Owner {
    /// Ours: its notes were written for this vmid.
    Ours(Notes, Box<pve::LxcConfig>),
    /// Somebody's. A copy of one of ours is one too: its notes name another vmid.
    Other,
    /// There is one, and the credentials may not see it: it is in no pool of ours, or not yet.
    Hidden,
    /// There is none.
    Absent,
}

impl Container {
    /// A container by its place.
    ///
    /// # Errors
    /// When the node's name or the vmid cannot be one.
    pub fn new(host: Arc<Host>, node: &str, vmid: u32) -> Result<Container, StepError> {
        Ok(Container { host, node: pve::NodeName::new(node)?, vmid: pve::Vmid::new(vmid)? })
    }

    /// An app's container.
    ///
    /// # Errors
    /// [`Code::Conflict`] when it has none.
    pub fn of(cx: &Context, app: &AppRecord) -> Result<Container, StepError> {
        match (&app.node, app.vmid) {
            (Some(node), Some(vmid)) => Container::new(cx.host()?, node, vmid),
            _ => Err(StepError::failed(Problem::new(
                Code::Conflict,
                format!("`{}` has no container", app.name),
            ))),
        }
    }

    /// The way into it that is always there, and that others are set up over.
    pub fn guest(&self, cx: &Context) -> Arc<dyn Exec> {
        let transport = cx.services.guests.of(&self.host, &self.node, self.vmid);
        Arc::new(Alive { container: self.clone(), transport })
    }

    /// The best way into it, for an app that is up.
    pub fn inside(&self, services: &Services, app: &AppRecord) -> Arc<dyn Exec> {
        let transport = match (&app.ip, &app.spec.ssh) {
            (Some(address), Some(ssh)) => {
                let door = Door { host: &self.host.config.name, vmid: self.vmid, address, ssh };
                services.guests.best(&self.host, &self.node, door)
            }
            _ => services.guests.of(&self.host, &self.node, self.vmid),
        };
        Arc::new(Alive { container: self.clone(), transport })
    }

    /// Whose it is, read from Proxmox VE now.
    ///
    /// A token that is limited to a pool is answered 403 for a container that is gone as well as for one that is outside
    /// the pool, as a new one is until its task has ended; whether the id is taken (`cluster/nextid`) tells them apart.
    ///
    /// # Errors
    /// Proxmox VE's.
    pub async fn owner(&self) -> Result<Owner, StepError> {
        let read = self.host.client.lxc_config(&self.node, self.vmid, &pve::ConfigView::Current).await;
        match read {
            Ok(config) => {
                let notes = config.description.as_deref().and_then(Notes::read);
                Ok(match notes.filter(|notes| notes.vmid == self.vmid.get()) {
                    Some(notes) => Owner::Ours(notes, Box::new(config)),
                    None => Owner::Other,
                })
            }
            Err(error) if error.is_not_found() => Ok(Owner::Absent),
            Err(error) if error.is_forbidden() => {
                let listed = self.host.client.resources(Some(pve::ResourceFilter::Guests)).await?;
                if listed.iter().any(|resource| resource.vmid == Some(self.vmid)) {
                    return Err(error.into());
                }
                match self.host.client.is_id_free(self.vmid).await? {
                    true => Ok(Owner::Absent),
                    false => Ok(Owner::Hidden),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes sure that it is still the app's, before anything is done to it or in it: a person may have destroyed it, and its id
    /// may be another's by now.
    ///
    /// # Errors
    /// [`Code::Conflict`] when it is not, or is not there; Proxmox VE's.
    pub async fn belongs_to(&self, app: &AppRecord) -> Result<(), StepError> {
        let (vmid, name, node) = (self.vmid, &app.name, &self.node);
        let problem = match self.owner().await? {
            Owner::Ours(notes, _) if notes.kind == Kind::App && notes.id == app.id => return Ok(()),
            Owner::Absent => {
                Problem::new(Code::Conflict, format!("container {vmid} of `{name}` is not there any more"))
                    .hint(format!("it was destroyed by hand; `proximityctl rm {name}` forgets the app"))
            }
            Owner::Hidden => Problem::new(
                Code::Conflict,
                format!("the credentials may not see container {vmid} of `{name}` any more"),
            )
            .cause("it was taken out of the pool, or the container is another one by now")
            .hint(format!("on the node {node}, look at it: pct config {vmid}"))
            .hint(format!(
                "if it is the app's, put it back: pvesh set /pools/{} --vms {vmid} --allow-move 1",
                self.host.config.pool
            )),
            Owner::Other | Owner::Ours(..) => Problem::new(
                Code::Conflict,
                format!("container {vmid} is not `{name}`'s any more; it is left alone"),
            )
            .cause("its notes do not say that it is")
            .hint("if it is the app's all the same, put this line back into its notes in Proxmox VE:")
            .hint(app.notes(vmid.get(), "").block()),
        };
        Err(StepError::failed(problem))
    }

    /// Whether it runs.
    ///
    /// # Errors
    /// Proxmox VE's.
    pub async fn runs(&self) -> Result<bool, StepError> {
        Ok(self.host.client.lxc_status(&self.node, self.vmid).await?.is_running())
    }

    /// Starts it, unless it runs. False when it ran.
    ///
    /// # Errors
    /// The task's.
    pub async fn start(&self, cx: &Context) -> Result<bool, StepError> {
        if self.runs().await? {
            return Ok(false);
        }
        let id = self.vmid.to_string();
        let once = Once {
            key: "start",
            node: &self.node,
            id: &id,
            kind: "vzstart",
            failure: "the container cannot be started",
        };
        cx.task(&self.host, once, async || self.host.client.start_lxc(&self.node, self.vmid).await.map(Some))
            .await?;
        Ok(true)
    }

    /// Asks its init to end, and with `force` ends it hard when the time is over. False when it did not run.
    ///
    /// # Errors
    /// The task's: without `force`, one that did not end in time.
    pub async fn shutdown(
        &self,
        cx: &Context,
        key: &str,
        seconds: u32,
        force: bool,
    ) -> Result<bool, StepError> {
        if !self.runs().await? {
            return Ok(false);
        }
        let id = self.vmid.to_string();
        let once = Once {
            key,
            node: &self.node,
            id: &id,
            kind: "vzshutdown",
            failure: "the container did not shut down",
        };
        let how = pve::Shutdown { timeout: Some(seconds), force_stop: force };
        cx.task(&self.host, once, async || {
            self.host.client.shutdown_lxc(&self.node, self.vmid, how).await.map(Some)
        })
        .await?;
        Ok(true)
    }

    /// Ends it hard. False when it did not run.
    ///
    /// # Errors
    /// The task's.
    pub async fn stop(&self, cx: &Context, key: &str) -> Result<bool, StepError> {
        if !self.runs().await? {
            return Ok(false);
        }
        let id = self.vmid.to_string();
        let once = Once {
            key,
            node: &self.node,
            id: &id,
            kind: "vzstop",
            failure: "the container cannot be stopped",
        };
        cx.task(&self.host, once, async || self.host.client.stop_lxc(&self.node, self.vmid).await.map(Some))
            .await?;
        Ok(true)
    }

    /// Destroys it, once it is sure that it is the one: the freshly read notes must name `id`, and the operation that
    /// made it where that is known. False when it was not there.
    ///
    /// # Errors
    /// [`Code::Conflict`] when it is somebody else's; the task's.
    pub async fn destroy(&self, cx: &Context, id: &str, made_by: Option<&str>) -> Result<bool, StepError> {
        let (notes, config) = match self.owner().await? {
            Owner::Absent => return Ok(false),
            Owner::Hidden => return Err(self.hidden()),
            Owner::Other => return Err(self.not_ours("its notes do not say that it is Proximity's")),
            Owner::Ours(notes, config) => (notes, config),
        };
        if notes.id != id || made_by.is_some_and(|operation| notes.operation != operation) {
            return Err(self.not_ours("its notes say that it is another app's"));
        }
        if let Some(lock) = &config.lock {
            return Err(self.locked(cx, lock).await?);
        }
        self.stop(cx, "stop-to-destroy").await?;
        let vmid = self.vmid.to_string();
        let once = Once {
            key: "destroy",
            node: &self.node,
            id: &vmid,
            kind: "vzdestroy",
            failure: "the container cannot be destroyed",
        };
        let how = pve::DestroyLxc { purge: true, force: false, destroy_unreferenced_disks: None };
        let trace = async || match self.owner().await? {
            Owner::Absent => Ok(super::task::Trace::Done),
            _ => Ok(super::task::Trace::None),
        };
        let submit = async || self.host.client.destroy_lxc(&self.node, self.vmid, how).await.map(Some);
        cx.task_traced(&self.host, once, submit, trace).await?;
        if let Some(inside) = cx.services.guests.inside() {
            inside.forget(&self.host.config.name, self.vmid);
        }
        Ok(true)
    }

    /// Something is at this id that we may not see: perhaps what a killed task left behind. A person has to look.
    pub fn hidden(&self) -> StepError {
        let vmid = self.vmid;
        let message =
            format!("there is a container {vmid} on {} that the credentials may not see", self.node);
        StepError::failed(
            Problem::new(Code::Conflict, message)
                .cause("a container that a task was making when it was killed stays locked, and outside the pool")
                .hint(format!(
                    "on the node {}, look at it: pct config {vmid}; if its notes say Proximity, remove it: pct unlock {vmid} \
                     && pct destroy {vmid} --purge",
                    self.node
                )),
        )
    }

    fn not_ours(&self, why: &str) -> StepError {
        let message = format!("container {} is not destroyed", self.vmid);
        StepError::failed(
            Problem::new(Code::Conflict, message)
                .cause(why)
                .hint("look at it in Proxmox VE, and remove it there if it is not needed"),
        )
    }

    /// A lock is waited for while a task of that container runs; one that no task holds needs a person.
    async fn locked(&self, cx: &Context, lock: &str) -> Result<StepError, StepError> {
        let filter = pve::TaskFilter {
            vmid: Some(self.vmid),
            source: Some(pve::TaskSource::Active),
            ..pve::TaskFilter::default()
        };
        let active = self.host.client.task_list(&self.node, &filter).await?;
        if !active.is_empty() {
            return Ok(StepError::Wait(format!("container {} is locked ({lock}) by a task", self.vmid)));
        }
        cx.progress(format!("container {} is locked ({lock}), and no task of it runs", self.vmid)).await?;
        let message = format!("container {} is locked ({lock}), and no task holds the lock", self.vmid);
        Ok(StepError::failed(Problem::new(Code::Conflict, message).hint(format!(
            "on the node {}, run: pct unlock {} && pct destroy {} --purge",
            self.node, self.vmid, self.vmid
        ))))
    }
}
