//! Removes a container with everything it has.

use super::config::{protected, volumes_of};
use super::power::bring_down;
use super::{Work, guest, start, unlocked};
use crate::call::Call;
use crate::durations::DESTROY;
use crate::reply::{ApiError, Outcome};

/// `DELETE /nodes/{node}/lxc/{vmid}`.
pub(in crate::api) fn destroy(call: &Call) -> Outcome {
    let vmid = call.vmid();
    let force = call.params.is_set("force");
    let purge = call.params.is_set("purge");
    {
        let state = call.node.store.view();
        let found = guest(&state, &call.host, vmid)?;
        protected(found, &format!("can't remove CT {vmid}"))?;
        unlocked(found)?;
        if found.running && !force {
            return Err(ApiError::died(format!("unable to destroy CT {vmid} - container is running")));
        }
    }
    start(call, "vzdestroy", move |work| run(work, force, purge))
}

async fn run(work: Work, force: bool, purge: bool) -> Result<(), ApiError> {
    let _guard = work.lock().await?;
    let vmid = work.vmid;
    let found = work.guest()?;
    protected(&found, &format!("can't remove CT {vmid}"))?;
    unlocked(&found)?;
    if found.running {
        if !force {
            return Err(ApiError::died(format!("unable to destroy CT {vmid} - container is running")));
        }
        work.task.log(format!("forced to stop CT {vmid} before destroying!"));
        bring_down(&work).await?;
    }
    let spec = work.spec()?;
    let remove = async { Ok(work.node.engine.destroy(&spec).await?) };
    work.task.step("destroy", work.node.task_time(DESTROY), remove).await?;
    if purge {
        work.task.log(format!("purging CT {vmid} from related configurations.."));
    }
    let configs = found.snapshots.values().map(|s| &s.config).chain([&found.config]);
    let volumes: Vec<String> = configs.flat_map(volumes_of).collect();
    work.node.change(|state| {
        for volid in &volumes {
            state.remove_volume(&work.host, volid);
        }
        state.guests.remove(&vmid);
        for pool in state.access.pools.values_mut() {
            pool.vms.remove(&vmid);
        }
        state.access.rules.retain(|r| r.path != format!("/vms/{vmid}"));
        Ok(())
    })
}
