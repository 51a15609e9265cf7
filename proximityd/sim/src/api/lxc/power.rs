//! Starts and ends containers.

use std::time::Duration;

use super::config::unuse;
use super::create::warn_about_nesting;
use super::{Work, complete_net, guest, start, unlocked};
use crate::call::Call;
use crate::durations::{SHUTDOWN, START, STOP};
use crate::reply::{ApiError, Outcome};
use crate::state::guest::{Guest, is_numbered, parse_option};

fn running(call: &Call) -> bool {
    let state = call.node.store.view();
    guest(&state, &call.host, call.vmid()).is_ok_and(|g| g.running)
}

fn skiplock_is_roots(call: &Call) -> Result<(), ApiError> {
    if call.params.is_set("skiplock") && !call.who.is_root() {
        return Err(ApiError::parameter("skiplock", "Only root may use this option."));
    }
    Ok(())
}

fn not_running(call: &Call) -> ApiError {
    ApiError::died(format!("CT {} not running", call.vmid()))
}

/// `POST …/status/start`.
pub(in crate::api) fn start_guest(call: &Call) -> Outcome {
    skiplock_is_roots(call)?;
    if running(call) {
        return Err(ApiError::died(format!("CT {} already running", call.vmid())));
    }
    if managed(call) {
        return ask_manager(call, "hastart", "Requesting HA start for CT", "started");
    }
    start(call, "vzstart", run_start)
}

/// Whether high availability has the container in its care.
fn managed(call: &Call) -> bool {
    call.node.store.view().ha.resources.contains_key(&format!("ct:{}", call.vmid()))
}

/// Hands a start or stop over to high availability, which does as asked at once here.
fn ask_manager(call: &Call, kind: &str, words: &'static str, wanted: &'static str) -> Outcome {
    let caller = call.clone();
    start(call, kind, move |work| async move {
        work.task.log(format!("{words} {}", work.vmid));
        work.task.log("");
        work.node.change(|state| {
            if let Some(resource) = state.ha.resources.get_mut(&format!("ct:{}", work.vmid)) {
                resource.insert("state".into(), wanted.into());
            }
            Ok(())
        })?;
        let done = match wanted {
            "started" => start(&caller, "vzstart", run_start),
            _ => start(&caller, "vzstop", run_stop),
        };
        done.map(drop)
    })
}

/// The work of a start.
pub(super) async fn run_start(work: Work) -> Result<(), ApiError> {
    let _guard = work.lock().await?;
    let found = work.guest()?;
    if found.is_template() {
        return Err(ApiError::died("you can't start a CT if it's a template"));
    }
    unlocked(&found)?;
    if found.running {
        return Err(ApiError::died(format!("CT {} already running", work.vmid)));
    }
    bring_up(&work).await
}

/// Applies what is pending and starts the engine's side.
pub(in crate::api) async fn bring_up(work: &Work) -> Result<(), ApiError> {
    let config = work.change(|guest| {
        apply_pending(guest);
        Ok(guest.config.clone())
    })?;
    for (_, net) in config.iter().filter(|(key, _)| is_numbered(key, "net")) {
        let bridge = parse_option("net0", net).remove("bridge").unwrap_or_default();
        if !super::super::nodes::has_bridge(&bridge) {
            return Err(ApiError::died(format!("bridge '{bridge}' does not exist")));
        }
    }
    warn_about_nesting(work, &config);
    let spec = work.spec()?;
    let command = format!("lxc-start -n {}", work.vmid);
    let boot = async { Ok(work.node.engine.start(&spec).await?) };
    if let Err(error) = work.task.step(&command, work.node.task_time(START), boot).await {
        // A start that was stopped half-way leaves nothing running.
        work.node.engine.stop(&spec).await?;
        return Err(error);
    }
    work.node.booted(work.vmid);
    work.change(|guest| {
        guest.running = true;
        Ok(())
    })
}

/// Takes pending changes over into the configuration.
pub(super) fn apply_pending(guest: &mut Guest) {
    for key in std::mem::take(&mut guest.pending_delete) {
        let old = guest.config.remove(&key);
        if let Some(old) = old.filter(|_| is_numbered(&key, "mp")) {
            unuse(guest, &key, &old);
        }
    }
    for (key, value) in std::mem::take(&mut guest.pending) {
        let value = if is_numbered(&key, "net") { complete_net(&value, false) } else { value };
        guest.config.insert(key, value);
    }
}

/// Starts or ends one container on behalf of a call for all of them.
pub(in crate::api) fn one_of_all(call: &Call, vmid: u32, up: bool) -> Result<(), ApiError> {
    let (node, host) = (std::sync::Arc::clone(&call.node), call.host.clone());
    let (kind, id) = (if up { "vzstart" } else { "vzshutdown" }, vmid.to_string());
    let begin = crate::tasks::Start { node: &call.host, kind, id, who: &call.who };
    let work = move |task| async move {
        let work = Work { node, host, vmid, task };
        if up {
            return run_start(work).await;
        }
        let _guard = work.lock().await?;
        unlocked(&work.guest()?)?;
        end(&work, Duration::from_secs(60), true).await
    };
    call.node.tasks.start(&call.node, &begin, work).map(drop)
}

/// `POST …/status/stop`.
pub(in crate::api) fn stop_guest(call: &Call) -> Outcome {
    skiplock_is_roots(call)?;
    if !running(call) {
        return Err(not_running(call));
    }
    if managed(call) {
        return ask_manager(call, "hastop", "Requesting HA stop for CT", "stopped");
    }
    start(call, "vzstop", run_stop)
}

async fn run_stop(work: Work) -> Result<(), ApiError> {
    let _guard = work.lock().await?;
    unlocked(&work.guest()?)?;
    bring_down(&work).await
}

/// Ends the engine's side at once.
pub(super) async fn bring_down(work: &Work) -> Result<(), ApiError> {
    let spec = work.spec()?;
    let stop = async { Ok(work.node.engine.stop(&spec).await?) };
    let command = format!("lxc-stop -n {} --kill", work.vmid);
    work.task.step(&command, work.node.task_time(STOP), stop).await?;
    stopped(work)
}

fn stopped(work: &Work) -> Result<(), ApiError> {
    work.change(|guest| {
        guest.running = false;
        Ok(())
    })
}

/// `POST …/status/shutdown`.
pub(in crate::api) fn shutdown_guest(call: &Call) -> Outcome {
    if !running(call) {
        return Err(not_running(call));
    }
    let timeout = Duration::from_secs(call.params.number("timeout").unwrap_or(60));
    let force = call.params.is_set("forceStop");
    start(call, "vzshutdown", move |work| async move {
        let _guard = work.lock().await?;
        unlocked(&work.guest()?)?;
        end(&work, timeout, force).await
    })
}

/// Asks the container to end; ends it by force if that is allowed.
pub(in crate::api) async fn end(work: &Work, timeout: Duration, force: bool) -> Result<(), ApiError> {
    let spec = work.spec()?;
    let command = format!("lxc-stop -n {} --nokill --timeout {}", work.vmid, timeout.as_secs());
    let ask = async { Ok(work.node.engine.shutdown(&spec, timeout).await?) };
    if work.task.step(&command, work.node.task_time(SHUTDOWN), ask).await? {
        return stopped(work);
    }
    if force {
        return bring_down(work).await;
    }
    work.task.log(format!("command '{command}' failed: exit code 1"));
    Err(ApiError::died("container did not stop"))
}

/// `POST …/status/reboot`.
pub(in crate::api) fn reboot_guest(call: &Call) -> Outcome {
    if !running(call) {
        return Err(not_running(call));
    }
    let timeout = Duration::from_secs(call.params.number("timeout").unwrap_or(60));
    start(call, "vzreboot", move |work| async move {
        let _guard = work.lock().await?;
        if !work.guest()?.running {
            return Ok(());
        }
        end(&work, timeout, true).await?;
        bring_up(&work).await
    })
}

/// `POST …/status/suspend`: Proxmox VE runs `lxc-checkpoint`, which fails wherever CRIU is not installed; it is
/// no part of Proxmox VE.
pub(in crate::api) fn suspend_guest(call: &Call) -> Outcome {
    if !running(call) {
        return Err(not_running(call));
    }
    start(call, "vzsuspend", |work| async move {
        let _guard = work.lock().await?;
        unlocked(&work.guest()?)?;
        no_checkpoint(&work, "-s")
    })
}

/// `POST …/status/resume`: from a checkpoint, so only what does not run.
pub(in crate::api) fn resume_guest(call: &Call) -> Outcome {
    if running(call) {
        return Err(ApiError::died(format!("CT {} already running", call.vmid())));
    }
    start(call, "vzresume", |work| async move { no_checkpoint(&work, "-r --foreground") })
}

fn no_checkpoint(work: &Work, how: &str) -> Result<(), ApiError> {
    let command = format!("lxc-checkpoint -n {} {how} -D /var/lib/vz/dump", work.vmid);
    Err(ApiError::died(format!("command '{command}' failed: exit code 1")))
}

/// Tells the engine about a configuration that changed under a running container.
pub(super) async fn tell_engine(call: &Call, vmid: u32) -> Result<(), ApiError> {
    let spec = {
        let state = call.node.store.view();
        let found = guest(&state, &call.host, vmid)?;
        if !found.running {
            return Ok(());
        }
        call.node.spec(vmid, found)
    };
    Ok(call.node.engine.reconfigure(&spec).await?)
}
