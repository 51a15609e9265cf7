//! Makes a container's volume greater.

use std::time::Duration;

use serde_json::json;

use super::{guest, guest_mut, start, unlocked};
use crate::call::Call;
use crate::reply::{ApiError, Outcome};
use crate::schema::{parse_size, print_size};
use crate::state::guest::mount_points;

/// `PUT …/resize`.
pub(in crate::api) fn resize(call: &Call) -> Outcome {
    let vmid = call.vmid();
    let disk = call.params.need("disk").to_owned();
    let found = guest(&call.node.store.view(), &call.host, vmid)?.clone();
    unlocked(&found)?;
    call.check_guest(vmid, None, "VM.Config.Disk")?;
    call.check_guest(vmid, None, "VM.Config.Options")?;
    if call.params.get("digest").is_some_and(|d| d != found.digest()) {
        return Err(super::config::stale());
    }
    let Some(mount) = mount_points(&found.config).into_iter().find(|m| m.key == disk) else {
        let text = "property is missing and it is not optional".to_owned();
        return Err(ApiError::Format([("mp".to_owned(), text.clone()), ("volume".to_owned(), text)].into()));
    };
    let storage = mount.volume().split_once(':').map_or("", |(s, _)| s).to_owned();
    call.check(&format!("/storage/{storage}"), &["Datastore.AllocateSpace"])?;
    let old = mount.size().unwrap_or(0);
    let asked = call.params.need("size");
    let wrong = || ApiError::died(format!("invalid size string - '{asked}'"));
    let size = match asked.strip_prefix('+') {
        Some(more) => old + parse_size(more).ok_or_else(wrong)?,
        None => parse_size(asked).ok_or_else(wrong)?,
    };
    if size < old {
        return Err(ApiError::died("unable to shrink disk size"));
    }
    if size == old {
        return Ok(json!(null).into());
    }
    start(call, "resize", move |work| async move {
        let _guard = work.lock().await;
        unlocked(&work.guest()?)?;
        let volid = mount.volume().to_owned();
        work.node.change(|state| {
            if state.free(&work.host, &storage) < size - old {
                return Err(ApiError::died(format!(
                    "unable to resize volume '{volid}': No space left on device"
                )));
            }
            if let Some(volume) = state.volume_mut(&work.host, &volid) {
                volume.size = size;
            }
            let mut mount = mount.clone();
            mount.parts.insert("size".into(), print_size(size));
            guest_mut(state, &work.host, work.vmid)?.config.insert(disk.clone(), mount.print());
            Ok(())
        })?;
        work.task.log("Image resized.");
        work.task.log("resize2fs 1.47.2 (1-Jan-2025)");
        let found = work.guest()?;
        let spec = work.spec()?;
        let grow = async {
            if found.running {
                work.node.engine.reconfigure(&spec).await?;
            }
            Ok(())
        };
        work.task.step("resize2fs", work.node.task_time(Duration::from_secs(1)), grow).await
    })
}
