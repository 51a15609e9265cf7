//! Looking: what Proxmox VE says of our containers, and what the apps' probes say.
//!
//! One call for each host and cycle, however many apps there are. What a person did by hand is seen and shown; nothing is
//! fought, and no record is ever deleted over it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto_json::app::{App, AppState};
use proto_json::event::Level;
use proximity_pve as pve;
use tokio::sync::{Semaphore, mpsc};

use crate::config::Poll;
use crate::hosts::Host;
use crate::model::app::{AppRecord, ProbeFrom};
use crate::model::host::HostSeen;
use crate::ops::container::{Container, Owner, TAG};
use crate::ops::engine::{Engine, NewOperation, insert};
use crate::ops::health::{self, Attempt};
use crate::ops::project::Project;
use crate::ops::saga::Saga;
use crate::ops::sagas::deploy::word;
use crate::ops::sagas::start::Address;
use crate::ops::services::Services;
use crate::ops::{network, sagas};
use crate::store::{NewEvent, StoreError};

/// Probes asked at one time.
const PROBES_AT_ONCE: usize = 32;
/// An app that can only be asked from inside is asked less often: each asks for a console.
const INSIDE_FACTOR: u64 = 10;

/// The looking, as the use cases know it.
#[derive(Debug, Clone)]
pub struct Watch {
    hosts: mpsc::UnboundedSender<String>,
}

impl Watch {
    /// A host was added: look at it from now on.
    pub fn host_added(&self, name: &str) {
        // It fails only while the daemon stops.
        let _ = self.hosts.send(name.to_string());
    }
}

/// Begins to look.
pub fn start(engine: Engine, poll: Poll) -> Watch {
    let (hosts, mut added) = mpsc::unbounded_channel();
    for host in engine.services().hosts.all() {
        tokio::spawn(look_at_host(engine.clone(), host.config.name.clone(), poll));
    }
    let for_added = engine.clone();
    tokio::spawn(async move {
        while let Some(name) = added.recv().await {
            tokio::spawn(look_at_host(for_added.clone(), name, poll));
        }
    });
    if poll.probe_seconds > 0 {
        tokio::spawn(probe_apps(engine, poll));
    }
    Watch { hosts }
}

async fn look_at_host(engine: Engine, name: String, poll: Poll) {
    let mut cycle = tokio::time::interval(Duration::from_secs(poll.host_seconds));
    cycle.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        cycle.tick().await;
        // A host that was removed is not looked at any more.
        let Some(host) = engine.services().hosts.get(&name) else { return };
        if let Err(error) = look(engine.services(), &host).await {
            tracing::warn!(host = name, %error, "what was seen cannot be written down");
        }
    }
}

/// One look at a host.
async fn look(services: &Arc<Services>, host: &Arc<Host>) -> Result<(), StoreError> {
    let seen = host.client.resources(None).await;
    let name = host.config.name.clone();
    match seen {
        Ok(resources) => {
            note_reachable(services, host, &resources).await?;
            let offline: HashSet<pve::NodeName> = resources
                .iter()
                .filter(|node| {
                    node.kind == pve::ResourceType::Node && node.status.as_deref() == Some("offline")
                })
                .filter_map(|node| node.node.clone())
                .collect();
            let guests: HashMap<u32, pve::Resource> =
                resources.into_iter().filter_map(|guest| Some((guest.vmid?.get(), guest))).collect();
            let strangers = strangers(services, host, &guests).await?;
            compare(services, name, move |app| match app.vmid {
                Some(vmid) if strangers.contains(&vmid) => stranger(app, vmid),
                vmid => {
                    let guest = vmid.and_then(|vmid| guests.get(&vmid));
                    // For a while a cluster goes on saying of its containers what it said last.
                    let away =
                        guest.and_then(|guest| guest.node.as_ref().filter(|node| offline.contains(node)));
                    away.map_or_else(|| judge(app, guest), |node| on_offline_node(app, node))
                }
            })
            .await
        }
        Err(error) => {
            note_unreachable(services, host, &error).await?;
            let reason = error.to_string();
            compare(services, name, move |app| match app.state {
                AppState::Failed => Seen::same(app),
                _ => Seen { state: AppState::Unknown, reason: Some(reason.clone()), node: None },
            })
            .await
        }
    }
}

/// The ids of apps' containers that are another's by now. Only one without our tag is asked for its notes: a person may also
/// have taken the tag away alone.
async fn strangers(
    services: &Services,
    host: &Arc<Host>,
    guests: &HashMap<u32, pve::Resource>,
) -> Result<HashSet<u32>, StoreError> {
    if guests.values().all(|guest| guest.tags.contains(TAG)) {
        return Ok(HashSet::new());
    }
    let (name, mut suspects) = (host.config.name.clone(), Vec::new());
    let untagged: HashSet<u32> =
        guests.iter().filter(|(_, guest)| !guest.tags.contains(TAG)).map(|(vmid, _)| *vmid).collect();
    let apps = services.store.read(move |reader| {
        reader.each_app(false, |app| {
            if let Some(vmid) = app.vmid.filter(|vmid| app.host == name && untagged.contains(vmid)) {
                suspects.push((app.id, vmid));
            }
        })?;
        Ok(suspects)
    });
    let mut strangers = HashSet::new();
    for (id, vmid) in apps.await? {
        let node = guests.get(&vmid).and_then(|guest| guest.node.as_ref());
        let Some(Ok(container)) = node.map(|node| Container::new(Arc::clone(host), node.as_str(), vmid))
        else {
            continue;
        };
        match container.owner().await {
            Ok(Owner::Other) => drop(strangers.insert(vmid)),
            Ok(Owner::Ours(notes, _)) if notes.id != id => drop(strangers.insert(vmid)),
            // What cannot be told now is told by the next look.
            _ => {}
        }
    }
    Ok(strangers)
}

/// Nothing is known of what is on a node that the others do not reach.
fn on_offline_node(app: &App, node: &pve::NodeName) -> Seen {
    if app.state == AppState::Failed {
        return Seen::same(app);
    }
    let reason = Some(format!("its node {node} is offline"));
    Seen { state: AppState::Unknown, reason, node: None }
}

fn stranger(app: &App, vmid: u32) -> Seen {
    if app.state == AppState::Failed {
        return Seen::same(app);
    }
    let reason = format!("container {vmid} is another one now: its notes do not say that it is this app's");
    Seen { state: AppState::Missing, reason: Some(reason), node: None }
}

/// Judges every app of a host that no operation is at work on, and writes down what is not as it was.
async fn compare(
    services: &Arc<Services>,
    host: String,
    judge: impl Fn(&App) -> Seen + Send + 'static,
) -> Result<(), StoreError> {
    let changed = services.store.read(move |reader| {
        let mut changed = Vec::new();
        reader.each_app(false, |app| {
            if app.host == host && app.operation.is_none() {
                let seen = judge(&app);
                if seen.changes(&app) {
                    changed.push((app, seen));
                }
            }
        })?;
        Ok(changed)
    });
    for (app, seen) in changed.await? {
        apply(services, app, seen).await?;
    }
    Ok(())
}

/// What a look says of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    state: AppState,
    reason: Option<String>,
    node: Option<String>,
}

impl Seen {
    /// It is as it was.
    fn same(app: &App) -> Seen {
        Seen { state: app.state, reason: app.reason.clone(), node: None }
    }

    fn changes(&self, app: &App) -> bool {
        self.state != app.state || self.reason != app.reason || self.node.is_some()
    }
}

/// What the container's state means for the app. That it runs is not enough for `running`: that is the probe's word.
fn judge(app: &App, guest: Option<&pve::Resource>) -> Seen {
    if app.state == AppState::Failed || app.vmid.is_none() {
        return Seen::same(app);
    }
    let Some(guest) = guest else {
        let vmid = app.vmid.unwrap_or_default();
        let reason =
            format!("Proxmox VE shows no container {vmid}: it was destroyed, or taken out of the pool");
        return Seen { state: AppState::Missing, reason: Some(reason), node: None };
    };
    let node = guest.node.as_ref().map(ToString::to_string).filter(|node| Some(node) != app.node.as_ref());
    match guest.status.as_deref() {
        Some("running") => match app.state {
            AppState::Running | AppState::Degraded | AppState::Starting => Seen { node, ..Seen::same(app) },
            _ => Seen {
                state: AppState::Starting,
                reason: Some("its probe has not been asked yet".into()),
                node,
            },
        },
        Some("stopped") if guest.template => {
            let reason = Some("its container was converted to a template".to_string());
            Seen { state: AppState::Missing, reason, node }
        }
        Some("stopped") => Seen { state: AppState::Stopped, reason: None, node },
        other => {
            let reason = Some(format!("Proxmox VE says `{}` of its container", other.unwrap_or("nothing")));
            Seen { state: AppState::Unknown, reason, node }
        }
    }
}

/// Writes what was seen, if it differs, and unless an operation has begun meanwhile.
async fn apply(services: &Arc<Services>, app: App, seen: Seen) -> Result<(), StoreError> {
    if !seen.changes(&app) {
        return Ok(());
    }
    services
        .store
        .write(move |tx| {
            if tx.active_operation(&app.id)?.is_some() {
                return Ok(());
            }
            let Some(mut record) = tx.app(&app.id)? else { return Ok(()) };
            if record.removed_at.is_some() || record.state != app.state {
                return Ok(());
            }
            if let Some(node) = seen.node {
                let message = format!("{} is now on node {node}", record.name);
                tx.event(NewEvent {
                    app: Some(record.name.clone()),
                    ..NewEvent::info("app.moved", message)
                })?;
                record.node = Some(node);
            }
            let changed = record.state != seen.state;
            record.state = seen.state;
            record.reason = seen.reason.clone();
            record.checked_at = Some(tx.now().to_string());
            tx.update_app(&record)?;
            if changed {
                let why = seen.reason.map(|why| format!(": {why}")).unwrap_or_default();
                let message = format!("{} is {}{why}", record.name, word(seen.state));
                let mut event = NewEvent { app: Some(record.name), ..NewEvent::info("app.state", message) };
                event.data = serde_json::json!({"state": seen.state});
                if !matches!(seen.state, AppState::Running | AppState::Starting) {
                    event.level = Level::Warning;
                }
                tx.event(event)?;
            }
            Ok::<_, StoreError>(())
        })
        .await
}

async fn note_reachable(
    services: &Services,
    host: &Host,
    resources: &[pve::Resource],
) -> Result<(), StoreError> {
    let known = host.state().seen.version;
    let version = match known {
        Some(version) => Some(version),
        None => host.client.version().await.ok().map(|version| version.version),
    };
    let online = resources
        .iter()
        .filter(|resource| {
            resource.kind == pve::ResourceType::Node && resource.status.as_deref() == Some("online")
        })
        .filter_map(|resource| resource.node.as_ref().map(ToString::to_string))
        .collect();
    let seen = HostSeen { version, at: Some(services.clock.text()) };
    let stored = seen.clone();
    let before = host.note(|state| {
        state.reachable = true;
        state.problem = None;
        state.seen = seen;
        state.online = online;
    });
    if before.reachable && before.seen.version == stored.version {
        return Ok(());
    }
    let name = host.config.name.clone();
    services
        .store
        .write(move |tx| {
            tx.set_host_seen(&name, &stored)?;
            tx.event(NewEvent::info("host.reachable", format!("host {name} answers"))).map(drop)
        })
        .await
}

async fn note_unreachable(services: &Services, host: &Host, error: &pve::Error) -> Result<(), StoreError> {
    let reason = error.to_string();
    let stored = reason.clone();
    let before = host.note(|state| {
        state.reachable = false;
        state.problem = Some(reason);
        // It may come back as another version.
        state.seen.version = None;
    });
    // Told once for each outage.
    if before.problem.is_some() {
        return Ok(());
    }
    let name = host.config.name.clone();
    tracing::warn!(host = name, error = stored, "a host does not answer");
    services
        .store
        .write(move |tx| {
            let mut event =
                NewEvent::info("host.unreachable", format!("host {name} does not answer: {stored}"));
            event.level = Level::Error;
            tx.event(event).map(drop)
        })
        .await
}

async fn probe_apps(engine: Engine, poll: Poll) {
    let mut cycle = tokio::time::interval(Duration::from_secs(poll.probe_seconds));
    cycle.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let places = Arc::new(Semaphore::new(PROBES_AT_ONCE));
    // Those that were asked so lately that they are left alone.
    let mut asked_inside: HashMap<String, Instant> = HashMap::new();
    let inside_pause = Duration::from_secs(poll.probe_seconds * INSIDE_FACTOR);
    loop {
        cycle.tick().await;
        let services = engine.services();
        // Their ids alone: what is resolved for each is read when it is its turn, so that not all are in memory at once.
        let read = services.store.read(|reader| {
            let mut ids = Vec::new();
            reader.each_app(false, |app| {
                if up(app.state) && app.operation.is_none() {
                    ids.push(app.id);
                }
            })?;
            Ok(ids)
        });
        let Ok(ids) = read.await else { continue };
        asked_inside.retain(|_, at| at.elapsed() < inside_pause);
        for id in ids {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let Ok(Some(app)) = services.store.read(move |reader| reader.app(&id)).await else { continue };
            if !up(app.state) || app.removed_at.is_some() {
                continue;
            }
            if app.spec.probe_from == ProbeFrom::Guest {
                if asked_inside.contains_key(&app.id) && app.state != AppState::Starting {
                    continue;
                }
                asked_inside.insert(app.id.clone(), Instant::now());
            }
            let engine = engine.clone();
            tokio::spawn(async move {
                probe(&engine, app).await;
                drop(place);
            });
        }
    }
}

fn up(state: AppState) -> bool {
    matches!(state, AppState::Running | AppState::Degraded | AppState::Starting)
}

/// Asks one app's probe, and writes down what it says.
async fn probe(engine: &Engine, app: AppRecord) {
    let services = engine.services();
    let Some(ip) = app.ip.clone() else { return };
    let Ok(project) = Project::of(services, &app).await else { return };
    let mut attempt = health::from_daemon(&services.probe_client, &project, &app.spec.ports, &ip).await;
    let inside = app.spec.probe_from == ProbeFrom::Guest || attempt.is_none();
    // From inside nobody sees that the address changed; from outside, another machine may answer at the old one.
    if (inside || attempt != Some(Attempt::Well)) && follow_address(engine, &app, &ip).await {
        return;
    }
    if inside {
        attempt = ask_inside(services, &app, &project).await;
    }
    let (state, reason) = match attempt {
        Some(Attempt::Well) => (AppState::Running, None),
        Some(Attempt::Wrong(why) | Attempt::Silent(why)) => {
            (AppState::Degraded, project.redact(vec![why]).pop())
        }
        None => return,
    };
    // One that was just started gets its time before it counts as ill.
    if app.state == AppState::Starting && state == AppState::Degraded && young(services, &app, &project) {
        return;
    }
    if let Err(error) = apply(services, app.view(None), Seen { state, reason, node: None }).await {
        tracing::warn!(%error, "what a probe said cannot be written down");
    }
}

fn young(services: &Services, app: &AppRecord, project: &Project) -> bool {
    let since = app.checked_at.as_deref().and_then(|at| at.parse::<jiff::Timestamp>().ok());
    let period = i64::from(project.template.probe.start_period.0);
    since.is_some_and(|since| services.clock.now().as_second() - since.as_second() < period)
}

fn container(services: &Services, app: &AppRecord) -> Option<Container> {
    let host = services.hosts.get(&app.host)?;
    Container::new(host, app.node.as_deref()?, app.vmid?).ok()
}

async fn ask_inside(services: &Services, app: &AppRecord, project: &Project) -> Option<Attempt> {
    let container = container(services, app)?;
    let guest = container.inside(services, app);
    let id = format!("watch-{}", services.ids.nonce());
    // A console in use, or a host that does not answer, says nothing of the app.
    health::from_guest(&*guest, id, project, &app.spec.ports).await.ok()
}

/// Where nothing answers, the address may have changed: the app then follows it. True when it does.
async fn follow_address(engine: &Engine, app: &AppRecord, known: &str) -> bool {
    let services = engine.services();
    let Some(container) = container(services, app) else { return false };
    let Ok((v4, v6)) = network::address(&container).await else { return false };
    let now = v4.or(v6).map(|address| address.to_string());
    if app.spec.ip != "dhcp" || now.is_none() || now.as_deref() == Some(known) {
        return false;
    }
    let mut operation = engine.prepare(NewOperation {
        kind: Address.kind(),
        app: Some((app.id.clone(), app.name.clone())),
        host: app.host.clone(),
        parent: None,
        params: serde_json::json!({}),
        actor: "proximityd".into(),
        request_id: None,
    });
    debug_assert!(sagas::by_kind(&operation.kind).is_some());
    let id = app.id.clone();
    let submitted = services
        .store
        .write(move |tx| {
            if tx.active_operation(&id)?.is_some() {
                return Ok::<_, StoreError>(None);
            }
            insert(tx, &mut operation)?;
            Ok(Some(operation))
        })
        .await;
    match submitted {
        Ok(Some(operation)) => {
            engine.launch(operation);
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
