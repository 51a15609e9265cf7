//! Makes a container's volume greater.

use super::{guest, guest_mut, start, unlocked};
use crate::call::Call;
use crate::durations::RESIZE;
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
        return Err(ApiError::died("disk is already at specified size"));
    }
    start(call, "resize", move |work| async move {
        let _guard = work.lock().await?;
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
        let path = work.node.store.view().path_of(&volid);
        let spec = work.spec()?;
        if work.guest()?.running {
            work.node.engine.reconfigure(&spec).await?;
            work.task.log(online(size));
            return Ok(());
        }
        let check = std::future::ready(Ok(()));
        work.task.step(&format!("e2fsck -f -y {path}"), work.node.task_time(RESIZE), check).await?;
        work.task.log(offline(&path, old, size));
        Ok(())
    })
}

/// What the file system tools say when a stopped container's disk grows.
fn offline(path: &str, old: u64, new: u64) -> String {
    let (before, after) = (old / 4096, new / 4096);
    format!(
        "e2fsck 1.47.0 (5-Feb-2023)\nPass 1: Checking inodes, blocks, and sizes\n\
         Pass 2: Checking directory structure\nPass 3: Checking directory connectivity\n\
         Pass 4: Checking reference counts\nPass 5: Checking group summary information\n\
         {path}: 5058/{inodes} files (0.1% non-contiguous), 43141/{before} blocks\n\
         resize2fs 1.47.0 (5-Feb-2023)\nResizing the filesystem on {path} to {after} (4k) blocks.\n\
         The filesystem on {path} is now {after} (4k) blocks long.\n",
        inodes = before / 4,
    )
}

/// What they say when it runs.
fn online(new: u64) -> String {
    format!(
        "resize2fs 1.47.0 (5-Feb-2023)\nFilesystem at /dev/loop0 is mounted on /tmp; on-line resizing required\n\
         old_desc_blocks = 1, new_desc_blocks = 1\n\
         The filesystem on /dev/loop0 is now {} (4k) blocks long.\n",
        new / 4096
    )
}
