//! The first step: where it goes, and what exactly runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto_json::{Code, Problem};

use super::{Data, Params};
use crate::hosts::Host;
use crate::ops::context::Context;
use crate::ops::failure::StepError;
use crate::ops::project::template_of;
use crate::ops::saga::Done;
use crate::ops::sagas::place::{self, Place, Wish};

/// How long Proxmox VE may not answer before a deployment that has made nothing yet gives up, and how often it is asked.
const PATIENCE: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(500);

/// What serves where a token gets no container console (pve-container before 6.1.3).
pub(crate) const NO_CONSOLE_HINT: &str = "upgrade to Proxmox VE 9.2, connect with a user and password (host add --user), or let \
                                          the daemon in by SSH (host add --ssh-host-key)";

/// Chooses a place and the images.
pub(super) async fn run(cx: &Context, data: &mut Data) -> Result<Done, StepError> {
    let params: Params = cx.params()?;
    let app = cx.app().await?;
    let host = cx.host()?;
    let wish = Wish {
        node: params.node,
        storage: app.spec.storage.clone(),
        bridge: app.spec.bridge.clone(),
        disk: app.spec.resources.disk,
        memory: app.spec.resources.memory,
        seed: cx.id().into(),
    };
    let place = choose(cx, &host, &wish).await?;
    can_enter(&host).await?;
    for warning in &place.warnings {
        cx.progress(warning.clone()).await?;
    }
    let images = images(cx, host.config.embedded).await?;
    data.node = place.node.to_string();
    data.storage = place.storage.to_string();
    data.linked = place.linked;
    data.templates = place.templates.map(|storage| storage.to_string());
    data.bridge = place.bridge.clone();
    cx.keep(data).await?;
    cx.change_app(move |app| app.spec.images = images).await?;
    Ok(Done::did(format!("on {}, storage {}, bridge {}", data.node, data.storage, data.bridge)))
}

/// Nothing is made where there is no way into what would be made.
async fn can_enter(host: &Host) -> Result<(), StepError> {
    let can = host.capabilities().await?;
    if can.console || host.config.ssh.is_some() {
        return Ok(());
    }
    let message = format!("Proxmox VE {} gives an API token no container console", can.version.version);
    Err(StepError::failed(Problem::new(Code::Refused, message).hint(NO_CONSOLE_HINT)))
}

/// Chooses a place; asks again for a moment where Proxmox VE does not answer, and then gives up: nothing has been made yet, so
/// nothing is lost by telling at once that it cannot be reached.
async fn choose(cx: &Context, host: &Arc<Host>, wish: &Wish) -> Result<Place, StepError> {
    let begun = Instant::now();
    loop {
        match place::choose(host, wish).await {
            Err(StepError::Wait(why)) if begun.elapsed() >= PATIENCE => {
                let problem = Problem::new(Code::PveUnreachable, "Proxmox VE cannot be asked now").cause(why);
                return Err(StepError::failed(
                    problem.hint("`proximityctl doctor` says what is wrong with the host"),
                ));
            }
            Err(StepError::Wait(_)) => cx.pause(AGAIN).await?,
            other => return other,
        }
    }
}

/// The images: the newest tag that the policy allows where the registry can be asked, else the tested one.
async fn images(cx: &Context, embedded: bool) -> Result<BTreeMap<String, String>, StepError> {
    let app = cx.app().await?;
    let template = template_of(&app)?;
    let mut images = BTreeMap::new();
    // The embedded node's memory engine has a registry of its own, without tags to list.
    let wanted = template.images.values().filter(|image| image.policy.is_some() && !embedded);
    let repositories: BTreeSet<&str> = wanted.map(|image| image.repository.as_str()).collect();
    let ask = repositories.into_iter().map(async |name| (name, cx.services.registry.tags(name).await));
    let answers: BTreeMap<_, _> = futures_util::future::join_all(ask).await.into_iter().collect();
    for (service, image) in &template.images {
        let mut reference = image.reference();
        match (&image.policy, answers.get(image.repository.as_str())) {
            (Some(policy), Some(Ok(tags))) => {
                if let Some(best) = policy.best(tags) {
                    reference = format!("{}:{best}", image.repository);
                }
            }
            (_, Some(Err(error))) => {
                let tag = &image.tag;
                cx.progress(format!("{service}: taking the tested version {tag} ({error})")).await?;
            }
            _ => {}
        }
        images.insert(service.clone(), reference);
    }
    Ok(images)
}
